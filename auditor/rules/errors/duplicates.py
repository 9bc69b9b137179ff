"""What answers a duplicate: a handler, a retry, a lock or an upsert, here or in what calls it."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.rules.errors.caught import (
    Handler,
    catches,
    handlers_inside,
    handlers_of,
    is_broad,
    own_events,
    reraises,
    short,
)
from auditor.rules.errors.retries import repeats_on, retries_of
from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts, Raise, dotted
from auditor.source.program import Scope, last_step
from auditor.source.project import Project

ERRORS = ("oslo_db.exception.DBDuplicateEntry", "sqlalchemy.exc.IntegrityError")
_SHORT = frozenset(short(error) for error in ERRORS)
_TAKEN = _SHORT | {"DBError", "SQLAlchemyError", "DBAPIError", "DatabaseError"}
"""The same and those above them, also where a program has its own copy of the classes."""
_SUPPRESSED = _TAKEN | {"Exception", "BaseException"}
_LOCKS = frozenset({"with_for_update", "with_lockmode", "begin_nested", "on_conflict_do_nothing",
                    "on_conflict_do_update", "lock", "acquire", "synchronized"})  # fmt: skip
_ASKS = frozenset({"isinstance", "issubclass", "raises", "assertRaises", "assert_raises", "super",
                   "suppress"})  # fmt: skip
_MANY = 40
"""Callers of one name; with more of them, one is taken to answer."""


def is_answered(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a handler, a retry, a lock or an upsert of the function answers a duplicate."""
    if any(
        catches(project, handler, error)
        for handler in handlers_of(project, module, function)
        for error in ERRORS
    ):
        return True
    if any(
        retry.asks or repeats_on(project, retry, ERRORS[0])
        for retry in retries_of(project, module, function)
    ):
        return True
    return any(isinstance(e, Call) and last_step(e.func) in _LOCKS for e in function.events)


def is_answered_above(project: Project, scope: Scope, depth: int) -> bool:
    """Whether a caller, or one of its callers, answers a duplicate; callers are found by name."""
    known = project.shared.setdefault("duplicates answered above", {})
    if (scope.key, depth) not in known:
        callers = {
            found.scope.key: found.scope
            for found in project.program.calls.get(scope.function.name, ())
            if found.scope.key != scope.key
        }
        known[scope.key, depth] = any(
            _answers(project, caller)
            or (depth > 1 and is_answered_above(project, caller, depth - 1))
            for caller in callers.values()
        )
    return bool(known[scope.key, depth])


def _answers(project: Project, scope: Scope) -> bool:
    known = project.shared.setdefault("duplicates answered", {})
    if scope.key not in known:
        known[scope.key] = is_answered(project, scope.module, scope.function)
    return bool(known[scope.key])


def is_let_through(project: Project, scope: Scope, depth: int, seen: set[int]) -> bool:
    """Whether nothing from here upwards answers a duplicate: no handler, retry or lock, none in a
    decorator or in what a `with` enters, nor in any caller. A handler for everything that raises
    the same error again answers nothing."""
    seen.add(scope.key)
    if _takes(project, scope):
        return False
    callers = project.program.calls.get(scope.function.name, ())
    if len(callers) > _MANY:
        return False
    return depth == 0 or all(
        is_let_through(project, one.scope, depth - 1, seen)
        for one in callers
        if one.scope.key not in seen
    )


def _takes(project: Project, scope: Scope) -> bool:
    known = project.shared.setdefault("duplicates taken", {})
    if scope.key not in known:
        module, function = scope.module, scope.function
        known[scope.key] = (
            any(_is_answer(project, function, h) for h in handlers_of(project, module, function))
            or any(True for _ in retries_of(project, module, function))
            or any(isinstance(e, Call) and last_step(e.func) in _LOCKS for e in function.events)
            or any(_answers_around(project, module, one) for one in _around(function))
        )
    return bool(known[scope.key])


def _around(function: FunctionFacts) -> Iterator[Expr]:
    yield from function.decorators
    yield from (item.expr for region in function.regions for item in region.items)


def _answers_around(project: Project, module: ModuleFacts, expr: Expr) -> bool:
    """Whether a decorator or a context manager of the project has a handler for the error."""
    func = expr.func if isinstance(expr, Call) else expr
    if isinstance(expr, Call) and last_step(func) == "suppress":
        return any(dotted(arg).rpartition(".")[2] in _SUPPRESSED for arg in expr.args)
    inside = handlers_inside(project, module, func)
    return any(_is_answer(project, function, handler) for function, handler in inside)


def _is_answer(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    named = any(short(name) in _TAKEN for name in handler.types)
    if not named and not any(catches(project, handler, error) for error in ERRORS):
        return False
    return not (is_broad(handler) and _hands_on(function, handler))


def _hands_on(function: FunctionFacts, handler: Handler) -> bool:
    """Whether all that a handler raises is what it caught."""
    raised = [event for event in own_events(function, handler) if isinstance(event, Raise)]
    if not raised:
        return reraises(function, handler)
    return all(one.error is None or dotted(one.error) == handler.region.name for one in raised)


def is_narrow(project: Project, handler: Handler) -> bool:
    """Whether a handler names the error for duplicates."""
    return any(short(name) in _SHORT for name in handler.types)


def is_registered(project: Project) -> bool:
    """Whether the error is handed to something (`@app.errorhandler(IntegrityError)`), which may
    answer it for the whole program."""
    if "duplicates registered" not in project.shared:
        project.shared["duplicates registered"] = any(
            _hands_class(call)
            for module, function in project.functions()
            for call in (*function.events, *function.decorators)
            if isinstance(call, Call)
        )
    return bool(project.shared["duplicates registered"])


def _hands_class(call: Call) -> bool:
    if last_step(call.func) in _ASKS or not call.args:
        return False
    return any(dotted(arg).rpartition(".")[2] in _SHORT for arg in call.args)
