"""What a call leaves behind that cannot be used any more: dead sessions, open transactions.

Only what the program still holds counts. An error that escaped holds the frames it came through,
and with them their sessions; the program does not, so the frames' variables are let go first.
"""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm

from auditor.faults.verdicts.judge import chain


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Sessions that refuse all work until they are rolled back; connections in a transaction."""

    dead_sessions: int
    open_transactions: int

    @property
    def unclean(self) -> int:
        """Both; a dead session holds no connection."""
        return self.dead_sessions + self.open_transactions


class Begun:
    """The sessions and connections that began a transaction and are still alive."""

    def __init__(self) -> None:
        self._sessions: weakref.WeakSet[Any] = weakref.WeakSet()
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take in sessions and connections while the block runs."""
        listeners: tuple[tuple[Any, str, Callable[..., None]], ...] = (
            (orm.Session, "after_begin", self._session_began),
            (sa.engine.Engine, "begin", self._connections.add),
        )
        for target, name, listener in listeners:
            event.listen(target, name, listener)
        try:
            yield
        finally:
            for target, name, listener in listeners:
                event.remove(target, name, listener)

    def _session_began(self, session: Any, transaction: Any, connection: Any) -> None:
        self._sessions.add(session)

    def left_behind(self) -> LeftBehind:
        """What of it is not clean now."""
        return LeftBehind(
            dead_sessions=sum(not session.is_active for session in list(self._sessions)),
            open_transactions=sum(
                not one.closed and one.in_transaction() for one in list(self._connections)
            ),
        )

    def let_go(self) -> None:
        """End what is open, so that the next run finds the database free."""
        for session in list(self._sessions):
            _try(session.close)
        for connection in list(self._connections):
            if _is_open(connection):
                _try(connection.get_transaction().rollback)
        gc.collect()


def forget_frames(errors: Iterable[BaseException]) -> None:
    """Let go of the variables of the frames that these errors, and what they were made of, came
    through; the tracebacks themselves stay."""
    for error in errors:
        for one in chain(error):
            traceback.clear_frames(one.__traceback__)
    gc.collect()


def _is_open(connection: Any) -> bool:
    return not connection.closed and connection.get_transaction() is not None


def _try(end: Callable[[], None]) -> None:
    try:
        end()
    except Exception:  # noqa: BLE001 - what cannot even be closed is lost anyway
        return
