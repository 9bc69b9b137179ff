"""A recording of one phase of a test that can be paused: what `scaling` measures is many calls at
many sizes, and no work of the test itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from auditor.model.tape import Tape
from auditor.runtime.ledger import Ledger
from auditor.runtime.process import process


class Pausable:
    """Records every engine while it is entered and not paused."""

    def __init__(self, root: str) -> None:
        self._ledger = Ledger(root)

    @property
    def tape(self) -> Tape:
        """What was seen so far."""
        return self._ledger.tape()

    def __enter__(self) -> None:
        process.open(self._ledger, None)

    def __exit__(self, *raised: object) -> None:
        process.close(self._ledger)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out what happens in this block."""
        process.close(self._ledger)
        try:
            yield
        finally:
            process.open(self._ledger, None)


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
