"""A sweep as its parent sees it: workers make the runs, one or several at a time.

    start -> Planned for each fault -> Ready -> (Began -> Ended) for each run given -> Finished

A worker that dies, hangs or is worn out is replaced by a new one on a new database. What comes of a
run does not depend on who made it, so that results are in the order of the plan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from time import monotonic
from typing import Any, Protocol

from auditor.faults.sweep.processes import Ready, Work, Worker, Worn, start
from auditor.faults.sweep.worker import Began, Ended, Finished, Message, Planned, Refused, Stuck
from auditor.faults.verdicts.outcomes import Request
from auditor.model.errors import ScenarioError
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict

GRACE = 5.0
"""Seconds a worker gets to say itself that a run hangs."""
_SECONDS_TO_START = 600.0  # preparing a workload may boot a whole service
_MOST_DEATHS = 20
"""Workers lost before the sweep gives up: each costs the preparation anew."""
INTERRUPTED = "the sweep was interrupted"


class Memory(Protocol):
    """What is known of a sweep from earlier, and where new outcomes are kept, by number."""

    def known(self, runs: int, code: Mapping[str, str]) -> Mapping[int, FaultOutcome]:
        """The outcomes of earlier, for so many runs and this code. Raises JournalError."""

    def ended(self, number: int, outcome: FaultOutcome) -> None:
        """Keep this one, at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """A sweep to make. `database` opens a database for one worker."""

    name: str
    request: Request
    work: Work
    database: Callable[[], AbstractContextManager[Any]]
    workers: int = 1
    deadline: float | None = None
    progress: Callable[[str], None] = lambda _: None
    memory: Memory | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it: what was planned for each fault, the outcomes in order, why it stopped
    before all was done (empty if it did not), and why runs could not be made."""

    planned: tuple[SweepCoverage, ...]
    outcomes: tuple[FaultOutcome, ...]
    stopped: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A worker and what its database is closed with."""

    worker: Worker
    closing: ExitStack


class _State:
    """How far a sweep has come. `runs` is None until they are known; `left` are runs that could
    not be made."""

    def __init__(self) -> None:
        self.planned: dict[str, Planned] = {}
        self.ended: dict[int, FaultOutcome] = {}
        self.waiting: deque[int] = deque()
        self.runs: int | None = None
        self.deaths = 0
        self.stopped = ""
        self.left: list[Refused] = []
        self.seconds_to_start = 0.0


class Supervision:
    """The parent of the workers of one sweep."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._state = _State()
        self._places: list[_Place] = []
        self._began = monotonic()

    def run(self) -> Made:
        """Make the sweep, or as much of it as there is time for. Raises ScenarioError if the
        workload cannot be swept, KeyboardInterrupt if it is interrupted before anything is known.
        """
        state = self._state
        try:
            self._start_worker()
            while not self._is_over():
                self._hear_all()
                self._replace_lost()
        except KeyboardInterrupt:
            if state.runs is None:
                raise
            state.stopped = INTERRUPTED
        finally:
            for place in list(self._places):
                self._close(place)
        if state.runs is None:
            raise ScenarioError(
                f"scenario `{self._task.name}`: the budget was spent before the first fault; give"
                " more seconds"
            )
        return self._made()

    def _made(self) -> Made:
        state = self._state
        if state.left and not state.ended:
            raise state.left[0].error(state.left[0].message)
        return Made(
            planned=tuple(one.coverage for one in state.planned.values()),
            outcomes=tuple(state.ended[number] for number in sorted(state.ended)),
            stopped=state.stopped,
            left=tuple(dict.fromkeys(one.message for one in state.left)),
        )

    def _is_over(self) -> bool:
        state = self._state
        if self._task.deadline is not None and monotonic() >= self._task.deadline:
            is_done = state.runs is not None and len(state.ended) + len(state.left) == state.runs
            state.stopped = state.stopped or ("" if is_done else "the budget was spent")
        done = len(state.ended) + len(state.left)
        return bool(state.stopped) or (state.runs is not None and done >= state.runs)

    def _start_worker(self) -> None:
        with ExitStack() as stack:
            database = stack.enter_context(self._task.database())
            request = replace(self._task.request, repeats=self._state.runs is not None)
            others = [place.worker for place in self._places]
            worker = start(request, self._task.work, database, others=others, now=monotonic())
            self._places.append(_Place(worker, stack.pop_all()))

    def _close(self, place: _Place) -> None:
        self._places.remove(place)
        place.worker.end()
        place.closing.close()

    def _replace_lost(self) -> None:
        """As many workers as there is work for: one, and more when what is left lasts longer than
        it takes to start another."""
        if self._is_over():
            return
        has_room = len(self._places) < self._task.workers
        if not self._places or (has_room and self._is_worth_a_worker()):
            self._start_worker()

    def _is_worth_a_worker(self) -> bool:
        state = self._state
        is_starting = not all(place.worker.is_ready for place in self._places)
        if state.runs is None or is_starting or not state.waiting:
            return False
        done = sum(place.worker.ended for place in self._places)
        spent = monotonic() - self._began - state.seconds_to_start
        return done > 0 and spent / done * len(state.waiting) > state.seconds_to_start

    def _hear_all(self) -> None:
        now = monotonic()
        moments = [place.worker.heard + self._patience(place.worker) for place in self._places]
        if self._task.deadline is not None:
            moments.append(self._task.deadline)
        heard = wait([p.worker.pipe for p in self._places], max(0.0, min(moments) - now))
        for place in list(self._places):
            if place.worker.pipe in heard:
                self._hear(place)
            elif monotonic() >= place.worker.heard + self._patience(place.worker):
                self._give_up(place)

    def _patience(self, worker: Worker) -> float:
        is_starting = worker.running is None
        return _SECONDS_TO_START if is_starting else self._task.request.seconds + GRACE

    def _hear(self, place: _Place) -> None:
        worker = place.worker
        try:
            message: Message | Ready | Worn = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(place)
            return
        worker.heard = monotonic()
        match message:
            case Planned():
                self._plan(message)
            case Ready():
                self._learn(worker, message)
            case Began():
                worker.running = message
                self._tell(message)
            case Ended():
                self._record(message.number, message.outcome)
                worker.running = worker.given = None
                worker.ended += 1
                self._give(worker)
            case Stuck() | Worn():
                self._let_go(place)
            case Refused():
                self._refuse(place, message)
            case Finished():
                worker.given = None

    def _plan(self, planned: Planned) -> None:
        """Raises ScenarioError if an earlier worker has planned something else."""
        known = self._state.planned.setdefault(planned.coverage.fault, planned)
        if known != planned:
            raise ScenarioError(
                f"scenario `{self._task.name}` does not repeat itself in another process:"
                f" {_difference(known, planned)}"
            )

    def _learn(self, worker: Worker, ready: Ready) -> None:
        state = self._state
        worker.is_ready = True
        if state.runs is None:
            if self._task.memory is not None:
                state.ended.update(self._task.memory.known(ready.runs, ready.code))
            state.waiting.extend(n for n in range(ready.runs) if n not in state.ended)
            state.runs = ready.runs
            state.seconds_to_start = monotonic() - self._began
        self._give(worker)

    def _give(self, worker: Worker) -> None:
        worker.give(self._state.waiting.popleft() if self._state.waiting else None)

    def _record(self, number: int, outcome: FaultOutcome) -> None:
        if number not in self._state.ended:
            self._state.ended[number] = outcome
            if self._task.memory is not None:
                self._task.memory.ended(number, outcome)

    def _tell(self, began: Began) -> None:
        state, outcome = self._state, began.outcome
        left = ""
        if self._task.deadline is not None:
            left = f", {max(0.0, self._task.deadline - monotonic()):.0f} s left of the budget"
        what = outcome.shape if outcome.shape == "COMMIT" else "statement"
        self._task.progress(
            f"{len(state.ended) + 1} of {state.runs}: {self._task.name}: {outcome.fault} at {what}"
            f" {outcome.statement} ({outcome.site.path}:{outcome.site.line}){left}"
        )

    def _give_up(self, place: _Place) -> None:
        """Nothing was heard for too long: the run hangs, and so does the worker's own alarm."""
        running = place.worker.running
        if running is None:
            self._bury(place)
            return
        note = f"the call did not end within {self._task.request.seconds:g} seconds"
        self._record(running.number, replace(running.outcome, verdict=Verdict.HUNG, note=note))
        place.worker.running = place.worker.given = None
        self._bury(place)

    def _bury(self, place: _Place) -> None:
        """The worker has died. A run that it was making is judged by that; what it was given and
        had not begun is made by another. Raises ScenarioError if it never came to any fault."""
        state, worker = self._state, place.worker
        self._close(place)
        if not worker.is_ready and state.runs is None:
            raise ScenarioError(
                f"scenario `{self._task.name}` ended its process, or did not come back, before any"
                " fault"
            )
        if worker.running is not None:
            self._record(worker.running.number, worker.running.outcome)
        elif worker.given is not None:
            state.waiting.appendleft(worker.given)
        self._count_death()

    def _count_death(self) -> None:
        state = self._state
        state.deaths += 1
        if state.deaths >= _MOST_DEATHS:
            state.stopped = f"its process ended, or hung, {state.deaths} times"

    def _let_go(self, place: _Place) -> None:
        """The worker cannot make another run: an earlier one left something behind. One that could
        not make its first run counts as dead."""
        if place.worker.ended:
            self._give_back(place)
        else:
            place.worker.running = None
            self._bury(place)

    def _give_back(self, place: _Place) -> None:
        self._close(place)
        if place.worker.given is not None:
            self._state.waiting.appendleft(place.worker.given)

    def _refuse(self, place: _Place, refused: Refused) -> None:
        """A run before may have broken what the next needs: then another worker makes it. A run
        that cannot be made by a new worker either is left out. Raises what the worker raised if it
        was before any run."""
        state, worker = self._state, place.worker
        if state.runs is None:
            raise refused.error(refused.message)
        if worker.ended:
            self._give_back(place)
            return
        self._close(place)
        if worker.running is None:
            state.stopped = f"it could not be gone on with: {refused.message}"
        else:
            state.left.append(refused)
            self._count_death()


def _difference(known: Planned, planned: Planned) -> str:
    """How two plans for one fault differ, in words."""
    first, then = known.coverage, planned.coverage
    for (number, shape), (_, other) in zip(known.points, planned.points, strict=False):
        if shape != other and first.statements == then.statements:
            return f"statement {number} is `{shape[:80]}` and then `{other[:80]}`"
    return (
        f"`{first.fault}` was planned for {first.points} of {first.statements} statements, and"
        f" then for {then.points} of {then.statements}"
    )


def outcomes_of(task: Task) -> Made:
    """Make a sweep; see `Supervision.run`."""
    return Supervision(task).run()
