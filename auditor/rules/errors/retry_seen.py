"""The recorded half of DBA209: a call repeated inside the transaction that its error ended."""

from __future__ import annotations

from auditor.model.evidence import Executions, SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.tape import UNKNOWN_FRAME, Attempts, Tape
from auditor.rule import Hit, Hits
from auditor.rules.transactions.happened import (
    is_prepared,
    line_of,
    span_at,
    span_of_frame,
    times,
)
from auditor.source.project import Project


def recorded(tape: Tape, project: Project) -> Hits:
    """Repeated calls whose errors came from a transaction that was begun outside of the retry."""
    for one in tape.attempts:
        if one.opened == UNKNOWN_FRAME or not one.repeated:
            continue
        if not is_prepared(project, one.site, one.opened):
            yield _hit(project, one)


def _hit(project: Project, one: Attempts) -> Hit:
    here, name = one.site.frame, one.function.function.rpartition(".")[2]
    errors = " and ".join(f"`{error.rpartition('.')[2]}`" for error, _ in one.errors)
    gave_up = f", and gave up {times(one.gave_up)}" if one.gave_up else ""
    what = (
        f"`{name}` was repeated {times(one.repeated)} after {errors}{gave_up}, inside the"
        f" transaction of {line_of(one.opened, here)}: put the retry around that transaction"
    )
    steps = (
        Step(span_of_frame(one.opened), "the transaction begins"),
        Step(span_of_frame(one.function), "is retried"),
    )
    seen = Executions(f"calls of {name}", "repeated", one.repeated, 0, 0.0, one.site.stack)
    return Hit(
        span_at(project, one.site),
        here.function,
        {"what": what},
        (SourcePath(steps), seen),
        confidence=Confidence.HIGH,
    )
