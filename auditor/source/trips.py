"""How often a loop turns, as a symbolic count: a number where the source says it, else a length."""

from __future__ import annotations

from typing import NamedTuple

from auditor.source.counts import Count, constant, length
from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Bind,
    Call,
    Comprehension,
    Const,
    Expr,
    Items,
    Jump,
    Name,
    Pairs,
    Region,
    Return,
    Starred,
    dotted,
    walk,
)
from auditor.source.inference import Inference
from auditor.source.program import Scope, last_step

LOOPS = frozenset(("for", "comprehension", "while"))
_SAME_LENGTH = frozenset(
    ("enumerate", "reversed", "sorted", "list", "tuple", "iter", "items", "keys", "values",
     "set", "frozenset", "dict")
)  # fmt: skip
_DEPTH = 8


class Trips(NamedTuple):
    """Turns of a loop; `is_exact` is False when it may end sooner: a break, a filter, a return."""

    count: Count  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    is_exact: bool


def trips_of(inference: Inference, scope: Scope, loop: Region) -> Trips:
    """The turns of a loop of the function."""
    if loop.kind == "while":
        return Trips(length(f"turns of the loop at line {loop.at.line}"), is_exact=False)
    position = max(loop.first - 1, 0)
    count = _length(inference, scope, position, loop.expr, depth=_DEPTH)
    named = count if count is not None else length(f"items of the loop at line {loop.at.line}")
    return Trips(named, is_exact=not _may_end_sooner(scope, loop))


def named_length(inference: Inference, scope: Scope, position: int, expr: Expr | None) -> str:
    """The name of the length of an expression, empty if it has none or is a plain number."""
    found = _length(inference, scope, position, expr, depth=_DEPTH)
    products = tuple(found) if found is not None else ()
    return products[0][0] if len(products) == 1 and len(products[0]) == 1 else ""


def _length(
    inference: Inference, scope: Scope, position: int, expr: Expr | None, *, depth: int
) -> Count | None:
    if depth == 0:
        return None
    if isinstance(expr, (Items, Pairs)):
        return _of_display(expr)
    if isinstance(expr, Const):
        return constant(len(expr.value)) if isinstance(expr.value, (str, bytes)) else None
    if isinstance(expr, Comprehension):
        region = scope.function.regions[expr.region]
        return _length(inference, scope, position, region.expr, depth=depth - 1)
    if isinstance(expr, Call):
        return _of_call(inference, scope, position, expr, depth=depth)
    if isinstance(expr, Name):
        return _of_name(inference, scope, position, expr, depth=depth)
    path = dotted(expr) if expr is not None else ""
    return length(path) if path else None


def _of_display(expr: Items | Pairs) -> Count | None:
    if isinstance(expr, Pairs):
        return constant(len(expr.keys)) if None not in expr.keys else None
    if any(isinstance(item, Starred) for item in expr.items):
        return None
    return constant(len(expr.items))


def _of_name(
    inference: Inference, scope: Scope, position: int, expr: Name, *, depth: int
) -> Count | None:
    """A name of a constant display, bound once, has its length; any other is a length itself."""
    body = inference.program.bodies[scope.module.name]
    for place in (scope, body):
        indices = inference.program.binds[place.key].get(expr.name, ())
        bind = place.function.events[indices[0]] if len(indices) == 1 else None
        if isinstance(bind, Bind) and bind.kind == "assign" and _is_fixed(bind.value):
            return _length(inference, place, indices[0], bind.value, depth=depth - 1)
        if indices:
            break
    return length(expr.name)


def _is_fixed(value: Expr | None) -> bool:
    """A display that is not empty; an empty list is there to be filled."""
    return isinstance(value, (Items, Pairs)) and bool(value[-1])


def _of_call(
    inference: Inference, scope: Scope, position: int, call: Call, *, depth: int
) -> Count | None:
    name = last_step(call.func)
    if name == "range":
        return _of_range(inference, scope, position, call, depth=depth)
    if name in _SAME_LENGTH:
        inner = call.args[0] if call.args else getattr(call.func, "base", None)
        return _length(inference, scope, position, inner, depth=depth - 1)
    if name == "zip" and call.args:
        return _length(inference, scope, position, call.args[0], depth=depth - 1)
    value = inference.value(scope, position, call)
    if value.name and value.kind in {"rows", "query", "scalar result"}:
        return length(value.name.rpartition(".")[2])
    return length(f"{name}()") if name else None


def _of_range(
    inference: Inference, scope: Scope, position: int, call: Call, *, depth: int
) -> Count | None:
    numbers = [a.value for a in call.args if isinstance(a, Const) and isinstance(a.value, int)]
    if call.args and len(numbers) == len(call.args):
        try:
            return constant(len(range(*numbers)))
        except (TypeError, ValueError, OverflowError):  # as odd as the source writes it
            return None
    if len(call.args) == 3:  # noqa: PLR2004 - start, stop, step: pieces of something
        inner = _measured(call.args[1])
        name = dotted(inner) if inner is not None else ""
        step = call.args[2]
        size = str(step.value) if isinstance(step, Const) else dotted(step)
        return length(f"{name}/{size}") if name and size else None
    stop = call.args[-1] if call.args else None
    inner = _measured(stop)
    if inner is not None:
        return _length(inference, scope, position, inner, depth=depth - 1)
    return length(dotted(stop)) if isinstance(stop, (Name, Attribute)) else None


def _measured(expr: Expr | None) -> Expr | None:
    """`x` of `len(x)`."""
    if isinstance(expr, Arithmetic):
        expr = expr.left
    if isinstance(expr, Call) and last_step(expr.func) == "len" and expr.args:
        return expr.args[0]
    return None


def _may_end_sooner(scope: Scope, loop: Region) -> bool:
    """A break or return inside, or a filter of a comprehension."""
    function = scope.function
    for event in function.inside(loop):
        if isinstance(event, Return):
            return True
        if isinstance(event, Jump) and event.kind == "break":
            return True
        if loop.kind == "comprehension" and getattr(event, "kind", "") == "filter":
            return True
    return any(isinstance(e, Starred) for e in walk(loop.expr))
