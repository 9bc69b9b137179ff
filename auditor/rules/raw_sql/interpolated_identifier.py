"""DBA102: a name of a table or column is formatted into SQL text unquoted and unchecked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.raw_sql.holes import Hole, Role, confidence_of, names_of, open_holes, origin_of
from auditor.rules.raw_sql.sinks import (
    Given,
    is_looked_at_itself,
    is_migration,
    pieces_given,
    texts_given,
    way_of,
)
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.pieces import Piece
from auditor.source.project import Project

_ADMINISTERS = re.compile(
    r"\s*(?:create|alter|drop|grant|revoke|set|show|rename|comment|use)\b", re.IGNORECASE
)
"""Statements of whoever sets a database up, who decides about its names as well."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Texts given to sinks that have a hole where a name of the schema belongs."""
    for given in texts_given(project, module, function):
        if is_looked_at_itself(project, module, given):
            continue
        pieces = tuple(pieces_given(project, module, function, given))
        holes = [hole for hole in open_holes(pieces) if hole.role is Role.IDENTIFIER]
        if holes:
            is_meant = is_migration(module) or _administers(pieces)
            yield _hit(module, function, given, holes, is_meant=is_meant)


def _administers(pieces: Sequence[Piece]) -> bool:
    return bool(pieces) and bool(_ADMINISTERS.match(pieces[0].text))


def _hit(
    module: ModuleFacts, function: FunctionFacts, given: Given, holes: list[Hole], *, is_meant: bool
) -> Hit:
    is_proven = given.sure and any(hole.is_sent for hole in holes)
    return Hit(
        span_of(module, given.call.at),
        function.qualname,
        {"holes": names_of(holes), "origin": origin_of(holes)},
        (way_of(module, given, tuple(hole.piece for hole in holes)),),
        confidence=_confidence(function, holes, sure=given.sure, is_meant=is_meant),
        severity=Severity.ERROR if is_proven else None,
    )


def _confidence(
    function: FunctionFacts, holes: list[Hole], *, sure: bool, is_meant: bool
) -> Confidence:
    """Low where no hole was sent by a user or is itself passed by a caller, outside of quotes:
    names that objects and settings have of themselves, and that the catalogue gives, are most often
    the program's own; as are those that change the schema, and those that a private function is
    passed, but for columns to order or group by, or to store."""
    is_private = function.name.startswith("_") and not function.name.endswith("__")
    is_passed = any(
        hole.piece.is_passed_as_such and hole.is_bare and (hole.is_chosen or not is_private)
        for hole in holes
    )
    is_sent = any(hole.is_sent for hole in holes)
    if not is_sent and (is_meant or not is_passed):
        return Confidence.LOW
    return confidence_of(holes, sure=sure)


RULE = Rule(
    code="DBA102",
    name="interpolated-identifier",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{holes} is formatted into a statement as the name of a table or column, neither quoted"
    " nor checked against a list: {origin}",
    why=(
        "A name cannot be bound, so it is written into the text, and what is in it is read as SQL:"
        " `name; DROP TABLE users`, or `(SELECT password FROM users)` in an ORDER BY, which gives"
        " the data away one comparison at a time. Names with capitals, spaces or reserved words"
        " fail without any attack."
    ),
    instead="Look the name up in a dict of the columns that are allowed"
    " (`COLUMNS[sort_key]`), use `Table.c[name]` or `getattr(Model, name)` after a membership test,"
    " or quote it with `engine.dialect.identifier_preparer.quote(name)`.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "a column to sort by",
            """
            from sqlalchemy import text

            def listed(session, sort_key):
                sql = f"SELECT id FROM labels ORDER BY {sort_key}"
                return session.execute(text(sql))  # expect: DBA102
            """,
        ),
        Example(
            "a table",
            """
            from sqlalchemy import text

            def count(connection, table):
                statement = "SELECT count(*) FROM %s WHERE deleted = :deleted" % table
                return connection.execute(text(statement), {"deleted": 0})  # expect: DBA102
            """,
        ),
        Example(
            "columns that a user sent",
            """
            import sqlite3
            from flask import request

            def store(path):
                names = ", ".join(request.json.keys())
                marks = ", ".join("?" for _ in request.json)
                connection = sqlite3.connect(path)
                connection.execute(f"INSERT INTO t ({names}) VALUES ({marks})")  # expect: DBA102
            """,
        ),
        Example(
            "through a function that executes what it is given",
            """
            from sqlalchemy import create_engine, text

            class Store:
                def __init__(self, url):
                    self.engine = create_engine(url)

                def run(self, sql):
                    with self.engine.begin() as connection:
                        return connection.execute(text(sql))

                def clear(self, table):
                    self.run('DELETE FROM "{}" WHERE stale'.format(table))  # expect: DBA102
            """,
        ),
        Example(
            "a column compared with a bound value",
            """
            from sqlalchemy import text

            def find(session, column, value):
                sql = text("SELECT id FROM labels WHERE " + column + " = :value")  # expect: DBA102
                return session.execute(sql, {"value": value})
            """,
        ),
    ),
    good=(
        Example(
            "checked against a list",
            """
            from sqlalchemy import text

            COLUMNS = ("name", "created_at")

            def listed(session, sort_key):
                if sort_key not in COLUMNS:
                    raise ValueError(sort_key)
                return session.execute(text(f"SELECT id FROM labels ORDER BY {sort_key}"))
            """,
        ),
        Example(
            "looked up",
            """
            from sqlalchemy import text

            ORDER = {"new": "created_at DESC", "name": "name ASC"}

            def listed(session, order):
                return session.execute(text(f"SELECT id FROM labels ORDER BY {ORDER[order]}"))
            """,
        ),
        Example(
            "quoted",
            """
            from sqlalchemy import text

            def count(engine, table):
                quote = engine.dialect.identifier_preparer.quote
                with engine.connect() as connection:
                    return connection.execute(text(f"SELECT count(*) FROM {quote(table)}"))
            """,
        ),
        Example(
            "a migration over constants",
            """
            from alembic import op

            TABLES = ("labels", "rules")

            def upgrade():
                for table in TABLES:
                    op.execute(f"UPDATE {table} SET shared = false WHERE shared IS NULL")
                _drop("old_labels")

            def _drop(table):
                op.execute("DROP TABLE " + table)
            """,
        ),
        Example(
            "a condition that is named as SQL, and names that Psycopg writes as literals",
            """
            import psycopg
            from psycopg import sql

            def rows(dsn, sql_query):
                with psycopg.connect(dsn) as connection:
                    return connection.execute(f"SELECT * FROM {sql_query} LIMIT 0")

            def labelled(dsn, features):
                names = ", ".join(features)
                with psycopg.connect(dsn) as connection:
                    statement = sql.SQL("SELECT id, {names} FROM t").format(names=names)
                    return connection.execute(statement)
            """,
        ),
        Example(
            "the name of a mapped table",
            """
            from sqlalchemy import text
            from app.models import Label

            def count(session):
                return session.execute(text(f"SELECT count(*) FROM {Label.__tablename__}"))
            """,
        ),
        Example(
            "quotes doubled by the program's own function",
            """
            from sqlalchemy import text

            def identifier(name):
                return '"' + name.replace('"', '""') + '"'

            def count(connection, table):
                return connection.execute(text(f"SELECT count(*) FROM {identifier(table)}"))
            """,
        ),
    ),
    known_gaps=(
        "whole conditions and statements that a caller passes are not reported",
        (
            "names that a user sent, and those outside of quotes that a caller passes to a public"
            " function, or as columns to order or group by or to store, are shown by default; all"
            " others have low confidence"
        ),
    ),
    sources=("CWE-89", "SQLAlchemy: quoted_name, IdentifierPreparer.quote"),
    in_tests=True,
)
