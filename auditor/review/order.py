"""In which order findings are told: what to do first, and the summary.

A finding is told before another if a live witness saw it, then by what it does (data in danger, a
wrong result or a lost error, cost that grows, a schema that costs), then by how well it is
witnessed. What to do first is a selection of these: no rule and no kind may fill it alone, and what
a migration did once is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from auditor.model.finding import Confidence, Finding
from auditor.review.points import SECURITY, Materials, Point, rank_of, security_of
from auditor.source.database_functions import is_migration

ADVICE = 3
"""The rank of findings that are only advice."""
_FIRST = 10
_OF_A_RULE = 2
_OF_A_KIND = 4
_KINDS = (
    SECURITY,
    ("DBA606", "DBA103", "DBA2", "DBA4"),
    ("DBA3",),
    ("DBA1", "DBA5"),
)
_MILD = ("DBA107", "DBA208")
"""Rules about what is only less good than it could be, though their families are about worse."""


class Told(NamedTuple):
    """A finding and the part of the review it stands in."""

    finding: Finding
    where: str


def told_of(materials: Materials, points: Sequence[Point]) -> tuple[Told, ...]:
    """All findings of a review, the best witnessed first."""
    told = [Told(finding, "security") for finding in security_of(materials)]
    told += [Told(f, f"point {point.code}") for point in points for f in point.findings]
    return tuple(sorted(told, key=_place))


def first_of(materials: Materials, told: Sequence[Told]) -> tuple[Told, ...]:
    """What to do first, none if there is too little to choose from."""
    once = _migrations(materials)
    real = [one for one in told if rank_of(one.finding) < ADVICE]
    lasting = [one for one in real if one.finding.span.path not in once]
    if len(lasting) <= _OF_A_KIND:
        return ()
    return tuple(_chosen(sorted(lasting, key=_urgency)))[:_FIRST]


def concentrated(materials: Materials, told: Iterable[Told]) -> tuple[tuple[str, int], ...]:
    """Files by the number of their findings, advice and migrations left out, the most first."""
    once = _migrations(materials)
    paths = (one.finding.span.path for one in told if rank_of(one.finding) < ADVICE)
    found = Counter(path for path in paths if path not in once)
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _migrations(materials: Materials) -> frozenset[str]:
    return frozenset(m.path for m in materials.subject.modules if is_migration(m))


def _place(one: Told) -> tuple[int, int, str, str]:
    return rank_of(one.finding), _kind(one.finding), one.where, one.finding.code


def _chosen(told: Iterable[Told]) -> Iterator[Told]:
    rules: Counter[str] = Counter()
    kinds: Counter[int] = Counter()
    functions: set[tuple[str, str, str]] = set()
    for one in told:
        code, kind = one.finding.code, _kind(one.finding)
        function = (code, one.finding.span.path, one.finding.function)
        if rules[code] < _OF_A_RULE and kinds[kind] < _OF_A_KIND and function not in functions:
            functions.add(function)
            rules[code] += 1
            kinds[kind] += 1
            yield one


def _urgency(one: Told) -> tuple[bool, int, int]:
    rank = rank_of(one.finding)
    return rank > 0, _kind(one.finding), rank


def _kind(finding: Finding) -> int:
    is_only_named_badly = finding.code == "DBA606" and finding.confidence is not Confidence.HIGH
    if finding.code.startswith(_MILD) or is_only_named_badly:
        return len(_KINDS) - 1
    found = (n for n, codes in enumerate(_KINDS) if finding.code.startswith(codes))
    return next(found, len(_KINDS))
