"""Ties the places that a law grows from to what scan says of the same lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from auditor.engine.places import place_of, stands_at, where_of
from auditor.model.evidence import Growth
from auditor.model.finding import Finding
from auditor.model.law import LawResult, TermSite
from auditor.model.span import Frame


def grounded(results: Iterable[LawResult], findings: Iterable[Finding]) -> tuple[LawResult, ...]:
    """The results, each place with the codes of the findings on its line. A finding that only
    repeats the law says nothing new, and is left out."""
    read = [one for one in findings if not one.evidence or not _is_of_growth(one)]
    known: dict[Frame, tuple[str, ...]] = {}
    return tuple(_with_codes(result, read, known) for result in results)


def _is_of_growth(finding: Finding) -> bool:
    return all(isinstance(one, Growth) for one in finding.evidence)


def _with_codes(
    result: LawResult, findings: Iterable[Finding], known: dict[Frame, tuple[str, ...]]
) -> LawResult:
    for term in result.terms:
        for site in term.sites:
            if site.frame not in known:
                known[site.frame] = _codes_at(site.frame, findings)
    terms = tuple(
        replace(term, sites=tuple(_with_code(site, known) for site in term.sites))
        for term in result.terms
    )
    return replace(result, terms=terms)


def _with_code(site: TermSite, known: Mapping[Frame, tuple[str, ...]]) -> TermSite:
    return replace(site, codes=tuple(sorted({*site.codes, *known[site.frame]})))


def _codes_at(frame: Frame, findings: Iterable[Finding]) -> tuple[str, ...]:
    place = place_of(frame)
    return tuple(sorted({one.code for one in findings if stands_at(place, where_of(one))}))
