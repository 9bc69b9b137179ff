"""One run in a fork of this process: what it gives comes back pickled, whatever else it does.

Done(value)   the run came to its end
Hung(stack)   it did not within the time, and where it was; no stack if not even that was told
Died(status)  the process ended by itself
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, BinaryIO, NoReturn

from auditor.faults.sweep.bench import make_call
from auditor.model.span import Frame
from auditor.runtime.sites import Place, places_from, site_of

_GRACE = 2.0  # seconds a run gets to say itself where it hangs


@dataclass(frozen=True, slots=True)
class Done:
    """What the run gave."""

    value: Any


@dataclass(frozen=True, slots=True)
class Hung:
    """The user's call path at which the run was when its time was over, innermost first."""

    stack: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Died:
    """How the process ended, in words."""

    status: str


Returned = Done | Hung | Died


Deliver = Callable[[Any], None]


def forked(run: Callable[[Deliver], None], *, seconds: float, root: str) -> Returned:
    """What `run` delivers in a fork that is gone afterwards. It is given a function that takes
    what is to come back, once, picklable; it may go on after that, to clean up."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(run, os.fdopen(writing, "wb"), seconds, root)
    os.close(writing)
    try:
        sent = _read_all(reading, seconds + _GRACE)
    finally:
        os.close(reading)
        if not _has_ended(pid):
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if sent is None:
        return Hung(())
    if not sent:
        return Died(_in_words(os.waitstatus_to_exitcode(status)))
    returned: Returned = pickle.loads(sent)  # noqa: S301 - written by our own fork
    return returned


def _be_child(
    run: Callable[[Deliver], None], pipe: BinaryIO, seconds: float, root: str
) -> NoReturn:
    """Never returns: whatever the run leaves behind ends with the process."""
    own, main = os.getpid(), threading.get_ident()
    lock = threading.Lock()

    def send(returned: Returned) -> None:
        if os.getpid() != own:
            os._exit(0)  # the run forked, and this is its child
        if lock.acquire(blocking=False):  # by the first to come; never given back
            pipe.write(pickle.dumps(returned))
            pipe.flush()

    def tell_hung() -> None:
        frame = sys._current_frames().get(main)  # noqa: SLF001 - the documented name
        send(Hung(site_of(_inside(places_from(frame)), root).stack))
        os._exit(0)

    watchdog = threading.Timer(seconds, tell_hung)
    watchdog.daemon = True
    watchdog.start()
    _, error = make_call(lambda: run(lambda value: send(Done(value))))
    send(Died(f"{type(error).__name__}: {error}" if error else "nothing was delivered"))
    os._exit(0)


def _inside(places: list[Place]) -> list[Place]:
    codes = [code for code, _ in places]
    boundary = make_call.__code__
    return places[: codes.index(boundary)] if boundary in codes else places


def _read_all(reading: int, seconds: float) -> bytes | None:
    """All that is written until the other end is closed; None if that takes too long."""
    deadline = monotonic() + seconds
    parts: list[bytes] = []
    while True:
        left = deadline - monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return b"".join(parts) or None
        part = os.read(reading, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _has_ended(pid: int) -> bool:
    """Whether the process is over; it stays to be waited for."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    return found is not None


def _in_words(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"
