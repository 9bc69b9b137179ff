"""Transactions as they begin and end, and the kind of oslo.db block they belong to.

`Connection` carries its current `Unit` in an attribute; the unit is made when the transaction
begins, so the hot path asks for its kind once and never again. Kinds: `plain`, and inside an
oslo.db enginefacade block `reader`, `async reader`, `writer`, `independent reader` or
`independent writer`; statements inside a savepoint are of kind `savepoint`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from time import perf_counter
from types import FrameType
from typing import Any

from auditor.model.tape import Site
from auditor.runtime.sites import Place, places_from

UNIT = "_auditor_unit"
PLAIN = "plain"
SAVEPOINT = "savepoint"
FACADE = "oslo_db.sqlalchemy.enginefacade"
_PING = ("oslo_db.sqlalchemy.engines", "_connect_ping_listener")
"""What asks whether the server is there, with a statement, before SQLAlchemy 2.0.5."""

block_kind: ContextVar[str] = ContextVar("auditor_block_kind", default=PLAIN)
"""The kind of the outermost enginefacade block that is open here and begins transactions."""


class Unit:
    """One transaction in progress. Holds nothing of the program's. `is_ours` is false where the
    statements are not the program's, and not counted: a connection on which SQLAlchemy sets up a
    dialect, oslo.db's ping. `site` is that of the first statement; a savepoint has `places`
    instead, where it began. `seen` are hashes of the reads made since its last write."""

    __slots__ = ("begun", "is_ours", "kind", "places", "seen", "site")

    def __init__(self, kind: str, *, is_ours: bool = True) -> None:
        self.kind = kind
        self.begun = perf_counter()
        self.site: Site | None = None
        self.places: tuple[Place, ...] = ()
        self.is_ours = is_ours
        self.seen: set[int] | None = None


def unit_of(connection: Any) -> Unit:
    """The unit of a connection that has none yet: its transaction began before the recording, or
    it has none (autocommit in SQLAlchemy 1.4, or set-up of a dialect)."""
    if _is_ping(sys._getframe(1)):  # noqa: SLF001 - as in the hot path
        return Unit(PLAIN, is_ours=False)  # not kept: the connection is the program's next
    can_begin = getattr(connection, "_allow_autobegin", True)
    can_reconnect = getattr(connection, "_Connection__can_reconnect", True)
    unit = Unit(block_kind.get(), is_ours=bool(can_begin and can_reconnect))
    connection.__dict__[UNIT] = unit
    return unit


def _is_ping(frame: FrameType | None) -> bool:
    """Says whether oslo.db's ping is what called SQLAlchemy. Its text is anybody's: `SELECT 1`."""
    module, function = _PING
    if module not in sys.modules:
        return False
    while frame is not None and _module(frame).startswith(("sqlalchemy.", "auditor.")):
        frame = frame.f_back
    return frame is not None and (_module(frame), frame.f_code.co_name) == (module, function)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


Ended = Callable[[Any, Unit, bool], None]
"""Called with the connection, the unit and whether it was committed."""


def watch_transactions(connection_class: Any, ended: Ended) -> dict[str, Callable[..., Any]]:
    """Wrappers for the methods of `Connection` that begin and end transactions, by name; only
    those that this version of SQLAlchemy has."""
    rows = {
        "_begin_impl": _beginning,
        "_begin_twophase_impl": _beginning,
        "_commit_impl": _ending(ended, committed=True),
        "_commit_twophase_impl": _ending(ended, committed=True),
        "_rollback_impl": _ending(ended, committed=False),
        "_rollback_twophase_impl": _ending(ended, committed=False),
        "_savepoint_impl": _saving,
        "_release_savepoint_impl": _unsaving(ended, committed=True),
        "_rollback_to_savepoint_impl": _unsaving(ended, committed=False),
    }
    return {
        name: wrap(getattr(connection_class, name))
        for name, wrap in rows.items()
        if hasattr(connection_class, name)
    }


def _beginning(original: Callable[..., Any]) -> Callable[..., Any]:
    def begin(connection: Any, *arguments: Any, **named: Any) -> Any:
        is_ours = not _is_ping(sys._getframe(1))  # noqa: SLF001 - as in the hot path
        connection.__dict__[UNIT] = Unit(block_kind.get(), is_ours=is_ours)
        return original(connection, *arguments, **named)

    return begin


def _ending(ended: Ended, *, committed: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def end(connection: Any, *arguments: Any, **named: Any) -> Any:
            given = original(connection, *arguments, **named)
            unit = connection.__dict__.pop(UNIT, None)
            if unit is not None:
                ended(connection, unit, committed)
            return given

        return end

    return wrap


_SAVES = "_auditor_savepoints"


def _saving(original: Callable[..., Any]) -> Callable[..., Any]:
    def save(connection: Any, *arguments: Any, **named: Any) -> Any:
        given = original(connection, *arguments, **named)
        unit = Unit(SAVEPOINT)
        unit.places = tuple(places_from(sys._getframe(1)))  # noqa: SLF001 - as in the hot path
        connection.__dict__.setdefault(_SAVES, []).append(unit)
        return given

    return save


def _unsaving(
    ended: Ended, *, committed: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def unsave(connection: Any, *arguments: Any, **named: Any) -> Any:
            given = original(connection, *arguments, **named)
            saves = connection.__dict__.get(_SAVES)
            if saves:
                ended(connection, saves.pop(), committed)
            return given

        return unsave

    return wrap


def watch_blocks(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for enginefacade's `_transaction_scope(manager, context)`: names the kind of block
    while it is open. A block that joins one already open keeps the kind of the outer one."""

    @contextlib.contextmanager
    def scope(manager: Any, context: Any) -> Iterator[Any]:
        kind = _kind_of_block(manager, context)
        token = block_kind.set(kind) if kind else None
        try:
            with original(manager, context) as resource:
                yield resource
        finally:
            if token is not None:
                with contextlib.suppress(ValueError):  # left in another task than entered
                    block_kind.reset(token)

    return scope


def _kind_of_block(manager: Any, context: Any) -> str:
    """The kind if this block begins a transaction of its own, else empty. Never raises."""
    try:
        facade = sys.modules[FACADE]
        mode = manager._mode.name.strip("_").lower().replace("_", " ")  # noqa: SLF001 - feature-tested
        open_blocks = facade._transaction_contexts_by_thread(context)  # noqa: SLF001
        if manager._independent:  # noqa: SLF001
            return f"independent {mode}"
        joins = getattr(open_blocks, "current", None) is not None
        return "" if joins else str(mode)
    except Exception:  # noqa: BLE001 - a listener of ours must not raise into the program
        return ""
