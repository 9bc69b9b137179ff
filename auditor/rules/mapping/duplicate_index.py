"""DBA506: an index whose columns another key begins with."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import INDEX, Key, keys_of, tables_of
from auditor.rules.places import span_of
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts) -> Hits:
    """Indexes that are the beginning of another key or index of the same table."""
    seen: set[int] = set()
    for model in tables_of(project, module):
        found = keys_of(project, model)
        keys = [key for key in found.keys if not key.is_special]
        for number, key in enumerate(keys):
            other = next((o for n, o in enumerate(keys) if _covers(o, key, later=n > number)), None)
            if key.kind != INDEX or other is None or key.module is not module:
                continue
            if key.at.line not in seen:
                seen.add(key.at.line)
                yield _hit(module, model.dotted, key, other, is_whole=found.is_whole)


def _covers(other: Key, key: Key, *, later: bool) -> bool:
    """Whether `other` serves all that the index serves; of two equal indexes the earlier one."""
    if other is key or other.columns[: len(key.columns)] != key.columns:
        return False
    return other.kind != INDEX or len(other.columns) > len(key.columns) or not later


def _hit(module: ModuleFacts, owner: str, key: Key, other: Key, *, is_whole: bool) -> Hit:
    equal = is_whole and len(other.columns) == len(key.columns)
    fields = {
        "columns": ", ".join(key.columns),
        "other": f"the {other.kind} on ({', '.join(other.columns)})",
        "how": "has the same columns" if equal else "begins with the same columns",
    }
    confidence = Confidence.HIGH if equal else Confidence.MEDIUM
    span = span_of(module, key.at)
    return Hit(span, owner.rpartition(".")[2], fields, confidence=confidence)


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()
"""
RULE = Rule(
    code="DBA506",
    name="duplicate-index",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="the index on ({columns}) is not needed: {other} {how}",
    why=(
        "Every key and unique constraint is an index already. The second one is written at every"
        " insert and update and takes memory, and no query needs it."
    ),
    instead="leave the index out.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "an index on the primary key",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True, index=True)  # expect: DBA506
            """,
        ),
        Example(
            "the beginning of a unique constraint",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                __table_args__ = (sa.UniqueConstraint("network_id", "mac"),)
                id = sa.Column(sa.Integer, primary_key=True)
                network_id = sa.Column(sa.String(36), index=True)  # expect: DBA506
                mac = sa.Column(sa.String(32))
            """,
        ),
        Example(
            "written twice",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                __table_args__ = (
                    sa.Index("ix_name", "name"),  # expect: DBA506
                )
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.String(36), index=True)
            """,
        ),
    ),
    good=(
        Example(
            "unique and index, which make one unique index",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.String(36), unique=True, index=True)
            """,
        ),
        Example(
            "the second column of the primary key",
            _BASE
            + """
            class Binding(Base):
                __tablename__ = "bindings"
                port_id = sa.Column(sa.Integer, primary_key=True)
                host = sa.Column(sa.String(64), primary_key=True, index=True)
            """,
        ),
        Example(
            "other columns first",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                __table_args__ = (sa.UniqueConstraint("network_id", "mac"),)
                id = sa.Column(sa.Integer, primary_key=True)
                network_id = sa.Column(sa.String(36))
                mac = sa.Column(sa.String(32), index=True)
            """,
        ),
        Example(
            "an index of some rows only",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                __table_args__ = (
                    sa.UniqueConstraint("host", "name"),
                    sa.Index("ix_down", "host", postgresql_where=sa.text("status = 'DOWN'")),
                )
                id = sa.Column(sa.Integer, primary_key=True)
                host = sa.Column(sa.String(64))
                name = sa.Column(sa.String(64))
            """,
        ),
    ),
    known_gaps=(
        "an unused index is for the database to tell, not for the source",
        "a wide key may serve a narrow query more slowly than its own index would",
    ),
)
