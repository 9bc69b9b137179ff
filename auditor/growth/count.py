"""Counts what a workload executes at given sizes, and holds it to repeat itself."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from auditor.growth.attribute import Part
from auditor.growth.basis import Sizes
from auditor.growth.workload import Workload, in_words
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.runtime.recorder import record

KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE")
OTHER_KIND = "other"
EAGER_BATCH = "eager batch"
_REPEATS = 2
_MOST_DIFFERENCES = 3
_LONGEST_SHAPE = 70


@dataclass(frozen=True, slots=True)
class Count:
    """What one call executed: statements (DDL left out), the rows they fetched, and by whom.

    `rows_of_parts` are the rows by whoever fetched any. `others` are the further measures by name,
    those of `auditor.model.law.Point`. `batches` names what was sent many at a time: `eager batch`,
    `INSERT`.
    """

    statements: int
    rows: int
    parts: Mapping[Part, int]
    others: Mapping[str, int] = field(default_factory=dict)
    batches: frozenset[str] = frozenset()
    rows_of_parts: Mapping[Part, int] = field(default_factory=dict)


class Uncountable(Exception):  # noqa: N818  not an error: a reason to refuse a law
    """Two equal calls executed different numbers of statements, or not all could be seen; the
    message says which."""


class Counts:
    """The counts of one workload by sizes, each on a database filled anew."""

    def __init__(self, workload: Workload, progress: Callable[[str], None]) -> None:
        self.workload = workload
        self._progress = progress
        self.at: dict[Sizes, Count] = {}
        self.notes: tuple[str, ...] = ()
        self._glanced: set[Sizes] = set()
        self.unsteady: dict[str, str] = {}
        """Measures other than the statements that did not repeat, and how."""

    def statements(self, sizes: Sizes) -> int:
        """How many statements the call executes at `sizes`, counted twice. Raises Uncountable."""
        if not self.at:
            self._warm_up(sizes)
        if sizes in self._glanced:
            self._glanced.remove(sizes)
            self._compare(sizes, self.at[sizes], self._once(sizes))
        elif sizes not in self.at:
            self.at[sizes] = self._repeated(sizes)
        return self.at[sizes].statements

    def glance(self, sizes: Sizes) -> int:
        """The same, counted once: enough where other points hold it against a law."""
        if not self.at:
            self._warm_up(sizes)
        if sizes not in self.at:
            self.at[sizes] = self._once(sizes)
            self._glanced.add(sizes)
        return self.at[sizes].statements

    def confirm(self, sizes: Sizes) -> None:
        """Count again where it was counted long ago. Raises Uncountable if that has changed."""
        self._compare(sizes, self.at[sizes], self._once(sizes))

    def _warm_up(self, sizes: Sizes) -> None:
        """The first call of a process may fill caches; say so if it did more, and leave it out."""
        first = self._once(sizes)
        self.at[sizes] = self._repeated(sizes)
        more = first.statements - self.at[sizes].statements
        if more:
            than = "more" if more > 0 else "fewer"
            note = f"the first call executed {abs(more)} statements {than} than every later one"
            self.notes = (f"{note} (warm-up) and is left out",)

    def _repeated(self, sizes: Sizes) -> Count:
        first, *others = (self._once(sizes) for _ in range(_REPEATS))
        for other in others:
            self._compare(sizes, first, other)
        return first

    def _once(self, sizes: Sizes) -> Count:
        named = self._named(sizes)
        self._progress(in_words(named))
        call = self.workload.populated(named)
        with record() as recording:
            self.workload.called(call, named)
        del call
        gc.collect(1)  # sessions that the call left give their connections back
        self._trust(recording.tape)
        return count_of(recording.tape)

    @staticmethod
    def _trust(tape: Tape) -> None:
        """Raises Uncountable if the recorder could not see everything."""
        for loss in tape.losses:
            raise Uncountable(f"not everything could be seen: {loss.subject}: {loss.message}")

    def _compare(self, sizes: Sizes, first: Count, second: Count) -> None:
        if first.statements != second.statements:
            raise Uncountable(
                f"not repeatable: at {in_words(self._named(sizes))} one call executed"
                f" {first.statements} statements and an equal one {second.statements};"
                f" {_differences(first.parts, second.parts)}"
            )
        for measure, one, other in _unequal(first, second):
            at = in_words(self._named(sizes))
            self.unsteady.setdefault(
                measure, f"not repeatable: {one} and {other} in two equal calls at {at}"
            )

    def _named(self, sizes: Sizes) -> dict[str, int]:
        return dict(zip(self.workload.scenario.variables, sizes, strict=True))


def count_of(tape: Tape) -> Count:
    """The statements, rows and other measures of a tape, DDL left out."""
    parts: Counter[Part] = Counter()
    others: Counter[str] = Counter()
    rows: Counter[Part] = Counter()
    for entry in tape.entries:
        if entry.cause.kind is not CauseKind.DDL:
            part = Part(entry.site, entry.cause, entry.shape)
            parts[part] += entry.executions
            others[entry.verb if entry.verb in KINDS else OTHER_KIND] += entry.executions
            if entry.rows:
                rows[part] += entry.rows
    for one in tape.transactions:
        others["savepoints" if one.kind == "savepoint" else "transactions"] += one.begun
    batches = frozenset(_batch_of(entry) for entry in tape.entries) - {""}
    return Count(
        sum(parts.values()),
        sum(rows.values()),
        dict(parts),
        dict(others),
        batches=batches,
        rows_of_parts=dict(rows),
    )


def _batch_of(entry: Entry) -> str:
    if entry.cause.kind is CauseKind.EAGER_BATCH:
        return EAGER_BATCH
    return entry.verb if entry.verb == "INSERT" and entry.sent > entry.executions else ""


def _unequal(first: Count, second: Count) -> Iterator[tuple[str, int, int]]:
    ones, others = ({"rows": count.rows, **count.others} for count in (first, second))
    for measure in sorted({*ones, *others}):
        if ones.get(measure, 0) != others.get(measure, 0):
            yield measure, ones.get(measure, 0), others.get(measure, 0)


def _differences(first: Mapping[Part, int], second: Mapping[Part, int]) -> str:
    shapes = [(part, first.get(part, 0), second.get(part, 0)) for part in {**first, **second}]
    differing = sorted(
        f"{one} and {other} times `{part.shape[:_LONGEST_SHAPE]}` at {part.site.frame}"
        for part, one, other in shapes
        if one != other
    )
    more = len(differing) - _MOST_DIFFERENCES
    shown = "; ".join(differing[:_MOST_DIFFERENCES])
    return f"what differs: {shown}{f'; and {more} more' if more > 0 else ''}"
