"""What recordings and fault sweeps saw of a handler.

A tape says where statements failed, with the call path. The handlers around that path are asked
from within: the first that takes the class ran, and if it always raises, what it raises goes on
outwards. Errors that no statement raised (`.one()` without a row, a COMMIT that fails) are not on a
tape. The outcome of a fault names handlers that it saw; what the last of them raises is followed in
the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.handlers.clauses import Clause, known_as
from auditor.handlers.work import lets_go_on
from auditor.model.handler import FaultAtHandler, HandlerSeen
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.span import Frame
from auditor.model.tape import Tape
from auditor.rules.errors.caught import always_raises, catches, own_events
from auditor.source.facts import Raise, Region
from auditor.source.project import Project


@dataclass(frozen=True, slots=True)
class Guards:
    """The handlers of one `try`, in order, and the lines of its body."""

    first: int
    last: int
    clauses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Handlers:
    """All handlers of a program, by number, and by path the bodies that they stand around."""

    project: Project
    clauses: tuple[Clause, ...]
    bodies: Mapping[str, Sequence[Guards]]

    def around(self, stack: Iterable[Frame]) -> list[Guards]:
        """The bodies that a call path, innermost first, goes through; innermost first."""
        return [guards for frame in stack for guards in self._around(frame)]

    def takers(self, around: Iterable[Guards], error: str) -> Iterator[int]:
        """The handlers that an error comes to, innermost body first, until one ends it."""
        for guards in around:
            number = next((n for n in guards.clauses if self._takes(n, error)), None)
            if number is not None:
                yield number
                error = raised_by(self.project, self.clauses[number], error)
                if not error:
                    return

    def at(self, frame: Frame) -> int | None:
        """The handler whose first line a frame names."""
        numbers = (
            number
            for path in _endings(frame.path)
            for guards in self.bodies.get(path, ())
            for number in guards.clauses
            if self.clauses[number].handler.region.at.line == frame.line
        )
        return next(numbers, None)

    def _around(self, frame: Frame) -> list[Guards]:
        found = [
            guards
            for path in _endings(frame.path)
            for guards in self.bodies.get(path, ())
            if guards.first <= frame.line <= guards.last
            and _is_same(frame.function, self.clauses[guards.clauses[0]].function.qualname)
        ]
        return sorted(found, key=lambda guards: guards.last - guards.first)

    def _takes(self, number: int, error: str) -> bool:
        handler = self.clauses[number].handler
        above = (known_as(self.project, error) or error, *self.project.program.mro(error)[1:])
        return any(catches(self.project, handler, name) for name in above)


def handlers_in(project: Project, clauses: Sequence[Clause]) -> Handlers:
    """The handlers as a program's call paths meet them."""
    bodies: dict[tuple[str, int, int], list[int]] = {}
    for number, clause in enumerate(clauses):
        key = (clause.module.path, clause.function.at.line, clause.handler.tried.index)
        bodies.setdefault(key, []).append(number)
    by_path: dict[str, list[Guards]] = {}
    for (path, _, _), own in bodies.items():
        handler = clauses[own[0]].handler
        first, last = _lines(handler.tried, handler.region)
        by_path.setdefault(path, []).append(Guards(first, last, tuple(own)))
    return Handlers(project, tuple(clauses), by_path)


def seen_of(handlers: Handlers, tape: Tape | None) -> Mapping[int, HandlerSeen]:
    """What a tape tells of each handler, by number."""
    ran: dict[int, int] = {}
    tried: dict[int, int] = {}
    for entry in tape.entries if tape is not None else ():
        around = handlers.around(entry.site.stack)
        for number in (n for guards in around for n in guards.clauses):
            tried[number] = tried.get(number, 0) + entry.executions
        for error, times in entry.errors:
            for number in handlers.takers(around, error):
                ran[number] = ran.get(number, 0) + times
    return {number: HandlerSeen(ran.get(number, 0), tried[number]) for number in tried}


def sweeps_of(
    handlers: Handlers, faults: Iterable[FaultOutcome]
) -> Mapping[int, tuple[FaultAtHandler, ...]]:
    """What faults each handler saw, by number."""
    found: dict[int, dict[FaultAtHandler, None]] = {}
    for fault in faults:
        if fault.verdict is not Verdict.NOT_REACHED:
            for number in _came_to(handlers, fault):
                found.setdefault(number, {})[_told(fault)] = None
    return {number: tuple(own) for number, own in found.items()}


def _came_to(handlers: Handlers, fault: FaultOutcome) -> list[int]:
    """The handlers that a fault came to: those that the outcome names, and those further out that
    take what the last of them always raises."""
    named = [n for frame in fault.handlers if (n := handlers.at(frame)) is not None]
    if not named:
        return named
    around = handlers.around(fault.stack)
    places = [at for at, guards in enumerate(around) if set(guards.clauses) & set(named)]
    if not places:
        return named
    last = next(n for n in around[places[-1]].clauses if n in named)
    error = raised_by(handlers.project, handlers.clauses[last], "")
    further = handlers.takers(around[places[-1] + 1 :], error) if error else ()
    return list(dict.fromkeys((*named, *further)))


def raised_by(project: Project, clause: Clause, error: str) -> str:
    """The class that goes on outwards from a handler that has caught `error`; empty if it may end
    there, or if the source does not tell the class."""
    if clause.kind != "except" or not always_raises(clause.function, clause.handler):
        return ""
    if lets_go_on(clause.function, clause.handler):
        return error
    names = {
        project.resolve(clause.module, getattr(event.error, "func", event.error))
        for event in own_events(clause.function, clause.handler)
        if isinstance(event, Raise) and event.error is not None
    }
    return names.pop() if len(names) == 1 else ""


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


def _lines(tried: Region, handler: Region) -> tuple[int, int]:
    """The lines of a body: a `try` ends before its first handler, a block where it ends."""
    if tried.kind == "with":
        return tried.at.line, tried.at.end_line
    return tried.at.line, handler.at.line - 1


def _endings(path: str) -> list[str]:
    """A path and its endings of two steps or more: a recording may begin in another folder."""
    steps = path.split("/")
    return [path, *("/".join(steps[at:]) for at in range(1, len(steps) - 1))]


def _is_same(one: str, other: str) -> bool:
    """Frames of Python 3.10 have only the last step of a qualified name."""
    return one.rpartition(".")[2] == other.rpartition(".")[2]
