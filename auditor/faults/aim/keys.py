"""What a live schema says can be violated: keys, foreign keys, NOT NULL, CHECK, lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

_RESTRICTING = frozenset({"NO ACTION", "RESTRICT"})


@dataclass(frozen=True, slots=True)
class Key:
    """A primary or unique key. The name is the database's own, empty if it gives none. One that is
    `deferred` is checked at COMMIT."""

    name: str
    columns: tuple[str, ...]
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`table (columns)` refers to `other_table (other_columns)`. `restricts`: deleting a row that
    is referred to is an error, and not passed on to the rows that refer to it; `cascades`: those
    are deleted with it; `restricts_updates`: changing what is referred to is an error; `deferred`:
    all of that is checked at COMMIT."""

    name: str
    table: str
    columns: tuple[str, ...]
    other_table: str
    other_columns: tuple[str, ...]
    restricts: bool
    cascades: bool = False
    restricts_updates: bool = True
    deferred: bool = False


@dataclass(frozen=True, slots=True)
class ColumnLimit:
    """A column; `required` is NOT NULL, `length` in characters or 0 if there is no limit,
    `integer` is `smallint`, `integer` or `bigint`, or empty for other types."""

    name: str
    required: bool
    length: int
    integer: str = ""


@dataclass(frozen=True, slots=True)
class TableKeys:
    """All of one table. `generated` is the column whose whole numbers the database makes, or
    empty; `referred_by` are the foreign keys of other tables that point here."""

    name: str
    primary: Key | None
    uniques: tuple[Key, ...]
    foreign_keys: tuple[ForeignKey, ...]
    referred_by: tuple[ForeignKey, ...]
    columns: tuple[ColumnLimit, ...]
    checks: tuple[str, ...]
    generated: str
    schema: str = ""


def read_keys(connection: sa.Connection) -> Mapping[str, TableKeys]:
    """The keys of every table of the default schema, by table name; other schemas are not read."""
    inspector = sa.inspect(connection)
    names = sorted(inspector.get_table_names())
    foreign = {name: _foreign_keys(inspector, name) for name in names}
    found = {name: _table_keys(inspector, name, foreign) for name in names}
    late = _deferred_keys(connection)
    return {name: _with_deferred(table, late) for name, table in found.items()}


def keys_of(keys: Mapping[str, TableKeys], table: str) -> TableKeys | None:
    """The keys of a table as a statement spells it; None if it is not in the default schema. A
    spelling that differs in capitals alone is the same table if there is just one such."""
    schema, _, name = table.rpartition(".")
    alike = [own for own in keys.values() if own.name.lower() == name.lower()]
    found = keys.get(name) or (alike[0] if len(alike) == 1 else None)
    if found is None or schema.lower() not in {"", found.schema.lower()}:
        return None
    return found


def _table_keys(
    inspector: Any, name: str, foreign: Mapping[str, tuple[ForeignKey, ...]]
) -> TableKeys:
    columns = inspector.get_columns(name)
    primary = inspector.get_pk_constraint(name)
    primary_columns = tuple(primary.get("constrained_columns") or ())
    own_name = "PRIMARY" if inspector.dialect.name in {"mysql", "mariadb"} else ""
    return TableKeys(
        name=name,
        primary=Key(primary.get("name") or own_name, primary_columns) if primary_columns else None,
        uniques=_uniques(inspector, name),
        foreign_keys=foreign[name],
        referred_by=tuple(
            one for keys in foreign.values() for one in keys if one.other_table == name
        ),
        columns=tuple(
            ColumnLimit(c["name"], not c["nullable"], _length(c["type"]), _integer(c["type"]))
            for c in columns
        ),
        checks=tuple(sorted(str(c["name"]) for c in _checks(inspector, name) if c["name"])),
        generated=_generated(columns, primary_columns),
        schema=inspector.default_schema_name or "",
    )


def _length(type_: Any) -> int:
    """Characters of a text; a limit that is not a number (PostgreSQL's intervals) is none."""
    length = getattr(type_, "length", None)
    return length if isinstance(length, int) and isinstance(type_, sa.String) else 0


def _integer(type_: Any) -> str:
    if not isinstance(type_, sa.Integer) or getattr(type_, "display_width", None) == 1:
        return ""  # TINYINT(1) is MariaDB's boolean
    if isinstance(type_, sa.BigInteger):
        return "bigint"
    return "smallint" if isinstance(type_, sa.SmallInteger) else "integer"


def _generated(columns: list[Any], primary: tuple[str, ...]) -> str:
    """A whole-number column that is the whole primary key: the database may make its values."""
    for column in columns:
        if primary == (column["name"],) and isinstance(column["type"], sa.Integer):
            return primary[0]
    return ""


def _deferred_keys(connection: sa.Connection) -> frozenset[tuple[str, str]]:
    """Table and name of the keys that are checked at COMMIT; only PostgreSQL has such."""
    if connection.dialect.name != "postgresql":
        return frozenset()
    query = sa.text(
        "SELECT relname, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid"
        " WHERE condeferred AND contype IN ('p', 'u') AND pg_table_is_visible(conrelid)"
    )
    return frozenset((table, name) for table, name in connection.execute(query))


def _with_deferred(table: TableKeys, late: frozenset[tuple[str, str]]) -> TableKeys:
    def told(key: Key) -> Key:
        return replace(key, deferred=(table.name, key.name) in late)

    primary = told(table.primary) if table.primary is not None else None
    return replace(table, primary=primary, uniques=tuple(told(key) for key in table.uniques))


def _uniques(inspector: Any, name: str) -> tuple[Key, ...]:
    found = {
        tuple(one["column_names"]): Key(one["name"] or "", tuple(one["column_names"]))
        for one in inspector.get_unique_constraints(name)
    }
    for one in inspector.get_indexes(name):
        if one["unique"] and None not in one["column_names"]:
            columns = tuple(one["column_names"])
            found.setdefault(columns, Key(one["name"] or "", columns))
    return tuple(found[columns] for columns in sorted(found))


def _foreign_keys(inspector: Any, name: str) -> tuple[ForeignKey, ...]:
    found = [
        ForeignKey(
            name=one["name"] or "",
            table=name,
            columns=tuple(one["constrained_columns"]),
            other_table=one["referred_table"],
            other_columns=tuple(one["referred_columns"]),
            restricts=_action(one, "ondelete") in _RESTRICTING,
            cascades=_action(one, "ondelete") == "CASCADE",
            restricts_updates=_action(one, "onupdate") in _RESTRICTING,
            deferred=_option(one, "initially") == "DEFERRED",
        )
        for one in inspector.get_foreign_keys(name)
    ]
    return tuple(sorted(found, key=lambda one: (one.columns, one.other_table)))


def _action(reflected: Any, name: str) -> str:
    return _option(reflected, name) or "NO ACTION"


def _option(reflected: Any, name: str) -> str:
    return str((reflected.get("options") or {}).get(name) or "").upper()


def _checks(inspector: Any, name: str) -> list[Any]:
    try:
        return list(inspector.get_check_constraints(name))
    except NotImplementedError:  # some dialects cannot tell
        return []
