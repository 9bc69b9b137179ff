"""Outcomes of a fault sweep as JSON and as text: what was covered, the verdicts, and the bad ones.

create_label on sqlite, labels=2, each statement failing once
    deadlock       18 statements, 18 hit, 9 folded into 9 points: 9 recovered
    duplicate       1 statement, 1 hit: 1 swallowed

    swallowed: the call returned as if done, and nothing of its work is stored
        duplicate
        metering/sync.py:71 in create_label, statement 1: INSERT INTO labels (…)
        state, against success: labels 1 row missing
        caught at metering/sync.py:73 in create_label
        replay: auditor faults scenarios.py::create_label --db sqlite:// --fault duplicate --at 1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from auditor.model.outcome import FaultOutcome, Retried, StateChange, SweepCoverage, Verdict
from auditor.model.span import Frame
from auditor.report.evidence import counted, frame_as_json
from auditor.report.fault_databases import differences, differences_as_text
from auditor.sql.shape import brief

_SHAPE_WIDTH = 70
_SAID_WIDTH = 90
_MOST_PLACES = 12
_MOST_NUMBERS = 6
_OTHER_POINTS = {"COMMIT": "COMMIT", "CHECKOUT": "checkout"}
"""What is counted at points that are no statements, by what stands for their text."""


def fault_as_json(outcome: FaultOutcome) -> dict[str, Any]:
    """One key for each field, in the order of the value."""
    return {field.name: _plain(getattr(outcome, field.name)) for field in fields(outcome)}


def coverage_as_json(coverage: SweepCoverage) -> dict[str, Any]:
    """One key for each field; `sizes` by variable."""
    found = {field.name: _plain(getattr(coverage, field.name)) for field in fields(coverage)}
    return {**found, "sizes": dict(coverage.sizes)}


def faults_as_text(
    outcomes: Sequence[FaultOutcome],
    coverage: Sequence[SweepCoverage] = (),
    *,
    verbose: bool = False,
) -> str:
    """The sweep for people: for each scenario and database its coverage, then what was not good;
    behind all, where databases differ. `verbose` lists the statements that were not hit."""
    keys = dict.fromkeys([*map(_sweep_of, coverage), *map(_sweep_of, outcomes)])
    sweeps = "\n".join(
        "".join(
            f"{line}\n"
            for line in _of_one_sweep(
                key,
                [one for one in coverage if _sweep_of(one) == key],
                [one for one in outcomes if _sweep_of(one) == key],
                verbose=verbose,
            )
        )
        for key in keys
    )
    compared = differences_as_text(differences(outcomes, coverage))
    return sweeps + "".join(f"{line}\n" for line in compared)


def _sweep_of(one: FaultOutcome | SweepCoverage) -> tuple[str, str, str]:
    return (one.scenario, one.database, one.mode)


def _plain(value: Any) -> Any:
    if isinstance(value, Frame):
        return frame_as_json(value)
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, Retried):
        return {"function": frame_as_json(value.function), "attempts": value.attempts}
    if isinstance(value, StateChange):
        return {"table": value.table, "missing": value.missing, "added": value.added}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _of_one_sweep(
    key: tuple[str, str, str],
    coverage: Sequence[SweepCoverage],
    outcomes: Sequence[FaultOutcome],
    *,
    verbose: bool,
) -> Iterator[str]:
    scenario, database, mode = key
    sizes = "".join(f", {name}={size}" for name, size in (coverage[0].sizes if coverage else ()))
    how = "once" if mode == "once" else "whenever it comes"
    yield f"{scenario} on {database}{sizes}, each statement failing {how}"
    names = [one.fault for one in coverage] or list(dict.fromkeys(o.fault for o in outcomes))
    width = max((len(name) for name in names), default=0)
    certificates = {one.fault: certificate(one) for one in coverage}
    for name in names:
        verdicts = _verdicts([one for one in outcomes if one.fault == name])
        said = [part for part in (certificates.get(name, ""), verdicts) if part]
        yield f"    {name:<{width}}  {': '.join(said)}"
        if verbose:
            yield from (f"        {line}" for line in _not_hit(coverage, name))
    for group in _groups(one for one in outcomes if not one.verdict.is_good):
        yield ""
        yield from (f"    {line}" for line in _of_group(group))


def certificate(coverage: SweepCoverage) -> str:
    """`12 statements, 12 hit, 3 folded into 9 points`: how completely a fault was tried."""
    what = "COMMIT" if coverage.fault.startswith("commit-") else "statement"
    what = "checkout" if coverage.fault == "pool-timeout" else what
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


def _not_hit(coverage: Sequence[SweepCoverage], fault: str) -> Iterator[str]:
    """The statements that were not hit, by reason."""
    for one in coverage:
        needs = f": it needs {one.needs}" if one.needs else ""
        reasons = (
            (one.impossible, f"cannot happen at {ranges(one.impossible)}{needs}"),
            (one.unreached, f"not executed again: {ranges(one.unreached)}"),
            (one.untried, f"not tried: {ranges(one.untried)}"),
        )
        yield from (told for numbers, told in reasons if numbers and one.fault == fault)


def ranges(numbers: Sequence[int]) -> str:
    """`1-4, 7, 9-10` for ascending numbers."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, one)) for one in found)


def _verdicts(outcomes: Sequence[FaultOutcome]) -> str:
    counts = Counter(one.verdict for one in outcomes)
    return ", ".join(f"{counts[one]} {one.value}" for one in Verdict if counts[one])


@dataclass(frozen=True, slots=True)
class _Group:
    """Outcomes that differ only in the fault, its class and the statement: `by_fault` has those of
    each fault, with the same statements for all."""

    by_fault: tuple[tuple[FaultOutcome, ...], ...]

    @property
    def first(self) -> FaultOutcome:
        return self.by_fault[0][0]


def _groups(outcomes: Iterable[FaultOutcome]) -> list[_Group]:
    """Bad outcomes, told together where they are alike; silent losses first, and errors that reach
    the caller as they are last."""
    of_fault: dict[object, list[FaultOutcome]] = {}
    for one in outcomes:
        ended = (one.verdict, one.note, one.escaped, one.changes)
        key = (one.fault, ended, one.handlers, one.retried, one.effects)
        of_fault.setdefault(key, []).append(one)
    alike: dict[object, list[tuple[FaultOutcome, ...]]] = {}
    for group in of_fault.values():
        first = group[0]
        places = tuple((one.site, one.statement, one.shape) for one in group)
        told = (
            *(first.verdict, first.note, first.changes, first.handlers),
            *(first.retried, first.effects, bool(first.escaped)),
        )
        alike.setdefault((places, told), []).append(tuple(group))
    groups = [_Group(tuple(members)) for members in alike.values()]
    return sorted(groups, key=lambda group: _TOLD.index(group.first.verdict))


_TOLD = (
    Verdict.HALF_COMMITTED,
    Verdict.SWALLOWED,
    Verdict.CRASHED,
    Verdict.HUNG,
    Verdict.BROKEN_SESSION,
    Verdict.MASKED,
    Verdict.MISREPORTED,
    Verdict.REPEATED_EFFECT,
    Verdict.RETRIED_IN_VAIN,
    Verdict.LEAKED,
    Verdict.NOT_REACHED,
)
"""Verdicts that are not good, the worst first."""


def _of_group(group: _Group) -> Iterator[str]:
    first, members = group.first, group.by_fault[0]
    note = f": {first.note}" if first.note else ""
    yield f"{first.verdict.value}{note}"
    for outcomes in group.by_fault:
        one = outcomes[0]
        escaped = f", escapes as {one.escaped}" if one.escaped else ""
        tried = f", tried {one.attempts} times" if one.attempts > 1 else ""
        yield f"    {one.fault}{escaped}{tried}{_said(one)}"
    for one in members[:_MOST_PLACES]:
        yield f"    {one.site}{_caller(one)}, {_numbers(one)}{_statement(one)}"
    if len(members) > _MOST_PLACES:
        yield f"    ... and {len(members) - _MOST_PLACES} more"
    if first.changes:
        against = "what was before" if first.escaped else "success"
        yield f"    state, against {against}: {', '.join(map(_change, first.changes))}"
    yield from (f"    {line}" for line in _done_again(first))
    for frame in first.handlers:
        yield f"    caught at {frame}"
    for frame in first.traceback[:1]:
        if frame != first.site:
            yield f"    raised at {frame}"
    if first.replay:
        yield f"    replay: {first.replay}"


def _done_again(outcome: FaultOutcome) -> Iterator[str]:
    for one in outcome.retried:
        yield f"tried {counted(one.attempts, 'time')}: {one.function}"
    yield from outcome.effects


def _said(outcome: FaultOutcome) -> str:
    """What the error said, without the statement that SQLAlchemy adds."""
    said = outcome.escaped_message.partition(" [SQL: ")[0].partition(" (Background on")[0]
    return f": {said[:_SAID_WIDTH]}" if said else ""


def _caller(outcome: FaultOutcome) -> str:
    """The line in the file where the work begins, if the statement is not executed there: layers
    that many callers share tell little."""
    outwards = [frame for frame in outcome.stack if "<lambda>" not in frame.function]
    own = [frame for frame in outwards if frame.path == outwards[-1].path]
    return f", for {own[0]}" if own and own[0].path != outcome.site.path else ""


def _numbers(outcome: FaultOutcome) -> str:
    """`statement 3` or `statements 3, 7, 11`: the one that failed and those it stands for."""
    what = _OTHER_POINTS.get(outcome.shape, "statement")
    numbers = (outcome.statement, *outcome.folded)
    shown = ", ".join(str(number) for number in numbers[:_MOST_NUMBERS])
    more = len(numbers) - _MOST_NUMBERS
    return f"{what}{'s' if len(numbers) > 1 else ''} {shown}{f' and {more} more' * (more > 0)}"


def _statement(outcome: FaultOutcome) -> str:
    subject = f" [{outcome.subject}]" if outcome.subject else ""
    is_other = outcome.shape in _OTHER_POINTS
    return "" if is_other else f": {brief(outcome.shape, _SHAPE_WIDTH)}{subject}"


def _change(change: StateChange) -> str:
    parts = [f"{counted(change.missing, 'row')} missing"] if change.missing else []
    parts += [f"{counted(change.added, 'row')} more"] if change.added else []
    return f"{change.table} {' and '.join(parts)}"
