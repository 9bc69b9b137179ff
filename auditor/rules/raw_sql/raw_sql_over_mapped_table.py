"""DBA104: a simple statement in text on a table that has a mapped class."""

from __future__ import annotations

from collections.abc import Mapping

from auditor.model.evidence import SchemaFact
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONNECTION
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.sinks import is_migration, uses_sqlalchemy
from auditor.rules.raw_sql.statements import Statement, statements_of
from auditor.source.facts import Attribute, Call, FunctionFacts, ModuleFacts
from auditor.source.models import Model
from auditor.source.project import Project
from auditor.sql.tables import tables_in
from auditor.sql.tokens import tokens_of

_FORMS = {
    "SELECT": "select({model}.…).where(…)",
    "UPDATE": "update({model}).where(…).values(…)",
    "DELETE": "delete({model}).where(…)",
    "INSERT": "insert({model}).values(…)",
}
_NOT_SIMPLE = frozenset(
    "WITH OVER PARTITION RECURSIVE LATERAL CONFLICT DUPLICATE REPLACE IGNORE UNION EXCEPT INTERSECT"
    " SETVAL NEXTVAL CURRVAL USING RETURNING HAVING EXPLAIN LOCK -> ->> :: JSON_EXTRACT".split()
)
_LONGEST = 80
"""Tokens of a statement that is still simple."""
_EXECUTES = frozenset({"execute", "scalar", "scalars", "exec"})
_KEPT = "auditor.rules.raw_sql.raw_sql_over_mapped_table"


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Constant statements on one table that a model of the project maps."""
    if is_migration(module) or not uses_sqlalchemy(module):
        return  # a driver by itself, mostly on a file that no model knows
    for statement in statements_of(project, module, function):
        tokens = tokens_of(statement.sql)
        if not statement.is_whole or not _is_simple(tokens):
            continue
        model = _by_table(project).get(tables_in(tokens)[0].rpartition(".")[2])
        if model is not None:
            is_meant = not _has_session(project, module, function)
            yield _hit(module, function, statement, model, verb=tokens[0], is_meant=is_meant)


def _hit(
    module: ModuleFacts,
    function: FunctionFacts,
    statement: Statement,
    model: Model,
    *,
    verb: str,
    is_meant: bool,
) -> Hit:
    name = model.dotted.rpartition(".")[2]
    fields = {"table": model.table, "model": name, "form": _FORMS[verb].format(model=name)}
    fact = SchemaFact(model.table, f"mapped by {model.dotted}")
    confidence = None if statement.given.sure and not is_meant else Confidence.LOW
    at = span_of(module, statement.given.call.at)
    return Hit(at, function.qualname, fields, (fact,), confidence=confidence)


def _has_session(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether the function executes something on a session: one that has but a connection works
    below the models on purpose, to copy, to repair or to migrate."""
    return any(
        isinstance(call, Call)
        and isinstance(call.func, Attribute)
        and call.func.name in _EXECUTES
        and project.value(module, function, position, call.func.base).kind != CONNECTION
        for position, call in enumerate(function.events)
    )


def _is_simple(tokens: tuple[str, ...]) -> bool:
    """Whether an expression says the same in about the same length: one table, one SELECT, nothing
    of one dialect."""
    is_known = bool(tokens) and tokens[0] in _FORMS and len(tokens) <= _LONGEST
    words = {token.upper() for token in tokens}
    return (
        is_known
        and not words & _NOT_SIMPLE
        and tokens.count("SELECT") == (tokens[0] == "SELECT")
        and len(tables_in(tokens)) == 1
    )


def _by_table(project: Project) -> Mapping[str, Model]:
    """The one mapped class of each table; tables that several classes map are left out."""
    if _KEPT not in project.shared:
        found: dict[str, list[Model]] = {}
        for model in project.models.by_name.values():
            if model.table and model.columns:
                found.setdefault(model.table, []).append(model)
        project.shared[_KEPT] = {t: models[0] for t, models in found.items() if len(models) == 1}
    kept: Mapping[str, Model] = project.shared[_KEPT]
    return kept


RULE = Rule(
    code="DBA104",
    name="raw-sql-over-mapped-table",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.MEDIUM,
    message="table `{table}` is mapped by `{model}`, and this statement on it is text: `{form}`",
    why=(
        "Text does not follow when a column is renamed, returns values without the types of the"
        " mapping (enumerations, encrypted or JSON columns), skips defaults and `onupdate`, and"
        " writes behind the back of the session, whose objects keep the old values."
    ),
    instead="Write it with the mapped class; the message shows the form.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "a select",
            """
            # --- app/models.py
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)
                name = Column(String)
            # --- app/api.py
            from sqlalchemy import text

            def names(session):
                found = text("SELECT name FROM labels WHERE id > :id")  # expect: DBA104
                return session.execute(found, {"id": 3}).all()
            """,
        ),
        Example(
            "an update and a delete beside the model",
            """
            from sqlalchemy import Column, Integer, String, text
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)
                name = Column(String)

            def rename(session):
                session.execute(text("UPDATE labels SET name = '' WHERE id = 1"))  # expect: DBA104
                session.execute(text("DELETE FROM labels WHERE id = 2"))  # expect: DBA104
            """,
        ),
        Example(
            "a constant, through a function that executes",
            """
            from sqlalchemy import Column, Integer, create_engine, text
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()
            COUNT = "SELECT count(*) FROM labels"

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)

            def run(sql):
                with create_engine("sqlite://").connect() as connection:
                    return connection.execute(text(sql)).scalar()

            def count():
                return run(COUNT)  # expect: DBA104
            """,
        ),
    ),
    good=(
        Example(
            "a table nobody maps",
            """
            from sqlalchemy import text

            def names(session):
                return session.execute(text("SELECT name FROM labels"))
            """,
        ),
        Example(
            "what is clearer as text",
            """
            from sqlalchemy import Column, Integer, String, text
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)
                name = Column(String)

            def ranked(session):
                return session.execute(text(
                    "SELECT id, rank() OVER (PARTITION BY name ORDER BY id) FROM labels"))
            """,
        ),
        Example(
            "a migration",
            """
            from alembic import op
            from sqlalchemy import Column, Integer
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)

            def upgrade():
                op.execute("DELETE FROM labels WHERE id = 1")
            """,
        ),
        Example(
            "the expression",
            """
            from sqlalchemy import Column, Integer, delete
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)

            def drop(session):
                session.execute(delete(Label).where(Label.id == 1))
            """,
        ),
    ),
    known_gaps=(
        "joins, sub-queries and everything that one dialect alone knows are left alone",
        "tables mapped by several classes, and tables of metadata without a class",
    ),
    sources=("SQLAlchemy: ORM-enabled SELECT, UPDATE and DELETE",),
)
