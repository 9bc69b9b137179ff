"""DBA504: a unique constraint over several columns, one of which may be NULL."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import UNIQUE, flag, is_nullable, keys_of, tables_of
from auditor.rules.places import span_of
from auditor.source.facts import ModuleFacts
from auditor.source.models import Model
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts) -> Hits:
    """Unique constraints of two or more columns with a nullable one among them."""
    for model in tables_of(project, module):
        for key in keys_of(project, model).keys:
            if key.kind != UNIQUE or len(key.columns) == 1 or key.is_special:
                continue
            loose = [
                name
                for name in key.columns
                if name in model.columns and is_nullable(model.columns[name])
            ]
            if loose and key.module is module:
                fields = {
                    "columns": ", ".join(key.columns),
                    "loose": ", ".join(f"`{name}`" for name in loose),
                    "rest": ", ".join(c for c in key.columns if c not in loose) or "everything",
                }
                owner = model.dotted.rpartition(".")[2]
                meant = any(_is_meant(model, name) for name in loose)
                confidence = Confidence.LOW if meant else None
                yield Hit(span_of(module, key.at), owner, fields, confidence=confidence)


def _is_meant(model: Model, column: str) -> bool:
    """Whether somebody wrote that the column may be NULL, or that it becomes so with the row it
    refers to: then NULL has a meaning there."""
    return flag(model.columns[column], "nullable") or any(
        key.column == column and key.ondelete.upper() == "SET NULL" for key in model.foreign_keys
    )


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()
"""
RULE = Rule(
    code="DBA504",
    name="nullable-unique",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="unique constraint on ({columns}) does not hold where {loose} is NULL: then any number"
    " of rows may agree in {rest}, if that is not what is meant",
    why=(
        "In SQL one NULL is not equal to another, so rows with a NULL in a unique column never"
        " collide, on SQLite, PostgreSQL, MySQL and MariaDB alike. The check that such a constraint"
        " seems to make does not take place, and no error is raised."
    ),
    instead="`nullable=False` with a value that stands for none; on PostgreSQL 15 and later"
    " `postgresql_nulls_not_distinct=True`, or a partial unique index for the rows with NULL.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "a nullable member",
            _BASE
            + """
            class Range(Base):
                __tablename__ = "ranges"
                __table_args__ = (
                    sa.UniqueConstraint("network", "physical"),  # expect: DBA504
                )
                id = sa.Column(sa.Integer, primary_key=True)
                network = sa.Column(sa.String(36), nullable=False)
                physical = sa.Column(sa.String(64))
            """,
        ),
        Example(
            "a unique index",
            _BASE
            + """
            class Range(Base):
                __tablename__ = "ranges"
                id = sa.Column(sa.Integer, primary_key=True)
                network = sa.Column(sa.String(36), nullable=False)
                physical = sa.Column(sa.String(64), nullable=True)

            sa.Index("uq_range", Range.network, Range.physical, unique=True)  # expect: DBA504
            """,
        ),
        Example(
            "an optional annotation",
            """
            from sqlalchemy import UniqueConstraint
            from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

            class Base(DeclarativeBase):
                pass

            class Range(Base):
                __tablename__ = "ranges"
                __table_args__ = (
                    UniqueConstraint("network", "physical"),  # expect: DBA504
                )
                id: Mapped[int] = mapped_column(primary_key=True)
                network: Mapped[str] = mapped_column()
                physical: Mapped[str | None] = mapped_column()
            """,
        ),
    ),
    good=(
        Example(
            "no NULL",
            _BASE
            + """
            class Range(Base):
                __tablename__ = "ranges"
                __table_args__ = (sa.UniqueConstraint("network", "physical"),)
                id = sa.Column(sa.Integer, primary_key=True)
                network = sa.Column(sa.String(36), nullable=False)
                physical = sa.Column(sa.String(64), nullable=False)
            """,
        ),
        Example(
            "NULLs are told apart by the database",
            _BASE
            + """
            class Range(Base):
                __tablename__ = "ranges"
                __table_args__ = (
                    sa.UniqueConstraint(
                        "network", "physical", postgresql_nulls_not_distinct=True
                    ),
                )
                id = sa.Column(sa.Integer, primary_key=True)
                network = sa.Column(sa.String(36), nullable=False)
                physical = sa.Column(sa.String(64))
            """,
        ),
        Example(
            "one optional column, unique where it is given",
            _BASE
            + """
            class User(Base):
                __tablename__ = "users"
                id = sa.Column(sa.Integer, primary_key=True)
                email = sa.Column(sa.String(255), unique=True)
            """,
        ),
        Example(
            "an index that is not unique",
            _BASE
            + """
            class Range(Base):
                __tablename__ = "ranges"
                __table_args__ = (sa.Index("ix_range", "network", "physical"),)
                id = sa.Column(sa.Integer, primary_key=True)
                network = sa.Column(sa.String(36))
                physical = sa.Column(sa.String(64))
            """,
        ),
    ),
    known_gaps=("a constraint that is meant to hold for full rows only is reported too",),
    sources=("https://www.postgresql.org/docs/current/ddl-constraints.html",),
)
