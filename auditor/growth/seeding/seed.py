"""Fills related tables to asked sizes from SQLAlchemy metadata alone: `auditor.seed`.

    seed(engine, Base.metadata, {"routers": 100, "labels": 20})

Every value is a function of its row's number: row i of a child refers to row i mod n of its
parent, and equal calls write equal rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auditor.growth.seeding.axes import Axis, Facts, Hook, Setting, facts_of
from auditor.growth.seeding.bulk import Rows, insert, refusal, sync_sequences, update
from auditor.growth.seeding.connection import connected
from auditor.growth.seeding.limits import limits_of
from auditor.growth.seeding.order import Filling, filling_order
from auditor.growth.seeding.sizes import asked_sizes, settle_sizes, table_named
from auditor.growth.seeding.stored import processed
from auditor.growth.seeding.tables import column_of, identities_of, inheritances_of, references_of
from auditor.growth.seeding.unique import distinct_axes
from auditor.growth.seeding.vectors import Columns, Vector
from auditor.model.errors import SeedError

Hooks = Mapping[str, Any]


def seed(
    database: Any, metadata: Any, sizes: Mapping[Any, int], *, hooks: Hooks | None = None
) -> dict[str, int]:
    """Insert as many rows as `sizes` asks for, and those that their foreign keys need; the number
    of rows written by table, in the order of writing.

    `database` is an engine or a URL (committed at the end), or a connection or session (its
    transaction is left open). `metadata` is a MetaData, or a declarative base. `sizes` and
    `hooks` name tables; a hook is `"table.column": lambda i: value`, `"table": lambda i: {column:
    value}`, or a value for all rows, and is called again with the same `i` for rows that refer to
    it. Raises SeedError; tables with a size must be empty.
    """
    tables = metadata_of(metadata)
    asked = asked_sizes(tables, sizes)
    with connected(database) as connection:
        setting = _setting(connection, tables, asked, _resolved(tables, hooks or {}))
        settle_sizes(setting)
        axes = {
            table: distinct_axes(table, setting)
            for table in tables.tables.values()
            if setting.counts.get(table)
        }
        order = filling_order(axes, setting.facts)
        columns = Columns(setting, axes, identities_of(tables), _reader(connection, setting))
        _fill(connection, order, columns)
        return {table.fullname: setting.counts[table] for table in order.tables}


def metadata_of(given: Any) -> sa.MetaData:
    """The metadata given, or that of a declarative base or registry. Raises SeedError."""
    found = getattr(given, "metadata", given)
    if not isinstance(found, sa.MetaData):
        raise SeedError(
            f"`{given!r:.60}` is no metadata: give a `MetaData` or a declarative base, such as"
            " `Base.metadata`"
        )
    return found


def _setting(
    connection: Connection,
    metadata: sa.MetaData,
    asked: Mapping[sa.Table, int],
    hooks: Mapping[sa.Table, Mapping[str, Hook]],
) -> Setting:
    reached = _reached(asked)
    referenced: dict[sa.Table, set[str]] = {}
    for table in metadata.tables.values():
        for reference in references_of(table) if table in reached else ():
            referenced.setdefault(reference.parent, set()).update(reference.targets)
    facts: dict[sa.Table, Facts] = {
        table: facts_of(table, limits_of(table), frozenset(referenced.get(table, ())))
        for table in reached
    }
    return Setting(
        dialect=connection.dialect,
        facts=facts,
        hooks=hooks,
        inheritances={one.child: one for one in inheritances_of(metadata)},
        asked=frozenset(asked),
        counts=dict(asked),
        existing=_existing(connection, reached, asked),
    )


def _reached(asked: Mapping[sa.Table, int]) -> list[sa.Table]:
    """The asked tables and all that they can refer to."""
    found = list(asked)
    for table in found:
        found += {one.parent: None for one in references_of(table) if one.parent not in found}
    return found


def _existing(
    connection: Connection, tables: Sequence[sa.Table], asked: Mapping[sa.Table, int]
) -> dict[sa.Table, int]:
    """The rows that tables hold already. Raises SeedError for one that was asked for."""
    counts = {}
    for table in tables:
        try:
            held = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
        except sa.exc.DBAPIError as error:
            raise SeedError(
                f"`{table.fullname}` cannot be read: {' '.join(str(error.orig).split())}; create"
                " the tables first, such as with `metadata.create_all(engine)`"
            ) from error
        if held and table in asked:
            raise SeedError(
                f"`{table.fullname}` holds {held} rows already: seeding fills empty tables, and"
                " numbers their rows from 0; empty it, or do not name it to use its rows"
            )
        counts[table] = int(held or 0)
    return counts


def _resolved(metadata: sa.MetaData, hooks: Hooks) -> dict[sa.Table, dict[str, Hook]]:
    found: dict[sa.Table, dict[str, Hook]] = {}
    for place, hook in hooks.items():
        name = getattr(getattr(place, "__table__", place), "fullname", place)
        whole = str(name) in metadata.tables or "." not in str(name)
        table = table_named(metadata, name if whole else str(name).rpartition(".")[0])
        own = found.setdefault(table, {})
        if whole:
            own.update(_of_whole_rows(table, hook))
            continue
        own[_column_named(table, str(name).rpartition(".")[2])] = _callable(hook, str(name))
    return found


def _of_whole_rows(table: sa.Table, hook: Any) -> dict[str, Hook]:
    try:
        made = hook(0) if callable(hook) else hook
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise SeedError(f"the hook of `{table.fullname}` failed for row 0: {said}") from error
    if not isinstance(made, Mapping):
        raise SeedError(
            f"hooks[`{table.fullname}`] gives `{made!r:.60}`: a hook of a table gives a mapping of"
            " column names to values"
        )
    row_of: Callable[[int], Any] = hook if callable(hook) else lambda _: hook
    return {
        _column_named(table, name): lambda row, name=name: row_of(row)[name]  # type: ignore[misc]
        for name in made
    }


def _callable(hook: Any, place: str) -> Hook:
    if inspect.iscoroutinefunction(hook):
        raise SeedError(f"hooks[`{place}`] is a coroutine function: give a plain function")
    return hook if callable(hook) else lambda _: hook


def _column_named(table: sa.Table, wanted: str) -> str:
    for column in table.columns:
        if wanted in (column.name, column.key):
            return str(column.name)
    names = ", ".join(f"`{column.name}`" for column in table.columns)
    raise SeedError(f"`{table.fullname}` has no column `{wanted}` to hook; it has {names}")


def _reader(connection: Connection, setting: Setting) -> Callable[[sa.Table, str], Sequence[Any]]:
    def rows_of(table: sa.Table, name: str) -> Sequence[Any]:
        column = column_of(table, name)
        order = list(table.primary_key.columns) or [column]
        found = connection.execute(sa.select(column).order_by(*order)).scalars().all()
        return processed(column, setting.dialect)(found)

    return rows_of


def _fill(connection: Connection, order: Filling, columns: Columns) -> None:
    if order.deferred:
        _defer(connection)
    late: list[tuple[sa.Table, Axis]] = []
    for table in order.tables:
        postponed = [a for a in columns.axes[table] if (table, a.columns) in order.late]
        late += [(table, axis) for axis in postponed]
        insert(connection, _rows(table, columns, postponed))
        sync_sequences(connection, table)
    for table, axis in late:
        keys = [str(column.name) for column in table.primary_key.columns]
        set_ = [name for name in axis.columns if _may_wait(table, name)]
        if not keys:
            raise SeedError(f"`{table.fullname}` is in a cycle and has no primary key to update by")
        vectors = {name: columns.of(table, name) for name in (*set_, *keys)}
        update(connection, Rows(table, vectors, columns.setting.counts[table]), keys)


def _rows(table: sa.Table, columns: Columns, postponed: Sequence[Axis]) -> Rows:
    waiting = {name for axis in postponed for name in axis.columns if _may_wait(table, name)}
    vectors: dict[str, Vector] = {
        name: (lambda rows: [None] * len(rows)) if name in waiting else columns.of(table, name)
        for name in columns.names(table)
    }
    return Rows(table, vectors, columns.setting.counts[table])


def _may_wait(table: sa.Table, name: str) -> bool:
    column = column_of(table, name)
    return bool(column.nullable) and not column.primary_key


def _defer(connection: Connection) -> None:
    statement = {
        "postgresql": "SET CONSTRAINTS ALL DEFERRED",
        "sqlite": "PRAGMA defer_foreign_keys=ON",
    }.get(connection.dialect.name)
    if statement:
        try:
            connection.exec_driver_sql(statement)
        except sa.exc.DBAPIError as error:
            raise SeedError(refusal(sa.Table("constraints", sa.MetaData()), error)) from error
