"""Loops that data makes long only at first sight: each turn takes a whole list, or there is one,
or only the turn that fills a list works on it.

while waiting:                          if len(keys) > 1:
    rows = waiting.pop()                    return None
    execute(statement, [... for row in rows])   return {load(key) for key in keys}
"""

from __future__ import annotations

from collections.abc import Iterator

from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Name,
    Raise,
    Region,
    Return,
    dotted,
)
from auditor.source.program import last_step

_TAKING = frozenset(("pop", "popleft"))
_GOING = frozenset(("for", "comprehension"))
_MORE_THAN_ONE = frozenset(((">", 1), ("!=", 1), (">=", 2)))


def is_piecewise(function: FunctionFacts, loop: Region) -> bool:
    """Whether each turn is handed a list, which it goes through itself."""
    taken = set(_taken(function, loop))
    return any(
        region.kind in _GOING
        and isinstance(region.expr, Name)
        and region.expr.name in taken
        and loop.first <= region.first < loop.last
        and region.index != loop.index
        for region in function.regions
    )


def _taken(function: FunctionFacts, loop: Region) -> Iterator[str]:
    """The one name that a turn is about."""
    if loop.kind != "while":
        yield from loop.target if len(loop.target) == 1 else ()
        return
    for event in function.inside(loop):
        if isinstance(event, Bind) and isinstance(event.value, Call):
            func = event.value.func
            if isinstance(func, Attribute) and func.name in _TAKING:
                yield event.target


def is_single(function: FunctionFacts, loop: Region) -> bool:
    """Whether a test before the loop leaves the function when there is more than one item."""
    items = dotted(loop.expr) if loop.expr is not None else ""
    return bool(items) and any(
        isinstance(event, (Return, Raise))
        and function.regions[event.region].kind == "if"
        and _asks_for_more(function.regions[event.region].expr, items)
        for event in function.events[: loop.first]
    )


def is_batched(function: FunctionFacts, loop: Region, region: int) -> bool:
    """Whether a place of the loop is behind a test that enough is gathered: `if len(rows) >= 500:`
    around `execute(statement, rows)`, with the list begun anew there."""
    for around in function.ancestors(region):
        if around.index == loop.index:
            return False
        gathered = _gathered(around.expr) if around.kind == "if" else ""
        if gathered and any(_empties(event, gathered) for event in function.inside(around)):
            return True
    return False


def _gathered(test: Expr | None) -> str:
    """`rows` of `len(rows) >= limit`; empty for any other test."""
    match test:
        case Compare(left=Call(args=(counted,)) as call, operators=((">=" | ">" | "=="),)):
            return dotted(counted) if last_step(call.func) == "len" else ""
        case _:
            return ""


def _empties(event: Event, name: str) -> bool:
    """`rows = []` or `rows.clear()`."""
    if isinstance(event, Bind):
        return event.target == name
    return isinstance(event, Call) and dotted(event.func) == f"{name}.clear"


def _asks_for_more(test: Expr | None, items: str) -> bool:
    match test:
        case Compare(
            left=Call(args=(counted,)) as call, operators=(sign,), rights=(Const() as one,)
        ):
            is_length = last_step(call.func) == "len" and dotted(counted) == items
            return is_length and (sign, one.value) in _MORE_THAN_ONE
        case _:
            return False
