"""Sweeps of one workload on several databases, statement by statement: where they differ.

    (scenario, mode, fault)  ->  place (call path, statement, subject)  ->  verdict on each database

Statements are matched by their call path, their shape in no dialect's words, and their order among
equal ones: ordinals differ where one database needs a statement more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict
from auditor.model.span import Frame
from auditor.report.evidence import frame_as_json

IMPOSSIBLE = "cannot happen"
ABSENT = "no such statement"
NO_FAULT = "no such fault"
UNTRIED = "not tried"
_CANNOT = (IMPOSSIBLE, NO_FAULT)
_UNKNOWN = (ABSENT, UNTRIED, Verdict.NOT_REACHED.value)
_DIALECT_WORDS = (
    (re.compile(r'["`]'), ""),
    (re.compile(r"%\(\w+\)s(?:::\w+(?:\(\d+\))?)?|%s|\$\d+(?:::\w+)?|:\w+"), "?"),
    (re.compile(r"\bLIMIT \?(?: OFFSET \?|, ?\?)", re.IGNORECASE), "LIMIT ?"),  # SQLite has both
    (re.compile(r"\s+RETURNING\b.*$", re.IGNORECASE | re.DOTALL), ""),
    (re.compile(r"\s+"), " "),
)
Sweep = tuple[str, str, str]  # scenario, mode, fault
Place = tuple[tuple[Frame, ...], str, str, int]  # call path, shape, subject, how many equal before


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a fault on one database: a verdict, or why there is none. `statement` is its
    ordinal there, 0 without one."""

    database: str
    came_of_it: str
    statement: int = 0
    escaped: str = ""
    replay: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it came to a good end here, or cannot happen."""
        return self.came_of_it in _CANNOT or (self.is_known and Verdict(self.came_of_it).is_good)

    @property
    def is_known(self) -> bool:
        """Whether it can be held against another database."""
        return self.came_of_it not in _UNKNOWN


@dataclass(frozen=True, slots=True)
class Difference:
    """A place at which databases differ: `seen` in the order of the sweeps."""

    scenario: str
    mode: str
    fault: str
    site: Frame
    shape: str
    subject: str
    seen: tuple[Seen, ...]

    @property
    def passes_only_on(self) -> tuple[str, ...]:
        """The databases on which nothing bad is seen, while it is on others."""
        return tuple(one.database for one in self.seen if one.is_good)


class _OnOne:
    """The outcomes of one fault on one database, a statement each; `coverage` if it is known."""

    def __init__(self) -> None:
        self.coverage: SweepCoverage | None = None
        self.by_place: dict[Place, tuple[FaultOutcome, int]] = {}


def differences(
    outcomes: Sequence[FaultOutcome], coverage: Sequence[SweepCoverage]
) -> tuple[Difference, ...]:
    """Where sweeps that differ only in the database came to different ends, a good one and a bad
    one, or two bad ones; in the order of the outcomes."""
    swept = _by_sweep(outcomes, coverage)
    databases: dict[tuple[str, str], dict[str, None]] = {}
    for (scenario, mode, _), on in swept.items():
        databases.setdefault((scenario, mode), {}).update(dict.fromkeys(on))
    return tuple(
        one
        for sweep, on in swept.items()
        if len(databases[sweep[0], sweep[1]]) > 1
        for one in _of_sweep(sweep, on, tuple(databases[sweep[0], sweep[1]]))
    )


def _by_sweep(
    outcomes: Sequence[FaultOutcome], coverage: Sequence[SweepCoverage]
) -> Mapping[Sweep, dict[str, _OnOne]]:
    swept: dict[Sweep, dict[str, _OnOne]] = {}
    for certificate in coverage:
        key = (certificate.scenario, certificate.mode, certificate.fault)
        on = swept.setdefault(key, {}).setdefault(certificate.database, _OnOne())
        on.coverage = certificate
    statements: dict[tuple[Sweep, str], list[tuple[int, FaultOutcome]]] = {}
    for one in outcomes:
        key = (one.scenario, one.mode, one.fault)
        swept.setdefault(key, {}).setdefault(one.database, _OnOne())
        each = statements.setdefault((key, one.database), [])
        each += ((number, one) for number in (one.statement, *one.folded))
    for (key, database), found in statements.items():
        equal: dict[tuple[Any, ...], int] = {}
        for number, one in sorted(found, key=lambda pair: pair[0]):
            place = (one.stack or (one.site,), undialected(one.shape), one.subject)
            before = equal[place] = equal.get(place, -1) + 1
            counted_place = (*place, before)  # no star in an index before Python 3.11
            swept[key][database].by_place[counted_place] = (one, number)
    return swept


def undialected(shape: str) -> str:
    """A shape without quotes, kinds of placeholders and RETURNING."""
    for pattern, replacement in _DIALECT_WORDS:
        shape = pattern.sub(replacement, shape)
    return shape.strip()


def _of_sweep(
    sweep: Sweep, on: Mapping[str, _OnOne], databases: Sequence[str]
) -> Iterator[Difference]:
    places = dict.fromkeys(place for name in databases if name in on for place in on[name].by_place)
    for place in places:
        seen = tuple(_seen(name, on.get(name), place) for name in databases)
        known = [one for one in seen if one.is_known]
        is_same = all(one.came_of_it == known[0].came_of_it for one in known)
        if is_same or all(one.is_good for one in known):
            continue
        first = next(on[name].by_place[place][0] for name in databases if _has(on, name, place))
        yield Difference(*sweep, first.site, first.shape, first.subject, seen)


def _has(on: Mapping[str, _OnOne], name: str, place: Place) -> bool:
    return name in on and place in on[name].by_place


def _seen(name: str, on: _OnOne | None, place: Place) -> Seen:
    if on is None:
        return Seen(name, NO_FAULT)
    if place in on.by_place:
        one, number = on.by_place[place]
        return Seen(name, one.verdict.value, number, one.escaped, one.replay)
    if on.coverage is not None and on.coverage.left_out:
        return Seen(name, UNTRIED)
    is_possible_everywhere = on.coverage is not None and not on.coverage.not_applicable
    return Seen(name, ABSENT if is_possible_everywhere else IMPOSSIBLE)


def difference_as_json(difference: Difference) -> dict[str, Any]:
    """One key for each field, in the order of the value; `passes_only_on` behind them."""
    return {
        "scenario": difference.scenario,
        "mode": difference.mode,
        "fault": difference.fault,
        "site": frame_as_json(difference.site),
        "shape": difference.shape,
        "subject": difference.subject,
        "seen": [
            {
                "database": one.database,
                "came_of_it": one.came_of_it,
                "statement": one.statement,
                "escaped": one.escaped,
                "replay": one.replay,
            }
            for one in difference.seen
        ],
        "passes_only_on": list(difference.passes_only_on),
    }


def differences_as_text(found: Sequence[Difference]) -> Iterator[str]:
    """Lines for people, by the databases on which alone it passes: first what passes on SQLite."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in found:
        groups.setdefault(one.passes_only_on, []).append(one)
    for only, members in sorted(groups.items(), key=lambda item: (not item[0], _rank(item[0]))):
        yield ""
        if only:
            yield f"what passes only because the tests run on {' or '.join(only)}:"
        else:
            yield "what is bad on each database, and not in the same way:"
        yield from _of_group(members)


def _rank(names: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    return ("sqlite" not in names, names)


def _of_group(members: Sequence[Difference]) -> Iterator[str]:
    """Differences at one line that came to the same ends in one entry, whatever the fault."""
    alike: dict[object, list[Difference]] = {}
    for one in members:
        ends = tuple((each.database, each.came_of_it) for each in one.seen)
        alike.setdefault((one.scenario, one.mode, one.site, ends), []).append(one)
    for group in alike.values():
        first = group[0]
        mode = "" if first.mode == "once" else ", whenever it comes"
        yield f"    {first.scenario}{mode}: {first.site}: {', '.join(_faults_of(group))}"
        for number, each in enumerate(first.seen):
            statements = sorted({one.seen[number].statement for one in group} - {0})
            what = "COMMIT" if first.shape == "COMMIT" else "statement"
            plural = "s" if len(statements) > 1 else ""
            at = f", {what}{plural} {', '.join(map(str, statements))}" if statements else ""
            yield f"        {each.database}: {each.came_of_it}{at}"
        bad = next((each for each in first.seen if not each.is_good and each.replay), None)
        if bad is not None:
            yield f"        replay: {bad.replay}"


def _faults_of(group: Sequence[Difference]) -> list[str]:
    told = (f"{one.fault} ({one.subject})" if one.subject else one.fault for one in group)
    return list(dict.fromkeys(told))
