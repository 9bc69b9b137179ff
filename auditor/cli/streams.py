"""The standard streams, which a user may have closed: Python then has None in their place."""

from __future__ import annotations

from typing import TextIO


def is_terminal(stream: TextIO | None) -> bool:
    """Says whether somebody watches the stream."""
    return stream is not None and stream.isatty()
