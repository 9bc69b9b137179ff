"""Records what SQLAlchemy engines do, in this process, while a block runs.

    with record() as recording:          # every engine, made before or after
        work()
    recording.tape                       # a Tape; also while recording, and after

    with record(engine) as recording:    # one engine (sync or async), or several as a tuple
        ...

Recordings may be nested and may overlap in threads: each sees all statements of its engines while
it is open. `on_statement` is the seam for fault injection and for counting: it is called as
`hook(context, statement, cursor, ordinal)` before each statement runs, and an exception it raises
goes through `Connection._handle_dbapi_exception` exactly as the driver's own would, oslo.db's
filters included. `context` is SQLAlchemy's execution context (`context.root_connection`,
`context.compiled`), `ordinal` counts from 1 and leaves out DDL, BEGIN, PRAGMA and the like.

Bound values are never kept: reads are compared by a hash of theirs. If the recorder itself fails it
detaches from the engine, the program goes on, and `tape.losses` says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from auditor.model.span import Frame
from auditor.model.tape import Tape
from auditor.runtime.ledger import Hook, Ledger
from auditor.runtime.process import process
from auditor.runtime.sites import places_from, site_of


class Recording:
    """A recording in progress or finished."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def tape(self) -> Tape:
        """What was seen so far."""
        return self._ledger.tape()

    @property
    def statements(self) -> int:
        """How many statements were executed so far, DDL left out; cheaper than a whole tape."""
        return self._ledger.statements


@contextmanager
def record(
    engine: Any = None, *, on_statement: Hook | None = None, root: str | None = None
) -> Iterator[Recording]:
    """Record all statements of `engine` (sync or async; a tuple of several; None for every engine)
    while the block runs. Paths in the tape are relative to `root`, the working directory if None.
    """
    hooks = () if on_statement is None else (on_statement,)
    folder = os.getcwd() if root is None else root
    ledger = Ledger(folder, hooks, _opened(folder))
    dialects = _dialects(engine)
    process.open(ledger, dialects)
    try:
        yield Recording(ledger)
    finally:
        process.close(ledger)


def _opened(root: str) -> tuple[Frame, ...]:
    """The call path of the user's program to the block that opens the recording."""
    return site_of(places_from(sys._getframe(1)), root).stack  # noqa: SLF001 - the documented name


def _dialects(engine: Any) -> tuple[Any, ...] | None:
    """The dialect objects to record; None for all. Raises TypeError on anything else."""
    if engine is None:
        return None
    engines = engine if isinstance(engine, (tuple, list, set, frozenset)) else (engine,)
    for each in engines:
        if not hasattr(each, "dialect"):
            raise TypeError(f"record() wants an Engine or AsyncEngine, got `{each!r}`")
    return tuple(each.dialect for each in engines)
