"""What long commands share: a line that says what is being done, and an orderly end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from auditor.cli.options import ReportOptions
from auditor.cli.streams import is_terminal


@contextmanager
def progress_line(options: ReportOptions) -> Iterator[Any]:
    """A function that shows what is being done, on a line of the terminal that it rewrites."""
    shown = is_terminal(sys.stderr) and not options.quiet

    def show(text: str) -> None:
        if shown:
            sys.stderr.write(f"\r\x1b[K{text[:100]}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        show("")


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: scratch databases are dropped. Only the first does,
    so that a second one does not end the dropping; the process is expected to end then."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is interrupt:  # else the process is about to end
            signal.signal(signal.SIGTERM, before)
