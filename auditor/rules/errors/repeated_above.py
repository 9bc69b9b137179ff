"""Which functions are repeated on deadlocks: by a decorator, or because something above them is."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.rules.errors.caught import Handler, always_raises, catches, handlers_of, is_broad
from auditor.rules.errors.retries import repeats_on, retries_of
from auditor.source.facts import Bind, Call, Const, Expr, FunctionFacts, ModuleFacts, dotted
from auditor.source.program import CallSite, Scope, last_step
from auditor.source.project import Project

_DEADLOCK = "oslo_db.exception.DBDeadlock"
_SAME_NAME = 3
"""Functions of one name: with more of them, a call of something unknown tells nothing."""


def is_repeated(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a decorator repeats it on deadlocks, or a function of the user decides about that."""
    return any(
        retry.asks or repeats_on(project, retry, _DEADLOCK)
        for retry in retries_of(project, module, function)
    )


def is_retried(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """The same, or a handler of the function itself answers deadlocks."""
    return is_repeated(project, module, function) or any(_deadlocks(project, module, function))


def is_retried_above(project: Project, scope: Scope, depth: int) -> bool:
    """Whether a caller, or one of its callers, is repeated on deadlocks or goes on after them; one
    that only makes an error of its own of them repeats nothing."""
    if depth == 0:
        return False
    callers = {found.scope.key: found.scope for found in _callers(project, scope)}
    return any(
        _goes_on(project, caller.module, caller.function)
        or is_retried_above(project, caller, depth - 1)
        for caller in callers.values()
    )


def _goes_on(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a function is repeated on deadlocks, or answers them without an error in turn."""
    return is_repeated(project, module, function) or any(
        not always_raises(function, handler) for handler in _deadlocks(project, module, function)
    )


def _deadlocks(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Handler]:
    """The handlers that are for deadlocks by name."""
    for handler in handlers_of(project, module, function):
        if catches(project, handler, _DEADLOCK) and not is_broad(handler):
            yield handler


def _callers(project: Project, scope: Scope) -> Iterator[CallSite]:
    """The calls that run a function, and those of its name that may run anything."""
    is_common = _of_name(project, scope.function.name) > _SAME_NAME
    for found in project.program.calls.get(scope.function.name, ()):
        if found.scope.key == scope.key:
            continue
        targets = project.targets(found.scope.function, found.position, found.call)
        keys = {t.function.key for t in targets if t.function is not None}
        if scope.key in keys or not (keys or targets or is_common):
            yield found


def _of_name(project: Project, name: str) -> int:
    known: dict[str, int] = project.shared.setdefault("functions of a name", {})
    if not known:
        for other in project.program.scopes:
            known[other.function.name] = known.get(other.function.name, 0) + 1
    return known.get(name, 0)


def repeats_by_name(project: Project) -> bool:
    """Whether a function of the project that is repeated calls what it gets by a name, as an API
    does with its plug-ins: then whoever is called from there is repeated, and cannot be told."""
    if "repeats by name" not in project.shared:
        project.shared["repeats by name"] = any(
            _gets_by_name(function) and is_repeated(project, module, function)
            for module, function in project.functions()
            if function.decorators
        )
    return bool(project.shared["repeats by name"])


def _gets_by_name(function: FunctionFacts) -> bool:
    """`getattr(plugin, action)(context)`, and the same in two steps."""
    got = {
        event.target
        for event in function.events
        if isinstance(event, Bind) and _is_by_name(event.value)
    }
    return any(
        isinstance(event, Call) and (_is_by_name(event.func) or dotted(event.func) in got)
        for event in function.events
    )


def _is_by_name(expr: Expr | None) -> bool:
    return (
        isinstance(expr, Call)
        and last_step(expr.func) == "getattr"
        and not any(isinstance(arg, Const) for arg in expr.args[1:2])
    )
