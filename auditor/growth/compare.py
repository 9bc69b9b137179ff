"""What became of the laws of a scenario: beside a baseline, or beside another revision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from auditor.model.contract import law_of_measure, least_of
from auditor.model.law import Change, ExplainedTerm, Factor, Law, LawChange, LawResult, TermSite
from auditor.model.law_expression import difference, sum_of, variables_of
from auditor.model.law_order import compared

STATEMENTS = "statements"


def change_since(
    since: str,
    measure: str,
    before: Law | None,
    now: LawResult,
    *,
    earlier: Sequence[ExplainedTerm] = (),
) -> LawChange | None:
    """The change of one measure from `before` (None: there was no law) to what was measured now;
    None if there is no law now. `earlier` are the terms of `before` with their places, if known."""
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
        sites=_difference_in_sites(found.change, before, after, now.terms, earlier)
        if measure == STATEMENTS
        else (),
    )


def _difference_in_sites(
    change: Change,
    before: Law,
    after: Law,
    now: Sequence[ExplainedTerm],
    earlier: Sequence[ExplainedTerm],
) -> tuple[TermSite, ...]:
    """The places of the terms that grew, without those that had the same share before; of those
    that shrank if none grew."""
    if change is Change.SAME:
        return ()
    grown = _sites_of_more(after, before, now, earlier)
    return grown or _sites_of_more(before, after, earlier, now)


def _sites_of_more(
    more: Law, less: Law, of_more: Sequence[ExplainedTerm], of_less: Sequence[ExplainedTerm]
) -> tuple[TermSite, ...]:
    """The places in `of_more` of the terms that `more` has more of than `less`."""
    gap = difference(more, less)
    grown = {term.factors for term in gap.terms if term.coefficient > 0}
    sites = list(_sites_with(grown, of_more))
    known = {_identity(site) for site in _sites_with(grown, of_less)}
    new = [site for site in sites if _identity(site) not in known]
    return tuple(dict.fromkeys(new or sites))


def _sites_with(
    factors: set[tuple[Factor, ...]], terms: Iterable[ExplainedTerm]
) -> Iterable[TermSite]:
    for explained in terms:
        if any(one in factors for one in sum_of(Law((explained.term,)))):
            yield from explained.sites


def _identity(site: TermSite) -> tuple[str, ...]:
    """What stays the same of a place when lines above it come and go."""
    path = tuple(frame.function for frame in site.stack)
    return (site.frame.path, site.frame.function, site.cause, site.shape, site.share, *path)
