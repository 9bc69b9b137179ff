"""DBA501: a foreign key that no index begins with."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import flag, keys_of, migrated_indexes, own_columns, type_of
from auditor.rules.places import span_of
from auditor.source.facts import Call, ModuleFacts, walk
from auditor.source.models import Model
from auditor.source.program import Bound, last_step
from auditor.source.project import Project

_TEXTS = frozenset({"String", "Unicode", "VARCHAR"})
_NAMED = 2
"""Columns of a table that only names kinds: the name and what it means."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """Columns with a foreign key that stand first in no key or index of their table."""
    for model, column, bound in own_columns(project, module):
        if not _refers(bound) or _is_of_kinds(project, model, column):
            continue
        found = keys_of(project, model)
        keys = (*found.keys, *migrated_indexes(project, model))
        if found.is_whole and not any(key.columns[:1] == (column,) for key in keys):
            fields = {"table": model.table, "column": column}
            owner = model.dotted.rpartition(".")[2]
            yield Hit(span_of(module, bound.bind.at), owner, fields)


def _refers(bound: Bound) -> bool:
    return any(
        isinstance(e, Call) and last_step(e.func) == "ForeignKey" for e in walk(bound.bind.value)
    )


def _is_of_kinds(project: Project, model: Model, column: str) -> bool:
    """Whether the key refers to a table of a name and a description: states and types, which are
    not deleted, and whose few values an index hardly tells apart."""
    referred = {k.target.rpartition(".")[0] for k in model.foreign_keys if k.column == column}
    kinds = [m for m in project.models.by_name.values() if m.table in referred and m.table]
    return any(len(m.columns) <= _NAMED and _has_text_key(m) for m in kinds)


def _has_text_key(model: Model) -> bool:
    """Whether the rows are known by a word, not by a number or a generated `id`."""
    keys = (
        type_of(bound)
        for name, bound in model.columns.items()
        if flag(bound, "primary_key") and not name.endswith("id")
    )
    return any(
        last_step(key.func if isinstance(key, Call) else key) in _TEXTS for key in keys if key
    )


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.String(36), primary_key=True)
"""
RULE = Rule(
    code="DBA501",
    name="foreign-key-without-index",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.MEDIUM,
    message="no index of table `{table}` begins with the foreign key `{column}`: outside MySQL and"
    " MariaDB each delete of the row it refers to, and each join, reads the whole table",
    why=(
        "PostgreSQL and SQLite index the key that is referred to, not the column that refers. When"
        " a referred row is deleted the database must look for rows that refer to it; without an"
        " index it reads the table, and holds locks meanwhile. InnoDB makes the index by itself, so"
        " a project that runs on MySQL or MariaDB only may leave this rule out."
    ),
    instead="`index=True` on the column, or an index or unique constraint that begins with it.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "no index",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id"))  # expect: DBA501
            """,
        ),
        Example(
            "second in the primary key",
            _BASE
            + """
            class Binding(Base):
                __tablename__ = "bindings"
                agent = sa.Column(sa.String(36), primary_key=True)
                router = sa.Column(sa.ForeignKey(Router.id), primary_key=True)  # expect: DBA501
            """,
        ),
        Example(
            "in a mixin, told where it is written",
            _BASE
            + """
            class HasRouter:
                router_id = sa.Column(sa.ForeignKey("routers.id"))  # expect: DBA501

            class Port(HasRouter, Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
            """,
        ),
    ),
    good=(
        Example(
            "a table of kinds, of which no row is deleted",
            _BASE
            + """
            class Status(Base):
                __tablename__ = "statuses"
                name = sa.Column(sa.String(16), primary_key=True)
                description = sa.Column(sa.String(255))

            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                status = sa.Column(sa.String(16), sa.ForeignKey("statuses.name"))
            """,
        ),
        Example(
            "index=True",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id"), index=True)
            """,
        ),
        Example(
            "first in a unique constraint",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                __table_args__ = (sa.UniqueConstraint("router_id", "name"), {"comment": "ports"})
                id = sa.Column(sa.String(36), primary_key=True)
                name = sa.Column(sa.String(36))
                router_id = sa.Column(sa.ForeignKey("routers.id"))
            """,
        ),
        Example(
            "an index that a migration makes",
            "            # --- models.py"
            + _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id"))

            # --- migration.py
            from alembic import op

            def upgrade():
                op.create_index("ix_ports_router", "ports", ["router_id"])
            """,
        ),
        Example(
            "the primary key itself",
            _BASE
            + """
            class Gateway(Base):
                __tablename__ = "gateways"
                router_id = sa.Column(sa.ForeignKey("routers.id"), primary_key=True)
            """,
        ),
    ),
    known_gaps=(
        "tables made by `Table(...)`, and composite `ForeignKeyConstraint`, are not looked at",
        "indexes made by hand in the database are not seen",
    ),
    sources=("https://www.postgresql.org/docs/current/ddl-constraints.html",),
)
