"""What a function has that a check may look for: most checks need not be called for most.

A need is a sum of traits of which the function must have at least one; a check may have several
needs, and names of which the function must call one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from auditor.source.facts import Attribute, Call, FunctionFacts, Name, Raise

LOOP = 1
"""A loop or comprehension."""
HANDLER = 2
"""An `except` clause."""
BLOCK = 4
"""A `with` statement."""
LAMBDA = 8
RAISE = 16
DECORATED = 32
SITE = 64
"""A place that works on the database or calls a function of the project."""

_OF_REGIONS = {
    "for": LOOP, "while": LOOP, "comprehension": LOOP, "handler": HANDLER, "with": BLOCK,
    "lambda": LAMBDA,
}  # fmt: skip


class Traits(NamedTuple):
    """The traits of a function as one number, and the last steps of the names it calls.
    `of_database` tells that it works with a database, through any depth of calls, or has a word
    that code about databases has."""

    has: int
    called: frozenset[str]
    of_database: bool

    def meet(self, needs: Iterable[int], calls: frozenset[str]) -> bool:
        """Whether the function has one trait of each need, and calls one of the names, if any."""
        has = self.has
        for need in needs:
            if not has & need:
                return False
        return not calls or not calls.isdisjoint(self.called)


def traits_of(function: FunctionFacts, *, has_site: bool, does: bool) -> Traits:
    """The traits of a function; `has_site` and `does` are what its effects tell."""
    has = (SITE if has_site else 0) | (DECORATED if function.decorators else 0)
    for region in function.regions:
        has |= _OF_REGIONS.get(region.kind, 0)
    called: set[str] = set()
    for event in function.events:
        kind = type(event)
        if kind is Call:
            func = event.func  # type: ignore[union-attr]  # `kind` says so
            if isinstance(func, (Attribute, Name)):
                called.add(func.name)
        elif kind is Raise:
            has |= RAISE
    return Traits(has, frozenset(called), function.has_words or does)
