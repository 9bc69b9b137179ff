"""DBA508: a key or index on a text column without a length."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import keys_of, tables_of, type_of
from auditor.rules.mapping.migrated import lengths
from auditor.rules.places import span_of
from auditor.source.facts import Call, Expr, ModuleFacts
from auditor.source.program import Bound, last_step
from auditor.source.project import Project

_SIZED = frozenset(("String", "Unicode", "VARCHAR", "LargeBinary", "VARBINARY"))
_UNSIZED = frozenset(("Text", "UnicodeText", "TEXT", "CLOB", "BLOB"))


def check(project: Project, module: ModuleFacts) -> Hits:
    """Columns of unbounded text in a primary key, unique constraint or index."""
    for model in tables_of(project, module):
        seen: set[str] = set()
        keys = [key for key in keys_of(project, model).keys if not key.is_special]
        for name, what in ((name, key.kind) for key in keys for name in key.columns):
            bound = model.columns.get(name)
            kind = _unbounded(project, bound) if bound is not None else ""
            if bound is None or not kind or name in seen or bound.scope.module is not module:
                continue
            seen.add(name)
            if lengths(project).get((model.table, name)):
                continue  # the table that a migration makes has another type
            fields = {"column": name, "type": kind, "kind": what}
            owner = model.dotted.rpartition(".")[2]
            yield Hit(span_of(module, bound.bind.at), owner, fields)


def _unbounded(project: Project, bound: Bound) -> str:
    """The type as it is written when it is text without a length; empty for any other."""
    written = type_of(bound)
    func: Expr | None = written.func if isinstance(written, Call) else written
    name = last_step(func) if func is not None else ""
    if name in _UNSIZED and not _has_length(written):
        return name
    library = project.resolve(bound.scope.module, func).partition(".")[0]
    sized = name in _SIZED and library in {"sqlalchemy", "sqlmodel"}
    return f"{name} without a length" if sized and not _has_length(written) else ""


def _has_length(written: Expr | None) -> bool:
    return isinstance(written, Call) and bool(written.args or written.keyword("length"))


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()
"""
RULE = Rule(
    code="DBA508",
    name="unbounded-text-key",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`{column}` is {type} and part of a {kind}: MySQL and MariaDB refuse such a table, and"
    " PostgreSQL refuses rows whose key is longer than about 2,700 bytes",
    why=(
        "A B-tree holds a few keys a page, so every database bounds the length of a key. MySQL and"
        " MariaDB do it when the table is made (VARCHAR needs a length, TEXT a prefix), PostgreSQL"
        " when the first long value arrives, which is in production."
    ),
    instead="`String(255)`; for long values an index on a hash of the value.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "a primary key",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                name = sa.Column(sa.String, primary_key=True)  # expect: DBA508
            """,
        ),
        Example(
            "a unique text",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.Text(), unique=True)  # expect: DBA508
            """,
        ),
        Example(
            "in an index",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                __table_args__ = (sa.Index("ix_label", "project", "name"),)
                id = sa.Column(sa.Integer, primary_key=True)
                project = sa.Column(sa.String(36))
                name = sa.Column(sa.String())  # expect: DBA508
            """,
        ),
    ),
    good=(
        Example(
            "with a length",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                name = sa.Column(sa.String(255), primary_key=True)
            """,
        ),
        Example(
            "a text that no key has",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                description = sa.Column(sa.Text)
            """,
        ),
        Example(
            "a prefix",
            _BASE
            + """
            class Label(Base):
                __tablename__ = "labels"
                __table_args__ = (sa.Index("ix_text", "text", mysql_length={"text": 64}),)
                id = sa.Column(sa.Integer, primary_key=True)
                text = sa.Column(sa.Text)
            """,
        ),
        Example(
            "a length that the migration gives",
            """
            # --- app/models.py
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.Text, unique=True)

            # --- app/versions/first.py
            import sqlalchemy as sa
            from alembic import op

            def upgrade():
                op.create_table(
                    "labels",
                    sa.Column("id", sa.Integer(), primary_key=True),
                    sa.Column("name", sa.String(length=50), unique=True),
                )
            """,
        ),
        Example(
            "a type of the project's own",
            _BASE
            + """
            from app.types import String

            class Label(Base):
                __tablename__ = "labels"
                name = sa.Column(String, primary_key=True)
            """,
        ),
    ),
    known_gaps=(
        "text that only the annotation tells (`Mapped[str]`) is not reported",
        "low confidence: on which databases a program runs is mostly not in its source",
    ),
    sources=("https://www.postgresql.org/docs/current/btree.html",),
)
