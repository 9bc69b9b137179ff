"""DBA208: a database error is answered with another error that does not name it as its cause."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    are_all,
    database_errors,
    handlers_of,
    names_error,
    own_events,
    reraises,
    short,
)
from auditor.rules.places import span_of
from auditor.source.facts import (
    Bind,
    Call,
    Event,
    FunctionFacts,
    ModuleFacts,
    Name,
    Raise,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import HANDLER


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Every raise in a handler for database errors that has no `from`."""
    for handler in handlers_of(project, module, function):
        errors = database_errors(project, handler)
        if not errors or len(errors) != len(handler.types):
            continue
        told = reraises(function, handler)  # which logs an error that it drops, with its traceback
        for event in own_events(function, handler):
            told = told or _logs_traceback(event)
            if isinstance(event, Raise) and _loses_the_cause(event, handler):
                is_told = (
                    told
                    or names_error(event.error, handler)
                    or _is_of_later(function, event, handler)
                )
                fields = {
                    "lost": _CONSTRAINT if are_all(project, errors, _REFUSED) else _SAID,
                    "caught": " or ".join(f"`{short(name)}`" for name in errors),
                    "raised": _raised(event),
                }
                yield Hit(
                    span_of(module, event.at),
                    function.qualname,
                    fields,
                    confidence=Confidence.LOW if is_told else None,
                )


_CONSTRAINT = "which constraint failed, and where"
_SAID = "what the database said"
_REFUSED = (
    "oslo_db.exception.DBDuplicateEntry",
    "oslo_db.exception.DBReferenceError",
    "oslo_db.exception.DBConstraintError",
    "sqlalchemy.exc.IntegrityError",
)
"""Errors that say that a constraint refused something."""


def _is_of_later(function: FunctionFacts, event: Raise, handler: Handler) -> bool:
    """Whether the new error is about what the handler has looked up since, which it tests."""
    found = {
        bind.target
        for bind in function.inside(handler.region)
        if isinstance(bind, Bind)
        and bind.kind == "assign"
        and handler.region.name
        not in {part.name for part in walk(bind.value) if isinstance(part, Name)}
    }
    around = [r for r in function.ancestors(event.region) if r.first >= handler.region.first]
    return any(
        isinstance(part, Name) and part.name in found
        for region in around
        if region.kind == "if"
        for part in walk(region.expr)
    )


def _logs_traceback(event: Event) -> bool:
    """`LOG.exception(...)`, `log.error(..., exc_info=True)`: the log keeps the old one in full."""
    return isinstance(event, Call) and (
        last_step(event.func) == "exception" or event.keyword("exc_info") is not None
    )


def _loses_the_cause(event: Raise, handler: Handler) -> bool:
    if event.has_cause or not isinstance(event.error, Call):
        return False  # bare raise, `raise e`, or a class or value made elsewhere
    values = (*event.error.args, *(keyword.value for keyword in event.error.keywords))
    caught = handler.region.name
    return not any(isinstance(v, Name) and v.name == caught for v in values if caught)


def _raised(event: Raise) -> str:
    return short(dotted(event.error.func)) if isinstance(event.error, Call) else "an error"


RULE = Rule(
    code="DBA208",
    name="missing-cause",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.HIGH,
    message="`{raised}` is raised for {caught} without `from`: a traceback shows it as one more"
    " failure, and its `__cause__` does not tell {lost}",
    why=(
        "The database error carries the constraint, the table and the key that failed, and the"
        " server's own message. An error raised in its place without `from` keeps them only as"
        " accidental context (`During handling of the above exception ...`): code that looks at"
        " `__cause__`, as oslo.db's own retry logic does, finds nothing, and readers take the first"
        " error for a bug in the handler."
    ),
    instead="`except DBReferenceError as error: raise LabelNotFound(...) from error`; `from None`"
    " where hiding it is meant.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "a domain error in place of a foreign key error",
            """
            from oslo_db import exception as db_exc

            def create_rule(rule, label_id):
                try:
                    rule.create()
                except db_exc.DBReferenceError:
                    raise LabelNotFound(label_id=label_id)  # expect: DBA208
            """,
        ),
        Example(
            "only the text is kept",
            """
            from sqlalchemy.exc import IntegrityError

            def save(session):
                try:
                    session.commit()
                except IntegrityError as error:
                    session.rollback()
                    raise ValueError(str(error))  # expect: DBA208
            """,
        ),
        Example(
            "one branch of several",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except (db_exc.DBDuplicateEntry, db_exc.DBReferenceError) as error:
                    if error.table:
                        raise InUse(error.table)  # expect: DBA208
                    raise
            """,
        ),
    ),
    good=(
        Example(
            "the cause is named",
            """
            from oslo_db import exception as db_exc

            def create_rule(rule, label_id):
                try:
                    rule.create()
                except db_exc.DBReferenceError as error:
                    raise LabelNotFound(label_id=label_id) from error
            """,
        ),
        Example(
            "hiding it is said",
            """
            from oslo_db import exception as db_exc

            def create_rule(rule, label_id):
                try:
                    rule.create()
                except db_exc.DBReferenceError:
                    raise LabelNotFound(label_id=label_id) from None
            """,
        ),
        Example(
            "the error itself travels inside the new one",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBDuplicateEntry as error:
                    raise db_exc.RetryRequest(error)
            """,
        ),
        Example(
            "a missing row is no database error",
            """
            from sqlalchemy.orm import exc

            def find(query):
                try:
                    return query.one()
                except exc.NoResultFound:
                    raise NotFound()
            """,
        ),
        Example(
            "a raise in a nested handler belongs to that one",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBDuplicateEntry as error:
                    try:
                        obj.parse()
                    except ValueError:
                        raise KeyError("name")
                    raise
            """,
        ),
    ),
    known_gaps=(
        "handlers that also name errors from outside the database are left alone",
        "an error made in a helper and raised by name is taken to carry its cause",
    ),
    sources=("PEP 3134", "oslo.db exc_filters: the cause of a DBError is the driver's error"),
)
