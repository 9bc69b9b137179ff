"""Which frames of a test's run are the test's own, and which calls it makes into the program.

The test's own are its function, what has the test case for `self`, and what stands in the files of
the test and in `conftest.py`. (Where they hold all there is, as in a script, they hold the program
too: then the function and the test case are the test.) A *step* is one call from there into the
program, with all that it executes:

    def test_delete(self):                          steps
        self.create_label("a")                          .       self is the test case
            -> plugin.create_label(...)                 1
        with self.assertRaises(NotFound):
            plugin.delete_label(context, "b")           2
        session.scalars(select(Label)).all()            3       the test itself sends it

What a fault does is judged by its step: that the steps before it have stored something is no half
commit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from auditor.faults.verdicts.judge import chain, is_database_error
from auditor.runtime.sites import frame_behind_greenlet, is_library

_CONFTEST = "conftest.py"
_CHECKERS = frozenset({"webtest", "hamcrest", "assertpy", "testtools", "_pytest", "pytest"})
"""Packages whose own errors say that a check of the test has failed."""
_FAILED_STATUS = 400
_STATUS_NAMES = ("status_int", "status_code", "status", "code")


@dataclass(frozen=True, slots=True, eq=False)
class TestSide:
    """The test: the code of its function, the object it is a method of (None for a function), and
    the files of both. `is_alone`: what else stands in these files is the program under test."""

    function: CodeType | None
    instance: Any
    files: frozenset[str]
    is_alone: bool = False

    def has(self, frame: FrameType) -> bool:
        """Whether the frame is the test's own."""
        code = frame.f_code
        if code is self.function or (not self.is_alone and self.has_file(frame)):
            return True
        names = code.co_varnames[:1]
        if self.instance is None or names not in (("self",), ("cls",)):
            return False
        owner = frame.f_locals.get(names[0])
        return owner is self.instance or owner is type(self.instance)

    def has_file(self, frame: FrameType) -> bool:
        """Whether the frame is of a file that the test is written in."""
        name = frame.f_code.co_filename
        return name in self.files or os.path.basename(name) == _CONFTEST


class Steps:
    """Numbers the steps of a run from 1, as statements come."""

    def __init__(self, side: TestSide, boundary: CodeType) -> None:
        self._side = side
        self._boundary = boundary
        self._last: object = None
        self.number = 0
        self.is_tests_own = False

    def look(self) -> bool:
        """Takes in the statement or COMMIT that is about to run; says whether a step begins."""
        frame, caller = self._entry()
        if caller is None:  # of a thread: of the step that goes on
            return not self.number and self._begin(object())
        self.is_tests_own = frame is None
        mark = _mark_of(frame) if frame is not None else (id(caller), caller.f_lasti)
        return mark != self._last and self._begin(mark)

    def _begin(self, mark: object) -> bool:
        self._last = mark
        self.number += 1
        return True

    def _entry(self) -> tuple[FrameType | None, FrameType | None]:
        """The frame of the program that the test called, None if there is none between the test
        and the database library; and the frame of the test that did."""
        entry: FrameType | None = None
        for frame in _frames(self._boundary):
            if is_library(frame.f_code):
                continue
            if self._side.has(frame):
                return entry, frame
            entry = frame
        return entry, None


def _frames(boundary: CodeType) -> Iterator[FrameType]:
    """From here out to the run, through a greenlet."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only cheap way
    for start in (frame, frame_behind_greenlet()):
        frame = start
        while frame is not None:
            if frame.f_code is boundary:
                return
            yield frame
            frame = frame.f_back


def _mark_of(frame: FrameType) -> object:
    """An object of this frame alone, as long as it runs. A frame's `id` is used again by the next
    call, and holding the frame would keep its sessions alive; what it would be traced with is of
    no use while nobody traces."""
    if sys.gettrace() is not None:
        return id(frame)
    if frame.f_trace is None:  # what marks frames in `repeated` will do as well
        frame.f_trace = _Mark()
    return frame.f_trace


class _Mark:
    """A trace function that traces nothing, should tracing begin."""

    def __call__(self, *event: object) -> None:
        return None


class HeldBack(AssertionError):  # noqa: N818 - a failure of a check, like those of tests
    """A check failed and the test went on, as in a subtest."""


@dataclass(frozen=True, slots=True, eq=False)
class Noticed:
    """A check of the test failed: the program had returned. `status` is that of the response it
    had given, 0 if there is none. `cause` is what the program had raised into the test, if the
    check failed in handling it."""

    status: int
    cause: BaseException | None


def noticed(error: BaseException, side: TestSide, shown: Sequence[BaseException]) -> Noticed | None:
    """What it means that the test ends with `error`; None if the program raised it."""
    if isinstance(error, HeldBack):
        return Noticed(0, None)
    if is_database_error(error):
        return None
    frames = [frame for frame in _raised_through(error) if not is_library(frame.f_code)]
    while frames and _is_of_checker(frames[-1], error):
        frames.pop()
    if not frames or not _is_check(error, frames[-1], side):
        return None
    made_of = {id(one) for each in shown for one in chain(each)}
    cause = error.__cause__ or error.__context__
    if cause is not None and not {id(one) for one in chain(cause)}.isdisjoint(made_of):
        return Noticed(0, cause)
    tests = [frame for frame in frames if side.has(frame) or side.has_file(frame)]
    return Noticed(_status(error, tests), None)


def _is_check(error: BaseException, frame: FrameType, side: TestSide) -> bool:
    is_assertion = isinstance(error, AssertionError)
    return side.has(frame) or (is_assertion and side.has_file(frame))


def _is_of_checker(frame: FrameType, error: BaseException) -> bool:
    package = type(error).__module__.partition(".")[0]
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return package == top and package in _CHECKERS


def _raised_through(error: BaseException) -> list[FrameType]:
    """The frames of the traceback, outermost first."""
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


def _status(error: BaseException, frames: list[FrameType]) -> int:
    """The HTTP status, 400 or more, that the error or a response in the test's variables has; the
    innermost frame and the latest variable first. 0 if there is none."""
    values = [value for frame in frames for value in frame.f_locals.values()]
    responses = [value for value in values if _own(value, "headers") is not None]
    for value in (error, *reversed(responses)):
        for name in _STATUS_NAMES:
            found = _own(value, name)
            if type(found) is int and _FAILED_STATUS <= found < 600:  # noqa: PLR2004 - HTTP
                return found
    return 0


def _own(value: object, name: str) -> object:
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - a property of the program's own making
        return None
