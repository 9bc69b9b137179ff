"""What recordings and fault sweeps saw of a handler.

A tape says where statements failed, with the call path. Of the handlers around that path, the
innermost that takes the class is the one that ran: errors that no statement raised (`.one()`
without a row, a COMMIT that fails) are not on a tape. The outcome of a fault names the handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from auditor.handlers.clauses import Clause, known_as
from auditor.model.handler import FaultAtHandler, HandlerSeen
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.span import Frame
from auditor.model.tape import Entry, Tape
from auditor.rules.errors.caught import catches
from auditor.source.facts import Region
from auditor.source.project import Project

Takes = Callable[[Clause, str], bool]


@dataclass(frozen=True, slots=True)
class Guards:
    """The handlers of one `try`, in order, and the lines of its body."""

    first: int
    last: int
    clauses: tuple[Clause, ...]


def seen_of(
    project: Project, clauses: Sequence[Clause], tape: Tape | None
) -> Mapping[int, HandlerSeen]:
    """What a tape tells of each handler, by its number among `clauses`."""
    numbers = {id(clause): number for number, clause in enumerate(clauses)}
    by_path = _guards_of(clauses)
    ran: dict[int, int] = {}
    tried: dict[int, int] = {}
    for entry in tape.entries if tape is not None else ():
        _note(project, entry, by_path, (numbers, ran, tried))
    return {number: HandlerSeen(ran.get(number, 0), tried[number]) for number in tried}


def _note(
    project: Project,
    entry: Entry,
    by_path: Mapping[str, Sequence[Guards]],
    books: tuple[Mapping[int, int], dict[int, int], dict[int, int]],
) -> None:
    numbers, ran, tried = books
    around = [guards for frame in entry.site.stack for guards in _standing_around(frame, by_path)]
    for guards in around:
        for clause in guards.clauses:
            number = numbers[id(clause)]
            tried[number] = tried.get(number, 0) + entry.executions
    for error, times in entry.errors:
        taker = _taker(project, around, error)
        if taker is not None:
            number = numbers[id(taker)]
            ran[number] = ran.get(number, 0) + times


def _taker(project: Project, around: Iterable[Guards], error: str) -> Clause | None:
    """The first handler, innermost `try` first, that takes a class by its dotted name."""
    name = known_as(project, error) or error
    return next(
        (
            clause
            for guards in around
            for clause in guards.clauses
            if catches(project, clause.handler, name)
        ),
        None,
    )


def _standing_around(frame: Frame, by_path: Mapping[str, Sequence[Guards]]) -> list[Guards]:
    """The bodies that a line of a program stands in, innermost first."""
    found = [
        guards
        for path in _endings(frame.path)
        for guards in by_path.get(path, ())
        if guards.first <= frame.line <= guards.last
        and _is_same(frame.function, guards.clauses[0].function.qualname)
    ]
    return sorted(found, key=lambda guards: guards.last - guards.first)


def _endings(path: str) -> list[str]:
    """A path and its endings of two steps or more: a recording may begin in another folder."""
    steps = path.split("/")
    return [path, *("/".join(steps[at:]) for at in range(1, len(steps) - 1))]


def _is_same(one: str, other: str) -> bool:
    """Frames of Python 3.10 have only the last step of a qualified name."""
    return one.rpartition(".")[2] == other.rpartition(".")[2]


def _guards_of(clauses: Sequence[Clause]) -> dict[str, list[Guards]]:
    """By path: the bodies with their handlers."""
    bodies: dict[tuple[str, int, int], list[Clause]] = {}
    for clause in clauses:
        tried = clause.handler.tried
        key = (clause.module.path, clause.function.at.line, tried.index)
        bodies.setdefault(key, []).append(clause)
    found: dict[str, list[Guards]] = {}
    for (path, _, _), own in bodies.items():
        first, last = _lines(own[0].handler.tried, own[0].handler.region)
        found.setdefault(path, []).append(Guards(first, last, tuple(own)))
    return found


def _lines(tried: Region, handler: Region) -> tuple[int, int]:
    """The lines of a body: a `try` ends before its first handler, a block where it ends."""
    if tried.kind == "with":
        return tried.at.line, tried.at.end_line
    return tried.at.line, handler.at.line - 1


def sweeps_of(
    clauses: Sequence[Clause], faults: Iterable[FaultOutcome]
) -> Mapping[int, tuple[FaultAtHandler, ...]]:
    """What faults each handler saw, by its number among `clauses`."""
    at_line: dict[tuple[str, int], list[int]] = {}
    for number, clause in enumerate(clauses):
        key = (clause.module.path, clause.handler.region.at.line)
        at_line.setdefault(key, []).append(number)
    found: dict[int, dict[FaultAtHandler, None]] = {}
    for fault in faults:
        if fault.verdict is Verdict.NOT_REACHED:
            continue
        for frame in fault.handlers:
            for path in _endings(frame.path):
                for number in at_line.get((path, frame.line), ()):
                    found.setdefault(number, {})[_told(fault)] = None
    return {number: tuple(own) for number, own in found.items()}


def _told(fault: FaultOutcome) -> FaultAtHandler:
    return FaultAtHandler(
        fault=f"{fault.fault}, {fault.mode}",
        scenario=fault.scenario,
        database=fault.database,
        statement=fault.statement,
        verdict=fault.verdict,
        escaped=fault.escaped,
        replay=fault.replay,
    )
