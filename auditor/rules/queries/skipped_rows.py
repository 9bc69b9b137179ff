"""Tests that leave out rows of a loop, and what shows that another loop wants them."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.rules.queries.rows import RowLoop
from auditor.source.facts import Bind, Expr, FunctionFacts, Jump, Name, Read, Region, Test, walk

_LOOPS = frozenset(("for", "comprehension"))


def skips(function: FunctionFacts, loop: RowLoop) -> Iterator[Test]:
    """The tests that decide, before anything else is done with a row, whether it is skipped."""
    inside = function.inside(loop.region)
    for event in inside:
        if isinstance(event, Test) and event.region == loop.region.index:
            if event.kind == "filter":
                yield event
                continue
            if event.kind == "if" and _only_skips(function, loop.region, event):
                yield event
            return
        if not isinstance(event, (Read, Bind)) or (
            isinstance(event, Bind) and event.region != loop.region.index
        ):
            return


def _only_skips(function: FunctionFacts, loop: Region, test: Test) -> bool:
    """`if x: continue`, or an `if` that is all there is in the body, without an else."""
    branches = [r for r in function.regions if r.parent == loop.index and r.expr is test.expr]
    if len(branches) != 1:
        return False
    branch = branches[0]
    first = next(iter(function.inside(branch)), None)
    if isinstance(first, Jump) and first.kind == "continue":
        return True
    after = function.events[branch.last : loop.last]
    return not after and not any(isinstance(e, Jump) for e in function.inside(branch))


def is_joined(function: FunctionFacts, loop: RowLoop, test: Expr) -> bool:
    """`for a in all_a: for b in all_b: if b.key == a.key`: another turn of the loop around wants
    what this one skips, unless the query is made anew for each."""
    names = {part.name for part in walk(test) if isinstance(part, Name)}
    turns = (r for r in function.ancestors(loop.region.parent) if r.kind in _LOOPS)
    return isinstance(loop.region.expr, Name) and any(names & set(r.target) for r in turns)
