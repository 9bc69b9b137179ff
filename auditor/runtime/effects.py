"""What reaches outside of the process, waits or locks while a transaction is open.

A table of functions that are replaced while anything is recorded; with no transaction open, a call
costs one look at an empty dict. Not `sys.addaudithook`: it cannot be taken back, and it is called
for every `id()`, `open()` and `sys._getframe()` of the program.

Only what the program does counts: SQLAlchemy, oslo.db and database drivers connect, lock and wait
on their own account, and what calls these functions first is looked at for that.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from time import perf_counter
from types import FrameType, ModuleType
from typing import Any

from auditor.model.tape import IncidentKind
from auditor.runtime.books import Seen, of_unit
from auditor.runtime.seam import Patches
from auditor.runtime.sites import (
    LIBRARIES,
    frame_behind_greenlet,
    is_users_file,
    package_of,
    places_from,
)
from auditor.runtime.transactions import Unit, open_units
from auditor.runtime.trouble import kept_from_program, trouble

SLEEP, HTTP, NETWORK = "sleep", "HTTP request", "network connection"
SUBPROCESS, RPC, LOCK = "subprocess", "RPC", "lock"
MESSAGE, MAIL, FILE_LOCK = "message", "mail", "file lock"


@dataclass(frozen=True, slots=True)
class Row:
    """A function `name` of `owner` (a class, or empty) in a module, and what calling it is."""

    module: str
    owner: str
    name: str
    what: str


ROWS = (
    Row("time", "", "sleep", SLEEP),
    Row("asyncio", "", "sleep", SLEEP),
    Row("asyncio.tasks", "", "sleep", SLEEP),
    Row("eventlet", "", "sleep", SLEEP),
    Row("eventlet.greenthread", "", "sleep", SLEEP),
    Row("gevent", "", "sleep", SLEEP),
    Row("subprocess", "Popen", "__init__", SUBPROCESS),
    Row("os", "", "system", SUBPROCESS),
    Row("http.client", "HTTPConnection", "putrequest", HTTP),
    Row("requests.sessions", "Session", "request", HTTP),
    Row("urllib.request", "OpenerDirector", "open", HTTP),
    Row("httpx", "Client", "send", HTTP),
    Row("httpx", "AsyncClient", "send", HTTP),
    Row("aiohttp.client", "ClientSession", "_request", HTTP),
    Row("socket", "socket", "connect", NETWORK),
    Row("smtplib", "SMTP", "sendmail", MAIL),
    Row("oslo_messaging.rpc.client", "_BaseCallContext", "call", RPC),
    Row("oslo_messaging.rpc.client", "_BaseCallContext", "cast", RPC),
    Row("oslo_messaging.notify.notifier", "Notifier", "_notify", MESSAGE),
    Row("celery.app.task", "Task", "apply_async", MESSAGE),
    Row("celery.app.base", "Celery", "send_task", MESSAGE),
    Row("kombu.messaging", "Producer", "publish", MESSAGE),
    Row("oslo_concurrency.lockutils", "", "lock", LOCK),
    Row("fasteners.process_lock", "InterProcessLock", "acquire", FILE_LOCK),
    Row("filelock._api", "BaseFileLock", "acquire", FILE_LOCK),
    Row("fcntl", "", "flock", FILE_LOCK),
    Row("fcntl", "", "lockf", FILE_LOCK),
    Row("asyncio.locks", "Lock", "acquire", LOCK),
)

_TRANSPARENT = frozenset({"stdlib", "auditor", "anyio", "fixtures", "unittest"})
_OF_DATABASES = (LIBRARIES - _TRANSPARENT) | {"asyncmy", "pg8000", "oracledb", "MySQLdb"}

_inside: ContextVar[bool] = ContextVar("auditor_inside_effect", default=False)

Note = Callable[[Seen, Unit], None]


class Effects:
    """The replaced functions. One wrapper for each, kept for good: a module that takes one away
    with `from time import sleep` has it after the recording too, and it is idle then."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._wrappers: dict[int, tuple[Any, Any]] = {}  # id of the original -> it, its wrapper
        self._names = OtherNames()

    def patch(self, patches: Patches) -> None:
        """Replaces the functions of modules that are loaded and not yet patched, also under the
        names that modules of the program have given them."""
        for row in ROWS:
            owner = owner_of(row)
            original = vars(owner).get(row.name) if owner is not None else None
            if original is None or hasattr(original, _OURS) or patches.has(owner, row.name):
                continue
            if id(original) not in self._wrappers:
                self._wrappers[id(original)] = (original, self._watched(original, row.what))
            patches.put(owner, row.name, self._wrappers[id(original)][1])
        self._names.patch(patches, self._wrappers)

    def _watched(self, original: Any, what: str) -> Any:
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def call(*arguments: Any, **named: Any) -> Any:
                unit = self._unit(what, arguments) if open_units else None
                if unit is None:
                    return await original(*arguments, **named)
                places = _places()
                token, began = _inside.set(True), perf_counter()
                try:
                    return await original(*arguments, **named)
                finally:
                    _inside.reset(token)
                    self._tell(what, unit, places, perf_counter() - began)

        else:

            @functools.wraps(original)
            def call(*arguments: Any, **named: Any) -> Any:
                unit = self._unit(what, arguments) if open_units else None
                if unit is None:
                    return original(*arguments, **named)
                places = _places()
                token, began = _inside.set(True), perf_counter()
                try:
                    return original(*arguments, **named)
                finally:
                    _inside.reset(token)
                    self._tell(what, unit, places, perf_counter() - began)

        setattr(call, _OURS, True)
        return call

    def _unit(self, what: str, arguments: tuple[Any, ...]) -> Unit | None:
        """The transaction in which this call counts, if any. Never raises."""
        try:
            if _inside.get() or (what == SLEEP and arguments[:1] == (0,)):
                return None
            worked = [unit for unit in open_units.here() if unit.work]
            if not worked or not is_programs(sys._getframe(2)):  # noqa: SLF001 - the caller's
                return None
            return next((unit for unit in worked[::-1] if unit.work == "writes"), worked[-1])
        except Exception as error:  # noqa: BLE001 - a listener of ours must not raise
            trouble.note("side effects", error)
            return None

    def _tell(self, what: str, unit: Unit, places: list[Any], seconds: float) -> None:
        with kept_from_program("side effects"):
            seen = of_unit(IncidentKind.SIDE_EFFECT, what, places, unit)
            self._note(replace(seen, seconds=seconds), unit)


_OURS = "_auditor_effect"


def owner_of(row: Row) -> Any:
    """The module or class that has the function; None if the module is not loaded."""
    module = sys.modules.get(row.module)
    return getattr(module, row.owner, None) if row.owner and module is not None else module


class OtherNames:
    """The names that modules of the program have given to functions that are replaced, as
    `from time import sleep` does. Each module is looked at once."""

    def __init__(self) -> None:
        self._scanned: dict[str, int] = {}
        self._found: list[tuple[ModuleType, str]] = []

    def patch(self, patches: Patches, wrappers: Mapping[int, tuple[Any, Any]]) -> None:
        """Put the wrappers under these names too. `wrappers` holds, by the id of each original,
        that and its wrapper."""
        for module in self._new_modules():
            names = vars(module).copy().items()
            self._found += [(module, name) for name, each in names if id(each) in wrappers]
        for module, name in self._found:
            found = wrappers.get(id(vars(module).get(name)))
            if found is not None:
                patches.put(module, name, found[1])

    def _new_modules(self) -> Iterator[ModuleType]:
        """The modules of the program that were loaded since the last time."""
        for name, module in sys.modules.copy().items():
            if self._scanned.get(name) == id(module):
                continue
            self._scanned[name] = id(module)
            file = getattr(module, "__file__", None)
            if isinstance(module, ModuleType) and isinstance(file, str) and is_users_file(file):
                yield module


def is_programs(frame: FrameType | None) -> bool:
    """Says whether it is the program that reaches out, and no database library."""
    while frame is not None:
        package = package_of(frame.f_code)
        if package not in _TRANSPARENT:
            return package not in _OF_DATABASES
        frame = frame.f_back
    return True


def _places() -> list[Any]:
    places = places_from(sys._getframe(2))  # noqa: SLF001 - the caller's
    if "asyncio" in sys.modules and "greenlet" in sys.modules:
        places += places_from(frame_behind_greenlet())
    return places
