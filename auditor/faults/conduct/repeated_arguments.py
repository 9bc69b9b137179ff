"""What retried functions were given, at the first try and at each next one.

A retry decorator calls its function again with the objects it was called with. What the first try
changed in them is what the next one begins from, unless the decorator copies them, as neutron-lib's
do with dicts, lists and sets. Watched are

    tenacity                     `Retrying.__call__` and `AsyncRetrying.__call__`
    oslo.db, backoff, one's own  functions that loop, catch errors and hold another function in a
                                 cell: the cell holds a watching one while the call runs

The receiver of a method is not looked at: it is expected to live on.
"""

from __future__ import annotations

import dis
import functools
import gc
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CellType, CodeType, FunctionType
from typing import Any

from auditor.faults.conduct.contents import Contents, changed, contents_of, grown
from auditor.faults.conduct.repeated import Call, CallTree
from auditor.model.span import Frame
from auditor.runtime.seam import Patches
from auditor.runtime.sites import frame_at, is_library, package_of

_TENACITY = (("tenacity", "Retrying"), ("tenacity.asyncio", "AsyncRetrying"))
_MOST_CALLS = 500
"""Calls of retried functions looked at in one run."""
_MOST_TOLD = 3
_VARYING = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|datetime\.[a-z]+\([^()]*\)")
_LONGEST = 60  # characters


class Given:
    """A function's arguments, by name and place, when it was first tried, at each next try, and
    `left` when the last one was over. `objects` are the ids of the arguments, which its caller
    holds."""

    __slots__ = ("first", "function", "has_failed", "later", "left", "objects")

    def __init__(self, function: Any, objects: tuple[int, ...], first: Contents) -> None:
        self.function = function
        self.objects = objects
        self.first = self.left = first
        self.later: list[Contents] = []
        self.has_failed = False


class ArgumentsSeen:
    """What was given in one run: for each call of a retry decorator, in order."""

    def __init__(self, tree: CallTree) -> None:
        self.given: list[Given] = []
        self._tree = tree
        self._of_call: dict[Call, Given] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the arguments of retried functions while the block runs."""
        patches = Patches()
        for module, name in _TENACITY:
            owner = getattr(sys.modules.get(module), name, None)
            if owner is not None:
                patches.put(owner, "__call__", self._of_tenacity(vars(owner)["__call__"]))
        cells = [(cell, cell.cell_contents) for cell in _cells_of_retries()]
        for cell, original in cells:
            cell.cell_contents = self._watched(original)
        try:
            yield
        finally:
            for cell, original in cells:
                cell.cell_contents = original
            patches.undo()

    def _of_tenacity(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(retrying: Any, function: Any, *arguments: Any, **named: Any) -> Any:
            return original(retrying, self._watched(function), *arguments, **named)

        return call

    def _watched(self, function: Any) -> Any:
        """A function that looks at its arguments and calls the other one."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call(*arguments: Any, **named: Any) -> Any:
                given = self._tried(function, arguments, named)
                try:
                    result = await function(*arguments, **named)
                except BaseException:
                    self._over(given, arguments, named, failed=True)
                    raise
                self._over(given, arguments, named, failed=False)
                return result

        else:

            @functools.wraps(function)
            def call(*arguments: Any, **named: Any) -> Any:
                given = self._tried(function, arguments, named)
                try:
                    result = function(*arguments, **named)
                except BaseException:
                    self._over(given, arguments, named, failed=True)
                    raise
                self._over(given, arguments, named, failed=False)
                return result

        return call

    def _tried(
        self, function: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Given | None:
        """Note the arguments of a try; None if they are not looked at. Never raises."""
        call = self._tree.call_of(sys._getframe(2))  # noqa: SLF001 - the decorator's
        if call is None or len(self.given) >= _MOST_CALLS:
            return None
        objects = tuple(map(id, (*arguments, *named.values())))
        now = _contents(function, arguments, named)
        given = self._of_call.get(call)
        if given is not None and given.has_failed and given.objects == objects:
            given.later.append(now)
            return given
        given = self._of_call[call] = Given(function, objects, now)
        self.given.append(given)
        return given

    def _over(
        self,
        given: Given | None,
        arguments: tuple[Any, ...],
        named: Mapping[str, Any],
        *,
        failed: bool,
    ) -> None:
        if given is not None:
            given.has_failed = failed
            given.left = _contents(given.function, arguments, named)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a retried function was given, as it is kept when the run is over: see `Given`."""

    function: Frame
    first: Contents
    later: tuple[Contents, ...]
    left: Contents


def kept_arguments(seen: ArgumentsSeen, root: str) -> tuple[Kept, ...]:
    """What was given in a run, in the order of the calls."""
    found = []
    for given in seen.given:
        code = _code(given.function)
        function = frame_at((code, -1) if code else None, root)
        found.append(Kept(function, given.first, tuple(given.later), given.left))
    return tuple(found)


def changed_arguments(run: Sequence[Kept], expected: Sequence[Kept]) -> tuple[str, ...]:
    """What a try had changed in the arguments before the next one began, in words. What was only
    filled in, and is at the end as without a fault, is not told."""
    found: list[str] = []
    for number, given in enumerate(run):
        told = list(dict.fromkeys(one for now in given.later for one in changed(given.first, now)))
        if not told and any(grown(given.first, now) for now in given.later):
            told = _left_otherwise(given, expected[number : number + 1])
        found += [f"changed an argument: {one}: {given.function}" for one in told[:_MOST_TOLD]]
    return tuple(dict.fromkeys(found))


def _left_otherwise(given: Kept, expected: Sequence[Kept]) -> list[str]:
    """What the call left in its arguments, and would not have without the fault."""
    if not expected or expected[0].function != given.function:
        return []
    wanted = expected[0].left
    return [
        f"`{place}` was left as {text[:_LONGEST]} instead of {wanted.get(place, 'none')[:_LONGEST]}"
        for place, text in given.left.items()
        if _same_each_time(text) != _same_each_time(wanted.get(place, ""))
    ]


def _same_each_time(text: str) -> str:
    """A text without ids and times, which differ from run to run."""
    return _VARYING.sub("?", text)


def _contents(function: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> Contents:
    """What is in the arguments; the receiver of a method is left out."""
    found: dict[str, str] = {}
    names = _names(function)
    for number, one in enumerate(arguments):
        name = names[number] if number < len(names) else f"argument {number + 1}"
        if number or name not in ("self", "cls"):
            found.update(contents_of(name, one))
    for name, one in named.items():
        found.update(contents_of(name, one))
    return found


def _code(function: Any) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _names(function: Any) -> tuple[str, ...]:
    code = _code(function)
    return code.co_varnames[: code.co_argcount] if code else ()


def _cells_of_retries() -> list[CellType]:
    """The cells in which functions that loop and catch errors hold another function."""
    cells = {id(cell): cell for cell in lasting_cells()}
    cells.update({id(cell): cell for cell in _cells_in(gc.get_objects())})
    return list(cells.values())


@lru_cache(maxsize=1)
def lasting_cells() -> tuple[CellType, ...]:
    """Those that there are when this is called first. A sweep freezes what it has loaded, and what
    is frozen is not listed: it is thawed for this, once, for it takes a second of a large program.
    """
    if not gc.get_freeze_count():
        return tuple(_cells_in(gc.get_objects()))
    gc.unfreeze()
    found = tuple(_cells_in(gc.get_objects()))
    gc.freeze()
    return found


def _cells_in(objects: list[Any]) -> Iterator[CellType]:
    closures = [one for one in objects if type(one) is FunctionType and one.__closure__]
    for one in closures:
        if not _may_retry(one.__code__):
            continue
        for cell in one.__closure__ or ():
            try:
                held = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            if type(held) is FunctionType:
                yield cell


@lru_cache(maxsize=65_536)
def _may_retry(code: CodeType) -> bool:
    """Whether a function calls its arguments through, loops, and catches errors."""
    if is_library(code) and package_of(code) not in ("oslo_db", "backoff"):
        return False
    steps = list(dis.get_instructions(code))
    jumps = any(
        isinstance(one.argval, int) and one.opcode in _JUMPS and one.argval < one.offset
        for one in steps
    )
    catches = any(one.opname in ("PUSH_EXC_INFO", "SETUP_FINALLY") for one in steps)
    passes_on = bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS))
    return jumps and catches and passes_on


_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
