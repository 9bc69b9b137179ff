"""oslo.db's enginefacade blocks: which one is open here, where it was entered, what it joins."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any

from auditor.runtime.sites import Place, package_of
from auditor.runtime.trouble import trouble
from auditor.runtime.whereabouts import user_place

FACADE = "oslo_db.sqlalchemy.enginefacade"
ASYNC_FACADE = "oslo_db.sqlalchemy.asyncio_facade"


class Block:
    """A block that began a transaction of its own, or will. `kind` is `writer`, `reader`,
    `async reader`, `independent writer` or `independent reader`."""

    __slots__ = ("is_open", "kind", "outer", "place")

    def __init__(self, kind: str, place: Place | None, outer: Block | None) -> None:
        self.kind = kind
        self.place = place
        self.outer = outer
        self.is_open = True


_current: ContextVar[Block | None] = ContextVar("auditor_block", default=None)

Entered = Callable[[Block, Any], None]
"""Called with an independent block that is entered inside another one, and with the frame."""


def block_here() -> Block | None:
    """The outermost block that is open here and begins transactions."""
    found = _current.get()
    return found if found is not None and found.is_open else None


def watch_blocks(original: Callable[..., Any], entered: Entered) -> Callable[..., Any]:
    """A wrapper for enginefacade's `_transaction_scope(manager, context)`: names the block while
    it is open. A block that joins one already open changes nothing."""

    @contextlib.contextmanager
    def scope(manager: Any, context: Any) -> Iterator[Any]:
        opened = _open(manager, context, "_transaction_contexts_by_thread", FACADE, entered)
        try:
            with original(manager, context) as resource:
                yield resource
        finally:
            _close(opened)

    return scope


def watch_async_blocks(original: Callable[..., Any], entered: Entered) -> Callable[..., Any]:
    """The same for `_async_transaction_scope` of oslo.db's asyncio facade."""

    @contextlib.asynccontextmanager
    async def scope(manager: Any, context: Any) -> AsyncIterator[Any]:
        by_task = "_transaction_contexts_by_coroutine"
        opened = _open(manager, context, by_task, ASYNC_FACADE, entered)
        try:
            async with original(manager, context) as resource:
                yield resource
        finally:
            _close(opened)

    return scope


Opened = tuple[Block, Token[Any]]


def _open(
    manager: Any, context: Any, contexts_by: str, facade: str, entered: Entered
) -> Opened | None:
    """Makes the block known if it begins a transaction of its own. Never raises."""
    try:
        kind = _kind(manager, getattr(sys.modules[facade], contexts_by)(context))
        if not kind:
            return None
        frame = sys._getframe(2)  # noqa: SLF001 - the block's caller
        outer = block_here()
        block = Block(kind, _place(frame), outer)
        if outer is not None and kind.startswith("independent"):
            entered(block, frame)
        return block, _current.set(block)
    except Exception as error:  # noqa: BLE001 - a listener of ours must not raise
        trouble.note("enginefacade blocks", error)
        return None


def _close(opened: Opened | None) -> None:
    if opened is None:
        return
    block, token = opened
    block.is_open = False
    with contextlib.suppress(ValueError):  # left in another task than entered
        _current.reset(token)


def _kind(manager: Any, contexts: Any) -> str:
    """The kind if this block begins a transaction of its own, else empty."""
    mode = str(manager._mode.name.strip("_").lower().replace("_", " "))  # noqa: SLF001 - as enginefacade does
    if manager._independent:  # noqa: SLF001
        return f"independent {mode}"
    return "" if getattr(contexts, "current", None) is not None else mode


def _place(frame: Any) -> Place | None:
    """The line of the block; of a decorated function its definition."""
    start = frame
    while start is not None and package_of(start.f_code) in {"stdlib", "auditor"}:
        start = start.f_back
    if start is not None and package_of(start.f_code) == "oslo_db":
        decorated = getattr(start.f_locals.get("fn"), "__code__", None)
        if decorated is not None:
            return (decorated, -1)
    return user_place(frame)
