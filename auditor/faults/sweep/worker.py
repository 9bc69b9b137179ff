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
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from auditor.backends.database import ScratchDatabase
from auditor.faults.aim.certificate import planned_coverage
from auditor.faults.aim.plan import Point, plan_for
from auditor.faults.conduct.repeated_arguments import lasting_cells
from auditor.faults.state.oracle import plain_engine
from auditor.faults.suites.suite_runs import SuiteRuns
from auditor.faults.suites.suites import Test, open_test
from auditor.faults.sweep.bench import Bench
from auditor.faults.sweep.repeatable import GiveUp, Learned, Repeatable
from auditor.faults.sweep.scenario_runs import ScenarioRuns
from auditor.faults.verdicts.outcomes import Request, pending_outcome
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
from auditor.model.errors import AuditorError, DatabaseError
from auditor.model.outcome import FaultOutcome, SweepCoverage


@dataclass(frozen=True, slots=True)
class Planned:
    """What will be tried, and at which statements (number and text). The runs of the first fault
    are numbered from 0, those of the next one go on from there."""

    coverage: SweepCoverage
    points: tuple[tuple[int, str], ...] = ()


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
    """Make every run of a scenario that is not done yet."""
    scenario = request.scenario
    assert isinstance(scenario, Scenario)  # noqa: S101 - `work_on_test` is for the others
    try:
        with (
            prepared(database, scenario) as (workload,),
            plain_engine(database.url) as engine,
        ):
            bench = Bench(workload, request.sizes, engine, request.root)
            _sweep(request, ScenarioRuns(request, bench), send)
        send(Finished())
    except AuditorError as error:
        send(Refused(type(error), str(error)))


def work_on_test(request: Request, database: None, send: Send) -> None:
    """The same for a test, which makes its database itself."""
    test = request.scenario
    assert isinstance(test, Test)  # noqa: S101 - `work` is for the others
    try:
        open_test(test, lambda run: _sweep(request, SuiteRuns(request, run), send))
        send(Finished())
    except AuditorError as error:
        send(Refused(type(error), str(error)))


def _sweep(request: Request, workload: Repeatable, send: Send) -> None:
    gc.freeze()  # what is loaded by now stays; collecting after each run is 50 times faster
    lasting_cells()  # here, and not in each fork
    expected = workload.fault_free(repeated=request.repeats)
    if not request.database:  # a test's own
        request = replace(request, database=_databases_of(expected))
    points = _planned(request, expected, send)
    for number in request.turns(len(points)):
        point = points[number]
        pending = pending_outcome(request, point)
        send(Began(number, pending))
        try:
            outcome = workload.outcome(point, expected, pending, _end_with(number, send))
        except DatabaseError:
            send(Stuck())
            os._exit(1)
        send(Ended(number, outcome))


def _databases_of(expected: Learned) -> str:
    """The dialects that a test talks to."""
    return ", ".join(sorted({one.dialect for one in expected.statements})) or "none"


def _planned(request: Request, expected: Learned, send: Send) -> list[Point]:
    points: list[Point] = []
    for fault in request.faults:
        plan = plan_for(
            fault,
            expected.struck_by(fault),
            expected.keys,
            at=request.at,
            persistent=request.mode == "persistent",
        )
        aimed = tuple((one.shot.point.ordinal, one.shot.point.shape) for one in plan.points)
        send(Planned(planned_coverage(request, plan), aimed))
        points += plan.points
    return points


def _end_with(number: int, send: Send) -> GiveUp:
    """Ends this process with the outcome of its run; the parent goes on with a new one."""

    def give_up(outcome: FaultOutcome) -> NoReturn:
        send(Ended(number, outcome))
        os._exit(1)

    return give_up
