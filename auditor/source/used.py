"""What the calls on a name say that it is, where nothing else does.

    subnets = query.filter(Subnet.id == key).all()      `query` is a query
    for row in conn.execute(select(Builder)):           `conn` is a connection

No other library has these forms: a filter that is handed a condition and ended by `all()`, and an
`execute()` of a statement that is built from SQLAlchemy's constructs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auditor.model.knowledge import CONNECTION, QUERY, SESSION, STATEMENT
from auditor.source.facts import (
    Attribute,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    Name,
    Not,
    path_of,
)
from auditor.source.inference import Inference
from auditor.source.program import Scope, last_step
from auditor.source.value import UNKNOWN, Value

Calls = tuple[tuple[int, Call], ...]
"""Calls and their positions."""

_ENDS = frozenset(("all", "one", "one_or_none", "scalar"))
_OWN_LINKS = frozenset(("filter_by", "outerjoin", "with_entities", "with_for_update"))
"""Links of a query that no other library's has."""
_RUNS = frozenset(("execute",))
_OF_SESSIONS = frozenset(("query", "add", "flush", "scalars", "merge", "get", "expunge", "refresh"))
_BUILDS = frozenset(("insert", "update", "delete", "select"))
"""Methods of a table that give a statement."""
_CONDITIONS = frozenset(("in_", "notin_", "not_in", "is_", "is_not", "isnot", "like", "ilike",
                         "between", "any", "has", "and_", "or_", "not_", "exists"))  # fmt: skip
_TELLING = _ENDS | _OWN_LINKS | _RUNS | {"filter"}


def used_as(inference: Inference, scope: Scope, name: str) -> Value:
    """What the calls on a name of a function say that it is; never sure."""
    found = inference.uses.get(scope.key)
    if found is None:
        found = inference.uses[scope.key] = _calls_on_names(scope.function)
    calls = found.get(name)
    if not calls:
        return UNKNOWN
    return inference.kept(("used", scope.key, name), lambda: _told(inference, scope, calls))


def _calls_on_names(function: FunctionFacts) -> Mapping[str, Calls]:
    """The calls that tell something, by the name that their chain starts from."""
    found: dict[str, list[tuple[int, Call]]] = {}
    for position, event in enumerate(function.events):
        if type(event) is Call and last_step(event.func) in _TELLING:
            name = _root(event)
            if name:
                found.setdefault(name, []).append((position, event))
    return {name: tuple(calls) for name, calls in found.items()}


def _root(call: Call) -> str:
    """`query` of `query.filter(...).all()`; empty if the chain starts from anything but a name."""
    link: Expr | None = call
    while isinstance(link, Call) and isinstance(link.func, Attribute):
        link = link.func.base
    return link.name if isinstance(link, Name) else ""


def _told(inference: Inference, scope: Scope, calls: Calls) -> Value:
    if _is_queried(call for _, call in calls):
        return Value(QUERY, sure=False)
    if any(_runs_statement(inference, scope, position, call) for position, call in calls):
        return Value(_runner(scope.function, _root(calls[0][1])), sure=False)
    return UNKNOWN


def _is_queried(calls: Iterable[Call]) -> bool:
    """Whether rows are asked of a name, and conditions are put to it."""
    named = [(last_step(call.func), call) for call in calls]
    is_ended = any(name in _ENDS and not call.args for name, call in named)
    return is_ended and any(
        name in _OWN_LINKS
        or (name == "filter" and any(_is_condition(arg, _root(call)) for arg in call.args))
        for name, call in named
    )


def _is_condition(expr: Expr, filtered: str) -> bool:
    """`Subnet.id == key`, `Subnet.id.in_(keys)`, `or_(...)`; no `frame.id == key` for `frame`."""
    match expr:
        case Not(operand=operand):
            return _is_condition(operand, filtered)
        case Compare(left=left):
            return isinstance(left, Attribute) and path_of(left)[:1] != (filtered,)
        case Call(func=func):
            return last_step(func) in _CONDITIONS
        case _:
            return False


def _runs_statement(inference: Inference, scope: Scope, position: int, call: Call) -> bool:
    """`conn.execute(select(...))`, on the name itself."""
    match call:
        case Call(func=Attribute(base=Name(), name=method), args=(statement, *_)):
            is_run = method in _RUNS
        case _:
            return False
    if not is_run:
        return False
    return _is_built(statement) or inference.value(scope, position, statement).kind == STATEMENT


def _is_built(expr: Expr) -> bool:
    """`table.insert()`, with or without links after it."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        if expr.func.name in _BUILDS and not isinstance(expr.func.base, Call):
            return True
        expr = expr.func.base
    return False


def _runner(function: FunctionFacts, name: str) -> str:
    """A session has methods that a connection lacks."""
    for event in function.events:
        match event:
            case Call(func=Attribute(base=Name(name=base), name=method)) if base == name:
                if method in _OF_SESSIONS:
                    return SESSION
    return CONNECTION
