"""The child process of a sweep: prepares the workload, learns what it does, and fails it.

It tells its parent of each run before it begins and when it has ended, so that a run which ends
the process, or does not end, is known by name. Messages, in order:

    Planned(...)                  for each fault, what will be tried
    Began(number, outcome)        the outcome to report if the process ends now
    Ended(number, outcome)
    Stuck()                       that run cannot be made in this process
    Refused(error class, text)    the sweep cannot be made
    Finished()
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from auditor.backends.database import ScratchDatabase
from auditor.faults.bench import Bench, make_call
from auditor.faults.catalogue import Moment
from auditor.faults.fault_free import fault_free_run
from auditor.faults.oracle import plain_engine
from auditor.faults.outcomes import Request, coverage_of, judged_outcome, pending_outcome
from auditor.faults.plan import Point, plan_for
from auditor.growth.workload import prepared
from auditor.model.errors import AuditorError, DatabaseError
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict
from auditor.runtime.sites import Place, places_from, site_of


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be tried. The runs of the first fault are numbered from 0, those of the next one
    go on from there."""

    coverage: SweepCoverage


@dataclass(frozen=True, slots=True)
class Began:
    """Run `number` begins. `outcome` holds if the process ends in it."""

    number: int
    outcome: FaultOutcome


@dataclass(frozen=True, slots=True)
class Ended:
    """Run `number` has its outcome."""

    number: int
    outcome: FaultOutcome


@dataclass(frozen=True, slots=True)
class Refused:
    """The sweep cannot be made, or not be gone on with."""

    error: type[AuditorError]
    message: str


@dataclass(frozen=True, slots=True)
class Stuck:
    """The run that began cannot be made: an earlier one left a transaction open in this process."""


@dataclass(frozen=True, slots=True)
class Finished:
    """All runs that were asked for are done."""


Message = Planned | Began | Ended | Stuck | Refused | Finished
Send = Callable[[Message], None]


def work(request: Request, database: ScratchDatabase, send: Send) -> None:
    """Make every run that is not done yet."""
    try:
        with (
            prepared(database, request.scenario) as (workload,),
            plain_engine(database.url) as engine,
        ):
            _sweep(request, Bench(workload, request.sizes, engine, request.root), send)
        send(Finished())
    except AuditorError as error:
        send(Refused(type(error), str(error)))


def _sweep(request: Request, bench: Bench, send: Send) -> None:
    gc.freeze()  # what is loaded by now stays; collecting after each run is 50 times faster
    expected = fault_free_run(bench, repeated=bool(request.done))
    points: list[Point] = []
    for fault in request.faults:
        watch = expected.watch
        plan = plan_for(
            fault,
            watch.statements if fault.moment is Moment.STATEMENT else watch.commits,
            bench.keys(),
            at=request.at,
            persistent=request.mode == "persistent",
        )
        send(Planned(coverage_of(request, plan)))
        points += plan.points
    for number, point in enumerate(points):
        if number in request.done:
            continue
        pending = pending_outcome(request, point)
        send(Began(number, pending))
        try:
            with _time_limit(request, number, pending, send):
                run = bench.run(point.shot)
        except DatabaseError:
            send(Stuck())
            os._exit(1)
        send(Ended(number, judged_outcome(request, point, run, expected, pending)))


@contextmanager
def _time_limit(request: Request, number: int, pending: FaultOutcome, send: Send) -> Iterator[None]:
    """End this process if the run takes too long, and say at which line it was. The parent goes
    on with a new process: locks and transactions of this one are in an unknown state."""

    def give_up(signum: int, frame: FrameType | None) -> None:
        stack = site_of(_inside_call(frame), request.root).stack
        note = f"the call did not end within {request.seconds:g} seconds"
        send(Ended(number, replace(pending, verdict=Verdict.HUNG, traceback=stack, note=note)))
        os._exit(1)

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, request.seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _inside_call(frame: FrameType | None) -> list[Place]:
    places = places_from(frame)
    codes = [code for code, _ in places]
    boundary = make_call.__code__
    return places[: codes.index(boundary)] if boundary in codes else places
