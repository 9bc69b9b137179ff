"""Names the user's error in ours: its class, its message, and the line it came from."""

from __future__ import annotations

import os
from pathlib import Path

from auditor.runtime.sites import places_raised_from, site_of

_LONGEST_MESSAGE = 300


def blamed(error: BaseException) -> str:
    """`IntegrityError: NOT NULL constraint failed: t.a (populate.py:12 in fill)`."""
    said = " ".join(str(error).split())
    shown = said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]}..."
    return f"{type(error).__name__}{f': {shown}' if shown else ''}{_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost frame of the user's code, as a recording has it; empty if there is none."""
    stack = site_of(places_raised_from(error), os.getcwd()).stack
    return "".join(
        f" ({Path(frame.path).name}:{frame.line} in {frame.function.rpartition('.')[2]})"
        for frame in stack[:1]
    )
