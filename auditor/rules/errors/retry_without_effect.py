"""DBA210: a retry that never repeats anything."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.retries import RETRY_REQUEST, Retry, retries_of
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Raise,
    Starred,
    walk,
)
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.traits import DECORATED, RAISE

_DEPTH = 3
"""Calls below the function in which a RetryRequest is looked for."""
_MAKES_REQUESTS = frozenset({"RetryRequest", "exc_to_retry"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Retry decorators that see no error, and requests to retry that cannot be raised."""
    for retry in retries_of(project, module, function):
        what = _without_effect(project, module, function, retry)
        if what:
            at = retry.expr.at if isinstance(retry.expr, Call) else function.at
            at = at._replace(end_line=at.line, end_column=at.column + 1)
            fields = {"what": what}
            yield Hit(span_of(module, at), function.qualname, fields, confidence=_how_sure(what))
    for event in function.events:
        if isinstance(event, Raise) and _is_bare_request(project, module, event):
            fields = {
                "what": "`RetryRequest` needs the error it stands for: this raises TypeError,"
                " which no retry decorator repeats on"
            }
            yield Hit(
                span_of(module, event.at),
                function.qualname,
                fields,
                confidence=Confidence.HIGH,
                severity=Severity.ERROR,
            )


def _without_effect(
    project: Project, module: ModuleFacts, function: FunctionFacts, retry: Retry
) -> str:
    """Why a decorator never repeats the function, empty if it does or may."""
    if function.is_generator:
        kind = "an asynchronous generator" if function.is_async else "a generator"
        return f"the decorated function is {kind}: its body runs after the decorator has returned"
    if function.is_async:
        return "the decorated function is a coroutine: its body runs after the decorator returned"
    if retry.asks or retry.errors != (RETRY_REQUEST,):
        return ""
    if _may_request(project, module, function, _DEPTH):
        return ""
    return (
        "it repeats on RetryRequest only (no `retry_on_deadlock`, `retry_on_disconnect` or"
        " `exception_checker` is given), taking it that nothing outside this project raises one"
    )


def _how_sure(what: str) -> Confidence:
    return Confidence.MEDIUM if "taking it" in what else Confidence.HIGH


def _may_request(
    project: Project, module: ModuleFacts, function: FunctionFacts, depth: int
) -> bool:
    """Whether the function, or one it calls, makes a RetryRequest, or calls what is handed in."""
    names = {last_step(event.func) for event in function.events if isinstance(event, Call)}
    if names & _MAKES_REQUESTS or any(_raises_request(e) for e in function.events):
        return True
    parameters = {parameter.name for parameter in function.parameters}
    if any(isinstance(e, Call) and _is_handed(e.func, parameters) for e in function.events):
        return True
    return depth > 0 and any(
        _may_request(project, inner.module, inner.function, depth - 1)
        for inner in _called(project, function)
    )


def _raises_request(event: object) -> bool:
    return isinstance(event, Raise) and any(
        isinstance(part, (Name, Attribute)) and part.name == "RetryRequest"
        for part in walk(event.error)
    )


def _is_handed(func: Expr, parameters: set[str]) -> bool:
    return isinstance(func, Name) and func.name in parameters


def _called(project: Project, function: FunctionFacts) -> Iterator[Scope]:
    for site in project.sites(function):
        if site.callee >= 0:
            yield project.program.scopes[site.callee]


def _is_bare_request(project: Project, module: ModuleFacts, event: Raise) -> bool:
    """`raise RetryRequest()` and `raise RetryRequest`: the class takes the error it wraps."""
    error = event.error
    if isinstance(error, Call):
        if error.args or error.keywords or any(isinstance(a, Starred) for a in error.args):
            return False
        error = error.func
    if not isinstance(error, (Name, Attribute)):
        return False
    return project.resolve(module, error) == RETRY_REQUEST


RULE = Rule(
    code="DBA210",
    name="retry-without-effect",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the retry has no effect: {what}",
    why=(
        "oslo.db's `wrap_db_retry` calls the function inside a `try` and looks at what comes out of"
        " the call. A generator or a coroutine returns at once and fails later, outside of that."
        " Without switches it repeats on RetryRequest only, and `RetryRequest()` without the error"
        " it wraps is itself an error. In all these cases the first deadlock reaches the caller."
    ),
    instead="Decorate the function that runs the work to its end; say what to repeat on"
    " (`retry_on_deadlock=True`); raise `RetryRequest(error)`.",
    checks=(OnFunction(check, needs=(DECORATED | RAISE,)),),
    bad=(
        Example(
            "a generator",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)  # expect: DBA210
            def routers(context):
                for row in context.session.query(Router):
                    yield row.id
            """,
        ),
        Example(
            "a coroutine",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(max_retries=5, retry_on_deadlock=True)  # expect: DBA210
            async def store(session, row):
                session.add(row)
                await session.commit()
            """,
        ),
        Example(
            "a request without the error it stands for",
            """
            from oslo_db import exception as db_exc

            def lock(session, pool):
                count = session.query(Pool).filter_by(id=pool).update({"hash": new_hash()})
                if not count:
                    raise db_exc.RetryRequest()  # expect: DBA210
            """,
        ),
        Example(
            "no switch given",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(max_retries=5)  # expect: DBA210
            def store(context, name):
                with writer(context) as session:
                    session.add(Label(name=name))
            """,
        ),
    ),
    good=(
        Example(
            "repeats on deadlocks",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(max_retries=5, retry_on_deadlock=True)
            def store(context, name):
                with writer(context) as session:
                    session.add(Label(name=name))
            """,
        ),
        Example(
            "a request is raised further down",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc

            def lock(session, pool):
                if not session.query(Pool).filter_by(id=pool).update({"hash": 1}):
                    raise db_exc.RetryRequest(PoolInUse(pool))

            @oslo_db_api.wrap_db_retry(max_retries=5)
            def allocate(session, pool):
                lock(session, pool)
                session.add(Subnet(pool=pool))
            """,
        ),
        Example(
            "a function of the user decides",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(exception_checker=is_stale)
            def store(session, row):
                session.add(row)
            """,
        ),
        Example(
            "the function makes the generator's rows itself",
            """
            from oslo_db import api as oslo_db_api

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def routers(context):
                return [row.id for row in context.session.query(Router)]
            """,
        ),
    ),
    known_gaps=("retries by libraries that are not in the tables (tenacity, retrying)",),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.api.html",),
)
