"""What became of the laws of a scenario: beside a baseline, or beside another revision."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.growth.difference import sites_of_more
from auditor.model.contract import law_of_measure, least_of
from auditor.model.law import Change, Law, LawChange, LawResult, PlaceLaw, TermSite
from auditor.model.law_expression import variables_of
from auditor.model.law_order import compared

STATEMENTS = "statements"


def change_since(
    since: str,
    measure: str,
    before: Law | None,
    now: LawResult,
    *,
    earlier: Sequence[PlaceLaw] | None = None,
) -> LawChange | None:
    """The change of one measure from `before` (None: there was no law) to what was measured now;
    None if there is no law now. `earlier` are the places of `before`, None if they are
    not known."""
    after = law_of_measure(now, measure)
    if after is None:
        return None
    if before is None:
        return LawChange(measure, since, "", str(after), Change.NEW)
    unknown = [name for name in variables_of(before) if name not in now.variables]
    if unknown:  # a size that the scenario has no more: neither law says anything of the other
        return LawChange(measure, since, str(before), str(after), Change.MIXED)
    found = compared(before, after, least_of(now))
    return LawChange(
        measure,
        since,
        str(before),
        str(after),
        found.change,
        worse_at=found.worse_at,
        better_at=found.better_at,
        sites=()
        if found.change is Change.SAME
        else _difference_in_sites(measure, (before, after), now.places, earlier),
    )


def _difference_in_sites(
    measure: str,
    laws: tuple[Law, Law],
    now: Sequence[PlaceLaw],
    earlier: Sequence[PlaceLaw] | None,
) -> tuple[TermSite, ...]:
    """The places of what the later of two laws has more; of what it has less if there is nothing
    more."""
    before, after = laws
    grown = sites_of_more(measure, after, before, now, earlier)
    return grown or sites_of_more(measure, before, after, earlier or (), now)
