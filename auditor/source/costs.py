"""What statements cost: a range of counts with the places that make it up, and how ranges combine.

`low` holds for calls that run through (no guard returns early, nothing raises), `high` for the
dearest of their ways. `parts` are the places, `notes` what the range leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from auditor.source import counts
from auditor.source.counts import NOTHING, Count

_PARTS = 80
NOTES = 40


class Place(NamedTuple):
    """A line of a module and what is done there."""

    path: str
    line: int
    what: str


class Part(NamedTuple):
    """Statements of one place, with the calls that lead to it, outermost first. `why` says what
    decides about them, empty when they certainly come."""

    low: Count
    high: Count
    way: tuple[Place, ...]
    why: str = ""


class Cost(NamedTuple):
    """Statements of a stretch of code."""

    low: Count = NOTHING
    high: Count = NOTHING
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()


FREE = Cost()


def at_place(place: Place, *, certain: bool = True, number: int = 1, why: str = "") -> Cost:
    """Some statements at one place; none of them is sure to come when it is not certain."""
    high = counts.constant(number)
    low = high if certain else NOTHING
    return Cost(low, high, (Part(low, high, (place,), why),))


def together(*costs: Cost) -> Cost:
    """One after the other."""
    return Cost(
        counts.plus(*(cost.low for cost in costs)),
        counts.plus(*(cost.high for cost in costs)),
        tuple(part for cost in costs for part in cost.parts)[:_PARTS],
        _merged(costs),
    )


def either(ways: Sequence[Cost]) -> Cost:
    """One of several."""
    if len(ways) == 1:
        return ways[0]
    low, high = ways[0].low, ways[0].high
    for way in ways[1:]:
        low, high = counts.smaller(low, way.low), counts.larger(high, way.high)
    parts = tuple(
        part._replace(low=NOTHING, why=part.why or "on one of several ways")
        for way in ways
        for part in way.parts
    )
    return Cost(low, high, parts[:_PARTS], _merged(ways))


def perhaps(cost: Cost, why: str) -> Cost:
    """All of it, or nothing."""
    parts = tuple(part._replace(low=NOTHING, why=part.why or why) for part in cost.parts)
    return Cost(NOTHING, cost.high, parts, cost.notes)


def repeated(cost: Cost, turns: Count, *, is_exact: bool) -> Cost:
    """As often as a loop turns; at most, when it may end sooner."""
    if not cost.high:
        return cost
    sooner = "" if is_exact else "the loop may end sooner"
    parts = tuple(
        Part(
            counts.times(part.low, turns) if is_exact else NOTHING,
            counts.times(part.high, turns),
            part.way,
            part.why or sooner,
        )
        for part in cost.parts
    )
    low = counts.times(cost.low, turns) if is_exact else NOTHING
    return Cost(low, counts.times(cost.high, turns), parts, cost.notes)


def called(cost: Cost, place: Place, name_of: Callable[[str], str]) -> Cost:
    """The cost of a function where it is called; `name_of` tells what its lengths are there."""
    parts = tuple(
        Part(
            counts.renamed(part.low, name_of),
            counts.renamed(part.high, name_of),
            (place, *part.way),
            part.why,
        )
        for part in cost.parts
    )
    low, high = counts.renamed(cost.low, name_of), counts.renamed(cost.high, name_of)
    return Cost(low, high, parts, cost.notes)


def said(note: str) -> Cost:
    """No statements that are known, and a note why not."""
    return Cost(notes=(note,))


def _merged(costs: Sequence[Cost]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for cost in costs for note in cost.notes))[:NOTES]
