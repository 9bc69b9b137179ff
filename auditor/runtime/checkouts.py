"""Connections that were checked out of a pool, and how they came back.

closed                     nothing is kept
by the garbage collector   nobody closed it: a leak
not at all                 a leak if the recording ends, and what has it was made during the
                           recording: a session of before is its maker's to close
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import session as orm_session
from sqlalchemy.pool import base as pool_base

from auditor.runtime.seam import Patches
from auditor.runtime.sites import Place
from auditor.runtime.transactions import sqlalchemy_calls
from auditor.runtime.trouble import kept_from_program
from auditor.runtime.whereabouts import user_place

COLLECTED = "garbage collector"
KEPT = "end of the recording"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A connection in use: the line that checked it out, the dialect, the number of its session (0
    for none) and its own number."""

    place: Place | None
    dialect: Any
    session: int
    number: int


Leaked = Callable[[Checkout, str], None]


class Checkouts:
    """The connections that are checked out now, by their pool record."""

    def __init__(self, leaked: Leaked) -> None:
        self._leaked = leaked
        self._out: dict[int, tuple[Any, Checkout]] = {}
        self._number = 0

    def now(self) -> tuple[int, int]:
        """The number of the next checkout and of the newest session: what is older has less."""
        return self._number, orm_session._new_sessionid()  # noqa: SLF001 - the counter itself

    def patch(self, patches: Patches) -> None:
        """Watches every pool."""
        record = pool_base._ConnectionRecord  # noqa: SLF001 - what all pools hand out
        if not patches.has(record, "checkout"):
            checkout = vars(record)["checkout"].__func__
            patches.put(record, "checkout", classmethod(self._watched_checkout(checkout)))
            finalize = pool_base._finalize_fairy  # noqa: SLF001
            patches.put(pool_base, "_finalize_fairy", self._watched_return(finalize))

    def _watched_checkout(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def checkout(cls: Any, pool: Any) -> Any:
            fairy = original(cls, pool)
            with kept_from_program("connections"):
                self._note(fairy, pool, sys._getframe(1))  # noqa: SLF001 - as in the hot path
            return fairy

        return checkout

    def _note(self, fairy: Any, pool: Any, frame: Any) -> None:
        record = fairy._connection_record  # noqa: SLF001
        place = user_place(frame)
        if record is None or place is None:
            return
        _, transaction = sqlalchemy_calls(frame)
        session = getattr(getattr(transaction, "session", None), "hash_key", 0)
        self._number += 1
        out = Checkout(place, weakref.ref(pool._dialect), session, self._number)  # noqa: SLF001
        self._out[id(record)] = (weakref.ref(fairy), out)

    def _watched_return(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def finalize(connection: Any, record: Any, *arguments: Any, **named: Any) -> Any:
            with kept_from_program("connections"):
                self._returned(connection, record)
            return original(connection, record, *arguments, **named)

        return finalize

    def _returned(self, connection: Any, record: Any) -> None:
        """A connection comes back: with its own DBAPI connection when it was closed, without when
        the garbage collector calls."""
        if record is None:
            return
        fairy, out = self._out.get(id(record), (None, None))
        if out is None or (connection is None and fairy is not None and fairy() is not None):
            return  # another one has taken its place, as a static pool lets it
        del self._out[id(record)]
        is_collected = connection is None and not sys.is_finalizing()
        if is_collected and record.fairy_ref is not None:
            self._leaked(out, COLLECTED)

    def kept_since(self, start: tuple[int, int]) -> Iterator[Checkout]:
        """The connections that have been checked out since `start` and are not back."""
        number, session = start
        for fairy, out in list(self._out.values()):
            is_ours = out.number > number and (not out.session or out.session > session)
            if is_ours and fairy() is not None:
                yield out

    def clear(self) -> None:
        self._out.clear()
