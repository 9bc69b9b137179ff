"""The recorder inside a process of a recorded command: it writes a part of the tape by itself.

A native thread writes the part file of this process about once a second while something changes,
and once more at exit. Thread, sleep and lock are taken before the program can replace them
(eventlet does). After a fork the child begins a part of its own.
"""

from __future__ import annotations

import _thread
import atexit
import functools
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from auditor.runtime.ledger import Ledger
from auditor.runtime.process import process
from auditor.runtime.store import PART, folder_of, forget_lost, note_lost
from auditor.runtime.tape_file import write_file

TAPE = "AUDITOR_RECORD_TAPE"
ROOT = "AUDITOR_RECORD_ROOT"
LAST_CALLS = ("_exit", "execv", "execve")
"""Of `os`: the end without atexit, which multiprocessing takes for its children, and what all
other `exec` functions call to become another program."""
EVERY = 1.0  # seconds between writes, and at least `RATIO` times as long as a write takes
RATIO = 40

_sleep = time.sleep
_start_thread = _thread.start_new_thread
_new_lock = _thread.allocate_lock
_numbers = itertools.count(1)


class PartWriter:
    """Keeps the part file of this process up to date until `end`."""

    def __init__(self, folder: Path, root: str) -> None:
        self._folder = folder
        self._root = root
        self._is_open = True
        self._begin()

    def _begin(self) -> None:
        self._ledger = Ledger(self._root)
        self._lock = _new_lock()
        self._written = (-1, -1)
        self._path = _unused_part(self._folder)
        process.open(self._ledger, None)
        self.flush()
        _start_thread(self._keep_writing, (self._ledger,))

    def begin_in_child(self) -> None:
        """Forgets what the parent saw: the child of a fork has a ledger and a part of its own."""
        if self._is_open:
            process.forget(self._ledger)
            self._begin()

    def end(self) -> None:
        """Stops recording and writes for the last time; safe to call twice."""
        if self._is_open:
            self._is_open = False
            process.close(self._ledger)
            self.flush()

    def flush_at_exit(self) -> None:
        """Writes the part when the program has ended: what it has not given back, it kept."""
        process.note_kept(self._ledger)
        self.flush()

    def flush(self) -> None:
        """Writes the part if something was executed since the last time. Never raises."""
        with self._lock:
            executed = (self._ledger.executions, self._ledger.books.noted)
            if executed == self._written:
                return
            try:
                write_file(self._ledger.tape(), self._path)
                self._written = executed
                forget_lost(self._path)
            except Exception as error:  # noqa: BLE001 - disk full, folder gone: the program goes on
                note_lost(self._path, str(error))

    def _keep_writing(self, ledger: Ledger) -> None:
        pause = EVERY
        while self._is_open and ledger is self._ledger:
            _sleep(pause)
            began = time.monotonic()
            self.flush()
            pause = max(EVERY, RATIO * (time.monotonic() - began))


def _unused_part(folder: Path) -> Path:
    """A part file of this process. What ran under its number before it, such as the program that
    it was before an `exec`, keeps its own."""
    paths = (folder / f"{os.getpid()}-{number}{PART}" for number in _numbers)
    return next(path for path in paths if not path.exists())


def begin_part(tape: Path, root: str) -> PartWriter:
    """Begins to record every engine of this process for a tape; its forks join in by themselves."""
    writer = PartWriter(folder_of(tape), root)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=writer.begin_in_child)
    return writer


def begin() -> None:
    """Begins to record for the tape that the environment names; nothing if it names none."""
    tape = os.environ.get(TAPE)
    if not tape:
        return
    writer = begin_part(Path(tape), os.environ.get(ROOT) or os.getcwd())

    atexit.register(writer.flush_at_exit)
    for name in LAST_CALLS:
        setattr(os, name, _flushed_before(getattr(os, name), writer))


def _flushed_before(last: Callable[..., Any], writer: PartWriter) -> Callable[..., Any]:
    """The call, with the part written before it: nothing of this program runs afterwards."""

    @functools.wraps(last)
    def flush_first(*arguments: Any, **named: Any) -> Any:
        writer.flush()
        return last(*arguments, **named)

    return flush_first
