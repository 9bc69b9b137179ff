"""Retry decorators at work: which attempt runs, and what the earlier ones failed with.

Nothing is known of a call that succeeds at once, and nothing is spent on it. What is read when one
fails, with the versions it was read in:

    oslo.db 18      wrap_db_retry's `wrapper` asks `self._is_exception_expected(error)`; its local
                    names are `f`, `self`, `remaining`
    tenacity 9      `RetryCallState.prepare_for_next_attempt` is called before each further attempt
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from auditor.runtime.sites import Place
from auditor.runtime.trouble import kept_from_program

OSLO = "oslo_db.api"
TENACITY = "tenacity"


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed. `number` counts from 1; `goes_on` tells that another one follows."""

    function: Place | None
    number: int
    error: str
    goes_on: bool
    within: Place | None
    frame: FrameType
    """That of the retry decorator; not to be kept."""


Failed = Callable[[Failure], None]


class _Retries:
    """Whether any call was repeated in this process since recording began."""

    __slots__ = ("any",)

    def __init__(self) -> None:
        self.any = False


_retries = _Retries()


def attempt_of(frame: FrameType | None) -> int:
    """Which attempt of the innermost retry decorator runs here; 1 without one."""
    if not _retries.any:
        return 1
    return next((number for _, number in _running(frame)), 1)


def _running(frame: FrameType | None) -> Iterator[tuple[Place | None, int]]:
    """The retried functions from a frame outwards, with the number of their attempt."""
    while frame is not None:
        if frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == OSLO:
            names = frame.f_locals
            if "remaining" in names:
                number = names["self"].max_retries - names["remaining"] + 1
                yield _definition(names.get("f")), number
        elif frame.f_code.co_name == "__call__" and _is_tenacity(frame):
            state = frame.f_locals.get("retry_state")
            yield _definition(getattr(state, "fn", None)), getattr(state, "attempt_number", 1)
        frame = frame.f_back


def _is_tenacity(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == TENACITY


def _definition(function: Any) -> Place | None:
    """Where the function that decorators stand around is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return (code, -1) if isinstance(code, CodeType) else None


def watch_oslo(original: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    """A wrapper for `wrap_db_retry._is_exception_expected`."""

    def is_expected(retry: Any, error: BaseException) -> Any:
        expected = original(retry, error)
        frame = sys._getframe(1)  # noqa: SLF001 - the retry's own
        with kept_from_program("retries"):
            if "remaining" in frame.f_locals:
                function, number = next(_running(frame))
                goes_on = bool(expected) and frame.f_locals["remaining"] > 0
                _note(failed, function, number, _name_of(error), goes_on=goes_on, frame=frame)
        return expected

    return is_expected


def watch_tenacity(original: Callable[..., Any], failed: Failed) -> Callable[..., Any]:
    """A wrapper for `RetryCallState.prepare_for_next_attempt`."""

    def prepare(state: Any, *arguments: Any, **named: Any) -> Any:
        with kept_from_program("retries"):
            error = state.outcome.exception() if state.outcome is not None else None
            if error is not None and state.fn is not None and _is_of_database(error):
                frame = sys._getframe(1)  # noqa: SLF001 - tenacity's own
                number = state.attempt_number
                function = _definition(state.fn)
                _note(failed, function, number, _name_of(error), goes_on=True, frame=frame)
        return original(state, *arguments, **named)

    return prepare


def _note(
    failed: Failed,
    function: Place | None,
    number: int,
    error: str,
    *,
    goes_on: bool,
    frame: FrameType,
) -> None:
    if not goes_on and number == 1:
        return  # an error like any other: nothing was repeated
    _retries.any = True
    outer = [place for place, _ in _running(frame.f_back) if place != function]
    failed(Failure(function, number, error, goes_on, outer[0] if outer else None, frame))


def _is_of_database(error: BaseException | None) -> bool:
    while error is not None:
        packages = {cls.__module__.split(".")[0] for cls in type(error).__mro__}
        if packages & {"sqlalchemy", "oslo_db"}:
            return True
        error = error.__cause__ or error.__context__
    return False


def _name_of(error: BaseException) -> str:
    inner = getattr(error, "inner_exc", None)  # of a RetryRequest
    if isinstance(inner, BaseException):
        return f"{_name_of(inner)} (as RetryRequest)"
    return f"{type(error).__module__}.{type(error).__qualname__}"
