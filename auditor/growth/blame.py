"""Names the user's error in ours: its class, its message, and the line it came from."""

from __future__ import annotations

import traceback
from pathlib import Path

_OWN = str(Path(__file__).resolve().parent.parent)
_LONGEST_MESSAGE = 300


def blamed(error: BaseException) -> str:
    """`IntegrityError: NOT NULL constraint failed: t.a (populate.py:12 in fill)`."""
    said = " ".join(str(error).split())
    shown = said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]}..."
    return f"{type(error).__name__}{f': {shown}' if shown else ''}{_place(error)}"


def _place(error: BaseException) -> str:
    """The innermost frame outside this project and outside installed libraries."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OWN, "<frozen"))
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    chosen = (own or frames)[-1:]
    return "".join(f" ({Path(f.filename).name}:{f.lineno} in {f.name})" for f in chosen)
