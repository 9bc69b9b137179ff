"""What is in the database: whole rows of every table, read through a connection of our own.

    Snapshot    table -> columns and rows                          before and after a call
    Delta       table -> rows removed, rows added (masked)         what the call did
    changes     Delta against Delta                                what it should have done

Whole rows and no checksums: scratch databases hold hundreds of rows, and a difference must be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from auditor.backends.server import filled_tables
from auditor.faults.aim.keys import TableKeys
from auditor.faults.state.canonical import Mask, canonical, ids_in
from auditor.model.outcome import StateChange

Row = tuple[Any, ...]
_TABLES_A_STATEMENT = 100  # SQLite takes 500 SELECTs in one

_SYNCHRONOUS = {
    "aiosqlite": "pysqlite",
    "asyncpg": "psycopg",
    "psycopg_async": "psycopg",
    "aiomysql": "pymysql",
    "asyncmy": "pymysql",
}


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one table, in the order the database gave them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


Snapshot = Mapping[str, TableRows]


@dataclass(frozen=True, slots=True)
class TableDelta:
    """Masked rows that a call took away and put there, each with how many of it."""

    removed: Counter[Row]
    added: Counter[Row]


Delta = Mapping[str, TableDelta]


@contextmanager
def plain_engine(url: str) -> Iterator[sa.Engine]:
    """An engine of our own: no pool, no oslo.db, a synchronous driver."""
    parsed = make_url(url)
    name, _, driver = parsed.drivername.partition("+")
    engine = sa.create_engine(
        parsed.set(drivername=f"{name}+{_SYNCHRONOUS[driver]}")
        if driver in _SYNCHRONOUS
        else parsed,
        poolclass=NullPool,
    )
    try:
        yield engine
    finally:
        engine.dispose()


def snapshot(engine: sa.Engine) -> Snapshot:
    """Every row of every table of the default schema that has any, as committed. The empty ones,
    most of them in a large schema, are told apart by one statement for many."""
    with engine.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        names = {
            quote(name): name for name in sorted(connection.dialect.get_table_names(connection))
        }
        quoted = tuple(names)
        return {
            names[name]: _rows_of(connection, names[name])
            for begin in range(0, len(quoted), _TABLES_A_STATEMENT)
            for name in filled_tables(connection, quoted[begin : begin + _TABLES_A_STATEMENT])
        }


def _rows_of(connection: sa.Connection, name: str) -> TableRows:
    quoted = connection.dialect.identifier_preparer.quote(name)
    result = connection.exec_driver_sql(f"SELECT * FROM {quoted}")  # noqa: S608 - quoted
    return TableRows(tuple(result.keys()), tuple(tuple(row) for row in result))


def known_ids(before: Snapshot) -> frozenset[str]:
    """All UUIDs of a snapshot."""
    return frozenset(
        found
        for table in before.values()
        for row in table.rows
        for cell in row
        if isinstance(cell, str) or type(cell).__name__ == "UUID"
        for found in ids_in(str(cell))
    )


def fresh_keys(before: Snapshot, after: Snapshot, keys: Mapping[str, TableKeys]) -> frozenset[int]:
    """Whole-number keys that the database made during the call, of all tables."""
    fresh: set[int] = set()
    for name, table in keys.items():
        if table.generated and name in after:
            fresh |= _values(after, name, table.generated) - _values(before, name, table.generated)
    return frozenset(fresh)


def delta(
    before: Snapshot,
    after: Snapshot,
    mask: Mask,
    keys: Mapping[str, TableKeys],
    volatile: frozenset[str],
) -> Delta:
    """What changed, table by table; tables without a change are left out. `volatile` holds
    `table.column` or `column`."""
    nothing = TableRows((), ())
    found: dict[str, TableDelta] = {}
    for name in sorted({*before, *after}):
        old, new = before.get(name, nothing), after.get(name, nothing)
        if old == new:
            continue
        fresh = _fresh_cells(name, before, after, keys)
        old_rows = _masked(name, old, mask, volatile, fresh=fresh)
        new_rows = _masked(name, new, mask, volatile, fresh=fresh)
        if old_rows != new_rows:
            found[name] = TableDelta(old_rows - new_rows, new_rows - old_rows)
    return found


def changes(expected: Delta, actual: Delta) -> tuple[StateChange, ...]:
    """Rows by which the actual state differs from the expected one, both from the same start."""
    found = []
    empty = TableDelta(Counter(), Counter())
    for name in sorted({*expected, *actual}):
        wanted, got = expected.get(name, empty), actual.get(name, empty)
        balance = Counter(got.added)
        balance.subtract(wanted.added)
        balance.subtract(got.removed)
        balance.update(wanted.removed)
        added = sum(count for count in balance.values() if count > 0)
        missing = -sum(count for count in balance.values() if count < 0)
        if added or missing:
            found.append(StateChange(name, missing, added))
    return tuple(found)


def differing_columns(first: Delta, second: Delta, snapshots: Snapshot) -> tuple[str, ...]:
    """`table.column` for each column that tells the rows of two runs apart."""
    found = []
    for name in sorted({*first, *second}):
        columns = snapshots[name].columns if name in snapshots else ()
        for place, column in enumerate(columns):
            if _cells(first, name, place) != _cells(second, name, place):
                found.append(f"{name}.{column}")
    return tuple(found)


def _cells(run: Delta, name: str, place: int) -> Counter[Any]:
    if name not in run:
        return Counter()
    cells: Counter[Any] = Counter()
    for rows in (run[name].added, run[name].removed):
        for row, count in rows.items():
            cells[row[place]] += count
    return cells


def _masked(
    name: str,
    table: TableRows,
    mask: Mask,
    volatile: frozenset[str],
    *,
    fresh: Mapping[str, set[int]],
) -> Counter[Row]:
    masks = [
        None
        if {column, f"{name}.{column}"} & volatile
        else replace(mask, fresh=frozenset(fresh.get(column, ())))
        for column in table.columns
    ]
    return Counter(
        tuple(
            "<volatile>" if own is None else canonical(cell, own)
            for cell, own in zip(row, masks, strict=True)
        )
        for row in table.rows
    )


def _fresh_cells(
    name: str, before: Snapshot, after: Snapshot, keys: Mapping[str, TableKeys]
) -> Mapping[str, set[int]]:
    """For each column of a table that holds generated keys, its own or another table's: those
    that were made during the call."""
    table = keys.get(name)
    if table is None:
        return {}
    places = {table.generated: (name, table.generated)} if table.generated else {}
    for foreign in table.foreign_keys:
        other = keys.get(foreign.other_table)
        if other is not None and foreign.other_columns == (other.generated,):
            places[foreign.columns[0]] = (other.name, other.generated)
    return {
        column: _values(after, *place) - _values(before, *place) for column, place in places.items()
    }


def _values(state: Snapshot, name: str, column: str) -> set[int]:
    table = state.get(name)
    if table is None or column not in table.columns:
        return set()
    place = table.columns.index(column)
    return {row[place] for row in table.rows if isinstance(row[place], int)}
