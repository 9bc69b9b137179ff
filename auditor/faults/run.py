"""Sweeps scenarios: every statement fails once, and what the code does then is judged.

The runs are made in a child process, forked after the scenarios are loaded: a workload that ends
its process, hangs or forks costs one run, and the sweep goes on in a new child.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from time import monotonic

from auditor.backends.database import ScratchDatabase
from auditor.backends.masking import masked
from auditor.backends.scratch import dialect_of, open_scratch
from auditor.faults.catalogue import Fault, FaultError, fault_named
from auditor.faults.outcomes import Request
from auditor.faults.plan import MODES, applies_to, faults_of
from auditor.faults.rows import FAULTS
from auditor.faults.worker import Began, Ended, Finished, Message, Planned, Refused, Stuck, work
from auditor.growth.run import database_name
from auditor.growth.scenario import Scenario
from auditor.model.errors import ScenarioError
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict

DEFAULT_FAULTS = ("deadlock",)
SECONDS_A_RUN = 30.0
_GRACE = 5.0  # seconds a child gets to say itself that a run hangs
_SECONDS_TO_START = 600.0  # preparing a workload may boot a whole service
_MOST_DEATHS = 20
"""Children lost before the sweep gives up: each costs the preparation anew."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What came of a sweep: outcomes in the order of faults and statements, and for each scenario
    and fault what was covered."""

    outcomes: tuple[FaultOutcome, ...]
    coverage: tuple[SweepCoverage, ...]


def sweep(
    scenario: Scenario,
    *,
    faults: Sequence[str] = DEFAULT_FAULTS,
    database: str = "sqlite://",
    mode: str = "once",
    at: int | None = None,
    budget_seconds: float | None = None,
    timeout_seconds: float = SECONDS_A_RUN,
    allow_existing: bool = False,
) -> tuple[FaultOutcome, ...]:
    """The outcome of each fault at each statement of a scenario, equal statements folded into one.

    `mode` is `once` (the statement fails when it comes first) or `persistent` (whenever it comes).
    `at` asks for one statement only. Raises FaultError for a fault or statement that does not
    exist, ScenarioError for a scenario that fails by itself or does not repeat itself.
    """
    return sweep_with_coverage(
        scenario,
        faults=faults,
        database=database,
        mode=mode,
        at=at,
        budget_seconds=budget_seconds,
        timeout_seconds=timeout_seconds,
        allow_existing=allow_existing,
    ).outcomes


def sweep_with_coverage(
    scenario: Scenario,
    *,
    faults: Sequence[str] = DEFAULT_FAULTS,
    database: str = "sqlite://",
    mode: str = "once",
    at: int | None = None,
    budget_seconds: float | None = None,
    timeout_seconds: float = SECONDS_A_RUN,
    allow_existing: bool = False,
    reference: str = "",
    progress: Progress = lambda _: None,
) -> Sweep:
    """Like `sweep`, with the coverage. `reference` is how the user names the scenario, for the
    commands that replay an outcome; `progress` is told what is being done."""
    request = Request(
        scenario=scenario,
        faults=chosen_faults(faults, database, at=at),
        mode=_known_mode(mode),
        at=at,
        sizes=sizes_for(scenario),
        database=database_name(database),
        replay=f"auditor faults {shlex.quote(reference or scenario.name)}"
        f" --db {shlex.quote(masked(database))}",
        seconds=timeout_seconds,
        root=os.getcwd(),
    )
    deadline = None if budget_seconds is None else monotonic() + budget_seconds
    with open_scratch(database, allow_existing=allow_existing) as scratch:
        return _Conversation(request, scratch, progress, deadline).run()


def chosen_faults(
    names: Sequence[str], database: str, *, at: int | None = None
) -> tuple[Fault, ...]:
    """The faults of these names, each once; `all` is every one that the database knows.

    Raises FaultError for an unknown one, one that this database never has, or several together
    with a statement, whose number means statements for some and COMMITs for others.
    """
    dialect = dialect_of(database).replace("mariadb", "mysql")
    if "all" in names:
        found = faults_of(dialect)
    else:
        found = tuple(dict.fromkeys(fault_named(name, FAULTS) for name in names))
    for fault in found:
        known = ", ".join(f"`{one.name}`" for one in faults_of(dialect))
        if known and not applies_to(fault, dialect):  # no faults at all: no scratch database either
            raise FaultError(f"`{dialect}` never has the fault `{fault.name}`: it has {known}")
    if at is not None and len({fault.moment.unit for fault in found}) > 1:
        raise FaultError(
            f"`--at {at}` means a statement for some of these faults and a COMMIT for others;"
            " name one fault"
        )
    return found


def sizes_for(scenario: Scenario) -> dict[str, int]:
    """For each variable its least size of 2 or more, so that loops run twice; else its largest."""
    return {
        name: next((value for value in values if value > 1), values[-1])
        for name, values in scenario.sizes
    }


def _known_mode(mode: str) -> str:
    if mode not in MODES:
        raise FaultError(f"there is no mode `{mode}`: known are `once` and `persistent`")
    return mode


class _Conversation:
    """A sweep as its parent sees it: what was planned, what has ended, what is going on."""

    def __init__(
        self,
        request: Request,
        scratch: ScratchDatabase,
        progress: Progress,
        deadline: float | None,
    ) -> None:
        self._request = request
        self._scratch = scratch
        self._progress = progress
        self._deadline = deadline
        self._planned: dict[str, SweepCoverage] = {}
        self._ended: dict[int, FaultOutcome] = {}
        self._running: Began | None = None
        self._was_stuck = self._is_over = False

    def run(self) -> Sweep:
        """Children, one after the other, until all is done or the budget is spent."""
        deaths = 0
        while not self._is_over:
            self._running, self._was_stuck = None, False
            self._hear_out()
            if not self._is_over and not self._was_stuck:
                deaths += 1
                self._bury(deaths)
        if len(self._planned) < len(self._request.faults):
            raise ScenarioError(
                f"scenario `{self._request.scenario.name}`: the budget was spent before the first"
                " fault; give more seconds"
            )
        outcomes = tuple(self._ended[number] for number in sorted(self._ended))
        return Sweep(outcomes, tuple(_counted(one, outcomes) for one in self._planned.values()))

    def _hear_out(self) -> None:
        """All that one child says, until it is over or the child has died."""
        done = frozenset(self._ended)
        request = replace(
            self._request,
            turns=lambda runs: [number for number in range(runs) if number not in done],
            repeats=bool(done),
        )
        with _child(request, self._scratch) as messages:
            while not self._is_over:
                if not messages.poll(self._patience()):
                    self._give_up()
                    return
                try:
                    self._hear(messages.recv())
                except EOFError:
                    return

    def _give_up(self) -> None:
        """Nothing was heard for too long: the budget is spent, or the child hangs."""
        self._is_over = self._has_no_time()
        if self._running is not None:
            note = f"the call did not end within {self._request.seconds:g} seconds"
            hung = replace(self._running.outcome, verdict=Verdict.HUNG, note=note)
            self._running = replace(self._running, outcome=hung)

    def _patience(self) -> float:
        own = _SECONDS_TO_START if self._running is None else self._request.seconds + _GRACE
        left = own if self._deadline is None else self._deadline - monotonic()
        return max(0.0, min(own, left))

    def _has_no_time(self) -> bool:
        return self._deadline is not None and monotonic() >= self._deadline

    def _hear(self, message: Message) -> None:
        match message:
            case Planned():
                self._planned[message.coverage.fault] = message.coverage
            case Began():
                self._running = message
                site = message.outcome.site
                self._progress(
                    f"{self._request.scenario.name}: {message.outcome.fault} at"
                    f" {message.outcome.statement} ({site.path}:{site.line})"
                )
            case Ended():
                self._ended[message.number] = message.outcome
                self._running = None
                self._is_over = self._has_no_time()
            case Stuck():
                self._running = None
                self._was_stuck = True
            case Refused():
                raise message.error(message.message)
            case Finished():
                self._is_over = True

    def _bury(self, deaths: int) -> None:
        """The child has died: its run is judged by that. Raises ScenarioError if there was none."""
        name = self._request.scenario.name
        if self._running is None and not self._ended:
            raise ScenarioError(
                f"scenario `{name}` ended its process, or did not come back, before any fault"
            )
        if deaths >= _MOST_DEATHS:
            raise ScenarioError(
                f"scenario `{name}` ended its process, or hung, {deaths} times; the sweep gives up"
            )
        if self._running is not None:
            self._ended[self._running.number] = self._running.outcome


def _counted(coverage: SweepCoverage, outcomes: Sequence[FaultOutcome]) -> SweepCoverage:
    """The coverage with what was not reached, and not tried for want of time."""
    own = [one for one in outcomes if one.fault == coverage.fault]
    folded = sum(len(one.folded) for one in own)
    return replace(
        coverage,
        points=len(own),
        folded=folded,
        not_reached=sum(one.verdict is Verdict.NOT_REACHED for one in own),
        left_out=coverage.statements - len(own) - folded - coverage.not_applicable,
    )


@contextmanager
def _child(request: Request, scratch: ScratchDatabase) -> Iterator[Connection]:
    """A child at work, and the end of the pipe on which it is heard. It is gone afterwards."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_be_child, args=(request, scratch, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.kill()
        process.join()


def _be_child(request: Request, scratch: ScratchDatabase, pipe: Connection) -> None:
    """What the child does. What the workload prints and logs stays out of the report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends this child
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    logging.disable()  # tracebacks of errors that we made would bury the report
    work(request, scratch, pipe.send)
    sys.stderr.flush()
    os._exit(0)
