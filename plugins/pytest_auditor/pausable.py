"""The recording of the phase of a test that runs, and how `scaling` leaves its own work out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from auditor.runtime.pausable import Pausable

RUNNING = pytest.StashKey[Pausable]()
"""On a test of a recorded suite: the recording of the phase that runs."""


@contextmanager
def unseen(item: pytest.Item) -> Iterator[None]:
    """Leaves a block out of what the test is held to."""
    running = item.stash.get(RUNNING, None)
    if running is None:
        yield
        return
    with running.paused():
        yield
