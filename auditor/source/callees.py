"""From the value of what is called to what may run."""

from __future__ import annotations

from auditor.model.knowledge import CallableRow
from auditor.source.facts import dotted
from auditor.source.program import Program, Scope
from auditor.source.value import (
    CLASS,
    FUNCTION,
    INSTANCE,
    METHOD,
    NAME,
    SUPER,
    UNKNOWN,
    Target,
    Value,
)

_OVERRIDES = 12
"""Overriding methods looked at; a method with more of them is a hook, and anything may run."""


def targets_of(program: Program, func: Value) -> tuple[Target, ...]:
    """What a call of `func` may run; empty if nothing is known."""
    found = program.targets.get(func)
    if found is None:
        found = program.targets[func] = _targets(program, func)
    return found


def _targets(program: Program, func: Value) -> tuple[Target, ...]:
    if func.kind == METHOD and func.receiver is not None:
        return _method_targets(program, func.receiver, func.method)
    if func.kind == FUNCTION:
        scope = program.functions.get(func.name)
        row = program.knowledge.callable_named(func.name)
        if row is not None:
            return (Target(scope, row, UNKNOWN),)
        return () if scope is None else (Target(scope, None, UNKNOWN),)
    if func.kind == CLASS:
        return _constructor_targets(program, func)
    if func.kind == NAME:
        row = program.knowledge.callable_named(func.name)
        owner = Value(CLASS, func.name.rpartition(".")[0])
        return () if row is None else (Target(None, row, owner),)
    return ()


def _constructor_targets(program: Program, func: Value) -> tuple[Target, ...]:
    row = program.knowledge.callable_named(func.name)
    if row is not None:
        return (Target(None, row, func),)
    scope = program.method(func.name, "__init__")
    return () if scope is None else (Target(scope, None, func),)


def _method_targets(program: Program, receiver: Value, method: str) -> tuple[Target, ...]:
    if receiver.kind in {CLASS, INSTANCE, SUPER}:
        return _class_targets(program, receiver, method)
    row = program.knowledge.methods.get((receiver.kind, method))
    if row is not None:
        return (Target(None, row, receiver, sure=receiver.sure),)
    if receiver.name and receiver.name in program.classes:
        return _class_targets(program, receiver._replace(kind=INSTANCE), method)
    return ()


def _class_targets(program: Program, receiver: Value, method: str) -> tuple[Target, ...]:
    row = _inherited_row(program, receiver.name, method)
    after = receiver.name if receiver.kind == SUPER else ""
    scope = program.method(receiver.name, method, after=after)
    if row is not None and not (scope is not None and _is_private(method)):
        return (Target(scope, row, receiver),)
    found = [] if scope is None else [Target(scope, None, receiver)]
    if not after and not receiver.sure:
        below = tuple(program.overrides(receiver.name, method))
        if len(below) <= _OVERRIDES:
            found.extend(Target(s, None, receiver, override=True) for s in below)
    return tuple(found)


def _is_private(method: str) -> bool:
    return method.startswith("_")


def _inherited_row(program: Program, name: str, method: str) -> CallableRow | None:
    """The row of a method of a class or of the nearest ancestor that has one."""
    for ancestor in program.mro(name):
        row = program.knowledge.callable_named(f"{ancestor}.{method}")
        if row is not None:
            return row
    return None


def is_decorated(program: Program, scope: Scope, *names: str) -> bool:
    """Whether a decorator of the function resolves to a name that ends in one of `names`."""
    for decorator in scope.function.decorators:
        func = getattr(decorator, "func", decorator)
        name = program.names.resolve(scope.module, func) or dotted(func)
        if name.rpartition(".")[2] in names:
            return True
    return False
