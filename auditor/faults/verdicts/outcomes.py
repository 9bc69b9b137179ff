"""From a run to its outcome, and what is known of an outcome before the run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from auditor.faults.aim.plan import Point
from auditor.faults.aim.shots import Executed, Shot
from auditor.faults.catalogue.fault import Fault
from auditor.faults.conduct.conduct import tries_of, with_conduct
from auditor.faults.state.canonical import told
from auditor.faults.state.oracle import changes
from auditor.faults.suites.suites import Test
from auditor.faults.sweep.bench import Run, make_call
from auditor.faults.sweep.repeatable import Learned
from auditor.faults.verdicts.handlers import handlers_of, is_raised_in_handler, user_frames
from auditor.faults.verdicts.judge import Ending, class_name, verdict_of
from auditor.growth.scenario import Scenario
from auditor.growth.workload import is_declared
from auditor.model.outcome import FaultOutcome, Verdict

LONGEST_MESSAGE = 400  # characters


@dataclass(frozen=True, slots=True)
class Request:
    """What to do. `database` is its name in reports, `replay` the command without fault and
    ordinal. `turns` gives, of so many runs, the numbers of those to make, one when the one before
    has ended; `repeats`: an earlier process has seen that the workload repeats itself.
    `tells_code`: the parent wants to know which code runs."""

    scenario: Scenario | Test
    faults: tuple[Fault, ...]
    mode: str
    at: int | None
    sizes: Mapping[str, int]
    database: str
    replay: str
    seconds: float
    root: str
    turns: Callable[[int], Iterable[int]] = range
    repeats: bool = False
    tells_code: bool = False


def pending_outcome(request: Request, point: Point) -> FaultOutcome:
    """The outcome as far as it is known before the run: the process ended in it."""
    shot = point.shot
    mode = "" if request.mode == "once" else f" --mode {request.mode}"
    return FaultOutcome(
        scenario=request.scenario.name,
        database=request.database,
        fault=shot.fault.name,
        mode=request.mode,
        statement=shot.point.ordinal,
        shape=shot.point.shape,
        site=shot.point.site.frame,
        stack=shot.point.site.stack,
        verdict=Verdict.CRASHED,
        attempts=1,
        folded=point.folded,
        subject=shot.target.subject,
        replay=f"{request.replay} --fault {shlex.quote(shot.asked)} --at"
        f" {shot.point.ordinal}{mode}",
        note="the process ended during the call",
    )


def judged_outcome(
    request: Request, point: Point, run: Run, expected: Learned, pending: FaultOutcome
) -> FaultOutcome:
    """The outcome of a run, held against the run without a fault."""
    if not run.watch.fired:
        return replace(
            pending,
            verdict=Verdict.NOT_REACHED,
            attempts=0,
            note="the call did not come to this statement again",
        )
    ending = _ending(request, point.shot, run, expected)
    verdict, note = verdict_of(ending)
    returned = run.error is None or ending.same_result
    error = None if returned else run.error
    boundary = make_call.__code__
    seen = [*run.watch.shown, *([run.error] if run.error else [])]
    outcome = replace(
        pending,
        verdict=verdict,
        note=note,
        attempts=ending.attempts,
        escaped=class_name(error) if error else "",
        escaped_message=told(error, run.mask)[:LONGEST_MESSAGE] if error else "",
        changes=changes(expected.delta if returned else {}, run.delta),
        traceback=user_frames(error, boundary, request.root) if error else (),
        handlers=handlers_of(seen, boundary, request.root, run.watch.ways),
    )
    return with_conduct(outcome, run.conduct, expected.conduct)


def _ending(request: Request, shot: Shot, run: Run, expected: Learned) -> Ending:
    return Ending(
        error=run.error,
        shown=run.watch.shown,
        unchanged=not run.delta,
        done=run.delta == expected.delta,
        same_result=run.equals(expected),
        declared=run.error is not None and is_declared(run.error, request.scenario.declared),
        attempts=attempts_of(shot.point, run, expected),
        dead_sessions=run.dead_sessions,
        left_open=max(0, run.unclean - expected.unclean),
        in_handler=run.error is not None
        and is_raised_in_handler(run.error, make_call.__code__, request.root),
        stored=shot.fault.moment.took_effect,
    )


def attempts_of(point: Executed, run: Run, expected: Learned) -> int:
    """How often the failed work was begun: its executions beyond those of the run without fault."""

    def times(*executed: Iterable[Executed]) -> int:
        return sum(each.signature == point.signature for each in chain.from_iterable(executed))

    now = times(run.watch.statements, run.watch.commits, run.watch.checkouts)
    again = 1 + now - times(expected.statements, expected.commits, expected.checkouts)
    return max(tries_of(run.conduct, expected.conduct), again)
