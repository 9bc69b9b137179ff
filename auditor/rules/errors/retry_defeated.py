"""DBA211: a handler below a retry hides the error that the retry waits for."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    calls_within,
    first_for,
    handlers_of,
    is_broad,
    own_events,
    reraises,
    short,
)
from auditor.rules.errors.open_transactions import SENDS, does, work_within
from auditor.rules.errors.retries import Retry, repeats_on, retries_of
from auditor.rules.places import span_of
from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts, Name, Raise
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import DECORATED, HANDLER

_RETRIABLE = (
    "oslo_db.exception.DBDeadlock",
    "oslo_db.exception.DBConnectionError",
    "sqlalchemy.orm.exc.StaleDataError",
)
"""Errors that are for the retry. A duplicate is often both: answered here, repeated there."""
_MAKES_REQUESTS = frozenset({"RetryRequest", "exc_to_retry", "is_retriable"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers in a function with a retry decorator that take what the decorator repeats on."""
    retries = [r for r in retries_of(project, module, function) if not r.asks]
    if not retries:
        return
    handlers = tuple(handlers_of(project, module, function))
    for handler in handlers:
        hidden = _hidden(project, handlers, handler, retries)
        if not hidden or not _sends(project, function, handler):
            continue
        how = _how(function, handler)
        if not how:
            continue
        fields = {
            "caught": " or ".join(f"`{short(name)}`" for name in handler.types) or "everything",
            "hidden": short(hidden),
            "retry": last_step(_func(retries[0].expr)),
            "how": how,
        }
        confidence = Confidence.MEDIUM if _is_certain(project, function, handler) else None
        confidence = confidence or Confidence.LOW
        yield Hit(span_of(module, handler.line), function.qualname, fields, confidence=confidence)


def _func(expr: Expr) -> Expr:
    return expr.func if isinstance(expr, Call) else expr


def _hidden(
    project: Project, handlers: tuple[Handler, ...], handler: Handler, retries: list[Retry]
) -> str:
    """The first error that the decorator would repeat on and this handler takes, empty if none."""
    return next(
        (
            error
            for taker, error in first_for(project, handlers, handler.tried, _RETRIABLE)
            if taker == handler and any(repeats_on(project, retry, error) for retry in retries)
        ),
        "",
    )


def _sends(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    """Whether the `try` has work on the database; a handler for a database error says so itself."""
    if not is_broad(handler):
        return bool(calls_within(function, handler.tried))
    return bool(work_within(project, function, handler.tried, SENDS))


def _is_certain(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    """Whether the work under a broad handler runs each time the `try` does."""
    return not is_broad(handler) or any(
        project.effects.of_site(site)[effect]
        for site in work_within(project, function, handler.tried, SENDS)
        if (effect := does(project, site, SENDS)) is not None
    )


def _how(function: FunctionFacts, handler: Handler) -> str:
    """How the handler hides the error, empty if it lets it through or asks what it is."""
    if reraises(function, handler):
        return ""
    for event in function.inside(handler.region):
        if isinstance(event, Call) and last_step(event.func) in _MAKES_REQUESTS | {"isinstance"}:
            return ""
    raised = [e for e in own_events(function, handler) if isinstance(e, Raise)]
    if any(e.error is None or _is_caught_one(e.error, handler) for e in raised):
        return ""
    if raised:
        error = raised[0].error
        name = last_step(_func(error)) if error is not None else ""
        return f"raises `{name}` instead" if name else "raises another error instead"
    return "does not raise"


def _is_caught_one(error: Expr, handler: Handler) -> bool:
    return isinstance(error, Name) and error.name == handler.region.name


RULE = Rule(
    code="DBA211",
    name="retry-defeated",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{caught} also takes `{hidden}`, on which `{retry}` above would repeat, and {how}:"
    " taking it that the work in the `try` can meet one, it is never repeated",
    why=(
        "A retry decorator repeats on the errors that come out of the function. A wide handler"
        " inside turns a deadlock, which the second attempt would have survived, into a failure"
        " of the request or into silence."
    ),
    instead="Catch what is meant (`DBDuplicateEntry`, `DBReferenceError`), or put `except"
    " DBDeadlock: raise` before the wide handler.",
    checks=(OnFunction(check, needs=(HANDLER, DECORATED)),),
    bad=(
        Example(
            "turned into an error of the domain",
            """
            from neutron_lib.db import api as db_api
            from oslo_db import exception as db_exc

            @db_api.retry_db_errors
            def bind(self, context, router):
                try:
                    with db_api.CONTEXT_WRITER.using(context):
                        context.session.add(router)
                except db_exc.DBError as error:  # expect: DBA211
                    raise SchedulingFailed(router.id) from error
            """,
        ),
        Example(
            "logged only",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def count(context, statement):
                try:
                    with enginefacade.writer.using(context) as session:
                        session.execute(statement)
                except Exception:  # expect: DBA211
                    LOG.exception("not counted")
            """,
        ),
        Example(
            "the deadlock itself",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def store(context, row):
                try:
                    row.save(context.session)
                except (db_exc.DBDeadlock, db_exc.DBDuplicateEntry) as error:  # expect: DBA211
                    raise Busy(row.id) from error
            """,
        ),
    ),
    good=(
        Example(
            "the error that is meant",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def store(context, row):
                try:
                    row.save(context.session)
                except db_exc.DBDuplicateEntry as error:
                    raise Taken(row.id) from error
            """,
        ),
        Example(
            "the deadlock goes its way first",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def store(context, row):
                try:
                    row.save(context.session)
                except db_exc.DBDeadlock:
                    raise
                except db_exc.DBError as error:
                    raise NotStored(row.id) from error
            """,
        ),
        Example(
            "raised again after cleaning up",
            """
            from oslo_db import api as oslo_db_api
            from oslo_utils import excutils

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def store(context, row):
                try:
                    context.session.execute(row.statement())
                except Exception:
                    with excutils.save_and_reraise_exception():
                        row.forget()
            """,
        ),
        Example(
            "made a request to retry",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def store(context, row):
                try:
                    row.save(context.session)
                except db_exc.DBError as error:
                    raise db_exc.RetryRequest(error)
            """,
        ),
        Example(
            "no retry above",
            """
            from oslo_db import exception as db_exc

            def store(context, row):
                try:
                    row.save(context.session)
                except db_exc.DBError as error:
                    raise NotStored(row.id) from error
            """,
        ),
    ),
    known_gaps=(
        "a handler in a function that the decorated one calls",
        "decorators with a function that decides (`exception_checker`)",
    ),
    sources=("https://docs.openstack.org/neutron/latest/contributor/internals/retries.html",),
)
