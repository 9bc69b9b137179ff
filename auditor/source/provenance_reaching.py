"""Which values of a name may stand where it is used, by the order and the branches of a function.

sort = request.args["sort"]         order = "id"             sql = "SELECT id FROM t"
sort = COLUMNS[sort]                if newest:               if name:
use(sort)   # only the second           order = "age"            sql += " WHERE name = :name"
                                    use(order)   # both      use(sql)   # both, in order
"""

from __future__ import annotations

from collections.abc import Sequence

from auditor.source.facts import (
    Arithmetic,
    At,
    Bind,
    FunctionFacts,
    Jump,
    Name,
    Raise,
    Region,
    Return,
    Text,
)
from auditor.source.strings import terms_of

_ALWAYS = frozenset({"function", "with", "try", "finally"})
_SETS = frozenset({"assign", "with", "unpack"})
_LOOPS = frozenset({"for", "while", "comprehension"})


def reaching(
    function: FunctionFacts, name: str, at: At | None, region: int
) -> tuple[tuple[Bind, ...], bool]:
    """The binds of a name that may give its value at a place of the function (None: at its end),
    in order; and whether one of them does on every way, so that a parameter does not any more."""
    binds = [b for b in function.events if isinstance(b, Bind) and b.target == name]
    if not binds:
        return (), False
    own = _own_loop(function, binds, region)
    if own:
        return own, True
    visible = [b for b in binds if _is_visible(function, b, at, region)]
    start = _reset(function, visible, at, region)
    if start is None:
        return tuple(visible), False
    return tuple(b for b in visible if _start(b.at) >= start), True


def adds(bind: Bind) -> bool:
    """Whether a bind lengthens the text that its name has: `sql += x`, `sql = f"{sql} ..."`."""
    value = bind.value
    parts: Sequence[object] = ()
    if isinstance(value, Text):
        parts = value.parts
    elif isinstance(value, Arithmetic) and value.operator in ("+", "%"):
        parts = terms_of(value)
    return any(isinstance(part, Name) and part.name == bind.target for part in parts)


def _own_loop(function: FunctionFacts, binds: Sequence[Bind], region: int) -> tuple[Bind, ...]:
    """The binds of the innermost comprehension around the place that binds the name."""
    for found in function.ancestors(region):
        if found.kind == "comprehension":
            own = tuple(b for b in binds if b.region == found.index)
            if own:
                return own
    return ()


def _is_visible(function: FunctionFacts, bind: Bind, at: At | None, region: int) -> bool:
    """Whether a bind stands before the place, or in a loop around both."""
    if at is None or _start(bind.at) <= (at.end_line, at.end_column):
        return True
    around = {r.index for r in function.ancestors(region) if r.kind in _LOOPS}
    return any(r.index in around for r in function.ancestors(bind.region))


def _reset(
    function: FunctionFacts, binds: Sequence[Bind], at: At | None, region: int
) -> tuple[int, int] | None:
    """Where the last statement starts after which no earlier value is left."""
    around = {r.index for r in function.ancestors(region)} if at is not None else {0}
    around |= {r.index for r in function.regions if r.kind in _ALWAYS}
    starts = [_start(bind.at) for bind in binds if _sets(bind) and bind.region in around]
    for branch in function.regions:
        if branch.kind == "else" and branch.parent in around:
            first = function.regions[branch.partner]
            pair = (first, branch)
            if all(one.index not in around and _covers(function, one, binds) for one in pair):
                starts.append(_start(first.at))
    before = (start for start in starts if at is None or start < _start(at))
    return max(before, default=None)


def _covers(function: FunctionFacts, branch: Region, binds: Sequence[Bind]) -> bool:
    """Whether the branch sets the name on each of its ways, or leaves."""
    if any(_sets(b) and b.region == branch.index for b in binds) or _leaves(function, branch):
        return True
    return any(
        inner.kind == "else"
        and inner.parent == branch.index
        and _covers(function, inner, binds)
        and _covers(function, function.regions[inner.partner], binds)
        for inner in function.regions
    )


def _leaves(function: FunctionFacts, branch: Region) -> bool:
    return any(
        isinstance(event, (Raise, Return)) or (isinstance(event, Jump) and event.kind != "pass")
        for event in function.inside(branch)
        if event.region == branch.index
    )


def _sets(bind: Bind) -> bool:
    return bind.kind in _SETS and bind.value is not None and not adds(bind)


def _start(at: At) -> tuple[int, int]:
    return at.line, at.column
