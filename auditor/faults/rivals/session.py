"""A second session that interferes with a call: right before a statement, or before or after all.

    Part.DURING   right before the statement that the shot is aimed at: what it did is `changes`
    Part.FIRST    the same changes before the call               a serial order
    Part.LAST     the same changes after the call                the other serial order
    Part.ALONE    the same changes without the call              what the session itself does

On PostgreSQL and MariaDB it is a connection of its own, which commits; a row that the call has
locked stops it, and then nothing is done. On SQLite nobody else can write while a transaction
reads on and writes later, so inside one the changes are made on the program's own connection, as
though they had been committed: they are made again if the program rolls them back. What that
cannot show is in docs/adr/0005-faults.md.
"""

from __future__ import annotations

import enum
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from time import time
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.aim.keys import TableKeys
from auditor.faults.aim.shots import Executed
from auditor.faults.catalogue.fault import Fault, Target
from auditor.faults.rivals.acts import Statement, changes_for, statement_of
from auditor.faults.rivals.desk import (
    Change,
    Desk,
    Refused,
    apart,
    is_in_transaction,
    within,
)
from auditor.faults.rivals.rows import Schema
from auditor.faults.state.canonical import Mask, canonical
from auditor.faults.state.oracle import Snapshot, known_ids


class Part(enum.Enum):
    """When the other session acts."""

    DURING = "during the call"
    FIRST = "before the call"
    LAST = "after the call"
    ALONE = "without the call"


@dataclass(frozen=True, slots=True)
class Aim:
    """A fault about one thing."""

    fault: Fault
    target: Target


class OtherSession:
    """See the module. `changes` are those made, or to be made; `others` those that it would have
    made for `other_aims`, of which nothing is done. `refused` says why it could not act. `since`
    is the earliest time that the changes may hold."""

    def __init__(
        self,
        engine: sa.Engine,
        keys: Mapping[str, TableKeys],
        part: Part,
        *,
        aims: tuple[Aim, ...] = (),
        changes: tuple[Change, ...] = (),
        since: float | None = None,
    ) -> None:
        """The first of the aims is carried out, during the call; the changes in other parts."""
        self.part = part
        self.changes = changes
        self.others: list[tuple[Aim, tuple[Change, ...]]] = []
        self.refused = ""
        self.since = time() if since is None else since
        self._engine = engine
        self._keys = keys
        self._aims = aims
        self._known: frozenset[str] = frozenset()
        self._held: Any = None
        self._is_lost = False
        self._enforces = True
        self._sent_key: tuple[str, tuple[str, Any]] | None = None

    @contextmanager
    def taking_part(self, before: Snapshot) -> Iterator[None]:
        """Act before or after the block, or watch over what is done in it. `before` is what was
        stored then."""
        self._known = known_ids(before)
        if self.part in (Part.FIRST, Part.ALONE):
            self._act_apart()
        with _listening(self):
            yield
        if self.part is Part.LAST or self._is_lost or self._held is not None:
            self._act_apart()

    @property
    def is_emulating(self) -> bool:
        """Whether it may have to act on the program's own connection."""
        return self._engine.dialect.name == "sqlite" and self.part is Part.DURING

    def act(self, context: Any, executed: Executed) -> None:
        """Interfere, right before the statement of an execution context."""
        connection = context.root_connection
        statement = statement_of(context, self._known)
        try:
            own = self._own_desk(connection)
            changes = self._planned(statement, own)
            self._carry_out(changes, connection, own)
        except Refused as refusal:
            self.refused = self.refused or str(refusal)
            return
        self.changes += changes
        self._sent_key = self._sent_key or _key_sent(executed.table, statement, self._keys)

    def names_unstored(self, value: Any, mask: Mask) -> bool:
        """Whether what a call returned names the key of the row that it had wanted to store, and
        no such row is stored."""
        if self._sent_key is None:
            return False
        table, key = self._sent_key
        _, sent = key
        shown = canonical(value, replace(mask, known=mask.known | {str(sent)}))
        if not _holds(shown, str(sent)):
            return False
        with apart(self._engine, foreign_keys=False) as desk:
            return not desk.where(table, (key,), most=1)

    def _planned(self, statement: Statement, own: Desk | None) -> tuple[Change, ...]:
        with apart(self._engine, foreign_keys=False) as desk:
            schema = Schema(desk, self._keys, _tables_of(self._engine))
            first, *others = self._aims
            changes = changes_for(first.fault, first.target, statement, schema)
            if own is not None:
                _raise_if_locked(changes, own, schema)
            for aim in others:
                try:
                    other = changes_for(aim.fault, aim.target, statement, schema)
                except Refused:
                    continue
                self.others.append((aim, other))
        return changes

    def _own_desk(self, connection: Any) -> Desk | None:
        """The program's connection, if only through it anything can be changed."""
        if connection.dialect.name != "sqlite":
            return None
        desk = Desk(connection.connection.dbapi_connection, self._engine.dialect)
        self._enforces = bool(desk.rows("PRAGMA foreign_keys")[0]["foreign_keys"])
        return desk if is_in_transaction(desk.raw) else None

    def _carry_out(self, changes: tuple[Change, ...], connection: Any, own: Desk | None) -> None:
        if own is None:
            with apart(self._engine, foreign_keys=self._enforces) as desk:
                _make(changes, desk)
            return
        with within(own):
            _make(changes, own)
        self._held = connection

    def _act_apart(self) -> None:
        """All changes, on a connection of its own; what is there already is left."""
        self._held, self._is_lost = None, False
        try:
            with apart(self._engine, foreign_keys=self._enforces) as desk:
                _make(self.changes, desk)
        except Refused as refusal:
            self.refused = str(refusal)

    def ended(self, connection: Any, *, committed: bool, whole: bool = True) -> None:
        """The transaction with the changes has ended, or has gone back to a savepoint."""
        if self._held is connection:
            self._is_lost = not committed
            self._held = None if whole else self._held

    def resume(self, connection: Any, statement: str) -> None:
        """Make changes again that the program has rolled back, before its next statement."""
        if not self._is_lost or statement.lstrip()[:8].upper() == "ROLLBACK":
            return
        if self._held is None:
            self._act_apart()
            return
        own = Desk(connection.connection.dbapi_connection, self._engine.dialect)
        self._is_lost = False
        try:
            with within(own):
                _make(self.changes, own)
        except Refused:
            return  # the savepoint was younger than the changes: they are still there


def taking_part(other: OtherSession | None, before: Snapshot) -> AbstractContextManager[None]:
    """The block with the other session, if there is one."""
    return nullcontext() if other is None else other.taking_part(before)


def is_alone(other: OtherSession | None) -> bool:
    """Whether there is another session, and it acts without the call."""
    return other is not None and other.part is Part.ALONE


@contextmanager
def _listening(session: OtherSession) -> Iterator[None]:
    """Tell the session what becomes of the transaction that holds its changes."""
    listeners: tuple[tuple[str, Callable[..., None]], ...] = (
        ("commit", lambda c: session.ended(c, committed=True)),
        ("rollback", lambda c: session.ended(c, committed=False)),
        ("rollback_savepoint", lambda c, *_: session.ended(c, committed=False, whole=False)),
        ("before_cursor_execute", lambda c, _, sql, *__: session.resume(c, sql)),
    )
    listeners = listeners if session.is_emulating else ()
    for name, listener in listeners:
        event.listen(sa.engine.Engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(sa.engine.Engine, name, listener)


def _make(changes: tuple[Change, ...], desk: Desk) -> None:
    for change in changes:
        desk.make(change)


def _raise_if_locked(changes: tuple[Change, ...], own: Desk, schema: Schema) -> None:
    """On SQLite there are no locks on rows: what the program's transaction has written it would
    have locked elsewhere, and the rows that these refer to."""
    for change in changes:
        if not change.key:
            continue
        looked = [(change.table, change.key)]
        keys = schema.keys.get(change.table)
        row = next(iter(schema.desk.where(change.table, change.key)), {})
        for foreign in keys.referred_by if keys and change.verb == "DELETE" else ():
            values = zip(foreign.columns, map(row.get, foreign.other_columns), strict=True)
            looked.append((foreign.table, tuple(values)))
        if any(_sorted(schema.desk.where(*one)) != _sorted(own.where(*one)) for one in looked):
            raise Refused(
                "another session cannot interfere here: the row is locked by the call's transaction"
            )


def _key_sent(
    table: str, statement: Statement, keys: Mapping[str, TableKeys]
) -> tuple[str, tuple[str, Any]] | None:
    """The table, and the column and value of its primary key, that an INSERT sends as text."""
    known = keys.get(table)
    columns = known.primary.columns if known is not None and known.primary is not None else ()
    sent = statement.sent if statement.sql.lstrip()[:6].upper() == "INSERT" else {}
    value = sent.get(columns[0]) if len(columns) == 1 else None
    return (table, (columns[0], value)) if isinstance(value, (str, UUID)) else None


def _holds(shown: Any, text: str) -> bool:
    if isinstance(shown, tuple):
        return any(_holds(one, text) for one in shown)
    return bool(shown == text)


def _sorted(rows: list[Mapping[str, Any]]) -> list[str]:
    return sorted(repr(tuple(row.items())) for row in rows)


_REFLECTED: weakref.WeakKeyDictionary[sa.Engine, sa.MetaData] = weakref.WeakKeyDictionary()


def _tables_of(engine: sa.Engine) -> Mapping[str, sa.Table]:
    return _REFLECTED[engine].tables if engine in _REFLECTED else {}


def reflect(engine: sa.Engine, names: tuple[str, ...]) -> None:
    """Learn the columns of tables and of those that they refer to."""
    known = _REFLECTED.setdefault(engine, sa.MetaData())
    missing = [name for name in names if name and name not in known.tables]
    if missing:
        known.reflect(engine, only=missing, resolve_fks=True)
