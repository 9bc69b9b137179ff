"""The runs of a scenario, one after the other in one process, on a database that is emptied."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from auditor.faults.bench import Bench, make_call
from auditor.faults.catalogue import Moment
from auditor.faults.fault_free import fault_free_run
from auditor.faults.outcomes import Request, judged_outcome
from auditor.faults.plan import Point
from auditor.faults.repeatable import GiveUp, Learned
from auditor.faults.rivals_outcomes import rival_outcome
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.runtime.sites import Place, places_from, site_of


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRuns:
    """A scenario on its bench; see `Repeatable`."""

    request: Request
    bench: Bench

    def fault_free(self, *, repeated: bool) -> Learned:
        """See `Repeatable`."""
        return fault_free_run(self.bench, repeated=repeated).learned(self.bench.keys())

    def outcome(
        self, point: Point, expected: Learned, pending: FaultOutcome, give_up: GiveUp
    ) -> FaultOutcome:
        """See `Repeatable`."""
        with time_limit(self.request, pending, give_up):
            if point.shot.fault.moment is Moment.RIVAL:
                return rival_outcome(self.request, self.bench, point, expected, pending)
            run = self.bench.run(point.shot)
        return judged_outcome(self.request, point, run, expected, pending)


@contextmanager
def time_limit(request: Request, pending: FaultOutcome, give_up: GiveUp) -> Iterator[None]:
    """Give up on the process if the run takes too long, and say at which line it was. The sweep
    goes on in a new process: locks and transactions of this one are in an unknown state."""

    def end(signum: int, frame: FrameType | None) -> None:
        stack = site_of(_inside_call(frame), request.root).stack
        note = f"the call did not end within {request.seconds:g} seconds"
        give_up(replace(pending, verdict=Verdict.HUNG, traceback=stack, note=note))

    before = signal.signal(signal.SIGALRM, end)
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
