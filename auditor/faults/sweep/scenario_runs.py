"""The runs of a scenario, one after the other in one process, on a database that is emptied."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.aim.plan import Point
from auditor.faults.catalogue.fault import Moment
from auditor.faults.rivals.outcomes import rival_outcome
from auditor.faults.rivals.true_violation import made_true
from auditor.faults.sweep.bench import Bench, make_call
from auditor.faults.sweep.repeatable import GiveUp, Learned
from auditor.faults.verdicts.fault_free import fault_free_run
from auditor.faults.verdicts.outcomes import Request, judged_outcome
from auditor.model.errors import DatabaseError
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.runtime.sites import Place, places_from, site_of

_SCHEMA_VERBS = ("CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE")


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioRuns:
    """A scenario on its bench; see `Repeatable`."""

    request: Request
    bench: Bench
    schema_statements: list[frozenset[str]] = field(default_factory=list)
    """What changed the schema, in all runs without a fault together, then in each with one."""

    def fault_free(self, *, repeated: bool) -> Learned:
        """See `Repeatable`."""
        with _schema_statements() as seen:
            run = fault_free_run(self.bench, repeated=repeated)
        self.schema_statements[:] = [frozenset(seen)]
        return run.learned(self.bench.keys())

    def outcome(
        self, point: Point, expected: Learned, pending: FaultOutcome, give_up: GiveUp
    ) -> FaultOutcome:
        """See `Repeatable`. The database is lost after a run that changed its schema."""
        if len(set(self.schema_statements)) > 1:
            raise DatabaseError("an earlier run changed the schema")
        with time_limit(self.request, pending, give_up), _schema_statements() as seen:
            if point.shot.fault.moment is Moment.RIVAL:
                return rival_outcome(self.request, self.bench, point, expected, pending)
            run = self.bench.run(point.shot)
            outcome = made_true(
                judged_outcome(self.request, point, run, expected, pending),
                point,
                run.watch.statements,
                self.bench.keys(),
                lambda true: rival_outcome(self.request, self.bench, true, expected, pending),
            )
        self.schema_statements[1:] = [frozenset(seen)]
        return outcome


@contextmanager
def _schema_statements() -> Iterator[list[str]]:
    """Gives the statements of the block that change the schema, whoever executes them."""
    seen: list[str] = []

    def executed(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.lstrip()[:10].upper().startswith(_SCHEMA_VERBS):
            seen.append(statement)

    event.listen(sa.engine.Engine, "after_cursor_execute", executed)
    try:
        yield seen
    finally:
        event.remove(sa.engine.Engine, "after_cursor_execute", executed)


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
