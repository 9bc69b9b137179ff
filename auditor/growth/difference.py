"""Names the places that make two laws of one measure differ.

Each place has a law of its own at both revisions, so the difference of two laws is the sum of the
differences of their places; those that have more of a term that grew are named. A place is known
again by its path, functions, cause and statement, not by its line. A statement that was rewritten
where it was, or was moved elsewhere as it was, and follows the same law as before, made no
difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.growth.count import KINDS
from auditor.growth.places import STATEMENTS
from auditor.model.law import Factor, Law, PlaceLaw, Term, TermSite
from auditor.model.law_expression import degree_of, difference, ordered, sum_of

Factors = tuple[Factor, ...]
_NOTHING = Law(())


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same of a statement when lines above it come and go."""

    place: tuple[str, ...]
    statement: tuple[str, str]


def sites_of_more(
    measure: str,
    more: Law,
    less: Law,
    of_more: Sequence[PlaceLaw],
    of_less: Sequence[PlaceLaw] | None,
) -> tuple[TermSite, ...]:
    """The places of `more` that have more of the terms which it has more of than `less`; the share
    of each is what it has more. Without those of `less` (None), constants name no place: each
    statement has one."""
    gap = difference(more, less)
    grown = {term.factors for term in gap.terms if term.coefficient > 0}
    if of_less is None:
        grown.discard(())
    groups = _by_identity(measure, of_more)
    own = {identity: _law_of(places) for identity, places in groups.items()}
    known = {
        identity: _law_of(places)
        for identity, places in _by_identity(measure, of_less or ()).items()
    }
    found: list[tuple[Law, TermSite]] = []
    for identity in _different(own, known):
        share = _within(grown, difference(own[identity], known.get(identity, _NOTHING)))
        if share.terms:
            found += [(share, one.site) for one in groups[identity]]
    found.sort(key=_largest_first)
    return tuple(replace(site, share=str(share)) for share, site in found)


def _by_identity(measure: str, places: Sequence[PlaceLaw]) -> dict[Identity, list[PlaceLaw]]:
    """The places that have any of the measure; kinds of statements are those that begin so."""
    groups: dict[Identity, list[PlaceLaw]] = {}
    of = STATEMENTS if measure in KINDS else measure
    for one in places:
        is_of_kind = measure not in KINDS or one.site.shape.upper().startswith(measure)
        if one.measure == of and is_of_kind:
            groups.setdefault(_identity(one.site), []).append(one)
    return groups


def _identity(site: TermSite) -> Identity:
    functions = (frame.function for frame in site.stack)
    return Identity((site.frame.path, site.frame.function, *functions), (site.cause, site.shape))


def _law_of(places: Sequence[PlaceLaw]) -> Law:
    total: dict[Factors, Term] = {}
    for one in places:
        for factors, coefficient in sum_of(one.law).items():
            before = total.get(factors)
            total[factors] = Term(coefficient + (before.coefficient if before else 0), factors)
    return ordered({factors: term.coefficient for factors, term in total.items()})


def _different(own: Mapping[Identity, Law], known: Mapping[Identity, Law]) -> Iterator[Identity]:
    """Those of `own` without an equal in `known`: neither rewritten in place, nor moved."""
    gone = {identity: law for identity, law in known.items() if identity not in own}
    rewritten = Counter((identity.place, law) for identity, law in gone.items())
    moved = Counter((identity.statement, law) for identity, law in gone.items())
    for identity, law in own.items():
        if identity in known:
            yield identity
        elif rewritten[identity.place, law] > 0:
            rewritten[identity.place, law] -= 1
        elif moved[identity.statement, law] > 0:
            moved[identity.statement, law] -= 1
        else:
            yield identity


def _within(grown: set[Factors], more: Law) -> Law:
    """The terms of `more` that are above 0 and among those that grew."""
    kept = (one for one in more.terms if one.factors in grown and one.coefficient > 0)
    return Law(tuple(kept))


def _largest_first(found: tuple[Law, TermSite]) -> tuple[object, ...]:
    share, site = found
    largest = max(share.terms, key=lambda term: (degree_of(term.factors), term.coefficient))
    order = (site.frame.path, site.frame.line, site.cause, site.shape)
    return (-degree_of(largest.factors), -largest.coefficient, *order)
