"""DBA109: text that only some databases parse, in a project that supports others too."""

from __future__ import annotations

import re

from auditor.knowledge.dialects import DIALECTS, DialectRow
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.dialects_compared import supported_dialects
from auditor.rules.raw_sql.statements import statements_of
from auditor.source.facts import Const, Expr, FunctionFacts, ModuleFacts, Test, walk
from auditor.source.project import Project

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_SAYS_DIALECT = re.compile(
    r"dialect|postgres|psql|mysql|mariadb|sqlite|oracle|mssql|pg_|_pg\b|redshift|cockroach|bigquery"
    r"|snowflake|clickhouse|duckdb|trino|presto|hive"
)
_SEVERAL = 2


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Statements of one dialect in a function that asks nowhere which database it talks to."""
    supported = supported_dialects(project)
    if len(supported) < _SEVERAL:
        return
    for statement in statements_of(project, module, function):
        found = _construct(statement.sql, supported)
        if found is None or _knows_dialect(project, module, function):
            continue
        others = sorted(supported - found.parsed_by)
        fields = {
            "construct": found.name,
            "parsed": " and ".join(sorted(found.parsed_by)),
            "others": ", ".join(others),
        }
        confidence = None if statement.given.sure else Confidence.LOW
        at = span_of(module, statement.given.call.at)
        yield Hit(at, function.qualname, fields, confidence=confidence)


def _construct(sql: str, supported: frozenset[str]) -> DialectRow | None:
    plain = _LITERAL.sub("''", sql)
    rows = (row for row in DIALECTS if row.pattern.search(plain))
    return next((row for row in rows if supported - row.parsed_by), None)


def _knows_dialect(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether the function, or what it is part of, is about one database by name or by a test; or
    whether all that calls it is."""
    if _is_about_one(module, function):
        return True
    sites = project.program.calls.get(function.name, ())
    return bool(sites) and all(_is_about_one(s.scope.module, s.scope.function) for s in sites)


def _is_about_one(module: ModuleFacts, function: FunctionFacts) -> bool:
    words = {f"{module.name}.{function.qualname}"}
    for event in function.events:
        if isinstance(event, Test):
            words |= {_word(part) for part in walk(event.expr)}
    return any(_SAYS_DIALECT.search(word.lower()) for word in words)


def _word(expr: Expr) -> str:
    if isinstance(expr, Const):
        return str(expr.value)
    return str(getattr(expr, "name", ""))


RULE = Rule(
    code="DBA109",
    name="one-backend-sql",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="{construct} is parsed by {parsed} only, and the project supports {others} too (taking"
    " it that this runs there)",
    why=(
        "The statement is a syntax error on the other databases the project says it supports. It is"
        " text, so neither SQLAlchemy nor a test on one database shows it."
    ),
    instead="Write it as an expression, which SQLAlchemy compiles for each database, or ask"
    " `bind.dialect.name` and write one statement for each.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "an upsert",
            """
            from sqlalchemy import text

            def is_mysql(bind):
                return True if bind.dialect.name == "mysql" else False

            def lock(bind):
                if bind.dialect.name == "postgresql":
                    bind.execute(text("SELECT 1"))

            def keep(session, name):
                sql = "INSERT INTO t (n) VALUES (:n) ON DUPLICATE KEY UPDATE n = :n"
                session.execute(text(sql), {"n": name})  # expect: DBA109
            """,
        ),
        Example(
            "a cast",
            """
            from sqlalchemy import text

            SUPPORTED = "sqlite"

            def setup(bind):
                if bind.dialect.name in ("postgresql", "sqlite"):
                    return True

            def total(session):
                return session.execute(text("SELECT sum(size)::bigint FROM t"))  # expect: DBA109
            """,
        ),
        Example(
            "a search",
            """
            # --- app/setup.py
            def setup(engine):
                if engine.dialect.name == "mysql":
                    return 1
                if engine.dialect.name == "postgresql":
                    return 2
            # --- app/api.py
            from sqlalchemy import text

            def search(session, wanted):
                sql = text("SELECT id FROM t WHERE name ILIKE :wanted")  # expect: DBA109
                return session.execute(sql, {"wanted": wanted})
            """,
        ),
    ),
    good=(
        Example(
            "a branch for each",
            """
            from sqlalchemy import text

            def keep(session, name):
                dialect = session.get_bind().dialect.name
                if dialect == "mysql":
                    session.execute(text("INSERT IGNORE INTO t (n) VALUES (:n)"), {"n": name})
                elif dialect == "postgresql":
                    session.execute(
                        text("INSERT INTO t (n) VALUES (:n) ON CONFLICT DO NOTHING"), {"n": name})
            """,
        ),
        Example(
            "a project with one database",
            """
            from sqlalchemy import text

            def search(session, wanted):
                return session.execute(text("SELECT id FROM t WHERE a ILIKE :b"), {"b": wanted})
            """,
        ),
        Example(
            "a function for one database, by its name and by its caller",
            """
            from sqlalchemy import text

            def setup(bind):
                if bind.dialect.name == "mysql":
                    _checks(bind)
                elif bind.dialect.name == "sqlite":
                    setup_sqlite(bind)

            def _checks(bind):
                bind.execute(text("SET FOREIGN_KEY_CHECKS = 0"))

            def setup_sqlite(bind):
                bind.execute(text("PRAGMA foreign_keys = ON"))
            """,
        ),
        Example(
            "words in a literal, what all parse",
            """
            from sqlalchemy import text

            def setup(bind):
                if bind.dialect.name in ("mysql", "postgresql"):
                    return True

            def find(session):
                session.execute(text("SELECT id FROM t WHERE note = 'on duplicate key'"))
                session.execute(text("SELECT id FROM t WHERE lower(name) LIKE :b"), {"b": "a"})
            """,
        ),
    ),
    known_gaps=(
        "which databases a project supports is read off its tests of the dialect's name alone",
        "a test of the dialect anywhere in the function, or in all its callers, counts",
    ),
    sources=("auditor/knowledge/dialects.py gives the page of the manual for each construct",),
)
