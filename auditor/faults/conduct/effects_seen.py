"""What a call did outside the database: messages sent, files written, processes started, counted.

The recorder's table of what must not happen inside a transaction is the greater part of this one;
what only waits or locks is left out, files and published callbacks are added. A mock that a test
has put in the place of such a function counts like the function.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.faults.conduct.effects_mocked import MOCK_CALL, effect_of_mock
from auditor.model.span import Frame
from auditor.runtime import effects as table
from auditor.runtime.effects import OtherNames, Row, is_programs, owner_of
from auditor.runtime.seam import Patches
from auditor.runtime.sites import (
    Place,
    frame_at,
    frame_behind_greenlet,
    package_of,
    places_from,
    site_of,
)

FILE, CALLBACK = "file", "callback"

_FILES_AND_CALLBACKS = (
    Row("builtins", "", "open", FILE),
    Row("io", "", "open", FILE),
    Row("os", "", "rename", FILE),
    Row("os", "", "replace", FILE),
    Row("os", "", "remove", FILE),
    Row("os", "", "unlink", FILE),
    Row("neutron_lib.callbacks.registry", "", "publish", CALLBACK),
    Row("neutron_lib.callbacks.registry", "", "notify", CALLBACK),
)
_KINDS: Mapping[str, str] = {
    table.SUBPROCESS: "started {} subprocess{es}",
    table.HTTP: "made {} HTTP request{s}",
    table.RPC: "made {} remote call{s}",
    table.MESSAGE: "sent {} message{s}",
    table.MAIL: "sent {} mail{s}",
    FILE: "changed {} file{s}",
    CALLBACK: "published {} callback{s}",
}
"""What counts, and how it is told."""

_ASKED_ELSEWHERE = frozenset({"OpenerDirector"})
"""Owners of functions that come to another row's, which is told more exactly what is asked."""

ROWS = (
    *(row for row in table.ROWS if row.what in _KINDS and row.owner not in _ASKED_ELSEWHERE),
    *_FILES_AND_CALLBACKS,
)

_LOCKING = frozenset({"fasteners", "filelock", "oslo_concurrency", "portalocker"})
"""Packages that open files to lock them."""
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_INSIDE_TRANSACTIONS = ("before_", "precommit_", "abort_")
"""Callbacks that are published before a transaction is over, to be called again with it."""

_inside: ContextVar[bool] = ContextVar("auditor_inside_counted_effect", default=False)


@dataclass(frozen=True, slots=True)
class Done:
    """One kind of effect at one line of the program. `name` is what was called."""

    what: str
    name: str
    site: Frame


Effects = Mapping[Done, int]


class _Counting:
    """The functions replaced while a run is counted. The wrappers are kept for good: a module that
    took one away with `from requests import post` has it after the run too, and it is idle then."""

    def __init__(self) -> None:
        self._seen: Counter[Done] | None = None
        self._root = ""
        self._wrappers: dict[int, tuple[Any, Any]] = {}  # id of the original -> it, its wrapper
        self._ours: set[int] = set()
        self._names = OtherNames()

    @contextmanager
    def counting(self, root: str) -> Iterator[Effects]:
        """Count what is done while the block runs."""
        seen: Counter[Done] = Counter()
        patches = Patches()
        self._patch(patches)
        self._seen, self._root = seen, root
        try:
            yield seen
        finally:
            self._seen = None
            patches.undo()

    def _patch(self, patches: Patches) -> None:
        for row in ROWS:
            owner = owner_of(row)
            original = vars(owner).get(row.name) if owner is not None else None
            if original is None or id(original) in self._ours:
                continue
            patches.put(owner, row.name, self._wrapper(original, row))
        mocks: Any = sys.modules.get("unittest.mock")
        if mocks is not None:
            own = vars(mocks.CallableMixin)[MOCK_CALL]
            patches.put(mocks.CallableMixin, MOCK_CALL, self._of_mocks(own))
        self._names.patch(patches, self._wrappers)

    def _wrapper(self, original: Any, row: Row) -> Any:
        if id(original) not in self._wrappers:
            wrapper = self._watched(original, row)
            self._wrappers[id(original)] = (original, wrapper)
            self._ours.add(id(wrapper))
        return self._wrappers[id(original)][1]

    def _watched(self, original: Any, row: Row) -> Any:
        name = ".".join(part for part in (row.owner.lstrip("_"), row.name) if part)
        shown = name if row.owner else f"{row.module.removeprefix('builtins')}.{name}".lstrip(".")
        if row.name == "__init__":
            shown = row.owner
        effect = (row.what, shown, row.module.partition(".")[0])
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def call(*arguments: Any, **named: Any) -> Any:
                token = self._enter(effect, arguments, named)
                try:
                    return await original(*arguments, **named)
                finally:
                    self._leave(token)

        else:

            @functools.wraps(original)
            def call(*arguments: Any, **named: Any) -> Any:
                token = self._enter(effect, arguments, named)
                try:
                    return original(*arguments, **named)
                finally:
                    self._leave(token)

        return _Plain(call) if inspect.isbuiltin(original) else call

    def _of_mocks(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def mock_call(mock: Any, *arguments: Any, **named: Any) -> Any:
            what, name = effect_of_mock(mock) if self._seen is not None else ("", "")
            token = self._enter((what, name, ""), arguments, named) if what else None
            try:
                return original(mock, *arguments, **named)
            finally:
                self._leave(token)

        return mock_call

    def _enter(
        self,
        effect: tuple[str, str, str],
        arguments: tuple[Any, ...],
        named: Mapping[str, Any],
    ) -> Any:
        """Count a call of the program's: what it is, its name, and the package in which the program
        may have called another function for it. Never raises; what it returns is for `_leave`."""
        what, name, package = effect
        seen = self._seen
        if seen is None or _inside.get():
            return None
        try:
            frame = sys._getframe(2)  # noqa: SLF001 - the caller of the wrapper
            if not _changes_something(what, name, arguments, named) or not is_programs(frame):
                return None
            places = [*places_from(frame), *places_from(frame_behind_greenlet())]
            own = _within(package, places)
            site = site_of(places[len(own) :], self._root)
            if site.stack and not _is_own_affair(places):
                asked = frame_at(own[-1], self._root).function if own else name
                seen[Done(what, asked, site.frame)] += 1
        except Exception:  # noqa: BLE001 - inside the program, nothing of ours may raise
            return None
        return _inside.set(True)

    def _leave(self, token: Any) -> None:
        if token is not None:
            _inside.reset(token)


class _Plain:
    """Calls a function, and is no method of a class that has it as an attribute: nor is `open`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._function(*arguments, **named)


@functools.lru_cache(maxsize=1)
def _of_process() -> _Counting:
    return _Counting()


def counting(root: str) -> Any:
    """A context manager that gives the effects of the block, complete at its end."""
    return _of_process().counting(root)


def repeated_effects(seen: Effects, expected: Effects) -> tuple[str, ...]:
    """What was done more often than without the fault, of what is done without it too: what a
    handler does because of the fault is its own."""
    return tuple(
        f"{_counted(done, seen[done])} instead of {wanted}: `{done.name}` at {done.site}"
        for done, wanted in sorted(expected.items(), key=_order)
        if seen.get(done, 0) > wanted
    )


def effects_for_nothing(seen: Effects, expected: Effects) -> tuple[str, ...]:
    """What a call that failed had done by then, of what it does when it succeeds."""
    return tuple(
        f"{_counted(done, seen[done])} for what was not stored: `{done.name}` at {done.site}"
        for done, _ in sorted(expected.items(), key=_order)
        if seen.get(done, 0)
    )


def _order(item: tuple[Done, int]) -> tuple[str, int, str, str]:
    done, _ = item
    return (done.site.path, done.site.line, done.what, done.name)


def _counted(done: Done, times: int) -> str:
    ends = {"s": "", "es": ""} if times == 1 else {"s": "s", "es": "es"}
    return _KINDS[done.what].format(times, **ends)


def _within(package: str, places: list[Place]) -> list[Place]:
    """The innermost places, as far as they are of the package."""
    return list(itertools.takewhile(lambda place: package_of(place[0]) == package, places))


def _is_own_affair(places: list[Place]) -> bool:
    """Whether a library keeps a lock, a temporary file or a log for itself."""
    for code, _ in places:
        package = package_of(code)
        if package == "stdlib":
            path = Path(code.co_filename)
            if path.stem == "tempfile" or path.parent.name == "logging":
                return True
        elif package != "auditor":
            return package in _LOCKING
    return False


def _changes_something(
    what: str, name: str, arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> bool:
    """Whether this call is one that matters if it is made twice."""
    if what == FILE and name.endswith("open"):
        return _writes(arguments, named)
    if what == CALLBACK:
        event = str(arguments[1] if len(arguments) > 1 else named.get("event", ""))
        return not event.startswith(_INSIDE_TRANSACTIONS)
    if what == table.HTTP:
        return not any(_reads(one) for one in (*arguments[:2], *named.values()))
    return True


def _reads(argument: Any) -> bool:
    """Whether an argument is, or knows, an HTTP method that changes nothing."""
    method = argument if isinstance(argument, str) else getattr(argument, "method", "")
    if callable(getattr(argument, "get_method", None)):  # of urllib
        method = argument.get_method()
    return isinstance(method, str) and method.upper() in _READS


def _writes(arguments: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether `open` opens a file for writing."""
    path = arguments[0] if arguments else named.get("file")
    if isinstance(path, int) or (isinstance(path, (str, os.PathLike)) and _is_device(path)):
        return False
    mode = arguments[1] if len(arguments) > 1 else named.get("mode", "r")
    return not isinstance(mode, str) or not set(mode).isdisjoint("wax+")


def _is_device(path: str | os.PathLike[str]) -> bool:
    return str(os.fspath(path)).startswith(os.devnull)
