"""What one recording has seen so far: the entries, and a cache that finds them by raw stack.

cells       raw key -> [(code objects, cell)]    the hot path's look-up; may be emptied any time
entries     EntryKey -> cell                     what the tape is made of, in order of first
                                                 execution
books       transactions, and what else happened around them
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from auditor.model.finding import Problem
from auditor.model.span import Frame
from auditor.model.tape import CauseKind, Tape
from auditor.runtime.books import Books
from auditor.runtime.causes import cause_of
from auditor.runtime.cells import (
    EXECUTIONS,
    Cell,
    EntryKey,
    entry_of,
    in_fixed_order,
    key_of,
    new_cell,
)
from auditor.runtime.eager import loads
from auditor.runtime.running import test_name
from auditor.runtime.sites import (
    Place,
    frame_behind_greenlet,
    is_library,
    places_from,
    site_of,
)
from auditor.runtime.transactions import Unit

MOST_RAW_KEYS = 4096  # about 5 kB each; entries are found again by their resolved key

_NONE: frozenset[str] = frozenset()

RawKey = tuple[Any, ...]
"""(StatementFacts, transaction kind, running test, Lane, offset, offset, ...), innermost first."""

Hook = Callable[[Any, str, Any, int], Callable[[], None] | None]
"""Called before a statement runs with its execution context, text, cursor and ordinal (from 1;
DDL and connection control not counted). What it raises becomes the error of the statement, as does
what is raised by a function that it returns: that is called when the statement has run."""


class Ledger:
    """Counts of one recording. Adding is safe from several threads under the interpreter lock.

    Readers copy a mapping first, in one step: a list of its items is none, because a collection of
    garbage in the middle of it may let other threads run.
    """

    def __init__(
        self, root: str, hooks: tuple[Hook, ...] = (), opened: tuple[Frame, ...] = ()
    ) -> None:
        self.hooks = hooks
        self._opened = opened
        self.ordinal = 0
        self.cells: dict[RawKey, list[tuple[list[CodeType], Cell]]] = {}
        self.losses: dict[Problem, None] = {}
        self._root = root
        self._entries: dict[EntryKey, Cell] = {}
        self.books = Books(root, self.lose)
        self._read: dict[str, set[str]] = {}  # test -> relations read on objects of unknown loads

    @property
    def statements(self) -> int:
        """Statements executed so far, DDL left out."""
        return sum(
            cell[EXECUTIONS]
            for key, cell in self._entries.copy().items()
            if key.cause.kind is not CauseKind.DDL
        )

    @property
    def executions(self) -> int:
        """Everything executed so far, DDL as well: changes whenever the tape does."""
        return sum(cell[EXECUTIONS] for cell in self._entries.copy().values())

    def open_cell(self, raw: RawKey, codes: list[CodeType], context: Any, frame: FrameType) -> Cell:
        """The cell for a raw stack that is not in the cache; `frame` is where it began."""
        facts, kind, test, lane = raw[:4]
        places = places_from(frame)
        if lane.is_async:
            places += places_from(frame_behind_greenlet())
        site = site_of(places, self._root)
        key = key_of(
            facts,
            site,
            cause_of(context, facts, _inner(places)),
            transaction=kind,
            database=lane.database,
            test=test_name(test),
        )
        if facts.may_load_eagerly or key.cause.kind is CauseKind.EAGER_BATCH:
            loads.watch(context.compiled)
        cell = self._entries.setdefault(key, new_cell(site))
        if len(self.cells) >= MOST_RAW_KEYS:
            self.cells = {}
        self.cells.setdefault(raw, []).append((codes, cell))
        return cell

    def end_transaction(self, unit: Unit, *, committed: bool, database: str, test: object) -> None:
        """Counts a transaction that was committed or rolled back."""
        self.books.note_end(unit, committed=committed, database=database, test=test_name(test))

    def note_read(self, relation: str, test: object) -> None:
        """Notes that a relation was read on an object of which nobody knows what loaded it."""
        self._read.setdefault(test_name(test), set()).add(relation)

    def lose(self, subject: str, message: str) -> None:
        """Notes something that could not be seen."""
        self.losses[Problem(subject, message, hides_results=True)] = None

    def tape(self) -> Tape:
        """Everything seen so far."""
        tape = Tape(
            entries=tuple(
                entry_of(key, cell, self._read.get(key.test, _NONE).copy())
                for key, cell in in_fixed_order(self._entries.copy().items())
            ),
            losses=tuple(self.losses.copy()),
            opened=self._opened,
        )
        return self.books.added_to(tape)


def _inner(places: list[Place]) -> list[CodeType]:
    """The library's frames between the statement and the user's code."""
    found = []
    for code, _ in places:
        if not is_library(code):
            break
        found.append(code)
    return found
