"""Loads of a tape that fetched rows, each with what became of the rows; judges of reads share it.

Entries of several tests, shapes and call paths that one line emits, and with whose rows one place
does one thing, are one `Load`: a finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.model.evidence import Evidence, Executions
from auditor.model.finding import Confidence
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit
from auditor.rules.outside import is_test_code
from auditor.rules.places import span_at
from auditor.rules.queries.fates import Fate, fate_of
from auditor.rules.queries.row_loops import Use
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.source.facts import At, Test
from auditor.source.project import Project

LEAST_ROWS = 5
"""Rows of one execution from which it matters that they were not needed."""
LEAST_ASKED = 2
"""The same where the source shows that nothing but their number was asked for."""
_ASKED = frozenset((Use.COUNT, Use.EXISTENCE))
_BOUNDED = re.compile(r" (?:LIMIT|FETCH (?:FIRST|NEXT)|OFFSET) |^SELECT TOP ")
_LIST = re.compile(r"SELECT (?:DISTINCT )?(?P<columns>.*?) FROM ")
_COLUMN = re.compile(r"(?:\w+\.)*(?P<column>\w+)")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Load:
    """What one line fetched, and the one thing that was done with the rows."""

    fate: Fate
    path: tuple[Standing, ...]
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        """The entry with most rows in one execution."""
        return max(self.entries, key=lambda e: (rows_each(e), e.executions, e.shape))

    @property
    def most(self) -> float:
        """Rows of one execution, where they were most."""
        return rows_each(self.first)

    @property
    def emits(self) -> Frame:
        """The line that emits."""
        return self.path[0].frame

    @property
    def span(self) -> Span:
        """Where the rows were used so."""
        return span_at(self.fate.standing.frame.path, self.fate.at)

    @property
    def told(self) -> str:
        """`120 rows were fetched at app/db.py:12 (in 2 executions)`."""
        rows = sum(entry.rows for entry in self.entries)
        times = sum(entry.executions for entry in self.entries)
        more = f" (in {times:,} executions)" if times > 1 else ""
        return f"{rows:,} rows were fetched at {self.emits.path}:{self.emits.line}{more}"

    @property
    def only_column(self) -> str:
        """The column of `SELECT size FROM ...`; empty for several, or for anything but a column."""
        listed = _LIST.match(self.first.shape)
        name = _COLUMN.fullmatch(listed["columns"]) if listed else None
        return name["column"] if name else ""

    def has_column(self, column: str) -> bool:
        """Whether the statement fetched a column of that name, as far as that is written."""
        listed = _LIST.match(self.first.shape)
        words = re.findall(r"\w+|\*", listed["columns"]) if listed else []
        return column in words or "*" in words

    def asks_for(self, column: str) -> bool:
        """Whether a condition of the statement looks at the column already."""
        _, _, condition = self.first.shape.partition(" WHERE ")
        return column in re.findall(r"\w+", condition)

    def hit(self, message: str, **fields: object) -> Hit:
        """The hit of a finding at the place of use; `{rows}` and `{words}` are filled here."""
        function = self.fate.standing.function
        name = function.qualname if function is not None else self.fate.standing.frame.function
        told = {"rows": self.told, "words": self.fate.words, **fields}
        evidence = tuple(evidence_of(self.entries))
        return Hit(self.span, name, told, evidence, confidence=Confidence.MEDIUM, message=message)


def loads(tape: Tape, project: Project, use: Use) -> Iterator[Load]:
    """The loads of a tape whose rows were used in one way, in the order of the tape."""
    kept = project.shared.get("recorded loads")
    if kept is None:
        kept = project.shared["recorded loads"] = tuple(_all(tape, project))
    return (load for load in kept if load.fate.use is use)


def _all(tape: Tape, project: Project) -> Iterator[Load]:
    found: dict[object, list[tuple[Fate, tuple[Standing, ...], Entry]]] = {}
    for entry in tape.entries:
        if not _is_load(entry):
            continue
        path = path_of_entry(project, entry)
        fate = fate_of(project, path) if not is_set_up(path) else None
        if fate is None or _is_asserted(fate):
            continue
        if fate.use not in _ASKED and rows_each(entry) < LEAST_ROWS:
            continue
        place = (path[0].frame, fate.use, fate.standing.frame.path, fate.at)
        found.setdefault(place, []).append((fate, path, entry))
    for same in found.values():
        fate, path, _ = same[0]
        yield Load(fate, path, tuple(entry for _, _, entry in same))


def _is_load(entry: Entry) -> bool:
    return (
        entry.verb == "SELECT"
        and entry.cause.kind is CauseKind.EXPLICIT
        and bool(entry.tables)
        and rows_each(entry) >= LEAST_ASKED
        and not is_bounded(entry)
    )


def rows_each(entry: Entry) -> float:
    """Rows of one execution, on the average."""
    return entry.rows / entry.executions if entry.executions else 0.0


def is_bounded(entry: Entry) -> bool:
    """Whether the statement itself says how many rows it wants at most."""
    return _BOUNDED.search(entry.shape) is not None


def _is_asserted(fate: Fate) -> bool:
    """Whether a test looks at rows to check them."""
    function = fate.standing.function
    if function is None or not is_test_code(fate.standing.frame):
        return False
    tests = (e for e in function.events if isinstance(e, Test) and e.kind == "assert")
    return any(_is_within(fate.at, test.at) for test in tests)


def _is_within(inner: At, outer: At) -> bool:
    return outer.line <= inner.line and inner.end_line <= outer.end_line


def evidence_of(entries: Iterable[Entry]) -> Iterator[Evidence]:
    """The executions of the shapes with most rows; executions of one shape from one line added."""
    sums: dict[tuple[str, str], Executions] = {}
    for entry in entries:
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
    yield from sorted(sums.values(), key=lambda one: (-one.rows, one.shape))[:_SHOWN]
