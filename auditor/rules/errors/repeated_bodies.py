"""What is run again after a database error: bodies of retried functions, and of loops that try."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.rules.errors.caught import Handler, always_raises, database_errors, handlers_of, short
from auditor.rules.errors.retries import RETRY_REQUEST, retries_of
from auditor.source.facts import Call, Expr, FunctionFacts, Items, Jump, ModuleFacts, Region, Return
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

_BROAD = frozenset(("Exception", "BaseException"))
_CONFLICTS = ("oslo_db.exception.DBDuplicateEntry", "sqlalchemy.exc.IntegrityError")
"""Errors after which a loop tries other values: state that it keeps is meant to be kept."""
_TENACITY = ("tenacity.retry", "tenacity.retry_always")
_BACKOFF = ("backoff.on_exception", "backoff.on_predicate")
_BY_TYPE = "retry_if_exception_type"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A region that is run again: a whole function (`is_function`), or the `try` of a loop. `by`
    says what repeats it, in words. `copies` tells that each call gets copies of its lists, dicts
    and sets, `steps_back` that an open transaction keeps it from
    repeating; `errors` are the errors that it is repeated on, as people say them."""

    region: Region
    by: str
    errors: str
    is_function: bool = True
    copies: bool = False
    steps_back: bool = False


def repeated_bodies(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Repeated]:
    """The regions of a function that are run again after a database error, the function first."""
    whole = _by_decorator(project, module, function) if function.decorators else None
    if whole is not None:
        yield whole
    yield from _by_loops(project, module, function)


def _by_decorator(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Repeated | None:
    """A generator and a coroutine end before anything fails; DBA210 tells of those."""
    if function.is_generator or function is module.body:
        return None
    for retry in retries_of(project, module, function):
        errors = [one for one in retry.errors if one != RETRY_REQUEST]
        if errors and not function.is_async:
            name = last_step(getattr(retry.expr, "func", retry.expr))
            region = function.regions[0]
            return Repeated(
                region,
                f"`@{name}`",
                short(errors[0]),
                copies=retry.row.copies,
                steps_back=retry.row.steps_back,
            )
    for decorator in function.decorators:
        errors_named = _errors_of(project, module, decorator)
        if errors_named:
            func = decorator.func if isinstance(decorator, Call) else decorator
            return Repeated(function.regions[0], f"`@{last_step(func)}`", errors_named)
    return None


def _errors_of(project: Project, module: ModuleFacts, decorator: Expr) -> str:
    """The errors on which a decorator of tenacity or backoff repeats, empty if database errors are
    not among them or it cannot be told."""
    call = decorator if isinstance(decorator, Call) else None
    name = project.resolve(module, call.func if call else decorator)
    if name in _TENACITY:
        condition = call.keyword("retry") if call else None
        if condition is None:
            return "any error"
        if isinstance(condition, Call) and last_step(condition.func) == _BY_TYPE:
            given = condition.args[0] if condition.args else None
            return _database(project, module, given) if given is not None else "any error"
    elif name in _BACKOFF and call is not None:
        at = call.args[1] if len(call.args) > 1 else call.keyword("exception")
        return _database(project, module, at)
    return ""


def _database(project: Project, module: ModuleFacts, written: Expr | None) -> str:
    for expr in written.items if isinstance(written, Items) else (written,):
        name = project.resolve(module, expr)
        if name in _BROAD:
            return "any error"
        if name in project.knowledge.errors:
            return short(name)
    return ""


def _by_loops(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Repeated]:
    """`try` bodies in a loop that a success leaves and a database error repeats."""
    for handler in handlers_of(project, module, function):
        errors = [
            name
            for name in database_errors(project, handler)
            if not any(project.knowledge.is_error(name, one) for one in _CONFLICTS)
        ]
        loop = function.regions[handler.tried.parent]
        if not errors or loop.kind not in {"for", "while"}:
            continue
        is_left = _ends(function, handler.tried) or _ends_after(function, handler, loop)
        if is_left and _goes_on(function, handler):
            by = f"the loop on line {loop.at.line}"
            yield Repeated(handler.tried, by, short(errors[0]), is_function=False)


def _goes_on(function: FunctionFacts, handler: Handler) -> bool:
    return not always_raises(function, handler) and not any(
        is_exit(event) and event.region == handler.region.index
        for event in function.inside(handler.region)
    )


def is_exit(event: object) -> bool:
    """Whether an event leaves a loop: `return` or `break`."""
    return isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")


def _ends(function: FunctionFacts, tried: Region) -> bool:
    return any(is_exit(e) and e.region == tried.index for e in function.inside(tried))


def _ends_after(function: FunctionFacts, handler: Handler, loop: Region) -> bool:
    """`try: ... except E: continue` and then `break`, or `else: break`."""
    after = {
        region.index
        for region in function.regions
        if region.kind == "try-else" and region.partner == handler.tried.index
    }
    return any(
        is_exit(event) and (event.region in after or event.region == loop.index)
        for event in function.inside(loop)
    )


def is_retried(project: Project, site: Site) -> bool:
    """Whether a site calls a function that is repeated by itself: its errors come out only when
    that has been in vain."""
    if site.callee < 0:
        return False
    callee = project.program.scopes[site.callee]
    if not callee.function.decorators:
        return False
    whole = _by_decorator(project, callee.module, callee.function)
    return whole is not None and not whole.steps_back
