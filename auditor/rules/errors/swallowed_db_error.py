"""DBA201: a database error is caught and lost."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors import (
    missing_rollback,
    swallowed_inside_transaction,
    work_after_failed_flush,
)
from auditor.rules.errors.caught import (
    Handler,
    are_all,
    database_errors,
    handlers_of,
    is_broad,
    is_called,
    short,
)
from auditor.rules.errors.core_statements import are_commands
from auditor.rules.errors.lost_errors import (
    is_an_answer,
    is_lost,
    is_told,
    returns_after,
    returns_as_stored,
    returns_in,
    tries_again,
    what_is_done,
)
from auditor.rules.errors.open_transactions import does, work_within
from auditor.rules.places import span_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_SENT = frozenset((Effect.WRITE, Effect.FLUSH, Effect.COMMIT))
_DUPLICATE = "oslo_db.exception.DBDuplicateEntry"
_REFUSED = (_DUPLICATE, "oslo_db.exception.DBReferenceError", "sqlalchemy.exc.IntegrityError")
"""Errors of a row that a constraint refused: nothing else can be meant by a value that is returned
as if it had been stored."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for database errors that end as if nothing had happened."""
    for handler in handlers_of(project, module, function):
        errors = database_errors(project, handler)
        loses = (
            _loses(project, function, handler, errors)
            if errors
            else _loses_any(project, function, handler)
        )
        if not loses or _is_told_elsewhere(project, module, function, handler):
            continue
        names = errors or handler.types
        fields = {
            "errors": " or ".join(f"`{short(name)}`" for name in names) or "every error",
            "what": what_is_done(function, handler),
        }
        is_plain = (
            bool(errors) and are_all(project, errors, _REFUSED) and is_told(function, handler)
        )
        is_stored = is_plain and returns_as_stored(function, handler)
        confidence = Confidence.MEDIUM if is_stored else None
        yield Hit(span_of(module, handler.line), function.qualname, fields, confidence=confidence)


def _loses(
    project: Project, function: FunctionFacts, handler: Handler, errors: tuple[str, ...]
) -> bool:
    """Whether a handler for database errors loses them."""
    return is_lost(function, handler) and not (
        is_an_answer(function, handler)
        or _ensures(project, function, handler, errors)
        or are_commands(function, handler.tried)
        or tries_again(function, handler)
    )


def _loses_any(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    """The same for a handler of everything: it is about the database only if the `try` certainly
    writes."""
    if not is_broad(handler) or not is_lost(function, handler):
        return False
    if is_an_answer(function, handler) or tries_again(function, handler):
        return False
    finals = (r for r in function.regions if r.kind == "finally" and r.parent >= 0)
    if any(is_called(function, r, "rollback", "close", "remove") for r in finals):
        return False
    return any(
        (effect := does(project, site, _SENT)) and project.effects.of_site(site)[effect]
        for site in work_within(project, function, handler.tried, _SENT)
    )


def _is_told_elsewhere(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether a rule that knows more about the transaction around reports the handler."""
    return any(
        hit.span.line == handler.line.line
        for rule in (swallowed_inside_transaction, work_after_failed_flush, missing_rollback)
        for hit in rule.check(project, module, function)
    )


def _ensures(
    project: Project, function: FunctionFacts, handler: Handler, errors: tuple[str, ...]
) -> bool:
    """Whether a duplicate is passed over by a function that promises nothing: "make sure it is
    there". One that then returns a value, as if it had stored it, is another matter."""
    if not all(project.knowledge.is_error(name, _DUPLICATE) for name in errors):
        return False
    returned = returns_in(function, handler.region.index)
    return bool(returned) or not returns_after(function, handler)


RULE = Rule(
    code="DBA201",
    name="swallowed-db-error",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="{errors} is caught and lost ({what}): taking it that the caller relies on the write in"
    " the `try`, it goes on as if that had been stored",
    why=(
        "A deadlock, a lost connection or a violated constraint means that nothing was stored. A"
        " handler that logs or passes turns that into success for every caller: no retry runs, the"
        " API answers 200, and the data is not there."
    ),
    instead="Let it go up (a retry decorator above the transaction handles what is transient), or"
    " raise an error of the domain `from` it.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "logged, and the value returned as if stored",
            """
            from oslo_db import exception as db_exc

            def create_label(session, name):
                try:
                    session.add(Label(name=name))
                    session.flush()
                except db_exc.DBDuplicateEntry:  # expect: DBA201
                    LOG.debug("there is a label %s", name)
                return {"name": name}
            """,
        ),
        Example(
            "any database error passed over",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def record(session, event):
                try:
                    session.add(event)
                    session.commit()
                except SQLAlchemyError:  # expect: DBA201
                    pass
            """,
        ),
        Example(
            "logged twice, the second time with the trace",
            """
            from sqlalchemy.exc import IntegrityError, OperationalError

            def seen(client):
                db.session.add(client)
                try:
                    db.session.commit()
                except (IntegrityError, OperationalError) as error:  # expect: DBA201
                    log.info(f"not written: {error}")
                    log.debug(traceback.format_exc())
            """,
        ),
        Example(
            "everything passed over, and the session left as it is",
            """
            from sqlalchemy.orm import Session

            def store_all(session: Session, row):
                try:
                    session.add(row)
                    session.commit()
                except Exception:  # expect: DBA201
                    LOG.exception("not stored")
            """,
        ),
        Example(
            "a number that was set before",
            """
            from oslo_db import exception as db_exc

            def archive(conn, statement):
                archived = 0
                try:
                    with conn.begin():
                        result = conn.execute(statement)
                except db_exc.DBError:  # expect: DBA201
                    msg = _("IntegrityError detected") % statement
                    LOG.warn(msg)
                    return archived
                archived = result.rowcount
                return archived
            """,
        ),
        Example(
            "a default instead of a failed write",
            """
            from oslo_db import exception as db_exc

            def bump(session, row):
                try:
                    session.execute(row.update_statement())
                except db_exc.DBError as error:  # expect: DBA201
                    LOG.exception("not counted: %s", error)
                    return {}
                return row.as_dict()
            """,
        ),
    ),
    good=(
        Example(
            "a command that stores nothing",
            """
            import sqlite3

            def prepare(connection: sqlite3.Connection):
                try:
                    connection.execute("PRAGMA journal_mode=WAL")
                except sqlite3.OperationalError:
                    pass
            """,
        ),
        Example(
            "told to the caller",
            """
            from oslo_db import exception as db_exc

            def create_label(session, name):
                try:
                    session.add(Label(name=name))
                    session.flush()
                except db_exc.DBDuplicateEntry as error:
                    raise LabelExists(name) from error
                return {"name": name}
            """,
        ),
        Example(
            "whether it worked is what the function answers",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def store(session, row):
                try:
                    session.add(row)
                    session.commit()
                except SQLAlchemyError:
                    LOG.warning("not stored")
                    return False
                return True
            """,
        ),
        Example(
            "logged and raised again",
            """
            from oslo_utils import excutils
            from oslo_db import exception as db_exc

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except db_exc.DBError:
                    with excutils.save_and_reraise_exception():
                        LOG.error("not stored")
            """,
        ),
        Example(
            "an absent row is an answer, not a failure",
            """
            from sqlalchemy.orm import exc

            def find(session, query):
                try:
                    row = query.one()
                    session.add(Seen(row.id))
                except exc.NoResultFound:
                    return None
                return row
            """,
        ),
        Example(
            "everything caught around work that is no database's",
            """
            def notify(session, row):
                try:
                    send(row)
                except Exception:
                    LOG.exception("not sent")
                session.add(row)
            """,
        ),
        Example(
            "make sure that it is there",
            """
            from oslo_db import exception as db_exc

            def ensure(session, name):
                try:
                    with session.begin_nested():
                        session.add(Label(name=name))
                except db_exc.DBDuplicateEntry:
                    pass
            """,
        ),
        Example(
            "the next attempt of a loop",
            """
            from oslo_db import exception as db_exc

            def allocate(session):
                for attempt in range(5):
                    try:
                        session.add(Allocation(random_id()))
                        session.flush()
                        return True
                    except db_exc.DBDuplicateEntry:
                        LOG.info("attempt %d", attempt)
                raise NothingLeft()
            """,
        ),
        Example(
            "the handler does something about it",
            """
            from sqlalchemy.exc import IntegrityError

            def get_or_create(session, name):
                try:
                    with session.begin_nested():
                        session.add(Label(name=name))
                except IntegrityError:
                    return session.query(Label).filter_by(name=name).one()
            """,
        ),
    ),
    known_gaps=(
        (
            "whether anybody relies on the write cannot be told (2 of 14 findings that were read"
            " were worth a line): low confidence, but for a violated constraint that is only logged"
            " before a value is returned"
        ),
    ),
    sources=("Yuan et al., Simple Testing Can Prevent Most Critical Failures, OSDI 2014",),
)
