"""Where the program is, asked at moments that are rare: which thread, greenlet or task runs here,
and which line of the user's code is innermost."""

from __future__ import annotations

import _thread
import sys
from types import FrameType
from typing import Any

from auditor.runtime.sites import Place, frame_behind_greenlet, is_generated, is_users_own

try:
    import greenlet  # type: ignore[import-untyped]
except ModuleNotFoundError:  # SQLAlchemy without its asyncio part, and no eventlet
    greenlet = None

Here = tuple[int, int]
"""A thread, and the task or greenlet in it."""

_get_ident = _thread.get_ident


def here() -> Here:
    """What runs: two moments with the same answer follow each other, they never are at once."""
    task = running_task()
    if task is not None:
        return (_get_ident(), id(task))
    return (_get_ident(), 0 if greenlet is None else id(greenlet.getcurrent()))


def running_task() -> Any:
    """The asyncio task that runs here, None outside of one."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:  # noqa: SLF001 - as asyncio's own C code
        return None
    return asyncio.current_task()


def user_place(frame: FrameType | None) -> Place | None:
    """The innermost line of the user's program from a frame outwards, across `await`."""
    found = _first_of_user(frame)
    if found is None and greenlet is not None:
        found = _first_of_user(frame_behind_greenlet())
    return found


def _first_of_user(frame: FrameType | None) -> Place | None:
    while frame is not None:
        if is_users_own(frame.f_code) and not is_generated(frame):
            return (frame.f_code, frame.f_lasti)
        frame = frame.f_back
    return None
