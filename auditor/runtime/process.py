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
from sqlalchemy.orm import loading
from sqlalchemy.orm.state import InstanceState

from auditor.runtime.cells import note_error
from auditor.runtime.eager import loads, watch_instances, watch_pickling
from auditor.runtime.lane import FAILED, Lane, running_test
from auditor.runtime.ledger import Ledger
from auditor.runtime.running import test_case_class, watch_test_case
from auditor.runtime.seam import (
    Patches,
    facade_manager,
    trap_dialects,
    unwrap_dialect,
    wrap_dialect,
)
from auditor.runtime.transactions import Unit, watch_blocks, watch_transactions


class Process:
    """Opens and closes recordings, attaches dialect objects, shares statements out to ledgers."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._patches = Patches()
        self._open: dict[Ledger, tuple[Any, ...] | None] = {}
        self._lanes: WeakKeyDictionary[Any, Lane] = WeakKeyDictionary()

    def open(self, ledger: Ledger, dialects: tuple[Any, ...] | None) -> None:
        """Begins to write to `ledger` the statements of `dialects`, or of all."""
        with self._lock:
            self._open[ledger] = dialects
            if not self._patches:
                trap_dialects(self._patches, self.attach)
                for name, wrap in watch_transactions(Connection, self._ended).items():
                    self._patches.put(Connection, name, wrap)
                errors = _watch_errors(Connection._handle_dbapi_exception)  # noqa: SLF001
                self._patches.put(Connection, "_handle_dbapi_exception", errors)
                self._watch_loads()
            self._patch_late_modules()
            self._share_out()

    def close(self, ledger: Ledger) -> None:
        """Ends writing to `ledger`; with the last one, puts everything back as it was."""
        with self._lock:
            self._open.pop(ledger, None)
            self._share_out()
            if not self._open:
                self._patches.undo()
                loads.stop()
                for dialect in list(self._lanes):
                    unwrap_dialect(dialect)
                self._lanes.clear()

    def forget(self, ledger: Ledger) -> None:
        """Drops a ledger of the parent process, in the child of a fork: its lock may be held by a
        thread that does not exist here."""
        self._lock = threading.RLock()
        self._open.pop(ledger, None)

    def attach(self, dialect: Any) -> None:
        """Puts a dialect object under observation; nothing if it is, or if nobody records."""
        with self._lock:
            if not self._open or dialect in self._lanes:
                return
            lane = Lane(dialect, _lose)
            self._lanes[dialect] = lane
            self._patch_late_modules()
            self._share_out()
            wrap_dialect(dialect, lane.wrap)

    def _watch_loads(self) -> None:
        self._patches.put(loading, "instances", watch_instances(loading.instances))
        pickled = watch_pickling(InstanceState.__getstate__)
        self._patches.put(InstanceState, "__getstate__", pickled)
        loads.unknown = self._read

    def _read(self, relation: str) -> None:
        test = running_test()
        for ledger in list(self._open):
            ledger.note_read(relation, test)

    def _share_out(self) -> None:
        """Tells each lane which recordings want its statements."""
        for dialect, lane in list(self._lanes.items()):
            wanted = (
                ledger
                for ledger, dialects in self._open.items()
                if dialects is None or any(dialect is each for each in dialects)
            )
            lane.write_to(tuple(wanted))

    def _patch_late_modules(self) -> None:
        """Patches oslo.db and unittest if the program has loaded them and it is not yet done."""
        rows: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
            (facade_manager(), "_transaction_scope", watch_blocks),
            (test_case_class(), "__call__", watch_test_case),
        )
        for owner, name, watch in rows:
            if owner is not None and not self._patches.has(owner, name):
                self._patches.put(owner, name, watch(getattr(owner, name)))

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


def _watch_errors(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `Connection._handle_dbapi_exception`, which always raises: names the error as
    the program gets it, after oslo.db's filters, in the cells of the statement that failed."""

    def handle(connection: Any, *arguments: Any, **named: Any) -> Any:
        cells = connection.__dict__.pop(FAILED, ())
        try:
            return original(connection, *arguments, **named)
        except BaseException as final:
            name = f"{type(final).__module__}.{type(final).__qualname__}"
            for cell in cells:
                note_error(cell, name)
            raise

    return handle


process = Process()
