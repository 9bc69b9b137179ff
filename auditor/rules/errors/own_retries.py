"""Retry decorators that a program makes itself, read as rows like those of the tables.

def retried(function):                             a loop around a try around the function
    def wrapped(*args):
        while True:
            try: return function(*args)
            except DBDeadlock: continue
    return wrapped

retried = wrap_db_retry(retry_on_deadlock=True)    another name of a known one

def retried(function):                             a known one, handed on
    return wrap_db_retry(retry_on_deadlock=True)(function)
"""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.knowledge import RetryRow
from auditor.rules.errors.caught import Handler, always_raises, handlers_of
from auditor.source.facts import Bind, Call, Expr, FunctionFacts, ModuleFacts
from auditor.source.program import Scope
from auditor.source.project import Project

_OWN = "the program's own"
_KEPT = "own retries"
_PARTIAL = "functools.partial"
_LOOPS = frozenset(("for", "while"))
_STEPS = 4
"""Regions between a loop and the `try` in it, and names that stand for each other, at most."""


def retry_row(
    project: Project, module: ModuleFacts, func: Expr, depth: int = _STEPS
) -> RetryRow | None:
    """The row of a retry decorator, known by the tables or made by the program; None for others."""
    name = project.resolve(module, func)
    if not name:
        return None
    found = project.knowledge.retries.get(name)
    if found is not None or depth == 0:
        return found
    known: dict[str, RetryRow | None] = project.shared.setdefault(_KEPT, {})
    if name not in known:
        known[name] = None  # a name that stands for itself ends here
        known[name] = _own(project, name, depth)
    return known[name]


def errors_of(row: RetryRow, decorator: Expr) -> tuple[str, ...]:
    """The errors that a decorator as it is written repeats on."""
    keywords = decorator.keywords if isinstance(decorator, Call) else ()
    given = {k.name for k in keywords if getattr(k.value, "value", None) is not False}
    return (*row.retries, *(error for switch, error in row.switches if switch in given))


def _own(project: Project, name: str, depth: int) -> RetryRow | None:
    scope = project.program.functions.get(name)
    if scope is not None:
        errors = tuple(dict.fromkeys(_of_function(project, scope, depth)))
        return RetryRow(name, _OWN, errors) if errors else None
    home, _, last = name.rpartition(".")
    module = project.modules.get(home)
    if module is None:
        return None
    binds = [e for e in module.body.events if isinstance(e, Bind) and e.target == last]
    return _of_call(project, module, name, binds[0].value, depth) if len(binds) == 1 else None


def _of_call(
    project: Project, module: ModuleFacts, name: str, value: Expr | None, depth: int
) -> RetryRow | None:
    """The row for `name = wrap_db_retry(...)` and `name = partial(wrap_db_retry, ...)`."""
    if not isinstance(value, Call):
        return None
    is_partial = project.resolve(module, value.func) == _PARTIAL and value.args
    func = value.args[0] if is_partial else value.func
    row = retry_row(project, module, func, depth - 1)
    if row is None:
        return None
    switches = row.switches if is_partial else ()
    return RetryRow(
        name, _OWN, errors_of(row, value), switches, steps_back=row.steps_back, copies=row.copies
    )


def _of_function(project: Project, scope: Scope, depth: int) -> Iterator[str]:
    """The errors on which what a decorator gives calls the function again."""
    module = scope.module
    for event in scope.function.events:
        row = retry_row(project, module, event.func, depth - 1) if isinstance(event, Call) else None
        if row is not None and isinstance(event, Call):
            yield from errors_of(row, event)
    inside = f"{scope.function.qualname}.<locals>."
    for function in module.functions:
        if function.qualname.startswith(inside):
            yield from _of_wrapper(project, module, function, depth)


def _of_wrapper(
    project: Project, module: ModuleFacts, function: FunctionFacts, depth: int
) -> Iterator[str]:
    for decorator in function.decorators:
        func = decorator.func if isinstance(decorator, Call) else decorator
        row = retry_row(project, module, func, depth - 1)
        if row is not None:
            yield from errors_of(row, decorator)
    for handler in handlers_of(project, module, function):
        if _is_in_loop(function, handler) and not always_raises(function, handler):
            yield from (name for name in handler.types if name in project.knowledge.errors)


def _is_in_loop(function: FunctionFacts, handler: Handler) -> bool:
    around = list(function.ancestors(handler.tried.index))[: _STEPS + 1]
    return any(region.kind in _LOOPS for region in around)
