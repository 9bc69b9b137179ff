"""The recordings that are open in this process, and what is patched for them.

One object for the process, because what it patches is: SQLAlchemy's classes. Everything is put
back when the last recording ends. Locks are held while recordings open and close and while a new
engine is attached, never while the program's own code runs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.engine import Connection

from auditor.runtime.cells import note_error
from auditor.runtime.eager import loads
from auditor.runtime.happenings import Happenings
from auditor.runtime.lane import FAILED, Lane, running_test
from auditor.runtime.ledger import Ledger
from auditor.runtime.running import test_case_class, watch_test_case
from auditor.runtime.seam import (
    Patches,
    trap_dialects,
    unwrap_dialect,
    wrap_dialect,
)
from auditor.runtime.transactions import Unit, watch_transactions
from auditor.runtime.trouble import trouble


class Process:
    """Opens and closes recordings, attaches dialect objects, shares statements out to ledgers."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patches = Patches()
        self._open: dict[Ledger, tuple[Any, ...] | None] = {}
        self._lanes: WeakKeyDictionary[Any, Lane] = WeakKeyDictionary()
        self._happenings = Happenings(self._recordings)
        self._starts: dict[Ledger, tuple[int, int]] = {}

    def open(self, ledger: Ledger, dialects: tuple[Any, ...] | None) -> None:
        """Begins to write to `ledger` the statements of `dialects`, or of all."""
        with self._lock:
            self._open[ledger] = dialects
            if not self._patches:
                trap_dialects(self._patches, self.attach)
                wrappers = watch_transactions(
                    Connection, self._begun, self._ended, self._happenings.ended_in_block
                )
                for name, wrap in wrappers.items():
                    self._patches.put(Connection, name, wrap)
                failed = self._happenings.statement_failed
                errors = _watch_errors(Connection._handle_dbapi_exception, failed)  # noqa: SLF001
                self._patches.put(Connection, "_handle_dbapi_exception", errors)
                loads.unknown = self._read
            trouble.tell = self._lose_everywhere
            self._patch_late_modules()
            self._share_out()
            self._starts[ledger] = self._happenings.checkouts.now()

    def close(self, ledger: Ledger) -> None:
        """Ends writing to `ledger`; with the last one, puts everything back as it was."""
        with self._lock:
            self.note_kept(ledger)
            self._open.pop(ledger, None)
            self._share_out()
            if not self._open:
                self._patches.undo()
                self._happenings.clear()
                trouble.tell = None
                loads.stop()
                for dialect in list(self._lanes):
                    unwrap_dialect(dialect)
                self._lanes.clear()

    def note_kept(self, ledger: Ledger) -> None:
        """Tells a recording that ends which connections nobody gave back; once."""
        start = self._starts.pop(ledger, None)
        if start is not None:
            self._happenings.note_kept(ledger, start)

    def forget(self, ledger: Ledger) -> None:
        """Drops a ledger of the parent process, in the child of a fork: its lock may be held by a
        thread that does not exist here."""
        self._lock = threading.RLock()
        self._open.pop(ledger, None)
        self._starts.pop(ledger, None)
        self._happenings.clear()  # what is open is the parent's

    def attach(self, dialect: Any) -> None:
        """Puts a dialect object under observation; nothing if it is, or if nobody records."""
        with self._lock:
            if not self._open or dialect in self._lanes:
                return
            lane = Lane(dialect, _lose, self._happenings.crossed)
            self._lanes[dialect] = lane
            self._patch_late_modules()
            self._share_out()
            wrap_dialect(dialect, lane.wrap)

    def _read(self, relation: str) -> None:
        test = running_test()
        for ledger in list(self._open):
            ledger.note_read(relation, test)

    def _share_out(self) -> None:
        """Tells each lane which recordings want its statements."""
        for dialect, lane in list(self._lanes.items()):
            lane.write_to(self._wanting(dialect))

    def _wanting(self, dialect: Any) -> tuple[Ledger, ...]:
        """The recordings that want what happens on a dialect."""
        return tuple(
            ledger
            for ledger, dialects in list(self._open.items())
            if dialects is None or any(dialect is each for each in dialects)
        )

    def _recordings(self, dialect: Any) -> list[tuple[Ledger, str]]:
        """The recordings of a dialect with the name of its database; of None, all."""
        if dialect is None:
            return [(ledger, "") for ledger in list(self._open)]
        return [(ledger, str(dialect.name)) for ledger in self._wanting(dialect)]

    def _patch_late_modules(self) -> None:
        """Patches what the program has loaded meanwhile and is not yet patched."""
        self._happenings.patch(self._patches)
        case = test_case_class()
        if case is not None and not self._patches.has(case, "__call__"):
            self._patches.put(case, "__call__", watch_test_case(case.__call__))

    def _lose_everywhere(self, subject: str, message: str) -> None:
        for ledger in list(self._open):
            ledger.lose(subject, message)

    def _begun(self, unit: Unit, transaction: Any) -> None:
        if self._happenings.is_behind():
            with self._lock:
                if self._open:
                    self._patch_late_modules()
        self._happenings.begun(unit, transaction)

    def _ended(self, connection: Any, unit: Unit, committed: bool) -> None:  # noqa: FBT001 - callback
        lane = self._lanes.get(connection.dialect)
        if lane is None or not unit.is_ours:
            return
        test = running_test()
        for ledger in lane.ledgers:
            ledger.end_transaction(unit, committed=committed, database=lane.database, test=test)


def _lose(lane: Lane, error: Exception) -> None:
    """Ends observation of a dialect after an error of ours; its wrappers stay and are idle. A
    program at its recursion limit costs us that statement only."""
    ledgers = lane.ledgers
    if isinstance(error, RecursionError):
        for ledger in ledgers:
            ledger.lose(
                f"recorder on {lane.database}", "a statement at the recursion limit is lost"
            )
        return
    lane.write_to(())
    lane.is_broken = True
    for ledger in ledgers:
        ledger.lose(
            f"recorder on {lane.database}",
            f"recording stopped after `{type(error).__name__}: {error}`; the program went on",
        )


def _watch_errors(
    original: Callable[..., Any], failed: Callable[[Any], None]
) -> Callable[..., Any]:
    """A wrapper for `Connection._handle_dbapi_exception`, which always raises: names the error as
    the program gets it, after oslo.db's filters, in the cells of the statement that failed."""

    def handle(connection: Any, *arguments: Any, **named: Any) -> Any:
        cells = getattr(connection, FAILED, None) or ()
        setattr(connection, FAILED, None)
        failed(connection)
        try:
            return original(connection, *arguments, **named)
        except BaseException as final:
            name = f"{type(final).__module__}.{type(final).__qualname__}"
            for cell in cells:
                note_error(cell, name)
            raise

    return handle


process = Process()
