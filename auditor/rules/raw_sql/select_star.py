"""DBA106: `SELECT *` in a statement written as text."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.statements import HOLE, statements_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.sql.tables import tables_in
from auditor.sql.tokens import tokens_of

_CATALOGUES = ("information_schema", "pg_", "sqlite_master", "sys.", "mysql.", "performance_schema")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Statements that select all columns of a table that is named."""
    seen: set[object] = set()
    for statement in statements_of(project, module, function):
        tokens = tokens_of(statement.sql.replace(HOLE, "\x00hole\x00"))
        table = _table_of_star(tokens)
        if table and (statement.given.call.at, table) not in seen:
            seen.add((statement.given.call.at, table))
            at = statement.given.call.at
            yield Hit(span_of(module, at), function.qualname, {"table": table})


def _table_of_star(tokens: tuple[str, ...]) -> str:
    """The table whose columns an outer `SELECT *` names; empty if there is none, if it reads from a
    sub-query or a WITH part, or asks for no rows."""
    outer = _outermost(tokens)
    if outer[:2] != ("SELECT", "*") and outer[:3] != ("SELECT", "DISTINCT", "*"):
        return ""
    start = outer.index("*")
    if outer[start + 1 : start + 2] != ("FROM",) or tokens[:1] == ("WITH",):
        return ""
    table = next(iter(tables_in(outer[start:])), "")
    is_known = bool(table) and table != "hole" and outer[start + 2].strip('"') != "("
    return table if is_known and not table.lower().startswith(_CATALOGUES) else ""


def _outermost(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens from the outermost SELECT on; () if the statement does something else."""
    if tokens[:1] == ("INSERT",) and "SELECT" in tokens:
        return tokens[tokens.index("SELECT") :]
    return tokens if tokens[:1] == ("SELECT",) else ()


RULE = Rule(
    code="DBA106",
    name="select-star",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`SELECT *` on `{table}`: the next column added to the table changes what this reads",
    why=(
        "The columns and their order are whatever the table has on that day. Code that unpacks rows"
        " or reads them by position breaks with the next migration, a copy by INSERT ... SELECT * "
        " fails or mixes columns up, and wide columns travel that nobody reads."
    ),
    instead="Name the columns, or select the mapped class (`select(Label)`).",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "all columns",
            """
            from sqlalchemy import text

            def labels(session):
                return session.execute(text("SELECT * FROM labels WHERE shared"))  # expect: DBA106
            """,
        ),
        Example(
            "a copy",
            """
            from alembic import op

            def upgrade():
                op.execute("INSERT INTO new_labels SELECT * FROM labels")  # expect: DBA106
            """,
        ),
        Example(
            "through a constant, on a driver",
            """
            import sqlite3

            ALL = "select * from labels where id = ?"

            def label(path, label_id):
                return sqlite3.connect(path).execute(ALL, (label_id,)).fetchone()  # expect: DBA106
            """,
        ),
    ),
    good=(
        Example(
            "columns named, rows counted",
            """
            from sqlalchemy import text

            def labels(session):
                session.execute(text("SELECT count(*) FROM labels"))
                return session.execute(text("SELECT id, name FROM labels"))
            """,
        ),
        Example(
            "existence",
            """
            from sqlalchemy import text

            def used(session):
                return session.execute(text(
                    "SELECT id FROM labels WHERE EXISTS (SELECT * FROM rules WHERE label = id)"))
            """,
        ),
        Example(
            "from a sub-query that names them",
            """
            from sqlalchemy import text

            def newest(session):
                return session.execute(text("SELECT * FROM (SELECT id, name FROM labels) AS l"))
            """,
        ),
        Example(
            "prose",
            """
            import logging

            def tell():
                logging.getLogger().info("SELECT * FROM labels was slow")
            """,
        ),
    ),
    known_gaps=(
        "`SELECT l.*` and tables whose name is not constant are not reported",
        "whether the columns are read by position is not known: low confidence",
    ),
    sources=("SQLAlchemy: Result rows and positional access",),
)
