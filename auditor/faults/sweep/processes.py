"""A process that makes runs of a workload, as its parent holds it and from inside.

    parent -> child    the number of a run to make; None: there is no other
    child -> parent    what `worker` tells, and Ready once, when the runs are known

A child is forked after the workload is loaded and works on a database of its own. It ends with its
parent, however that ends: the pipe between them breaks.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from auditor.faults.sweep.code import digests_of_code
from auditor.faults.sweep.worker import Began, Message
from auditor.faults.verdicts.outcomes import Request

_PR_SET_PDEATHSIG = 1  # of prctl(2)
_SECONDS_FOR_THREADS = 0.5
"""How long threads that a run left may take to end by themselves."""
Work = Callable[[Request, Any, Callable[[Message], None]], None]
"""Makes the runs of a request on a database, and tells of them: `work` of `worker.py`."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The workload makes so many `runs`. `code` has a digest for each file of the program, if it
    was asked for."""

    runs: int
    code: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Worn:
    """A run left the process so that the next one would not be like the first: `reason`."""

    reason: str


class Worker:
    """A child at work, with what its parent knows of it: the run that was `given` to it, the one
    that is `running`, how many have `ended`, and when it was last `heard` (seconds of a clock)."""

    def __init__(self, process: BaseProcess, pipe: Connection, now: float) -> None:
        self.process = process
        self.pipe = pipe
        self.heard = now
        self.is_ready = False
        self.given: int | None = None
        self.running: Began | None = None
        self.ended = 0

    def give(self, number: int | None) -> None:
        """Let it make this run. If it has ended meanwhile, that is noticed when it is heard."""
        self.given = number
        with suppress(OSError):
            self.pipe.send(number)

    def end(self) -> None:
        """The process is gone afterwards."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def start(
    request: Request, work: Work, database: Any, *, others: Iterable[Worker], now: float
) -> Worker:
    """A new child. `others` are those at work: it must not hold their pipes open."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    foreign = [ours, *(one.pipe for one in others)]
    process = context.Process(
        target=_be_child, args=(request, work, database, theirs, foreign), daemon=True
    )
    process.start()
    theirs.close()
    return Worker(process, ours, now)


def _be_child(
    request: Request, work: Work, database: Any, pipe: Connection, foreign: list[Connection]
) -> None:
    """What the child does. What the workload prints and logs stays out of the report."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends this child
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _end_with_parent()
    for one in foreign:
        one.close()
    _be_killed_first()
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    logging.disable()  # tracebacks of errors that we made would bury the report
    try:
        work(replace(request, turns=_turns(request, pipe)), database, pipe.send)
    except (EOFError, OSError):  # the parent is gone, or the call has closed the pipe
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)


def _turns(request: Request, pipe: Connection) -> Callable[[int], Iterator[int]]:
    """The runs that the parent gives, each when the one before has ended."""

    def given(runs: int) -> Iterator[int]:
        surroundings = _Surroundings()
        pipe.send(Ready(runs, digests_of_code(request.root) if request.tells_code else {}))
        while (number := pipe.recv()) is not None:
            yield number
            reason = surroundings.restored()
            if reason:
                pipe.send(Worn(reason))
                os._exit(1)

    return given


class _Surroundings:
    """What of its process a call may change for the next one: threads, folder, signal handlers."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._folder = os.getcwd()
        self._umask = _umask()
        self._handlers = {
            one: signal.getsignal(one)
            for one in signal.valid_signals()
            if one not in {signal.SIGKILL, signal.SIGSTOP}
        }

    def restored(self) -> str:
        """Put back what can be put back; else why the process cannot be used any more."""
        left = [one for one in threading.enumerate() if one not in self._threads]
        for one in left:
            one.join(_SECONDS_FOR_THREADS / len(left))
        running = sum(one.is_alive() for one in left)
        if running:
            return f"the call left {running} thread{'s' * (running > 1)} running"
        signal.alarm(0)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        os.umask(self._umask)
        try:
            os.chdir(self._folder)
        except OSError:
            return "the call removed the working directory"
        return ""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _end_with_parent() -> None:
    """Where the system offers it, this process is killed as soon as its parent is gone; else it
    notices when it has something to tell."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _be_killed_first() -> None:
    """Where memory runs out, Linux ends this process, not its parent or a database."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
