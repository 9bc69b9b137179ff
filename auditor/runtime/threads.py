"""Sessions and connections that several threads or tasks use at once.

Handing one over is legitimate: to a thread that is waited for, from one that has done its part.
So when another thread than the last one uses it, the last one is looked at: it must be alive, be in
the program's own code, and not wait for a thread, a future or an event loop.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from auditor.runtime.sites import is_users_own, package_of

USER = "_auditor_user"
"""Attribute of a session: the thread that used it last, until it is closed."""
MOST_CROSSINGS = 100  # looked at for one transaction

_WAITS = frozenset(
    """
    join _wait_for_tstate_lock result exception as_completed shutdown _worker select _run_once
    run_until_complete run_forever
    """.split()
)
"""Functions of the standard library in which a thread waits for others to do their part."""


def is_at_work(thread: int) -> bool:
    """Says whether a thread is in the program's code and does not wait for another one."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - what a debugger uses
    if frame is None or not any(one.ident == thread for one in threading.enumerate()):
        return False
    if any(name in _WAITS for name in _innermost(frame)):
        return False
    while frame is not None:
        if is_users_own(frame.f_code):
            return True
        frame = frame.f_back
    return False


def _innermost(frame: FrameType | None) -> Iterator[str]:
    """The functions of the standard library in which a thread is, out to the first other one."""
    while frame is not None and package_of(frame.f_code) == "stdlib":
        yield frame.f_code.co_name
        module = str(frame.f_globals.get("__name__", ""))
        if module == "queue" or (module.startswith("concurrent.") and is_wait(frame)):
            yield "result"
        frame = frame.f_back


def is_wait(frame: FrameType) -> bool:
    """Says whether a frame is of a function that waits for several others."""
    return frame.f_code.co_name in {"wait", "as_completed"}


def is_task_at_work(task: Any, now: Any) -> bool:
    """Says whether an asyncio task is in progress and does not wait for others, such as `now`."""
    if task is None or task is now or task.done():
        return False
    awaited = task.get_coro()
    names = set()
    while awaited is not None:
        code = getattr(awaited, "cr_code", None)
        if code is not None and package_of(code) == "stdlib":
            names.add(code.co_name)
        awaited = getattr(awaited, "cr_await", None)
    waiter = getattr(task, "_fut_waiter", None)
    waits_for = (waiter, *getattr(waiter, "_children", ()))
    return not (names & {"wait", "_wait", "wait_for", "__aexit__", "gather"} or now in waits_for)
