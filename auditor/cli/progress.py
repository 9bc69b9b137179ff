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

_ENDINGS = (signal.SIGINT, signal.SIGTERM)


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
    """SIGTERM ends the command as Ctrl-C does: scratch databases are dropped. Only the first of
    them does, so that a second one does not end the dropping; the process is expected to end then.
    A signal that is ignored, as in the background of a shell, stays so."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    heeded = [each for each in _ENDINGS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, interrupt) for each in heeded}
    try:
        yield
    finally:
        for each, handler in before.items():
            if signal.getsignal(each) is interrupt:  # else the process is about to end
                signal.signal(each, handler)
