"""DBA224: a handler that tells of one kind of database error, and catches all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    database_errors,
    handlers_of,
    names_error,
    own_events,
    reraises,
    runs_operations,
    short,
)
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Call,
    Const,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Raise,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_WIDE = frozenset(
    (
        "oslo_db.exception.DBError",
        "sqlalchemy.exc.SQLAlchemyError",
        "sqlalchemy.exc.StatementError",
        "sqlalchemy.exc.DBAPIError",
        "sqlalchemy.exc.DatabaseError",
    )
)
"""Classes that a lost connection comes as, and a violated constraint too."""
_SAID = re.compile(
    r"integrity ?error|duplicate (?:entry|key)|already exist|already (?:registered|taken|in use)"
    r"|(?:unique|foreign key) constraint|violat|still referenced|deadlock",
    re.IGNORECASE,
)
"""What people write of one kind of error."""
_NAMED = re.compile(
    r"Duplicate|Already|Exists|Conflict|InUse|_409_|(?<![a-z])(?:duplicate|conflict)(?![a-z])"
)
"""Names of errors, and of answers of HTTP, that tell of a violated constraint."""
_DDL = frozenset(("create_all", "drop_all", "create_table", "drop_table"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for every database error whose words or new error are about one kind."""
    for handler in handlers_of(project, module, function):
        wide = next((e for e in database_errors(project, handler) if e in _WIDE), "")
        if not wide or _lets_through(function, handler) or _runs_ddl(function, handler):
            continue
        for event in own_events(function, handler):
            said = _said(event)
            told = _told(event, said)
            if told:
                yield Hit(
                    span_of(module, handler.line),
                    function.qualname,
                    {"caught": short(wide), "told": told},
                    confidence=Confidence.LOW if names_error(said, handler) else None,
                )
                break


def _lets_through(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler raises the error again, in some case, or looks which one it is."""
    caught = handler.region.name
    for event in function.inside(handler.region):
        if isinstance(event, Raise) and (event.error is None or path_of(event.error) == (caught,)):
            return True
        if isinstance(event, Test) and names_error(event.expr, handler):
            return True
    return reraises(function, handler)


def _runs_ddl(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the `try` makes tables, for which a table that exists has no class of its own."""
    return runs_operations(function, handler) or any(
        isinstance(event, Call) and short(f".{dotted(event.func)}") in _DDL
        for event in function.inside(handler.tried)
    )


def _said(event: Event) -> Expr | None:
    """What a statement of the handler tells somebody: the new error, or what a call is given."""
    if isinstance(event, Raise):
        return event.error
    return event if isinstance(event, Call) else None


def _told(event: Event, said: Expr | None) -> str:
    """What it says of one kind of error: the name of the new error, or the words."""
    named = _kinds_named(said) if isinstance(event, Raise) else ()
    return next(chain(named, _kinds_said(said)), "")


def _kinds_named(expr: Expr | None) -> Iterator[str]:
    for part in walk(expr):
        if isinstance(part, (Name, Attribute)) and _NAMED.search(part.name):
            yield f"`{part.name}`"


def _kinds_said(expr: Expr | None) -> Iterator[str]:
    for part in walk(expr):
        if isinstance(part, Const) and isinstance(part.value, str):
            yield from (f'"{found.group()}"' for found in _SAID.finditer(part.value))


RULE = Rule(
    code="DBA224",
    name="handler-too-wide",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the handler tells of one kind of error ({told}) and catches every `{caught}`: a lost"
    " connection, a full pool or a deadlock gets the same answer, and nobody retries it",
    why=(
        "`DBError` and `SQLAlchemyError` stand for everything that can go wrong, and most of it has"
        " nothing to do with the data. Answered as a duplicate or a row in use, a server that is"
        " away looks like a mistake of the user, the log names the wrong cause, and the retry above"
        " never sees the error that it waits for."
    ),
    instead="Catch the class that means it (`DBDuplicateEntry`, `DBReferenceError`,"
    " `IntegrityError`), and let the others go on.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "the log says what it took the error for",
            """
            from oslo_db import exception as db_exc

            def archive(connection, insert, delete):
                try:
                    with connection.begin():
                        connection.execute(insert)
                        connection.execute(delete)
                except db_exc.DBError:  # expect: DBA224
                    LOG.warning("IntegrityError detected when archiving %s", delete)
                    return 0
            """,
        ),
        Example(
            "a new error that means a duplicate",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def create(session, user):
                session.add(user)
                try:
                    session.commit()
                except SQLAlchemyError as error:  # expect: DBA224
                    session.rollback()
                    raise UserAlreadyExists(user.name) from error
            """,
        ),
        Example(
            "an answer of HTTP",
            """
            from fastapi import HTTPException, status
            from sqlalchemy.exc import DBAPIError

            def create(session, user):
                session.add(user)
                try:
                    session.commit()
                except DBAPIError as error:  # expect: DBA224
                    session.rollback()
                    raise HTTPException(status.HTTP_409_CONFLICT) from error
            """,
        ),
    ),
    good=(
        Example(
            "the class that means it",
            """
            from oslo_db import exception as db_exc

            def archive(connection, delete):
                try:
                    connection.execute(delete)
                except db_exc.DBReferenceError:
                    LOG.warning("foreign key constraint keeps rows of %s", delete)
                    return 0
            """,
        ),
        Example(
            "the others are raised again",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def create(session, user):
                try:
                    session.commit()
                except SQLAlchemyError as error:
                    session.rollback()
                    if is_duplicate(error):
                        raise UserAlreadyExists(user.name) from error
                    raise
            """,
        ),
        Example(
            "words of no kind",
            """
            from oslo_db import exception as db_exc

            def create(session, user):
                try:
                    session.flush()
                except db_exc.DBError as error:
                    LOG.exception("user %s could not be stored", user.name)
                    raise StorageFailed() from error
            """,
        ),
        Example(
            "a table that exists has no class of its own",
            """
            from sqlalchemy.exc import DBAPIError

            def upgrade(metadata, engine):
                try:
                    metadata.create_all(engine)
                except DBAPIError:
                    LOG.info("tables already exist")
            """,
        ),
    ),
    known_gaps=(
        "what the answer is taken for is read from English words and names",
        "`except Exception` is not looked at, nor `IntegrityError`, which is no lost connection",
    ),
    sources=("SQLAlchemy documentation, error messages", "oslo.db documentation, exceptions"),
)
