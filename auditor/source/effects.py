"""What each function does, through any depth of calls: by spreading from the sites outwards.

Two passes over the call graph, each breadth first, so every effect is kept with its shortest way.
First what *certainly* happens: the site runs whenever the function does (both branches of an `if`
count as one, and a guard that returns nothing of note does not hinder). Then what *may* happen.
Recursion ends by itself: an effect enters a function once.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from auditor.model.knowledge import Effect, Mode
from auditor.source.facts import Const, FunctionFacts, Items, Pairs, Return, Test
from auditor.source.inference import Inference
from auditor.source.program import Program
from auditor.source.sites import Site, sites_of

_THROUGH = frozenset(
    ("with", "try", "finally", "try-else", "for", "comprehension", "function", "while")
)
"""Regions that are taken to run when what is around them runs; a loop's collection is not empty."""


_SITES = 64
"""Uncertain sites of one effect in one function that are weighed together at most."""


class Origin(NamedTuple):
    """Where an effect enters a function, and whether it certainly happens in each call."""

    site: Site
    certain: bool


@dataclass(frozen=True, slots=True)
class Effects:
    """Sites and summaries of all functions, by scope key."""

    program: Program
    sites: tuple[tuple[Site, ...], ...]
    summaries: tuple[Mapping[Effect | Mode, Origin], ...]

    def of_site(self, site: Site) -> Mapping[Effect | Mode, bool]:
        """What a site does, by effect: whether it certainly happens when the site is reached."""
        if site.callee < 0:
            return dict.fromkeys(site.effects, site.certain)
        summary = self.summaries[site.callee]
        return {effect: o.certain and site.certain for effect, o in summary.items()}

    def way(self, site: Site, effect: Effect | Mode) -> tuple[Site, ...]:
        """The sites from one that has an effect to the one that makes it, shortest first."""
        steps = [site]
        while steps[-1].callee >= 0 and len(steps) < len(self.summaries):
            origin = self.summaries[steps[-1].callee].get(effect)
            if origin is None:
                break
            steps.append(origin.site)
        return tuple(steps)


def effects_of(inference: Inference) -> Effects:
    """The effects of all functions of a program, but for those of tests: nothing calls them."""
    program = inference.program
    sites = tuple(
        () if scope.module.is_test else tuple(sites_of(inference, scope))
        for scope in program.scopes
    )
    callers: dict[int, list[Site]] = {}
    for own in sites:
        for site in own:
            if site.callee >= 0:
                callers.setdefault(site.callee, []).append(site)
    summaries: list[dict[Effect | Mode, Origin]] = [{} for _ in sites]
    _spread_certain(program, sites, callers, summaries)
    _spread_possible(sites, callers, summaries)
    return Effects(program, sites, tuple(summaries))


def _spread_certain(
    program: Program,
    sites: tuple[tuple[Site, ...], ...],
    callers: Mapping[int, list[Site]],
    summaries: list[dict[Effect | Mode, Origin]],
) -> None:
    arrived: dict[tuple[int, Effect | Mode], list[Site]] = {}
    waiting = deque((site, effect) for own in sites for site in own for effect in site.effects)
    while waiting:
        site, effect = waiting.popleft()
        if not site.certain or effect in summaries[site.scope]:
            continue
        own = arrived.setdefault((site.scope, effect), [])
        if len(own) == _SITES:
            continue
        own.append(site)
        first = _covering(program.scopes[site.scope].function, own)
        if first is not None:
            summaries[site.scope][effect] = Origin(first, certain=True)
            waiting.extend((caller, effect) for caller in callers.get(site.scope, ()))


def _spread_possible(
    sites: tuple[tuple[Site, ...], ...],
    callers: Mapping[int, list[Site]],
    summaries: list[dict[Effect | Mode, Origin]],
) -> None:
    waiting = deque((site, effect) for own in sites for site in own for effect in site.effects)
    for key, summary in enumerate(summaries):
        waiting.extend((caller, e) for e in summary for caller in callers.get(key, ()))
    while waiting:
        site, effect = waiting.popleft()
        if effect not in summaries[site.scope]:
            summaries[site.scope][effect] = Origin(site, certain=False)
            waiting.extend((caller, effect) for caller in callers.get(site.scope, ()))


def _covering(function: FunctionFacts, sites: list[Site]) -> Site | None:
    """The first of the sites when one of them, or several in all branches of a test, run in every
    call of the function; None if a call may pass them all by."""
    certain = [s for s in sites if not is_short_circuited(function, s)]
    branches = {
        around.index
        for site in certain
        for around in function.ancestors(site.region)
        if around.kind in {"if", "else"}
    }
    if any(_runs(function, site, branches) for site in certain):
        return certain[0]
    return None


def _runs(function: FunctionFacts, site: Site, branches: set[int]) -> bool:
    """Whether the site runs in every call, `branches` being those that hold one of the sites."""
    for around in function.ancestors(site.region):
        if around.kind in {"if", "else"}:
            if not any(_is_other_branch(function, b, around.index) for b in branches):
                return False
        elif around.kind not in _THROUGH:
            return False
    return not _is_guarded(function, site.position, branches)


def _is_other_branch(function: FunctionFacts, one: int, other: int) -> bool:
    return one == function.regions[other].partner or other == function.regions[one].partner


def is_short_circuited(function: FunctionFacts, site: Site) -> bool:
    """Whether an `and`, `or` or conditional expression decides about the site: a test of that kind
    stands before it in the same statement."""
    for position in range(site.position - 1, -1, -1):
        event = function.events[position]
        if isinstance(event, Test):
            return event.kind in {"logic", "choice"} and event.region == site.region
        if type(event).__name__ not in {"Read", "Call"}:
            return False
        if event.at.end_line < site.at.line - _NEAR:
            return False
    return False


_NEAR = 3
"""Lines a statement is taken to reach back at most."""


def _is_guarded(function: FunctionFacts, position: int, branches: set[int]) -> bool:
    """Whether a return of something found elsewhere (a cached answer) may come before."""
    for event in itertools.islice(function.events, position):
        if not isinstance(event, Return) or _is_nothing(event) or event.region in branches:
            continue
        if function.regions[event.region].kind in {"if", "else"}:
            return True
    return False


def _is_nothing(event: Return) -> bool:
    value = event.value
    if isinstance(value, Items):
        return not value.items
    if isinstance(value, Pairs):
        return not value.keys
    return value is None or isinstance(value, Const)
