"""DBA503: a foreign key that does not say what becomes of its row when the other one is deleted."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import own_columns
from auditor.rules.places import span_of
from auditor.source.facts import Call, ModuleFacts, walk
from auditor.source.program import last_step
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts) -> Hits:
    """Foreign keys of columns, written without `ondelete`."""
    for model, column, bound in own_columns(project, module):
        for found in walk(bound.bind.value):
            if not isinstance(found, Call) or last_step(found.func) != "ForeignKey":
                continue
            if any(k.name in {"ondelete", ""} for k in found.keywords):
                continue
            fields = {"column": f"{model.table}.{column}"}
            owner = model.dotted.rpartition(".")[2]
            yield Hit(span_of(module, found.at), owner, fields, confidence=Confidence.LOW)
            break


_BASE = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.String(36), primary_key=True)
"""
RULE = Rule(
    code="DBA503",
    name="missing-ondelete-rule",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="the foreign key of `{column}` has no `ondelete`: the other row cannot be deleted"
    " before this one, unless the ORM has loaded it",
    why=(
        "Without a rule the database refuses the delete. The ORM works around it by loading the"
        " rows that refer, to delete or change them one by one; a bulk delete does not do even"
        " that, and fails."
    ),
    instead="`ForeignKey(..., ondelete='CASCADE')`, `'SET NULL'`, or `'RESTRICT'` to say that the"
    " refusal is meant; with `passive_deletes=True` on the relationship.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "no rule",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id"))  # expect: DBA503
            """,
        ),
        Example(
            "only what happens at updates",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(
                    sa.ForeignKey("routers.id", onupdate="CASCADE")  # expect: DBA503
                )
            """,
        ),
        Example(
            "in a mixin",
            _BASE
            + """
            class HasRouter:
                router_id = sa.Column(sa.ForeignKey(Router.id))  # expect: DBA503

            class Port(HasRouter, Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
            """,
        ),
    ),
    good=(
        Example(
            "deleted with it",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id", ondelete="CASCADE"))
            """,
        ),
        Example(
            "the refusal is meant",
            _BASE
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id", ondelete="RESTRICT"))
            """,
        ),
        Example(
            "options that are made elsewhere",
            _BASE
            + """
            OPTIONS = {"ondelete": "CASCADE"}

            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.String(36), primary_key=True)
                router_id = sa.Column(sa.ForeignKey("routers.id", **OPTIONS))
            """,
        ),
    ),
    known_gaps=("`ForeignKeyConstraint` and tables made by `Table(...)` are not looked at",),
    sources=("https://docs.sqlalchemy.org/en/20/orm/cascades.html",),
)
