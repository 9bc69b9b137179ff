"""DBA103: a plain string where SQLAlchemy 2.x needs `text()` or a construct."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.sinks import Given, texts_given
from auditor.source.database_functions import is_migration
from auditor.source.facts import Bind, Const, Expr, FunctionFacts, ModuleFacts, Name
from auditor.source.project import Project
from auditor.source.strings import is_text

_KEPT = "auditor.rules.raw_sql.plain_string_statement"
_MANY = 3
"""Migrations with plain strings, of which a project that runs on 2.x can have hardly any: each
runs when a database is set up."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Strings given to a session, connection or query where a statement belongs."""
    for given in _plain(project, module, function):
        is_shown = given.sure and not _is_known(project, module, given)
        yield Hit(
            span_of(module, given.call.at),
            function.qualname,
            {"call": given.row.name},
            confidence=Confidence.HIGH if is_shown else Confidence.LOW,
        )


def _plain(project: Project, module: ModuleFacts, function: FunctionFacts) -> list[Given]:
    return [
        given
        for given in texts_given(project, module, function)
        if given.row.refuses_str and not given.handed_on and _is_string(function, given.text)
    ]


def _is_known(project: Project, module: ModuleFacts, given: Given) -> bool:
    """Whether it stands in a migration that has another one above it, or of a project that has so
    many such migrations that it must run on 1.x."""
    if not is_migration(module):
        return False
    if _KEPT not in project.shared:
        project.shared[_KEPT] = _first_in_migrations(project)
    first: dict[str, int] = project.shared[_KEPT]
    return len(first) > _MANY or first.get(module.path) != given.call.at.line


def _first_in_migrations(project: Project) -> dict[str, int]:
    """The line of the first plain string of each migration that has one."""
    first: dict[str, int] = {}
    for module, function in project.functions():
        if is_migration(module):
            for given in _plain(project, module, function):
                line = given.call.at.line
                first[module.path] = min(line, first.get(module.path, line))
    return first


def _is_string(function: FunctionFacts, expr: Expr) -> bool:
    """Whether the expression is a string for certain, also by all the binds of a local."""
    if not isinstance(expr, Name):
        return is_text(expr) and not (isinstance(expr, Const) and expr.value == "")
    binds = [e for e in function.events if isinstance(e, Bind) and e.target == expr.name]
    return bool(binds) and all(
        bind.kind in ("assign", "augment") and bind.value is not None and is_text(bind.value)
        for bind in binds
    )


RULE = Rule(
    code="DBA103",
    name="plain-string-statement",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{call}()` is given a plain string: SQLAlchemy 2.x raises ObjectNotExecutableError or"
    " ArgumentError here",
    why=(
        "Up to 1.3 a string was taken for a statement; 1.4 warns, 2.x refuses it. Such a line fails"
        " on its first execution, so what is left of them stands where no test goes."
    ),
    instead="Wrap it in `sqlalchemy.text()`, or write the statement as an expression.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "on a session",
            """
            from sqlalchemy.orm import Session

            def count(session: Session):
                return session.execute("SELECT count(*) FROM labels").scalar()  # expect: DBA103
            """,
        ),
        Example(
            "on a connection",
            """
            import sqlalchemy as sa

            def wipe(url):
                with sa.create_engine(url).connect() as connection:
                    connection.execute("DELETE FROM labels")  # expect: DBA103
            """,
        ),
        Example(
            "a condition",
            """
            from sqlalchemy.orm import Session
            from app.models import Label

            def none(session: Session):
                return session.query(Label).filter("0 = 1")  # expect: DBA103
            """,
        ),
        Example(
            "through a local",
            """
            from sqlalchemy.orm import Session

            def count(session: Session):
                query = "SELECT count(*) "
                query += "FROM labels"
                return session.scalar(query)  # expect: DBA103
            """,
        ),
    ),
    good=(
        Example(
            "text()",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def count(session: Session):
                return session.execute(text("SELECT count(*) FROM labels")).scalar()
            """,
        ),
        Example(
            "labels may be ordered by their name",
            """
            from sqlalchemy import func, select
            from app.models import Label

            def counted(session):
                count = func.count(Label.id).label("count")
                return session.execute(select(count).group_by(Label.name).order_by("count"))
            """,
        ),
        Example(
            "a driver's cursor takes strings",
            """
            import sqlite3

            def count(path):
                return sqlite3.connect(path).cursor().execute("SELECT count(*) FROM labels")
            """,
        ),
        Example(
            "exec_driver_sql takes strings",
            """
            import sqlalchemy as sa

            def wipe(url):
                with sa.create_engine(url).connect() as connection:
                    connection.exec_driver_sql("DELETE FROM labels")
            """,
        ),
        Example(
            "a session of something else",
            """
            import requests

            def call():
                session = requests.Session()
                return session.execute("SELECT 1")
            """,
        ),
        Example(
            "a local that is a statement in one branch",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def count(session: Session, query):
                query = text(query) if isinstance(query, str) else query
                return session.scalar(query)
            """,
        ),
    ),
    known_gaps=(
        "strings that come in through a parameter are not reported",
        "of a migration the first is shown by default; none where more than 3 migrations have some",
    ),
    sources=("SQLAlchemy 2.0 migration guide: text() is required for plain SQL strings",),
    in_tests=True,
)
