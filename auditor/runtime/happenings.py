"""What else happens around transactions: noticed where it happens, told to the recordings.

    effects     a message, a wait or a lock while a transaction is open    effects.py
    blocks      an independent block inside another, a commit by hand      blocks.py
    retries     attempts of a retry decorator that failed                  retries.py
    threads     a session or connection used by two at once                threads.py
    checkouts   a connection that nobody closed                            checkouts.py

Nothing here raises into the program: each of those modules calls in from inside its own guard.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import FrameType
from typing import Any

from sqlalchemy.orm import Session

from auditor.model.tape import IncidentKind
from auditor.runtime.blocks import ASYNC_FACADE, FACADE, Block, watch_async_blocks, watch_blocks
from auditor.runtime.books import Seen, of_unit
from auditor.runtime.checkouts import KEPT, Checkout, Checkouts
from auditor.runtime.effects import Effects
from auditor.runtime.lane import running_test
from auditor.runtime.ledger import Ledger
from auditor.runtime.retries import OSLO, TENACITY, Failure, watch_oslo, watch_tenacity
from auditor.runtime.running import test_name
from auditor.runtime.seam import Patches
from auditor.runtime.sites import Place, frame_behind_greenlet, places_from
from auditor.runtime.threads import MOST_CROSSINGS, USER, is_at_work, is_task_at_work
from auditor.runtime.transactions import (
    UNIT,
    Unit,
    ended_by_hand,
    is_open,
    open_units,
    watch_session_begin,
)
from auditor.runtime.whereabouts import here, running_task

Recordings = Callable[[Any], Iterable[tuple[Ledger, str]]]
"""From a dialect to the recordings that want to know of it, with the name of its database; from
None to all."""

_failed_in: ContextVar[Unit | None] = ContextVar("auditor_failed_in", default=None)
"""The transaction of the last statement that failed here."""


class Happenings:
    """Everything of this kind in one process."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self._effects = Effects(self._note_in_unit)
        self.checkouts = Checkouts(self._leaked)
        self._modules = 0

    def patch(self, patches: Patches) -> None:
        """Patches what the program has loaded and is not yet patched."""
        self._modules = len(sys.modules)
        self.checkouts.patch(patches)
        self._effects.patch(patches)
        facades = sys.modules.get(FACADE), sys.modules.get(ASYNC_FACADE)
        rows: tuple[tuple[Any, str, str, Callable[..., Any], tuple[Any, ...]], ...] = (
            (sys.modules[Session.__module__], "Session", "begin", watch_session_begin, ()),
            (sys.modules[Session.__module__], "Session", "close", _watch_close, ()),
            (facades[0], _MANAGER, "_transaction_scope", watch_blocks, (self._entered,)),
            (facades[1], _ASYNC_MANAGER, _ASYNC_SCOPE, watch_async_blocks, (self._entered,)),
            (sys.modules.get(OSLO), "wrap_db_retry", _EXPECTED, watch_oslo, (self._failed,)),
            (sys.modules.get(TENACITY), _STATE, _PREPARE, watch_tenacity, (self._failed,)),
        )
        for module, owner_name, name, watch, more in rows:
            owner = getattr(module, owner_name, None)
            if hasattr(owner, name) and not patches.has(owner, name):
                patches.put(owner, name, watch(getattr(owner, name), *more))

    def is_behind(self) -> bool:
        """Says whether the program has loaded modules since the last time."""
        return len(sys.modules) != self._modules

    def clear(self) -> None:
        """Forgets what is open: the last recording has ended."""
        self.checkouts.clear()
        open_units.clear()

    def statement_failed(self, connection: Any) -> None:
        """Remembers where a statement failed, for the retry decorator that may see its error."""
        unit = getattr(connection, UNIT, None)
        if unit is not None:
            is_nested = connection._nested_transaction is not None  # noqa: SLF001 - as in the hot path
            unit.failed_in = "savepoint" if is_nested else "unit"
            _failed_in.set(unit)

    def begun(self, unit: Unit, transaction: Any) -> None:
        """A transaction begins: the session that wants it may be another thread's."""
        session = getattr(transaction, "session", None)
        if session is None:
            return
        before = getattr(session, USER, None)
        setattr(session, USER, unit.owner)
        if before is not None and before != unit.owner and _is_at_work(before):
            places = places_from(sys._getframe(2))  # noqa: SLF001 - the transaction's
            self._note_in_unit(of_unit(IncidentKind.ACROSS_THREADS, "session", places, unit), unit)

    def crossed(self, unit: Unit, frame: FrameType) -> None:
        """A statement of a transaction is executed by another thread or task than the last one."""
        now, before = here(), unit.owner
        unit.owner, unit.thread = now, now[0]
        unit.crossings += 1
        if now == before or unit.crossings > MOST_CROSSINGS or not _is_at_work(before):
            return
        unit.crossings = MOST_CROSSINGS + 1
        places = _places(frame)
        self._note_in_unit(of_unit(IncidentKind.ACROSS_THREADS, "transaction", places, unit), unit)

    def ended_in_block(self, unit: Unit, frame: FrameType) -> None:
        """A transaction ends while its block is open: by `commit` or `rollback`, or by its end."""
        what = ended_by_hand(frame)
        if what:
            seen = of_unit(IncidentKind.ENDED_BY_HAND, what, _places(frame), unit)
            self._note_in_unit(seen, unit)

    def _entered(self, block: Block, frame: FrameType) -> None:
        """An independent block is entered inside another one, whose transaction may be open."""
        outer = block.outer
        if outer is None:
            return
        units = [unit for unit in open_units.here() if unit.block is outer]
        seen = Seen(
            IncidentKind.INDEPENDENT,
            block.kind,
            _places(frame),
            outer.place,
            outer.kind,
            units[-1].work if units else "",
            is_block=True,
        )
        self._note(seen, None)

    def _failed(self, failure: Failure) -> None:
        """An attempt failed. Its error came from a transaction around the retry if that was begun
        by a function which is still running outside of it, and no savepoint was to hold it."""
        unit = _failed_in.get()
        _failed_in.set(None)
        is_around = unit is not None and unit.failed_in == "unit" and _is_around(unit, failure)
        for ledger, _ in self._recordings(None):
            opened = unit.opened if unit is not None and is_around else None
            ledger.books.note_failure(failure, opened, test_name(running_test()))

    def _leaked(self, out: Checkout, how: str) -> None:
        dialect = out.dialect()
        if dialect is not None:
            self._note(_of_checkout(out, how), dialect)

    def note_kept(self, ledger: Ledger, start: tuple[int, int]) -> None:
        """Tells a recording that ends of the connections that were not given back in it."""
        for out in self.checkouts.kept_since(start):
            dialect = out.dialect()
            for each, database in self._recordings(dialect) if dialect is not None else ():
                if each is ledger:
                    test = test_name(running_test())
                    ledger.books.note(_of_checkout(out, KEPT), database=database, test=test)

    def _note_in_unit(self, seen: Seen, unit: Unit) -> None:
        connection = unit.connection()
        if connection is not None:
            self._note(seen, connection.dialect)

    def _note(self, seen: Seen, dialect: Any) -> None:
        test = test_name(running_test())
        for ledger, database in self._recordings(dialect):
            ledger.books.note(seen, database=database, test=test)


_MANAGER, _ASYNC_MANAGER = "_TransactionContextManager", "_AsyncTransactionContextManager"
_ASYNC_SCOPE = "_async_transaction_scope"
_EXPECTED, _STATE, _PREPARE = (
    "_is_exception_expected",
    "RetryCallState",
    "prepare_for_next_attempt",
)


def _of_checkout(out: Checkout, how: str) -> Seen:
    places: tuple[Place, ...] = () if out.place is None else (out.place,)
    what = f"{'session' if out.session else 'connection'}: {how}"
    return Seen(IncidentKind.LEAKED, what, places, out.place, "")


def _is_at_work(user: tuple[int, int]) -> bool:
    """Says whether the thread or task that used something last goes on meanwhile. Not of the main
    thread: it starts others and may be about to wait for them; its own next use will tell."""
    if user[0] != here()[0]:
        return user[0] != threading.main_thread().ident and is_at_work(user[0])
    now = running_task()
    if now is None:
        return False
    tasks = sys.modules["asyncio"].all_tasks()
    return any(is_task_at_work(task, now) for task in tasks if id(task) == user[1])


def _is_around(unit: Unit, failure: Failure) -> bool:
    """Says whether the function that began a transaction runs outside of a retry decorator."""
    code = unit.opened[0] if unit.opened is not None else None
    if not (is_open(unit) or unit.is_block):
        return False
    frame = failure.frame.f_back
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return False


def _places(frame: FrameType) -> list[Place]:
    places = places_from(frame)
    if "asyncio" in sys.modules:
        places += places_from(frame_behind_greenlet())
    return places


def _watch_close(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `Session.close`: who has it next is no second user."""

    def close(session: Any, *arguments: Any, **named: Any) -> Any:
        if getattr(session, USER, None) is not None:
            setattr(session, USER, None)
        return original(session, *arguments, **named)

    return close
