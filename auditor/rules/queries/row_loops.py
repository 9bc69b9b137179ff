"""What a loop does with the rows it goes through, read from its body."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Compare,
    Comprehension,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    Logic,
    Name,
    Not,
    Read,
    Region,
    Return,
    Test,
    path_of,
    walk,
)

_OPERATORS = frozenset(("==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"))


class Use(enum.Enum):
    """What is done with rows."""

    ROWS = "used as rows"
    COUNT = "counted"
    EXISTENCE = "asked whether there is one"
    FIRST = "the first is taken"
    AGGREGATE = "one value is made of a column"
    SELECTION = "some are skipped"
    COLUMN = "one column is taken"
    TESTED = "one column is tested until it is true"


class LoopUse(NamedTuple):
    """What a loop is for: how, where, by which words, by which column."""

    use: Use
    at: At
    words: str = ""
    column: str = ""


def use_of_loop(function: FunctionFacts, loop: Region, made: Comprehension | None) -> LoopUse:
    """What the loop does with its rows; `made` is the comprehension it belongs to."""
    rows = LoopUse(Use.ROWS, loop.at)
    if len(loop.target) != 1:
        return rows
    row = loop.target[0]
    tests = list(_skips(function, loop))
    for test in tests:
        column = _column_tested(function, loop, row, test.expr)
        if column:
            return LoopUse(Use.SELECTION, test.at, "a test", column)
    if tests:
        return rows
    if made is not None:
        return _of_comprehension(function, loop, made, row)
    return _of_statement(function, loop, row) or rows


def _of_comprehension(
    function: FunctionFacts, loop: Region, made: Comprehension, row: str
) -> LoopUse:
    if any(region.parent == loop.index for region in function.regions) or made.key is not None:
        return LoopUse(Use.ROWS, loop.at)
    if isinstance(made.element, Const):
        return LoopUse(Use.COUNT, loop.at, "a sum of ones")
    column = _column_tested(function, loop, row, made.element)
    if column and isinstance(made.element, (Compare, Not, Logic)):
        return LoopUse(Use.COLUMN, loop.at, "a test", column)
    path = path_of(made.element)
    if len(path) == 2 and path[0] == row:  # noqa: PLR2004 - the row and its column
        return LoopUse(Use.COLUMN, loop.at, "", path[1].strip("[]"))
    return LoopUse(Use.ROWS, loop.at)


def _of_statement(function: FunctionFacts, loop: Region, row: str) -> LoopUse | None:
    """A loop that counts, adds one column up, or never sees a second row."""
    events = [e for e in function.inside(loop) if not isinstance(e, Read) and not _is_turn(e)]
    if not events:
        return None
    last = events[-1]
    if last.region == loop.index and _leaves(last):
        return _of_leaving(last, row)
    binds = [e for e in events if isinstance(e, Bind) and e.kind == "augment"]
    if len(binds) != len(events) or len(binds) != 1:
        return None
    return _of_adding(binds[0], row)


def _leaves(event: Event) -> bool:
    return isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")


def _of_leaving(last: Event, row: str) -> LoopUse:
    value = getattr(last, "value", None)
    if isinstance(value, Const) and isinstance(value.value, bool):
        return LoopUse(Use.EXISTENCE, last.at, "the first turn of a loop")
    return LoopUse(Use.FIRST, last.at, "the first turn of a loop")


def _of_adding(bind: Bind, row: str) -> LoopUse | None:
    """`total += row.size`, `number += 1`."""
    operands = [getattr(bind.value, side, None) for side in ("left", "right")]
    for operand in operands:
        path = path_of(operand)
        if len(path) == 2 and path[0] == row:  # noqa: PLR2004 - the row and its column
            return LoopUse(Use.AGGREGATE, bind.at, "`+=`", path[1].strip("[]"))
        if isinstance(operand, Const) and operand.value == 1:
            return LoopUse(Use.COUNT, bind.at, "`+= 1`")
    return None


def _skips(function: FunctionFacts, loop: Region) -> Iterator[Test]:
    """The tests that decide, before anything else is done with a row, whether it is skipped."""
    for event in function.inside(loop):
        if isinstance(event, Test) and event.region == loop.index and event.kind != "logic":
            if event.kind == "filter":
                yield event
                continue
            if event.kind == "if" and _only_skips(function, loop, event):
                yield event
            return
        if not isinstance(event, (Read, Test)) and not _is_turn(event):
            return


def _is_turn(event: Event) -> bool:
    return isinstance(event, Bind) and event.kind == "loop"


def _only_skips(function: FunctionFacts, loop: Region, test: Test) -> bool:
    """`if x: continue`, or an `if` that is all there is in the body, without an else."""
    branches = [r for r in function.regions if r.parent == loop.index and r.expr is test.expr]
    if len(branches) != 1:
        return False
    branch = branches[0]
    inside = [e for e in function.inside(branch) if not isinstance(e, Read)]
    if len(inside) == 1 and isinstance(inside[0], Jump) and inside[0].kind == "continue":
        return True
    after = function.events[branch.last : loop.last]
    goes_on = [e for e in inside[:-1] if isinstance(e, Jump)]
    return not after and not goes_on


def _column_tested(function: FunctionFacts, loop: Region, row: str, test: Expr) -> str:
    """The column a test compares with something that is the same for all rows; empty for any other
    test."""
    match test:
        case Not(operand=operand):
            return _column_tested(function, loop, row, operand)
        case Logic(items=items):
            found = [_column_tested(function, loop, row, item) for item in items]
            return found[0] if all(found) else ""
        case Compare(left=left, operators=(operator,), rights=(right,)) if operator in _OPERATORS:
            sides = [(left, right), (right, left)]
            for one, other in sides:
                if _is_fixed(function, loop, other) and (column := _own_column(row, one)):
                    return column
            return ""
        case _:
            return _own_column(row, test)


def _own_column(row: str, expr: Expr) -> str:
    path = path_of(expr)
    if len(path) != 2 or path[0] != row or path[1].startswith("_"):  # noqa: PLR2004 - the row and its column
        return ""
    return path[1].strip("[]")


def _is_fixed(function: FunctionFacts, loop: Region, expr: Expr) -> bool:
    """Whether a value is the same for every row: constants, and names not bound in the loop."""
    bound = {e.target for e in function.inside(loop) if isinstance(e, Bind)} | set(loop.target)
    for found in walk(expr):
        if isinstance(found, Name) and found.name in bound:
            return False
        if isinstance(found, Call) or not isinstance(found, (Const, Name, Attribute, Items)):
            return False
    return True
