"""Writes rows in bulk: COPY on PostgreSQL, executemany elsewhere, a block at a time."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auditor.growth.seeding.limits import checks_of
from auditor.growth.seeding.stored import unwrapped
from auditor.growth.seeding.tables import column_of
from auditor.growth.seeding.vectors import Vector
from auditor.model.errors import SeedError

BLOCK = 10_000
_COPYING = {"psycopg", "psycopg2"}
_SPECIAL = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a table by columns: `count` of them, each column a vector of stored values."""

    table: sa.Table
    columns: Mapping[str, Vector]
    count: int

    def blocks(self) -> Iterator[Sequence[Sequence[Any]]]:
        """The columns' values, for a block of rows after the other."""
        for start in range(0, self.count, BLOCK):
            rows = range(start, min(start + BLOCK, self.count))
            yield [vector(rows) for vector in self.columns.values()]


def insert(connection: Connection, rows: Rows) -> None:
    """Insert all rows. Raises SeedError with what the database said if it refuses them."""
    if not rows.columns:
        statement = rows.table.insert().values()
        for _ in range(rows.count):
            connection.execute(statement)
        return
    dialect: Any = connection.dialect
    write = _copy if dialect.driver in _COPYING and not dialect.is_async else _execute_many
    with _refusals(connection, rows.table):
        write(connection, rows)


def update(connection: Connection, rows: Rows, keys: Sequence[str]) -> None:
    """Set the columns that are no keys, in the rows that the keys name."""
    table = rows.table
    set_ = [name for name in rows.columns if name not in keys]
    names = {name: f"b{number}" for number, name in enumerate(rows.columns)}
    statement = table.update().values(
        {column_of(table, name): sa.bindparam(names[name]) for name in set_}
    )
    for key in keys:
        statement = statement.where(column_of(table, key) == sa.bindparam(names[key]))
    compiled: Any = statement.compile(dialect=connection.dialect)
    order = _parameter_order(compiled, list(names.values()))
    with _refusals(connection, table):
        for block in rows.blocks():
            _run_many(connection, str(compiled), order(list(zip(*block, strict=True))))


def sync_sequences(connection: Connection, table: sa.Table) -> None:
    """Let generated keys go on after the rows that were written. Elsewhere than on PostgreSQL
    the database does so itself."""
    column = getattr(table, "autoincrement_column", table._autoincrement_column)  # noqa: SLF001  its name in SQLAlchemy 1.4
    if connection.dialect.name != "postgresql" or column is None:
        return
    preparer = connection.dialect.identifier_preparer
    name = preparer.format_table(table)
    given: Any = column.default if isinstance(column.default, sa.Sequence) else None
    connection.execute(
        sa.text(
            f"SELECT setval({_OWN if given is not None else _SERIAL},"  # noqa: S608  quoted
            f" (SELECT max({preparer.format_column(column)}) FROM {name}))"
        ),
        {"sequence": preparer.format_sequence(given)}
        if given is not None
        else {"table": name, "column": column.name},
    )


_SERIAL = "pg_get_serial_sequence(:table, :column)"
_OWN = "CAST(:sequence AS regclass)"


def _execute_many(connection: Connection, rows: Rows) -> None:
    written = [column_of(rows.table, name) for name in rows.columns]
    names = [column.name for column in written]
    plain = sa.table(  # the table itself would add the defaults of columns that are left out
        rows.table.name,
        *(sa.column(column.name, column.type) for column in written),
        schema=rows.table.schema,
    )
    compiled: Any = plain.insert().compile(dialect=connection.dialect, column_keys=names)
    order = _parameter_order(compiled, names)
    for block in rows.blocks():
        _run_many(connection, str(compiled), order(list(zip(*block, strict=True))))


def _parameter_order(compiled: Any, names: Sequence[str]) -> Callable[[list[tuple[Any, ...]]], Any]:
    """Puts the values of a row in the order, or under the names, that the statement wants."""
    if not compiled.positional:
        wanted = [compiled.escaped_bind_names.get(name, name) for name in names]
        return lambda rows: [dict(zip(wanted, row, strict=True)) for row in rows]
    places = [names.index(name) for name in compiled.positiontup]
    if places == list(range(len(places))):
        return lambda rows: rows
    return lambda rows: [tuple(row[place] for place in places) for row in rows]


def _run_many(connection: Connection, statement: str, values: Any) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(statement, values)
    finally:
        cursor.close()


def _copy(connection: Connection, rows: Rows) -> None:
    preparer = connection.dialect.identifier_preparer
    columns = ", ".join(preparer.quote(name) for name in rows.columns)
    statement = f"COPY {preparer.format_table(rows.table)} ({columns}) FROM STDIN"
    statement = statement.replace("%%", "%")  # no parameters, so nothing is to be escaped
    cursor: Any = connection.connection.cursor()
    try:
        for block in rows.blocks():
            lines = map("\t".join, zip(*map(_as_texts, block), strict=True))
            text = "\n".join(lines) + "\n"
            if connection.dialect.driver == "psycopg2":
                cursor.copy_expert(statement, io.StringIO(text))
                continue
            with cursor.copy(statement) as copy:
                copy.write(text)
    finally:
        cursor.close()


def _as_texts(values: Sequence[Any]) -> Sequence[str]:
    """A column in COPY's text format."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return [*map(str, values)]
    if kinds == {str}:
        whole = "".join(values)
        if whole.translate(_SPECIAL) == whole:
            return values
    return [_as_text(value) for value in values]


def _as_text(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return r"\\x" + bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return _array(value).translate(_SPECIAL)
    if isinstance(value, dict):
        return ", ".join(f'"{key}"=>"{one}"' for key, one in value.items()).translate(_SPECIAL)
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    inner = unwrapped(value)
    if inner is not value:  # a driver's wrapper, as types that wrap another use it
        is_json = type(value).__name__ in ("Json", "Jsonb")
        return _as_text(json.dumps(inner) if is_json else inner)
    return str(value).translate(_SPECIAL)


def _array(values: Sequence[Any]) -> str:
    def element(value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, (list, tuple)):
            return _array(value)
        if isinstance(value, bool):
            return "t" if value else "f"
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    return "{" + ",".join(map(element, values)) + "}"


@contextmanager
def _refusals(connection: Connection, table: sa.Table) -> Iterator[None]:
    """Turns what the database's driver raises into a SeedError."""
    dialect: Any = connection.dialect
    dbapi = getattr(dialect, "loaded_dbapi", None) or dialect.dbapi
    try:
        yield
    except (dbapi.Error, sa.exc.DBAPIError) as error:
        raise SeedError(refusal(table, error)) from error


def refusal(table: sa.Table, error: BaseException) -> str:
    """What the database said, the constraint if it can be told, and which columns to hook."""
    cause = getattr(error, "orig", None) or error
    said = " ".join(str(cause).split())[:_LONGEST]
    columns = _columns_behind(table, said) or [str(column.name) for column in table.columns][:1]
    hooks = ", ".join(f'"{table.fullname}.{name}": lambda i: ...' for name in columns)
    return (
        f"the database refused rows of `{table.fullname}`: {type(cause).__name__}: {said}; the"
        f" metadata does not explain this: give the values with hooks={{{hooks}}}"
    )


def _columns_behind(table: sa.Table, said: str) -> list[str]:
    """The columns of the constraint that the message names, or those it names itself."""
    constraints = {*table.constraints, *checks_of(table)}
    for constraint in sorted(constraints, key=lambda one: -len(str(one.name or ""))):
        if isinstance(constraint.name, str) and constraint.name in said:
            return _columns_of(constraint, table)
    for check in checks_of(table):
        if str(check.sqltext) in said:
            return _columns_of(check, table)
    if "foreign key" in said.lower() and table.foreign_keys:
        return sorted({str(key.parent.name) for key in table.foreign_keys})
    words = set(
        said.replace(".", " ").replace('"', " ").replace("'", " ").replace(",", " ").split()
    )
    return [str(column.name) for column in table.columns if column.name in words]


def _columns_of(constraint: Any, table: sa.Table) -> list[str]:
    names = [str(column.name) for column in getattr(constraint, "columns", ())]
    text = str(getattr(constraint, "sqltext", ""))
    return names or [str(column.name) for column in table.columns if column.name in text]
