"""The outcome of a call with which another session interfered, held against the serial orders."""

from __future__ import annotations

import weakref
from dataclasses import replace

import sqlalchemy as sa

from auditor.faults.aim.plan import Point
from auditor.faults.rivals.desk import Change
from auditor.faults.rivals.serial import Interfered, Orders, aims_at, judgement_of
from auditor.faults.rivals.session import Aim, OtherSession, Part, reflect
from auditor.faults.state.canonical import told
from auditor.faults.state.oracle import changes
from auditor.faults.sweep.bench import Bench, Run, make_call
from auditor.faults.sweep.repeatable import Learned
from auditor.faults.verdicts.handlers import handlers_of, user_frames
from auditor.faults.verdicts.judge import class_name
from auditor.faults.verdicts.outcomes import LONGEST_MESSAGE, Request, attempts_of
from auditor.growth.workload import is_declared
from auditor.model.outcome import FaultOutcome, Verdict

_ORDERS: weakref.WeakKeyDictionary[sa.Engine, dict[tuple[Change, ...], Orders]] = (
    weakref.WeakKeyDictionary()
)
"""Serial orders of changes that were made before: the same row vanishes at many statements."""


def rival_outcome(
    request: Request, bench: Bench, point: Point, expected: Learned, pending: FaultOutcome
) -> FaultOutcome:
    """The outcome of one run in which another session acts before the statement of the point."""
    shot = point.shot
    reflect(bench.engine, (shot.point.table, shot.target.table, shot.target.other_table))
    aim = Aim(shot.fault, shot.target)
    aims = (aim, *aims_at(shot.target, shot.point, bench))
    other = OtherSession(bench.engine, bench.keys(), Part.DURING, aims=aims)
    run = bench.run(replace(shot, rival=other), other)
    if not run.watch.fired or not other.changes:
        note = other.refused or "the call did not come to this statement again"
        return replace(pending, verdict=Verdict.NOT_REACHED, attempts=0, note=note)
    case = Interfered(
        run=run,
        other=other,
        point=shot.point,
        expected=expected,
        orders=lambda made: _orders_of(bench, made, other.since),
        declared=run.error is not None and is_declared(run.error, request.scenario.declared),
        attempts=attempts_of(shot.point, run, expected),
    )
    return _told(request, case, pending)


def _told(request: Request, case: Interfered, pending: FaultOutcome) -> FaultOutcome:
    run, boundary = case.run, make_call.__code__
    judgement = judgement_of(case)
    error = None if run.equals(case.expected) else run.error
    return replace(
        pending,
        verdict=judgement.verdict,
        note=judgement.note,
        attempts=case.attempts,
        in_turn=judgement.in_turn,
        escaped=class_name(error) if error else "",
        escaped_message=told(error, run.mask)[:LONGEST_MESSAGE] if error else "",
        changes=changes(judgement.baseline, run.delta),
        traceback=user_frames(error, boundary, request.root) if error else (),
        handlers=handlers_of(_seen(run), boundary, request.root, run.watch.ways),
    )


def _seen(run: Run) -> list[BaseException]:
    return [*run.watch.shown, *([run.error] if run.error else [])]


def _orders_of(bench: Bench, made: tuple[Change, ...], since: float) -> Orders:
    known = _ORDERS.setdefault(bench.engine, {})
    if made not in known:
        known[made] = Orders(bench, made, since)
    return known[made]
