"""The hot path: what happens at each statement of one dialect object.

A `Lane` holds what is the same for all statements of a dialect. For each one it finds facts,
transaction and raw stack, looks one tuple up in each ledger and adds to a list. Everything that
costs more happens once for each new tuple, in `Ledger.open_cell`. Nothing here raises into the
program: an error of ours detaches the lane and becomes a loss of its recordings.

The raw stack is all frames outwards: their instruction offsets are hashed, their code objects are
compared by identity. (Hashing a code object reads its bytecode, finding a line reads a table, and
the `id` of a code object is a new number each time: measured, docs/adr/0003-recorder-seam.md.)
"""

from __future__ import annotations

import _thread
import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from types import CodeType, FrameType
from typing import Any

from auditor.runtime.cells import (
    EXECUTIONS,
    IN_UNIT,
    LAST_UNIT,
    MOST_IN_UNIT,
    REPEATS,
    SECONDS,
    SENT,
    SITE,
    UNITS,
    Cell,
    note_text,
)
from auditor.runtime.ledger import Ledger
from auditor.runtime.repeats import is_repeated
from auditor.runtime.rows import count_rows
from auditor.runtime.running import running
from auditor.runtime.sites import frame_behind_greenlet
from auditor.runtime.statements import FACTS, facts_of_execution
from auditor.runtime.transactions import SAVEPOINT, UNIT, Unit, unit_of
from auditor.runtime.whereabouts import here

FAILED = "_auditor_failed"
"""Attribute of a connection: cells of the statement that failed, until its error has a name."""

_ENVIRONMENT: dict[Any, Any] = getattr(os.environ, "_data", {})  # os.environ decodes on each look
_RUNNING_TEST = b"PYTEST_CURRENT_TEST"
_perf_counter = perf_counter
_get_ident = _thread.get_ident


def running_test() -> Any:
    """The test in progress: a name, pytest's variable as bytes, or None."""
    return running.name or _ENVIRONMENT.get(_RUNNING_TEST)


class Lane:
    """One dialect object under observation, and the ledgers its statements are written to."""

    __slots__ = ("_crossed", "_lost", "database", "hooked", "is_async", "is_broken", "ledgers")

    def __init__(
        self,
        dialect: Any,
        lost: Callable[[Lane, Exception], None],
        crossed: Callable[[Unit, FrameType], None],
    ) -> None:
        self.database = str(dialect.name)
        self.is_async = bool(getattr(dialect, "is_async", False))
        self.hooked: tuple[Ledger, ...] = ()
        self.ledgers: tuple[Ledger, ...] = ()
        self.is_broken = False
        self._lost = lost
        self._crossed = crossed

    def write_to(self, ledgers: tuple[Ledger, ...]) -> None:
        """Sets which ledgers get the statements from now on; none makes the wrappers idle, as does
        an error of ours before."""
        if self.is_broken:
            return
        self.ledgers = ledgers
        self.hooked = tuple(ledger for ledger in ledgers if ledger.hooks)

    def wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        """What takes the place of a bound `do_execute`, `do_executemany` or
        `do_execute_no_params`: each is called with cursor, statement, (parameters,) context."""
        is_many = name == "do_executemany"
        see = self.see

        def execute(cursor: Any, statement: str, *rest: Any, **named: Any) -> Any:
            context = named["context"] if named else rest[-1]
            sent = len(rest[0]) if is_many else 1
            started = _perf_counter()
            try:
                after: Sequence[Callable[[], None]] = ()
                if self.hooked:
                    after = self._call_hooks(context, statement, cursor)
                    started = _perf_counter()
                given = original(cursor, statement, *rest, **named)
                for act in after:
                    act()
            except BaseException:
                see(statement, context, started, sent, True)  # noqa: FBT003 - hot
                raise
            see(statement, context, started, sent, False)  # noqa: FBT003 - hot
            return given

        return execute

    def see(
        self,
        statement: str,
        context: Any,
        started: float,
        sent: int,
        failed: bool,  # noqa: FBT001 - hot
    ) -> None:
        """Writes one execution to all ledgers. The stack begins at the caller's caller."""
        now = _perf_counter()
        if not self.ledgers or context is None:
            return
        try:
            compiled = context.compiled
            is_whole = compiled is not None and statement is context.statement
            facts = getattr(compiled, FACTS, None) if is_whole else None
            facts = facts or facts_of_execution(statement, context)
            if not facts.counted:
                return
            connection = context.root_connection
            unit = getattr(connection, UNIT, None) or unit_of(connection)
            kind = unit.kind if connection._nested_transaction is None else SAVEPOINT  # noqa: SLF001
            if not unit.is_ours:
                return
            cells = self._cells([facts, kind, running_test(), self], sys._getframe(2), context)  # noqa: SLF001
            if cells[0][LAST_UNIT] is not unit:
                unit.step(cells[0], facts, cells[0][SITE], compiled)
            if unit.thread != _get_ident() or self.is_async:
                self._look_who(unit)
            _go_on(unit, started, now)
            repeated = is_repeated(facts, unit, statement, context)
            for cell in cells:
                _add(cell, unit, sent, now - started)
                cell[REPEATS] += repeated
            if failed:
                setattr(connection, FAILED, cells)
            elif facts.returns_rows:
                count_rows(context, cells)
        except Exception as error:  # noqa: BLE001 - our errors must not reach the program
            self._lost(self, error)

    def _look_who(self, unit: Unit) -> None:
        """Tells of a statement that another thread or task executes than the last one."""
        if unit.owner != here():
            self._crossed(unit, sys._getframe(3))  # noqa: SLF001

    def _cells(self, parts: list[Any], frame: Any, context: Any) -> list[Cell]:
        """The cell of each ledger for the raw stack that begins at `frame`."""
        start = frame
        codes: list[CodeType] = []
        add_code, add = codes.append, parts.append
        while frame is not None:
            add_code(frame.f_code)
            add(frame.f_lasti)
            frame = frame.f_back
        if self.is_async:
            _walk(codes, parts, frame_behind_greenlet())
        key = tuple(parts)
        cells = []
        for ledger in self.ledgers:
            for known, cell in ledger.cells.get(key, ()):
                if known == codes:
                    cells.append(cell)
                    break
            else:
                cells.append(ledger.open_cell(key, codes, context, start))
        if key[0].has_literals:
            note_text(cells, context.statement)
        return cells

    def _call_hooks(
        self, context: Any, statement: str, cursor: Any
    ) -> Sequence[Callable[[], None]]:
        """Lets hooks see a statement before it runs; what they raise is the statement's error. What
        they return is to be called when it has run."""
        facts = facts_of_execution(statement, context)
        if not facts.counted or facts.kind_by_verb is not None:
            return ()
        connection = context.root_connection
        if not (getattr(connection, UNIT, None) or unit_of(connection)).is_ours:
            return ()
        after = []
        for ledger in self.hooked:
            ledger.ordinal += 1
            for hook in ledger.hooks:
                then = hook(context, statement, cursor, ledger.ordinal)
                if then is not None:
                    after.append(then)
        return after


def _go_on(unit: Unit, started: float, ended: float) -> None:
    """Follows a transaction over one statement of it."""
    gap = started - unit.last
    if gap > unit.longest_gap:  # noqa: PLR1730 - hot: a comparison, not a call
        unit.longest_gap = gap
    unit.last = ended
    unit.statements += 1


def _walk(codes: list[CodeType], parts: list[Any], frame: Any) -> None:
    while frame is not None:
        codes.append(frame.f_code)
        parts.append(frame.f_lasti)
        frame = frame.f_back


def _add(cell: Cell, unit: Unit, sent: int, seconds: float) -> None:
    cell[EXECUTIONS] += 1
    cell[SENT] += sent
    cell[SECONDS] += seconds
    if cell[LAST_UNIT] is unit:
        cell[IN_UNIT] += 1
        return
    cell[LAST_UNIT] = unit
    cell[UNITS] += 1
    cell[MOST_IN_UNIT] = max(cell[MOST_IN_UNIT], cell[IN_UNIT])
    cell[IN_UNIT] = 1
    if unit.site is None:
        unit.site = cell[SITE]
