"""What a fault would be about at a statement: each thing that it could violate, or nothing.

Which statements a fault can hit is asked of the fault's verbs first, then of what it needs:

    deadlock     every statement. That a plain SELECT loses one is rare and real: a cluster aborts
                 a transaction at whatever it executes next when a replicated write wins, an ALTER
                 TABLE on PostgreSQL waits for readers and they for it, and reads take locks in
                 SERIALIZABLE transactions of MariaDB. The words are the same, so is the handler.
    lock wait    what takes locks: writes, and SELECT ... FOR UPDATE or FOR SHARE unless it skips
                 locked rows. On SQLite, which knows no FOR UPDATE, the construct says it.
    SNAPSHOT     40001 and 1020 need a snapshot that is kept: REPEATABLE READ or SERIALIZABLE.
                 Reads and INSERTs only meet it on PostgreSQL in SERIALIZABLE.
    violations   what the text writes, the live schema and the values sent: no duplicate of a key
                 with a NULL in it or one that ON CONFLICT deals with, no missing parent of NULL.
                 What is deferred is checked at COMMIT, and only a second session tells what then.

Every unique key and every foreign key is a target of its own, for handlers tell them apart. Of NOT
NULL and limited columns and of CHECKs one stands for all: their errors name no column that oslo.db
or SQLAlchemy would hand on, PostgreSQL's `check_name` excepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from auditor.faults.aim.keys import ColumnLimit, ForeignKey, Key, TableKeys, keys_of
from auditor.faults.aim.shots import Executed
from auditor.faults.aim.writes import Settled, Write, writes_of
from auditor.faults.catalogue.fault import LOCK, Fault, Moment, Needs, Target
from auditor.faults.rivals.targets import rival_targets

Keys = Mapping[str, TableKeys]
Targets = Iterator[Target]

_KEEPS_SNAPSHOT = frozenset({"REPEATABLE READ", "SERIALIZABLE"})


def targets_of(fault: Fault, executed: Executed, keys: Keys) -> tuple[Target, ...]:
    """All that the fault could be about here, in a fixed order; empty if it cannot happen.

    Tables that `keys` does not know can only meet faults that need nothing of a table.
    """
    if fault.moment is Moment.RIVAL:
        return rival_targets(fault, executed, keys_of(keys, executed.table))
    writes = writes_of(executed.sql)
    verbs = {executed.verb, *(write.verb for write in writes), *([LOCK] if executed.locks else [])}
    if verbs.isdisjoint(fault.verbs):
        return ()
    if fault.needs in _CIRCUMSTANCES:
        if not _CIRCUMSTANCES[fault.needs](executed, verbs):
            return ()
        table = keys_of(keys, executed.table)
        return (Target(table.name if table else "", nowait=" NOWAIT" in executed.shape),)
    violated = _VIOLATED.get(fault.needs)
    if violated is None:
        return ()
    found = chain.from_iterable(
        violated(write, executed, table, keys)
        for write in writes
        if write.verb in fault.verbs and (table := keys_of(keys, write.table)) is not None
    )
    return tuple(dict.fromkeys(found))


def is_asked_for(target: Target, fault: Fault) -> bool:
    """Whether a fault that is limited to subjects is about this one."""
    return not fault.subjects or target.selector in fault.subjects


def _can_lose_snapshot(executed: Executed, verbs: Iterable[str]) -> bool:
    if executed.isolation not in _KEEPS_SNAPSHOT:
        return False
    if executed.dialect == "postgresql" and executed.isolation == "SERIALIZABLE":
        return True
    return not {"UPDATE", "DELETE", "MERGE", LOCK}.isdisjoint(verbs)


def _can_wait_for_connection(executed: Executed, _: Iterable[str]) -> bool:
    """In-memory SQLite stands for a server, and its pools for those of servers."""
    return executed.dialect == "sqlite" or executed.pool.endswith("QueuePool")


_CIRCUMSTANCES: Mapping[Needs, Callable[[Executed, Iterable[str]], bool]] = {
    Needs.NOTHING: lambda _executed, _verbs: True,
    Needs.SNAPSHOT: _can_lose_snapshot,
    Needs.AUTOCOMMIT: lambda executed, _: executed.isolation == "AUTOCOMMIT",
    Needs.POOL: _can_wait_for_connection,
}


def _duplicates(write: Write, executed: Executed, table: TableKeys, _: Keys) -> Targets:
    """Unique keys before the primary one, which is left out if there are others and its value is
    generated: nobody else has a UUID."""
    if write.ignores:
        return
    nulls = executed.nulls | write.nulls
    primary = (table.primary,) if table.primary is not None else ()
    written = [key for key in (*table.uniques, *primary) if _writes(write, key.columns)]
    possible = [
        key
        for key in written
        if not _is_late(key, executed)
        and nulls.isdisjoint(key.columns)
        and not _is_settled(key, write.settles, written)
    ]
    for key in possible:
        is_primary = key == table.primary
        if not is_primary or len(possible) == 1 or executed.generated.isdisjoint(key.columns):
            yield Target(table.name, key.name, key.columns, primary=is_primary)


def _is_late(key: Key | ForeignKey, executed: Executed) -> bool:
    """Whether the server looks after it only at COMMIT."""
    return key.deferred and executed.isolation != "AUTOCOMMIT"


def _writes(write: Write, columns: tuple[str, ...]) -> bool:
    """An INSERT must give all of a key, for the rest is NULL; an UPDATE may change a part of it."""
    if write.columns is None:
        return True
    if write.verb == "UPDATE":
        return not write.columns.isdisjoint(columns)
    return write.columns.issuperset(columns)


def _is_settled(key: Key, settles: Settled | None, written: list[Key]) -> bool:
    """Whether the statement deals with duplicates of this key. The row that was there and is
    changed in place may meet another one: then two keys are needed."""
    if settles is None:
        return False
    if settles.every:
        return settles.updates.isdisjoint(key.columns) or len(written) == 1
    return settles.columns == frozenset(key.columns) or settles.name == key.name != ""


def _references(write: Write, executed: Executed, table: TableKeys, keys: Keys) -> Targets:
    if write.ignores_references:
        return
    if write.verb == "DELETE":
        yield from _still_referred_to(table, keys, executed)
        return
    yield from _parents(write, executed, table, keys)
    changed = write.columns or frozenset()
    for foreign in table.referred_by if write.verb == "UPDATE" else ():
        is_changed = not changed.isdisjoint(foreign.other_columns)
        if foreign.restricts_updates and is_changed and not _is_late(foreign, executed):
            yield Target.of_key(foreign, deletes=True)


def _parents(write: Write, executed: Executed, table: TableKeys, _: Keys) -> Targets:
    nulls = executed.nulls | write.nulls
    for foreign in table.foreign_keys:
        if _is_late(foreign, executed):
            continue
        if _writes(write, foreign.columns) and nulls.isdisjoint(foreign.columns):
            yield Target.of_key(foreign, deletes=False)


def _still_referred_to(table: TableKeys, keys: Keys, executed: Executed) -> Targets:
    """Foreign keys that forbid to delete, also those of rows that would be deleted with it."""
    waiting, seen = [table], {table.name}
    while waiting:
        for foreign in waiting.pop(0).referred_by:
            child = keys.get(foreign.table)
            if foreign.restricts and not _is_late(foreign, executed):
                yield Target.of_key(foreign, deletes=True)
            elif foreign.cascades and child is not None and child.name not in seen:
                seen.add(child.name)
                waiting.append(child)


def _children(_: Write, __: Executed, table: TableKeys, keys: Keys) -> Targets:
    """Foreign keys that forbid to delete a row of this very table."""
    yield from (Target.of_key(one, deletes=True) for one in table.referred_by if one.restricts)


def _checks(write: Write, _: Executed, table: TableKeys, __: Keys) -> Targets:
    if not write.ignores and (write.columns is None or write.columns):
        yield from (Target(table.name, name) for name in table.checks[:1])


def _column(
    wanted: Callable[[ColumnLimit], bool],
) -> Callable[[Write, Executed, TableKeys, Keys], Targets]:
    """The first such column that is written, one outside the primary key if there is one."""

    def found(write: Write, _: Executed, table: TableKeys, __: Keys) -> Targets:
        primary = table.primary.columns if table.primary is not None else ()
        for column in sorted(table.columns, key=lambda one: one.name in primary):
            is_written = write.columns is None or column.name in write.columns
            if is_written and wanted(column) and not write.ignores:
                yield Target(
                    table.name,
                    columns=(column.name,),
                    length=column.length,
                    integer=column.integer,
                )
                return

    return found


_VIOLATED = {
    Needs.UNIQUE: _duplicates,
    Needs.FOREIGN_KEY: _references,
    Needs.PARENT: _parents,
    Needs.CHILD: _children,
    Needs.NOT_NULL: _column(lambda column: column.required),
    Needs.CHECK: _checks,
    Needs.LENGTH: _column(lambda column: column.length > 0),
    Needs.INTEGER: _column(lambda column: column.integer != ""),
}
