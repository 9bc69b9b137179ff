"""The bytes of a source file, read so that nothing odd on the disk can stop a scan."""

from __future__ import annotations

import os
import stat

from auditor.model.errors import AuditorError

LARGEST = 4 * 1024 * 1024
"""Bytes; a larger file is not source that somebody wrote, and is a Problem."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Without waiting: a pipe named `x.py` would never give an end."""


class NotRead(AuditorError):  # noqa: N818 - it says what is the case
    """The file cannot be read as source; the message says why."""


def content_of(file: str) -> bytes:
    """All bytes of a regular file. Raises NotRead for anything else, and for one too large."""
    try:
        descriptor = os.open(file, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NotRead("not read: it is not a regular file")
            if found.st_size > LARGEST:
                raise NotRead(f"larger than {LARGEST // 1024 // 1024} MiB, not read")
            return _all(descriptor, found.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NotRead(f"not read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise NotRead(f"not read: {error}") from error


def _all(descriptor: int, size: int) -> bytes:
    """What is there now; a file that grows meanwhile is cut at the largest size."""
    pieces = []
    left = LARGEST + 1
    wanted = size + 1
    while left > 0 and (piece := os.read(descriptor, min(wanted, left))):
        pieces.append(piece)
        left -= len(piece)
        wanted = max(wanted - len(piece), 1)
    return b"".join(pieces)
