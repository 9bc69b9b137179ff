"""Values that are computed from the old value of what they are written to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import (
    Arithmetic,
    At,
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Name,
    Pairs,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_LOCKING = frozenset(("with_for_update", "with_lockmode", "synchronized", "lock"))
_VALUES = frozenset(("values", "update", "execute"))


class Change(NamedTuple):
    """A column gets a value made of its old one: `row.n += 1`, `values(n=old + 1)`. `target` ends
    in the name of the column."""

    target: str
    at: At
    position: int


def changes_of(function: FunctionFacts) -> Iterator[Change]:
    """The attributes that a function sets to something computed from themselves."""
    for position, event in enumerate(function.events):
        if not isinstance(event, Bind) or "." not in event.target or event.target.endswith("[]"):
            continue
        value, column = (
            _calculated(function, position, event.value),
            event.target.rpartition(".")[2],
        )
        if value is None or any(_is_of_class(part, column) for part in walk(value)):
            continue
        is_own = event.kind == "augment" and isinstance(event.value, Arithmetic)
        if is_own or (
            event.kind == "assign" and _is_made_of(function, position, value, event.target)
        ):
            yield Change(event.target, event.at, position)


def _calculated(function: FunctionFacts, position: int, value: Expr | None) -> Expr | None:
    """The calculation in an expression, or in what its name was bound to; None if there is none."""
    if isinstance(value, Name):
        name = value.name
        bound = [
            event.value
            for event in function.events[:position]
            if isinstance(event, Bind) and event.target == name
        ]
        value = bound[-1] if bound else None
    if isinstance(value, Call) and dotted(value.func) == "max":
        return None  # `max(now(), row.updated_at + 1)`: whoever comes last is right
    return next((part for part in walk(value) if isinstance(part, Arithmetic)), None)


def values_of(function: FunctionFacts, column: str) -> Iterator[Change]:
    """The calls that send a computed value for a column: `values(n=old + 1)`, `{"n": old + 1}`,
    where `old` was bound in the function."""
    for position, event in enumerate(function.events):
        if not isinstance(event, Call) or last_step(event.func) not in _VALUES:
            continue
        sent = [keyword.value for keyword in event.keywords if keyword.name == column]
        for given in event.args:
            if isinstance(given, Pairs):
                sent += [
                    value
                    for key, value in zip(given.keys, given.values, strict=True)
                    if _text(key) == column
                ]
        if any(_is_computed(function, position, value) for value in sent):
            yield Change(column, event.at, position)


def _text(key: Expr | None) -> object:
    return key.value if isinstance(key, Const) else None


def _is_computed(function: FunctionFacts, position: int, value: Expr | None) -> bool:
    """Whether an expression calculates with a name that a call of the function gave."""
    if not isinstance(value, Arithmetic):
        return False
    names = {part.name for part in walk(value) if isinstance(part, Name)}
    return any(
        isinstance(event, Bind) and event.target in names and isinstance(event.value, Call)
        for event in function.events[:position]
    )


def _is_made_of(function: FunctionFacts, position: int, value: Expr, target: str) -> bool:
    """Whether an expression has the target in it, or a name that it was read into."""
    for part in walk(value):
        if isinstance(part, Attribute) and dotted(part) == target:
            return True
        if isinstance(part, Name) and any(
            isinstance(event, Bind) and event.target == part.name and dotted(event.value) == target
            for event in function.events[:position]
        ):
            return True
    return False


def _is_of_class(part: Expr | None, column: str) -> bool:
    """Whether an expression is the column of a class: `Account.balance`, `table.c.balance`."""
    if not isinstance(part, Attribute) or part.name != column:
        return False
    base = dotted(part.base).rpartition(".")[2]
    return base[:1].isupper() or base == "c"


def locks(function: FunctionFacts) -> bool:
    """Whether a function asks for a lock: on rows, or for itself."""
    for event in function.events:
        if isinstance(event, Call) and (
            last_step(event.func) in _LOCKING or event.keyword("with_for_update") is not None
        ):
            return True
    decorators = (d.func if isinstance(d, Call) else d for d in function.decorators)
    return any(last_step(decorator) in _LOCKING for decorator in decorators)


def is_locked(project: Project, function: FunctionFacts) -> bool:
    """Whether a function asks for a lock, itself or in a function of the project that it calls."""
    calls = [(at, event) for at, event in enumerate(function.events) if isinstance(event, Call)]
    return locks(function) or any(
        locks(target.function.function)
        for position, call in calls
        for target in project.targets(function, position, call)
        if target.function is not None
    )


def is_versioned(project: Project, dotted_name: str) -> bool:
    """Whether a mapped class, or one it inherits from, has a `version_id_col`."""
    names = {dotted_name, *project.program.mro(dotted_name)}
    for module in project.modules.values():
        for one in module.classes:
            if f"{module.name}.{one.qualname}" not in names:
                continue
            values = (bind.value for bind in one.assignments if bind.target == "__mapper_args__")
            if any(_text(p) == "version_id_col" for v in values for p in walk(v)):
                return True
    return False
