"""A tape as lines of text: what a terminal shows of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from auditor.model.span import Frame
from auditor.model.tape import UNKNOWN_FRAME, Attempts, Cause, Entry, Incident, Tape
from auditor.sql.shape import brief


@dataclass(frozen=True, slots=True)
class Line:
    """Executions of one shape from one line for one cause, over all tests and call paths."""

    frame: Frame
    cause: Cause
    shape: str
    executions: int
    rows: int

    def __str__(self) -> str:
        return (
            f"{self.executions:>8,} x  {self.frame}: {self.cause}: {brief(self.shape, 72)}"
            f" ({counted(self.rows, 'row')})"
        )


def lines_of(entries: Iterable[Entry]) -> list[Line]:
    """One line for each place, cause and shape, most executions first, then in reading order."""
    totals: dict[tuple[Frame, Cause, str], list[int]] = {}
    for entry in entries:
        total = totals.setdefault((entry.site.frame, entry.cause, entry.shape), [0, 0])
        total[0] += entry.executions
        total[1] += entry.rows
    lines = [Line(*key, executions=number, rows=rows) for key, (number, rows) in totals.items()]
    return sorted(lines, key=lambda line: (-line.executions, line.frame, line.shape))


def heaviest(tape: Tape, number: int) -> list[str]:
    """The lines with the most executions, and how many more there are."""
    lines = lines_of(tape.entries)
    shown = [str(line) for line in lines[:number]]
    rest = len(lines) - len(shown)
    return [*shown, f"          and {rest:,} more"] if rest else shown


def happenings(tape: Tape, site: str = "", test: str = "") -> list[str]:
    """What else a tape tells, a line each: incidents in transactions, and repeated calls."""
    lines = [(one.test, one.site, _incident(one)) for one in tape.incidents]
    lines += [(one.test, one.site, _attempts(one)) for one in tape.attempts]
    return [
        line
        for in_test, where, line in lines
        if test in in_test and (not site or any(site in str(frame) for frame in where.stack))
    ]


def _incident(one: Incident) -> str:
    kind = "transaction" if one.transaction == "plain" else one.transaction
    done = f" ({one.work} so far)" if one.work else ""
    inside = f", in the {kind} of {one.opened}{done}" if kind else ""
    return f"{one.times:>8,} x  {one.site.frame}: {one.kind.value}: {one.what}{inside}"


def _attempts(one: Attempts) -> str:
    errors = ", ".join(f"{name.rpartition('.')[2]} {count}" for name, count in one.errors)
    inside = "" if one.opened == UNKNOWN_FRAME else f", inside the transaction of {one.opened}"
    within = "" if one.within == UNKNOWN_FRAME else f", within the retry of {one.within.function}"
    gave_up = f", gave up {one.gave_up}" if one.gave_up else ""
    return (
        f"{one.repeated:>8,} x  {one.site.frame}: repeated {one.function.function}: up to"
        f" {one.most} attempts ({errors}){gave_up}{inside}{within}"
    )


def totals(tape: Tape) -> str:
    """One sentence: how many statements, from how many lines, in how many processes."""
    lines = {entry.site.frame for entry in tape.entries}
    return (
        f"{counted(tape.statements, 'statement')} from {counted(len(lines), 'line')} in"
        f" {counted(tape.processes, 'process', 'processes')}, {counted(tape.rows, 'row')} fetched"
    )


def counted(number: int, one: str, many: str = "") -> str:
    """`1 line`, `2 lines`, `1,000 processes`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
