"""What another session could do before a statement, as the schema and the statement's text say.

Each `Target` is one thing to do, and so one run. Whether it can be done to the very rows is only
known when the statement comes: they may be locked, or made by the call itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.faults.aim.keys import Key, TableKeys
from auditor.faults.aim.shots import Executed
from auditor.faults.aim.writes import writes_of
from auditor.faults.catalogue.fault import Fault, Needs, Target
from auditor.sql.conditions import compared_columns, named_tables


def rival_targets(fault: Fault, executed: Executed, keys: TableKeys | None) -> tuple[Target, ...]:
    """What the fault could be about; nothing if it cannot happen at this statement. `keys` are
    those of the table that the statement names first."""
    verb, sql = executed.verb, executed.sql
    if verb not in fault.verbs or keys is None or keys.primary is None:
        return ()
    written = _written(sql, keys) - executed.nulls
    if fault.needs is Needs.ROW:
        return tuple(_found(verb, sql, keys))
    if fault.needs is Needs.CHANGED:
        return tuple(_changeable(sql, written, keys))
    if fault.needs is Needs.UNIQUE:
        return tuple(_taken(written, keys))
    if fault.needs is Needs.PARENT:
        return tuple(Target.of_key(one) for one in keys.foreign_keys if set(one.columns) <= written)
    return tuple(Target.of_key(one, deletes=True) for one in keys.referred_by if one.restricts)


def _written(sql: str, keys: TableKeys) -> frozenset[str]:
    every = frozenset(column.name for column in keys.columns)
    found = [
        every if write.columns is None else write.columns
        for write in writes_of(sql)
        if write.table.rpartition(".")[2] == keys.name
    ]
    return frozenset().union(*found)


def _found(verb: str, sql: str, keys: TableKeys) -> Iterator[Target]:
    """The row of a write, or of a look-up by a whole key."""
    compared = set(_compared(sql, keys))
    if verb != "SELECT" or any(set(key.columns) <= compared for key in _keys(keys)):
        yield Target(keys.name)


def _changeable(sql: str, written: frozenset[str], keys: TableKeys) -> Iterator[Target]:
    """Columns that the statement compares beside its key, as a version is; if there are none,
    those that it writes."""
    bound = {column for key in _keys(keys) for column in key.columns}
    bound |= {column for foreign in keys.foreign_keys for column in foreign.columns}
    compared = tuple(column for column in _compared(sql, keys) if column not in bound)
    own = tuple(c.name for c in keys.columns if c.name in written and c.name not in bound)
    columns = compared or own
    if columns:
        yield Target(keys.name, columns=columns)


def _taken(written: frozenset[str], keys: TableKeys) -> Iterator[Target]:
    """Each unique key, and the primary one if there is no other: its values are mostly made by the
    program, of a range that no other session has."""
    found = [key for key in _keys(keys) if set(key.columns) <= written]
    for key in found:
        if key != keys.primary or len(found) == 1:
            yield Target(keys.name, key.name, key.columns, primary=key == keys.primary)


def _compared(sql: str, keys: TableKeys) -> tuple[str, ...]:
    names: Mapping[str, str] = named_tables(sql)
    for name, columns in compared_columns(sql).items():
        if names.get(name, name).rpartition(".")[2] == keys.name:
            return columns
    return ()


def _keys(keys: TableKeys) -> tuple[Key, ...]:
    return (*keys.uniques, *((keys.primary,) if keys.primary is not None else ()))
