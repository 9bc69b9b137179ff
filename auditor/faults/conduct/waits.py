"""Retry libraries do not wait between tries while a call is failed; what they would have is summed.

That they wait is not in question, and a back-off of oslo.db's default lasts minutes.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from auditor.runtime.seam import Patches

_SLEEPERS = (("oslo_db.api", "time"), ("tenacity.nap", "time"), ("backoff._sync", "time"))
"""Modules that wait between tries, and their name for the module `time`."""
_THROWERS_OF_DICE = (("oslo_db.api", "random"), ("tenacity.wait", "random"))
"""Modules that choose by chance how long to wait, and their name for the module `random`."""
_ASYNC_SLEEPERS = frozenset({"tenacity", "backoff"})
"""Packages whose coroutines wait between tries with `asyncio.sleep`."""
_LONGEST_WAIT = 0.001  # seconds


class Waits:
    """How long a run would have waited between tries, in seconds."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0

    def cut(self, seconds: float) -> float:
        """How long to wait instead."""
        self.seconds += max(0.0, seconds)
        return min(seconds, _LONGEST_WAIT)


@contextmanager
def no_waiting(waits: Waits) -> Iterator[None]:
    """Retry libraries sleep for a millisecond at most."""
    patches = Patches()
    for module, name in _SLEEPERS:
        own = getattr(sys.modules.get(module), name, None)
        if own is not None:
            patches.put(sys.modules[module], name, _impatient(own, waits))
    for module, name in _THROWERS_OF_DICE:
        own = getattr(sys.modules.get(module), name, None)
        if own is not None:
            patches.put(sys.modules[module], name, _even(own))
    patches.put(asyncio, "sleep", _impatient_coroutine(asyncio.sleep, waits))
    try:
        yield
    finally:
        patches.undo()


def _impatient(own: Any, waits: Waits) -> Any:
    """The module `time` with a short sleep."""

    def sleep(seconds: float) -> None:
        own.sleep(waits.cut(seconds))

    return SimpleNamespace(**{**vars(own), "sleep": sleep})


def _even(own: Any) -> Any:
    """The module `random`, whose choice between two numbers is their mean: equal runs wait as
    long."""
    return SimpleNamespace(**{**vars(own), "uniform": lambda low, high: (low + high) / 2})


def _impatient_coroutine(
    own: Callable[..., Awaitable[Any]], waits: Waits
) -> Callable[..., Awaitable[Any]]:
    """`asyncio.sleep`, short for retry libraries only."""

    @functools.wraps(own)
    async def sleep(delay: float, *arguments: Any, **named: Any) -> Any:
        caller = sys._getframe(1)  # noqa: SLF001 - whoever awaits
        package = str(caller.f_globals.get("__name__", "")).partition(".")[0]
        return await own(
            waits.cut(delay) if package in _ASYNC_SLEEPERS else delay, *arguments, **named
        )

    return sleep
