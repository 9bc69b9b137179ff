"""Work on the database that can still fail after something was done, in the same run."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.knowledge import Effect
from auditor.rules.errors.open_transactions import does, transaction_around
from auditor.source.facts import FunctionFacts, ModuleFacts, Raise, Region, Return
from auditor.source.project import Project
from auditor.source.sites import Site

_FAILING = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.COMMIT))
LATER = frozenset((*_FAILING, Effect.PENDING))
"""Work that can fail at the commit of the transaction around it."""
_LOOPS = frozenset(("for", "while"))


@dataclass(frozen=True, slots=True)
class Work:
    """The database work of a function that can fail, its sites in order."""

    project: Project
    module: ModuleFacts
    function: FunctionFacts
    sites: tuple[Site, ...]


def work_after(work: Work, position: int, region: int) -> Site | None:
    """The first work after an event that can fail in the same run, at once or when the transaction
    around the event ends; None if there is none."""
    opened = transaction_around(work.project, work.module, work.function, region)
    if opened is not None:
        inside = opened.region
        for site in work.sites:
            if inside.first <= site.position < inside.last and _meets(work, region, site):
                return site
    for site in work.sites:
        is_failing = does(work.project, site, _FAILING) is not None
        is_later = site.position > position or _turns_again(work.function, region, site)
        is_met = is_failing and is_later and _meets(work, region, site)
        if is_met and not _is_left_before(work.function, position, region, site):
            return site
    return None


def _meets(work: Work, region: int, site: Site) -> bool:
    """Whether one run can come to both: not in the other branch of a test, nor in a handler."""
    function = work.function
    own = {around.index for around in function.ancestors(region)}
    for around in function.ancestors(site.region):
        if around.index in own:
            continue
        if around.kind == "handler" or around.partner in own:
            return around.kind in {"finally", "try-else", "loop-else"}
        partners = (function.regions[one].partner for one in own)
        if around.kind == "if" and around.index in partners:
            return False
    return True


def _turns_again(function: FunctionFacts, region: int, site: Site) -> bool:
    """Whether a loop has both, so that the work of the next turn comes after."""
    own = {r.index for r in function.ancestors(region) if r.kind in _LOOPS}
    return any(around.index in own for around in function.ancestors(site.region))


def _is_left_before(function: FunctionFacts, position: int, region: int, site: Site) -> bool:
    """Whether a branch with the event is left for good before the site."""
    reached = {around.index for around in function.ancestors(site.region)}
    for around in function.ancestors(region):
        if around.index in reached:
            return False
        if _leaves(function, around, position):
            return True
    return False


def _leaves(function: FunctionFacts, region: Region, position: int) -> bool:
    return any(
        event.region == region.index and isinstance(event, (Return, Raise))
        for event in function.events[position : region.last]
    )
