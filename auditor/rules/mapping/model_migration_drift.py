"""DBA505: a mapped table or column that no migration makes."""

from __future__ import annotations

from auditor.model.evidence import SchemaFact
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.mapping.keys import tables_of
from auditor.rules.mapping.migrated import Migrated, migrated
from auditor.rules.places import span_of
from auditor.source.facts import Call, Const, ModuleFacts
from auditor.source.models import Model
from auditor.source.program import Bound, last_step
from auditor.source.project import Project

_SHARE = 0.75
"""Of the mapped tables, how many scripts must be seen to make before a missing one counts."""
_FEW = 3
"""Tables with scripts from which on a share tells something."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """Tables and columns of the models of a module that scripts do not make, where the project has
    scripts that make its other tables."""
    scripts = migrated(project)
    if not scripts.columns:
        return
    for model in tables_of(project, module):
        made = scripts.columns_of(model.table)
        entry = project.program.classes[model.dotted]
        if made is None:
            if _is_forgotten(project, scripts, model.table):
                what = f"table `{model.table}` of `{entry.facts.name}`"
                yield _hit(module, model, entry.own["__tablename__"], what)
            continue
        for attribute, bound in model.columns.items():
            name = column_name(attribute, bound)
            if name and name not in made and entry.own.get(attribute) is bound:
                what = f"column `{model.table}.{name}` of `{entry.facts.name}`"
                yield _hit(module, model, bound, what)


def _hit(module: ModuleFacts, model: Model, bound: Bound, what: str) -> Hit:
    owner = model.dotted.rpartition(".")[2]
    evidence = (SchemaFact(model.table, "no Alembic script that was scanned makes it"),)
    return Hit(span_of(module, bound.bind.at), owner, {"what": what}, evidence)


def column_name(attribute: str, bound: Bound) -> str:
    """The name in the database of a column of a model, empty if it is none or has no plain name."""
    call = bound.bind.value
    if not isinstance(call, Call):
        return attribute if bound.bind.annotation is not None else ""
    if last_step(call.func) not in {"Column", "mapped_column", "Field"}:
        return ""
    first = call.args[0] if call.args else call.keyword("name")
    if isinstance(first, Const) and isinstance(first.value, str):
        return first.value
    return "" if call.keyword("name") is not None else attribute


def _is_forgotten(project: Project, scripts: Migrated, table: str) -> bool:
    """Whether nothing makes a table, though scripts make nearly all others."""
    if not scripts.is_whole or table in scripts.open or table in scripts.same:
        return False
    entries = project.program.classes
    tables = {
        model.table
        for name, model in project.models.by_name.items()
        if model.table and "__tablename__" in entries[name].own
    }
    made = {scripts.named_at_last(name) for name in scripts.columns} & tables
    return len(made) >= _FEW and len(made) >= _SHARE * len(tables)


_PROJECT = """
            # --- app/migrations/versions/001_first.py
            import sqlalchemy as sa
            from alembic import op

            def upgrade():
                op.create_table("ports", sa.Column("id", sa.Integer), sa.Column("name", sa.Text))
                op.create_table("routers", sa.Column("id", sa.Integer))
                op.create_table("labels", sa.Column("id", sa.Integer))

            def downgrade():
                op.add_column("ports", sa.Column("old_state", sa.Text))
            # --- app/migrations/versions/002_more.py
            import sqlalchemy as sa
            from alembic import op

            def upgrade():
                op.rename_table("labels", "metering_labels")
                with op.batch_alter_table("routers") as batch:
                    batch.add_column(sa.Column("host", sa.Text))
                    batch.alter_column("host", new_column_name="chassis")
            # --- app/models.py
            from sqlalchemy import Column, Integer, Text
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass
"""
_ALL = """
            class Router(Base):
                __tablename__ = "routers"
                id = Column(Integer, primary_key=True)
                place = Column("chassis", Text)

            class Label(Base):
                __tablename__ = "metering_labels"
                id = Column(Integer, primary_key=True)
"""
RULE = Rule(
    code="DBA505",
    name="model-migration-drift",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what} is made by no Alembic script: taking it that these scripts make the schema,"
    " statements that name it fail on a database that was upgraded",
    why=(
        "Tests make their tables from the models, so a column without a script works there. On a"
        " database that was brought up to date by scripts it is missing, and each statement that"
        " names it fails; with an ORM that is every read of the table."
    ),
    instead="write the script (`alembic revision --autogenerate` finds the difference), and let a"
    " test compare a migrated database with the models.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "a column without a script",
            _PROJECT
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                name = Column(Text)
                state = Column(Text)  # expect: DBA505
            """,
        ),
        Example(
            "only a downgrade makes it",
            _PROJECT
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                old = Column("old_state", Text)  # expect: DBA505
            """,
        ),
        Example(
            "a table without a script",
            _PROJECT
            + _ALL
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)

            class Rule(Base):
                __tablename__ = "rules"  # expect: DBA505
                id = Column(Integer, primary_key=True)
            """,
        ),
    ),
    good=(
        Example(
            "all made, renamed and added later",
            _PROJECT
            + _ALL
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                name = Column(Text)
            """,
        ),
        Example(
            "a table that a later script drops, and another program makes",
            _PROJECT.replace(
                'op.rename_table("labels", "metering_labels")', 'op.drop_table("ports")'
            )
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                state = Column(Text)
            """,
        ),
        Example(
            "a script that cannot be read",
            _PROJECT.replace(
                'op.rename_table("labels", "metering_labels")',
                'op.execute("ALTER TABLE ports ADD state TEXT")',
            )
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                state = Column(Text)
            """,
        ),
        Example(
            "a name that a script keeps in a constant, or hands to a function of the project",
            _PROJECT.replace(
                'op.rename_table("labels", "metering_labels")',
                'op.rename_table("labels", "metering_labels")\n'
                '                migration.rename_key("ports", "old_key", "network_id")\n'
                "                op.add_column(TABLE, made(STATE))",
            ).replace(
                "def upgrade():\n                op.rename",
                'from app import migration\n\n            TABLE, STATE = "ports", "state"\n\n'
                "            def made(name):\n                return sa.Column(name, sa.Text)\n\n"
                "            def upgrade():\n                op.rename",
            )
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
                state = Column(Text)
                network_id = Column(Text)
            """,
        ),
        Example(
            "a project without scripts",
            """
            from sqlalchemy import Column, Integer
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)
            """,
        ),
        Example(
            "most tables are made in another way",
            _PROJECT
            + """
            class Port(Base):
                __tablename__ = "ports"
                id = Column(Integer, primary_key=True)

            class Rule(Base):
                __tablename__ = "rules"
                id = Column(Integer, primary_key=True)
            """,
        ),
    ),
    known_gaps=(
        "types, keys, indexes and defaults are not compared, nor columns that only scripts know",
        "a column that a later script drops counts as made",
        "tables that SQL text or a list of columns changes are left out",
    ),
    sources=("https://alembic.sqlalchemy.org/en/latest/autogenerate.html",),
)
