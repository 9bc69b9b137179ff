"""Statements that were executed again and again in one transaction, each with what repeats it.

Entries of several tests, transaction kinds and shapes that one line emits for one cause below one
loop are one `Repetition`: a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from auditor.model.evidence import Evidence, Executions, SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rules.excuses import LEAST, depends_on_itself
from auditor.rules.outside import is_of_test
from auditor.rules.recorded import BY_ATTRIBUTE, Standing, is_set_up, path_of_entry, unread
from auditor.rules.turns import Turn, repeated_by, turns_of
from auditor.source.facts import Call
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.sql.verbs import WRITES

LEAST_UNREAD = 5
"""Executions in one transaction that tell of a loop whose source cannot be read."""
_MOST_SHAPES = 3
"""Statements of one turn above which it is a procedure for each item, in a transaction of its own,
and no query in a loop."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one line emitted for one cause below one loop; `turn` is None where the source cannot
    be read."""

    entries: tuple[Entry, ...]
    path: tuple[Standing, ...]
    turn: Turn | None

    @property
    def emits(self) -> Frame:
        """The line that emits."""
        return self.path[0].frame

    @property
    def first(self) -> Entry:
        """The entry with most executions in one transaction."""
        return max(self.entries, key=lambda e: (e.most_in_unit, e.executions, e.shape))

    @property
    def most(self) -> int:
        """The largest number of executions in one transaction."""
        return self.first.most_in_unit

    @property
    def executions(self) -> int:
        return sum(entry.executions for entry in self.entries)

    @property
    def confidence(self) -> Confidence:
        """High for a loop that was read, whose turns were counted in one transaction."""
        proven = self.turn is not None and self.most >= LEAST
        return Confidence.HIGH if proven else Confidence.MEDIUM

    @property
    def count(self) -> str:
        """`executed 266 times in one transaction (532 in all, in 2 tests)`."""
        tests = {entry.test for entry in self.entries if entry.test}
        more = [f"{self.executions} in all"] if self.executions > self.most else []
        more += [f"in {len(tests)} tests"] if len(tests) > 1 else []
        if self.most >= LEAST:
            notes = f" ({', '.join(more)})" if more else ""
            return f"executed {self.most} times in one transaction{notes}"
        notes = f" ({', '.join(more[1:])})" if more[1:] else ""
        return f"executed {self.executions} times, each in a transaction of its own{notes}"

    @property
    def is_blind(self) -> bool:
        """Whether a part of the source cannot be read, and no loop was found in what can."""
        return self.turn is None and any(unread(self.path))

    @property
    def climbs(self) -> bool:
        """Whether each turn asks for what the one before found: up or down a tree."""
        turn = self.turn
        if turn is None:
            return False
        inside = [s.frame.function for s in self.path[: turn.depth + 1]]
        is_called_again = len(set(inside)) < len(inside) or self._calls_itself(turn.depth)
        return turn.kind == "recursion" or is_called_again or self._follows(turn)

    def _follows(self, turn: Turn) -> bool:
        standing = self.path[turn.depth]
        function = standing.function
        if turn.kind != "while" or function is None or turn.region < 0:
            return False
        return depends_on_itself(function, function.regions[turn.region], standing.position)

    def _calls_itself(self, depth: int) -> bool:
        standing = self.path[depth]
        name = standing.function.name if standing.function is not None else ""
        event = standing.event
        return depth > 0 and isinstance(event, Call) and last_step(event.func) == name

    @property
    def turns(self) -> str:
        """`once for each iteration of the loop at app/db.py:12 over `labels``."""
        if self.turn is None:
            blind = next((frame.path for frame in unread(self.path)), "")
            if not blind:
                return "by the library that this line calls"
            return f"always from this line; what repeats it is not known, `{blind}` cannot be read"
        if self.turn.kind in {"recursion", "call", "task"}:
            return f"by {self.turn}"
        return f"once for each iteration of {self.turn}"

    @property
    def span(self) -> Span:
        """Where the finding stands: the line that emits."""
        return Span(self.emits.path, self.emits.line)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The executions, and the way from the line that loops to the line that emits."""
        return (*self._seen(), SourcePath(tuple(self._steps())))

    def _seen(self) -> Iterator[Executions]:
        sums: dict[tuple[str, str], Executions] = {}
        for entry in self.entries:
            key = (entry.shape, str(entry.cause))
            known = sums.get(key)
            sums[key] = Executions(
                shape=entry.shape,
                cause=str(entry.cause),
                executions=entry.executions + (known.executions if known else 0),
                rows=entry.rows + (known.rows if known else 0),
                seconds=entry.seconds + (known.seconds if known else 0.0),
                stack=known.stack if known else entry.site.stack,
            )
        most = sorted(sums.values(), key=lambda one: (-one.executions, one.shape))
        yield from most[:_SHOWN]

    def _steps(self) -> Iterator[Step]:
        depth = 0
        if self.turn is not None:
            line = self.turn.frame
            yield Step(Span(line.path, line.line), f"what repeats it, in `{line.function}`")
            depth = self.turn.depth
        for standing in reversed(self.path[1 : depth + 1]):
            frame = standing.frame
            yield Step(Span(frame.path, frame.line), f"calls on from `{frame.function}`")
        yield Step(self.span, f"emits, in `{self.emits.function}`")


def repetitions(
    tape: Tape, project: Project, wanted: Callable[[Entry], bool], *, least: int = LEAST
) -> tuple[Repetition, ...]:
    """The repeated work among the entries that `wanted` lets through, in the order of the tape.
    Set-up of tests, and loops of a test around the program's own functions, are left out."""
    found: dict[object, list[Repetition]] = {}
    for entry in tape.entries:
        if entry.executions < least or not entry.site.stack or not wanted(entry):
            continue
        one = repetition_of(tape, project, entry)
        if one is not None:
            turn = one.turn
            place = (turn.kind, turn.frame) if turn is not None else entry.site.stack
            is_of_class = entry.cause.kind is CauseKind.POLYMORPHIC  # several at one line are one
            cause = entry.cause.kind if is_of_class else entry.cause
            found.setdefault((one.emits, cause, place), []).append(one)
    return tuple(_merged(same) for same in found.values())


def repetition_of(tape: Tape, project: Project, entry: Entry) -> Repetition | None:
    """What repeats an entry; None if nothing that is an offence does."""
    path = path_of_entry(project, entry)
    if is_set_up(path):
        return None
    turn = repeated_by(project, entry, path)
    if turn is None:
        return (
            Repetition((entry,), path, None) if _is_repeated_unseen(project, entry, path) else None
        )
    if is_of_test(turn.frame, path[0].frame):
        return None
    if entry.most_in_unit < LEAST and not _is_apart_by_habit(tape, path, turn):
        return None
    if entry.most_in_unit < LEAST and _may_be_of_test(project, entry, path):
        return None
    return Repetition((entry,), path, turn)


def _is_repeated_unseen(project: Project, entry: Entry, path: Sequence[Standing]) -> bool:
    """Whether so much repetition tells of a loop that cannot be read: one in a file that is not
    there, or of a library that reads attributes (a serializer, an eager load row by row)."""
    if entry.most_in_unit < LEAST_UNREAD or any(turns_of(project, entry, path)):
        return False
    return any(unread(path)) or entry.cause.kind in BY_ATTRIBUTE


def _may_be_of_test(project: Project, entry: Entry, path: Sequence[Standing]) -> bool:
    """Whether a loop of a test is around all: of turns with transactions of their own nobody can
    tell whose they are."""
    turns = (turn for turn in turns_of(project, entry, path) if not turn.excuse)
    return any(is_of_test(turn.frame, path[0].frame) for turn in turns)


def _is_apart_by_habit(tape: Tape, path: Sequence[Standing], turn: Turn) -> bool:
    """Whether the turns have transactions of their own only because each query opens one, and not
    because each item is a piece of work: little is done in a turn, and nothing is written."""
    if turn.depth == 0 or turn.kind == "task":
        return True
    at = path[turn.depth].frame
    inside = [entry for entry in tape.entries if at in entry.site.stack]
    shapes = {entry.shape for entry in inside if entry.cause.kind is CauseKind.EXPLICIT}
    return len(shapes) <= _MOST_SHAPES and not any(entry.verb in WRITES for entry in inside)


def _merged(same: Sequence[Repetition]) -> Repetition:
    if len(same) == 1:
        return same[0]
    most = max(same, key=lambda one: (one.most, one.executions))
    return Repetition(tuple(_entries(same)), most.path, most.turn)


def _entries(same: Iterable[Repetition]) -> Iterator[Entry]:
    return (entry for one in same for entry in one.entries)
