"""Outcomes of a fault sweep as JSON and as text: what was covered, the verdicts, and the bad ones.

create_label on sqlite, labels=2, each statement failing once
    deadlock       18 statements, 18 hit, 9 folded into 9 points: 9 recovered
    duplicate       1 statement, 1 hit: 1 swallowed

    swallowed: duplicate; the call returned as if done, and nothing of its work is stored
        metering/sync.py:71 in create_label, statement 1: INSERT INTO labels (...) VALUES (?)
        state: labels 1 row missing
        handler: metering/sync.py:73 in create_label
        replay: auditor faults scenarios.py::create_label --db sqlite:// --fault duplicate --at 1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from auditor.model.outcome import FaultOutcome, StateChange, SweepCoverage, Verdict
from auditor.model.span import Frame
from auditor.report.evidence import counted, frame_as_json
from auditor.sql.shape import brief

_SHAPE_WIDTH = 70
_MOST_PLACES = 12
_MOST_NUMBERS = 6
_AT_COMMIT = "COMMIT"


def fault_as_json(outcome: FaultOutcome) -> dict[str, Any]:
    """One key for each field, in the order of the value."""
    return {field.name: _plain(getattr(outcome, field.name)) for field in fields(outcome)}


def coverage_as_json(coverage: SweepCoverage) -> dict[str, Any]:
    """One key for each field; `sizes` by variable."""
    found = {field.name: getattr(coverage, field.name) for field in fields(coverage)}
    return {**found, "sizes": dict(coverage.sizes)}


def faults_as_text(outcomes: Sequence[FaultOutcome], coverage: Sequence[SweepCoverage] = ()) -> str:
    """The sweep for people: for each scenario and database its coverage, then what was not good."""
    keys = dict.fromkeys((one.scenario, one.database, one.mode) for one in (*coverage, *outcomes))
    return "\n".join(
        "".join(
            f"{line}\n"
            for line in _of_one_sweep(
                [one for one in coverage if (one.scenario, one.database, one.mode) == key],
                [one for one in outcomes if (one.scenario, one.database, one.mode) == key],
            )
        )
        for key in keys
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Frame):
        return frame_as_json(value)
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, StateChange):
        return {"table": value.table, "missing": value.missing, "added": value.added}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _of_one_sweep(
    coverage: Sequence[SweepCoverage], outcomes: Sequence[FaultOutcome]
) -> Iterator[str]:
    first: Any = (*coverage, *outcomes)[0]
    sizes = "".join(f", {name}={size}" for name, size in getattr(first, "sizes", ()))
    how = "once" if first.mode == "once" else "whenever it comes"
    yield f"{first.scenario} on {first.database}{sizes}, each statement failing {how}"
    names = [one.fault for one in coverage] or list(dict.fromkeys(o.fault for o in outcomes))
    width = max((len(name) for name in names), default=0)
    certificates = {one.fault: certificate(one) for one in coverage}
    for name in names:
        verdicts = _verdicts([one for one in outcomes if one.fault == name])
        said = [part for part in (certificates.get(name, ""), verdicts) if part]
        yield f"    {name:<{width}}  {': '.join(said)}"
    for group in _groups(one for one in outcomes if not one.verdict.is_good):
        yield ""
        yield from (f"    {line}" for line in _of_group(group))


def certificate(coverage: SweepCoverage) -> str:
    """`12 statements, 12 hit, 3 folded into 9 points`: how completely a fault was tried."""
    what = "COMMIT" if coverage.fault.startswith("commit-") else "statement"
    if not coverage.statements:
        return f"the call makes no {what}"
    hit = coverage.points + coverage.folded - coverage.not_reached
    if not coverage.points and coverage.not_applicable == coverage.statements:
        return f"{counted(coverage.statements, what)}, can happen at none"
    parts = [counted(coverage.statements, what), f"{hit:,} hit"]
    if coverage.folded:
        parts.append(f"{coverage.folded:,} folded into {counted(coverage.points, 'point')}")
    if coverage.not_applicable:
        parts.append(f"cannot happen at {coverage.not_applicable:,}")
    if coverage.not_reached:
        parts.append(f"{coverage.not_reached:,} not reached again")
    if coverage.left_out:
        parts.append(f"{coverage.left_out:,} not tried")
    return ", ".join(parts)


def _verdicts(outcomes: Sequence[FaultOutcome]) -> str:
    counts = Counter(one.verdict for one in outcomes)
    return ", ".join(f"{counts[one]} {one.value}" for one in Verdict if counts[one])


def _groups(outcomes: Iterable[FaultOutcome]) -> list[list[FaultOutcome]]:
    """Outcomes that differ only in the statement are told together."""
    groups: dict[object, list[FaultOutcome]] = {}
    for one in outcomes:
        key = (one.fault, one.verdict, one.note, one.escaped, one.changes, one.handlers)
        groups.setdefault(key, []).append(one)
    order = list(Verdict)
    return sorted(groups.values(), key=lambda group: -_severity(group[0].verdict, order))


def _severity(verdict: Verdict, order: list[Verdict]) -> int:
    """Silent losses first; an error that reaches the caller as it is last."""
    worst = (Verdict.LEAKED, Verdict.NOT_REACHED)
    return order.index(verdict) if verdict not in worst else -worst.index(verdict)


def _of_group(group: Sequence[FaultOutcome]) -> Iterator[str]:
    first = group[0]
    escaped = f"; escaped: {first.escaped}" if first.escaped else ""
    note = f"; {first.note}" if first.note else ""
    yield f"{first.verdict.value}: {first.fault}{note}{escaped}"
    for one in group[:_MOST_PLACES]:
        yield f"    {one.site}, {_numbers(one)}{_statement(one)}"
    if len(group) > _MOST_PLACES:
        yield f"    ... and {len(group) - _MOST_PLACES} more"
    if first.escaped_message:
        yield f"    said: {first.escaped_message[:120]}"
    if first.attempts > 1:
        yield f"    tried {first.attempts} times"
    if first.changes:
        yield f"    state: {', '.join(map(_change, first.changes))}"
    for frame in first.handlers:
        yield f"    handler: {frame}"
    for frame in first.traceback[:1]:
        if frame != first.site:
            yield f"    raised at: {frame}"
    if first.replay:
        yield f"    replay: {first.replay}"


def _numbers(outcome: FaultOutcome) -> str:
    """`statement 3` or `statements 3, 7, 11`: the one that failed and those it stands for."""
    what = _AT_COMMIT if outcome.shape == _AT_COMMIT else "statement"
    numbers = (outcome.statement, *outcome.folded)
    shown = ", ".join(str(number) for number in numbers[:_MOST_NUMBERS])
    more = len(numbers) - _MOST_NUMBERS
    return f"{what}{'s' if len(numbers) > 1 else ''} {shown}{f' and {more} more' * (more > 0)}"


def _statement(outcome: FaultOutcome) -> str:
    return "" if outcome.shape == _AT_COMMIT else f": {brief(outcome.shape, _SHAPE_WIDTH)}"


def _change(change: StateChange) -> str:
    parts = [f"{counted(change.missing, 'row')} missing"] if change.missing else []
    parts += [f"{counted(change.added, 'row')} more"] if change.added else []
    return f"{change.table} {' and '.join(parts)}"
