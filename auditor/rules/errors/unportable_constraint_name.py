"""DBA219: the name of a unique constraint that oslo.db cannot read on PostgreSQL."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import Call, Const, Expr, FunctionFacts, ModuleFacts
from auditor.source.program import last_step
from auditor.source.project import Project

_OSLO_DB = ("oslo_db.", "neutron_lib.db.")

_MAKERS = frozenset(("UniqueConstraint", "create_unique_constraint", "Index", "create_index"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Unique constraints and indexes with a name of fewer than two underscores, in a project that
    works with oslo.db."""
    for event in function.events:
        if not isinstance(event, Call):
            continue
        name = _unique_name(event)
        if not name or name.startswith("uniq_") or name.count("_") > 1:
            continue
        if not _uses_oslo_db(project):
            continue
        fields = {
            "name": name,
            "what": (
                "oslo.db raises ValueError instead of DBDuplicateEntry"
                if "_" not in name
                else "DBDuplicateEntry has `columns == ['']`"
            ),
        }
        confidence = Confidence.LOW if "_" in name else None
        yield Hit(span_of(module, event.at), function.qualname, fields, confidence=confidence)


def _unique_name(call: Call) -> str:
    """The name of the unique constraint or index that a call makes, empty if it makes none or its
    name is not written there."""
    name: Expr | None = None
    match last_step(call.func):
        case "UniqueConstraint":
            name = call.keyword("name")
        case "create_unique_constraint":
            name = call.args[0] if call.args else call.keyword("constraint_name")
        case "Index" | "create_index" if getattr(call.keyword("unique"), "value", None) is True:
            name = call.args[0] if call.args else None
    return name.value if isinstance(name, Const) and isinstance(name.value, str) else ""


def _uses_oslo_db(project: Project) -> bool:
    return any(
        f"{target}.".startswith(_OSLO_DB)
        for module in project.modules.values()
        for target in module.imports.values()
    )


RULE = Rule(
    code="DBA219",
    name="unportable-constraint-name",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the unique name `{name}` cannot be read by oslo.db, taking it that PostgreSQL is"
    " supported: on a duplicate there {what}",
    why=(
        "On PostgreSQL oslo.db takes the columns of a duplicate out of the constraint's name: what"
        " is between the first and the last underscore. A name without any makes its filter fail,"
        " and the caller gets ValueError, which no handler for DBDuplicateEntry and no retry knows."
    ),
    instead="Name it `uniq_<table>0<column>0<column>`: from that oslo.db reads the columns on all"
    " backends.",
    checks=(
        OnFunction(
            check,
            calls=frozenset(
                ("UniqueConstraint", "create_unique_constraint", "Index", "create_index")
            ),
        ),
    ),
    bad=(
        Example(
            "in a model",
            """
            from oslo_db.sqlalchemy import models
            import sqlalchemy as sa

            class Label(Base, models.ModelBase):
                __tablename__ = "labels"
                __table_args__ = (
                    sa.UniqueConstraint("project", "name", name="labelname"),  # expect: DBA219
                )
                name = sa.Column(sa.String(255))
            """,
        ),
        Example(
            "in a migration",
            """
            from alembic import op
            from oslo_db import exception

            def upgrade():
                op.create_unique_constraint("labelname", "labels", ["name"])  # expect: DBA219
            """,
        ),
        Example(
            "a unique index",
            """
            import sqlalchemy as sa
            from oslo_db import exception

            labels = sa.Table("labels", metadata, sa.Column("name", sa.String(255)))
            sa.Index("labelname", labels.c.name, unique=True)  # expect: DBA219
            """,
        ),
    ),
    good=(
        Example(
            "named the way oslo.db reads",
            """
            import sqlalchemy as sa
            from oslo_db import exception

            unique = sa.UniqueConstraint("project", "name", name="uniq_labels0project0name")
            """,
        ),
        Example(
            "an index that is not unique",
            """
            import sqlalchemy as sa
            from oslo_db import exception

            index = sa.Index("labelname", "name")
            """,
        ),
        Example(
            "no oslo.db in the project",
            """
            import sqlalchemy as sa

            unique = sa.UniqueConstraint("project", "name", name="labelname")
            """,
        ),
    ),
    known_gaps=("names that a naming convention makes",),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html",),
)
