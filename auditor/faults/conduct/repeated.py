"""What was called again because of a fault: the calls of a run as a tree, held against another's.

    Call                                 one call of one function that led to a statement
      (instruction, code) -> [Call]      the calls it made from one place, in order
      instruction -> [statement]         the statements it executed itself

A retry of any make (oslo.db, tenacity, backoff, a loop by hand) is a call that has more calls from
one place than it has without the fault. Frames are told apart by a mark in their `f_trace`, which
nothing reads while no trace function is set: to hold the frames themselves would keep the
program's objects alive, and their ids are used again at once.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.aim.shots import Executed
from auditor.faults.strike.inject import Watch
from auditor.model.outcome import Retried
from auditor.model.span import Frame
from auditor.model.tape import UNKNOWN_FRAME
from auditor.runtime.sites import (
    frame_at,
    frame_behind_greenlet,
    is_generated,
    is_library,
    is_users_own,
    package_of,
)

_PASSES_ON = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_STATEMENT, _COMMIT = "statements", "commits"

Work = tuple[str, int]
"""A statement or COMMIT, as its place in the watch's list of such."""
CallKey = tuple[int, str, int, str]
"""The instruction that calls; file, line and name of the function that is called."""


class Call:
    """One call. `calls` and `work` are by the instruction they were made from; `first` is the
    first work done in it; `struck` tells that a fault struck in it."""

    __slots__ = ("calls", "code", "first", "struck", "tree", "work")

    def __init__(self, code: CodeType, tree: CallTree, first: Work) -> None:
        self.code = code
        self.tree = tree
        self.first = first
        self.struck = False
        self.calls: dict[tuple[int, CodeType], list[Call]] = {}
        self.work: dict[int, list[Work]] = {}


class CallTree:
    """The calls of one run, from the call of the workload (`boundary`) down to its statements."""

    def __init__(self, watch: Watch, boundary: CodeType) -> None:
        self._watch = watch
        self._boundary = boundary
        self.root = Call(boundary, self, (_STATEMENT, 0))
        self._last: list[Call] = []
        self._last_work: Work | None = None
        self._fired = 0
        self._is_growing = False
        self._struck_work: Work | None = None

    @property
    def struck_work(self) -> Work | None:
        """What the fault struck first."""
        return self._struck_work

    def executed(self, work: Work) -> Executed | None:
        """What the watch knows of a work; None if it did not see it."""
        done: Sequence[Executed] = getattr(self._watch, work[0])
        return done[work[1]] if work[1] < len(done) else None

    @contextmanager
    def growing(self) -> Iterator[None]:
        """Note the calls around each statement and COMMIT while the block runs."""
        if sys.gettrace() is not None:  # a debugger's or coverage's: the marks are theirs
            yield
            return
        listeners: tuple[tuple[str, Callable[..., None]], ...] = (
            ("before_cursor_execute", self._on_statement),
            ("commit", self._on_commit),
        )
        for name, listener in listeners:
            event.listen(sa.engine.Engine, name, listener)
        self._is_growing = True
        try:
            yield
        finally:
            self._is_growing = False
            for name, listener in listeners:
                event.remove(sa.engine.Engine, name, listener)
            self._notice_strike()
            self._last = []

    def _on_statement(self, *_: Any) -> None:
        self._note((_STATEMENT, len(self._watch.statements)))

    def _on_commit(self, *_: Any) -> None:
        self._note((_COMMIT, len(self._watch.commits)))

    def _note(self, work: Work) -> None:
        self._notice_strike()
        self._last, self._last_work = [], work
        frames = _frames_inside(self._boundary)
        if not frames:
            return  # in another thread
        parent, at = self.root, frames[-1].f_lasti
        self._last.append(parent)
        for frame in reversed(frames[:-1]):
            if not _counts(frame.f_code) or is_generated(frame):
                continue
            call = self._call_of(frame, work)
            siblings = parent.calls.setdefault((at, call.code), [])
            if all(call is not one for one in siblings[::-1]):
                siblings.append(call)
            self._last.append(call)
            parent, at = call, frame.f_lasti
        parent.work.setdefault(at, []).append(work)

    def call_of(self, frame: FrameType) -> Call | None:
        """The call that a frame is of, which may not have come to a statement yet; None while the
        tree does not grow."""
        if not self._is_growing:
            return None
        return self._call_of(frame, (_STATEMENT, len(self._watch.statements)))

    def _call_of(self, frame: FrameType, work: Work) -> Call:
        mark: Any = frame.f_trace
        if isinstance(mark, Call) and mark.tree is self:
            return mark
        call = mark = Call(frame.f_code, self, work)
        frame.f_trace = mark
        return call

    def _notice_strike(self) -> None:
        """The watch strikes after the work was noted: that it did is seen at the next work."""
        if self._watch.fired > self._fired:
            self._fired = self._watch.fired
            self._struck_work = self._struck_work or self._last_work
            for call in self._last:
                call.struck = True


@dataclass(frozen=True, slots=True)
class Called:
    """A call as it is kept when the run is over: plain values, to be compared and pickled.

    `function` is where it is defined. `loops`: what it repeats it repeats by a loop of its own, as
    no decorator does, which passes all arguments on. `signature` is that of the first work in it;
    `work` has all that it did itself, by instruction. `struck` tells that a fault struck in it,
    `struck_at` and `struck_work` what that was if the call did it itself."""

    function: Frame
    is_users: bool
    loops: bool
    signature: int
    struck: bool
    calls: Mapping[CallKey, tuple[Called, ...]]
    work: Mapping[int, tuple[int, ...]]
    struck_at: int = -1
    struck_work: int = 0


NOTHING_CALLED = Called(
    UNKNOWN_FRAME, is_users=False, loops=False, signature=0, struck=False, calls={}, work={}
)


def kept(tree: CallTree, root: str) -> Called:
    """The calls of a run that is over; paths are relative to `root`."""
    return _kept(tree, tree.root, root)


def _kept(tree: CallTree, call: Call, root: str) -> Called:
    struck_at = next((at for at, works in call.work.items() if tree.struck_work in works), -1)
    return Called(
        function=frame_at((call.code, -1), root),
        is_users=is_users_own(call.code),
        loops=is_users_own(call.code) and not call.code.co_flags & _PASSES_ON,
        signature=_signature(tree, call.first),
        struck=call.struck,
        calls={
            (at, code.co_filename, code.co_firstlineno, code.co_name): tuple(
                _kept(tree, one, root) for one in calls
            )
            for (at, code), calls in call.calls.items()
        },
        work={at: tuple(_signature(tree, one) for one in all_) for at, all_ in call.work.items()},
        struck_at=struck_at,
        struck_work=_signature(tree, tree.struck_work) if struck_at >= 0 else 0,
    )


def _signature(tree: CallTree, work: Work | None) -> int:
    executed = tree.executed(work) if work else None
    return executed.signature if executed else 0


def repeated_calls(run: Called, expected: Called) -> tuple[Retried, ...]:
    """What was called more often than without the fault, innermost first: of the calls in which
    the fault struck first, those that came again from the same place."""
    found: list[Retried] = []
    call, other = run, expected
    while True:
        key, place = _struck_place(call)
        if key is None:
            break
        calls, others = call.calls[key], other.calls.get(key, ())
        extra = _extra(calls, others, place)
        if extra > 0:
            whose = call if call.loops else _users(calls[place])
            found.insert(0, Retried(whose.function, 1 + extra))
        call, other = calls[place], others[place] if place < len(others) else NOTHING_CALLED
    own = call.work.get(call.struck_at, ())
    again = own.count(call.struck_work) - max(
        1, other.work.get(call.struck_at, ()).count(call.struck_work)
    )
    if again > 0:
        found.insert(0, Retried(call.function, 1 + again))
    return tuple(found)


def tries(retried: Sequence[Retried]) -> int:
    """How often the innermost was tried in all: nested retries multiply."""
    return math.prod(one.attempts for one in retried)


def _struck_place(call: Called) -> tuple[CallKey | None, int]:
    for key, calls in call.calls.items():
        for place, one in enumerate(calls):
            if one.struck:
                return key, place
    return None, 0


def _extra(calls: Sequence[Called], others: Sequence[Called], place: int) -> int:
    """Calls beyond those without the fault; of those that begin with the same work too, for a
    loop that ends when its retries are spent."""
    signature = calls[place].signature
    same = sum(one.signature == signature for one in calls)
    before = sum(one.signature == signature for one in others)
    return max(len(calls) - max(1, len(others)), same - max(1, before))


def _users(call: Called) -> Called:
    """The first function of the program in a call and the struck calls in it; else the call."""
    inner = call
    while not inner.is_users:
        key, place = _struck_place(inner)
        if key is None:
            return call
        inner = inner.calls[key][place]
    return inner


def _frames_inside(boundary: CodeType) -> list[FrameType]:
    """The frames from here out to that of the boundary, it included; empty if it is not there."""
    found: list[FrameType] = []
    for start in (sys._getframe(2), frame_behind_greenlet):  # noqa: SLF001 - the only cheap way
        frame = start() if callable(start) else start
        while frame is not None:
            found.append(frame)
            if frame.f_code is boundary:
                return found
            frame = frame.f_back
    return []


@lru_cache(maxsize=65_536)
def _counts(code: CodeType) -> bool:
    """Whether a function is the program's, or of a library that may call the program's again."""
    return not is_library(code) or package_of(code) == "oslo_db"
