"""Calls that load rows, and how often what they gave is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import QUERY, ROWS, Effect
from auditor.rules.queries.row_getters import getter_of
from auditor.source.facts import (
    At,
    Bind,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    Items,
    ModuleFacts,
    Name,
    Not,
    Read,
    Test,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_LIMITS = frozenset(("limit", "slice", "fetch", "_pager"))
"""Methods and arguments that bound the number of rows; `_pager` is neutron-lib's."""


class Loaded(NamedTuple):
    """A load of rows by a call of the tables: `what` as it is written, shortly, and how often the
    name it is bound to is read; 0 for a load that is used where it stands. `called` is the module
    of the function of the program that loads, if one does."""

    call: Call
    what: str
    reads: int
    called: ModuleFacts | None = None


def loaded_once(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, expr: Expr
) -> Loaded | None:
    """The load of many rows that an expression is, directly or through a name with one bind."""
    if isinstance(expr, Call):
        return _load(project, module, function, expr, before=position, reads=0)
    if not isinstance(expr, Name):
        return None
    indices = project.program.binds[project.program.scope_of(function).key].get(expr.name, ())
    if len(indices) != 1:
        return None
    binds = [e for e in function.events if isinstance(e, Bind) and _of(e, expr.name)]
    if len(binds) != 1 or binds[0].kind != "assign" or not isinstance(binds[0].value, Call):
        return None
    reads = sum(isinstance(e, Read) and e.path[0] == expr.name for e in function.events)
    if any(p.name == expr.name for p in function.parameters):
        return None
    return _load(project, module, function, binds[0].value, before=indices[0], reads=reads)


def emptiness_tests(function: FunctionFacts, name: str) -> tuple[Test, ...]:
    """The tests that ask whether a name is empty, and nothing more."""
    return tuple(
        test
        for test in deciding_tests(function)
        if dotted(getattr(test.expr, "operand", test.expr)) == name
    )


def deciding_tests(function: FunctionFacts) -> tuple[Test, ...]:
    """The tests whose value decides and is gone: `rows or []` gives the rows on, so it counts only
    inside the condition of an `if` and its like."""
    tests = [event for event in function.events if isinstance(event, Test)]
    conditions = [test.at for test in tests if test.kind != "logic"]
    return tuple(
        test
        for test in tests
        if test.kind != "logic" or any(_is_within(test.at, at) for at in conditions)
    )


def only_asked(function: FunctionFacts) -> Iterator[tuple[int, Expr, At]]:
    """What is only asked whether it is empty or none, and where: by its position in the events."""
    tests = {id(test) for test in deciding_tests(function)}
    kept = {id(event.value) for event in function.events if isinstance(event, Bind)}
    for position, event in enumerate(function.events):
        if isinstance(event, Test):
            asked = _asked_by(event.expr)
            if id(event) in tests and id(asked) not in kept:  # `if rows := load():` keeps them
                yield position, asked, event.at
        elif isinstance(event, Call) and dotted(event.func) == "bool" and len(event.args) == 1:
            yield position, event.args[0], event.at


def _asked_by(expr: Expr) -> Expr:
    match expr:
        case Not(operand=operand):
            return _asked_by(operand)
        case Compare(left=left, operators=("==" | "!=",), rights=(Items(items=()),)):
            return left
        case _:
            return expr


def uses_of(function: FunctionFacts, name: str) -> int:
    """How often a name is read, tests for being empty left out."""
    tests = emptiness_tests(function, name)
    return sum(
        isinstance(e, Read)
        and e.path[0] == name
        and not (len(e.path) == 1 and any(_is_within(e.at, test.at) for test in tests))
        for e in function.events
    )


def _is_within(inner: At, outer: At) -> bool:
    return (outer.line, outer.column) <= (inner.line, inner.column) and (
        inner.end_line,
        inner.end_column,
    ) <= (outer.end_line, outer.end_column)


def _of(bind: Bind, name: str) -> bool:
    return bind.target == name or bind.target.startswith((f"{name}.", f"{name}["))


def _load(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    call: Call,
    *,
    before: int,
    reads: int,
) -> Loaded | None:
    # backwards, because a call stands right before what it is used in: near linear for all tests
    back = range(min(before, len(function.events) - 1), -1, -1)
    position = next((i for i in back if function.events[i] is call), -1)
    if position < 0 or _is_limited(call) or _gives_changed(function, call):
        return None
    targets = project.targets(function, position, call)
    reads_now = targets and all(t.row and Effect.READ in t.row.effects for t in targets)
    if not reads_now and not _ends_a_result(call):
        getter = getter_of(project, targets)
        return Loaded(call, f"{getter.function.name}()", reads, getter.module) if getter else None
    value = project.value(module, function, position, call)
    if value.kind not in (ROWS, QUERY):
        return None
    return Loaded(call, f"{last_step(call.func)}()", reads)


def _is_limited(call: Call) -> bool:
    """Whether the query, as far as it is written here, loads a given number of rows at most."""
    return any(
        isinstance(found, Call)
        and (last_step(found.func) in _LIMITS or any(k.name in _LIMITS for k in found.keywords))
        for found in walk(call)
    )


def _gives_changed(function: FunctionFacts, call: Call) -> bool:
    """Whether the statement gives the rows that it wrote: `insert(...).returning(Label.id)`."""
    named = {found.name for found in walk(call) if isinstance(found, Name)}
    made = (e.value for e in function.events if isinstance(e, Bind) and e.target in named)
    return any(
        isinstance(found, Call) and last_step(found.func) == "returning"
        for expr in (call, *made)
        for found in walk(expr)
    )


def _ends_a_result(call: Call) -> bool:
    """`session.scalars(...).all()`: the statement was issued before, the rows are built here."""
    base = getattr(call.func, "base", None)
    return isinstance(base, Call) and last_step(call.func) in ("all", "fetchall")
