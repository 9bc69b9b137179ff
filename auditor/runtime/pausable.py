"""A recording that can be paused: of a test's body, without what `scaling` measures in it. Those
are many calls at many sizes, and no work of the test itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from auditor.model.tape import Tape
from auditor.runtime.checkouts import KEPT
from auditor.runtime.ledger import Ledger
from auditor.runtime.process import process


class Pausable:
    """Records every engine while it is entered and not paused."""

    def __init__(self, root: str) -> None:
        self._ledger = Ledger(root)

    @property
    def tape(self) -> Tape:
        """What was seen so far. A connection that is not back at the end of a body is none that
        leaked: fixtures give theirs back later."""
        tape = self._ledger.tape()
        return replace(tape, incidents=tuple(i for i in tape.incidents if i.what != KEPT))

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
