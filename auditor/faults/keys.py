"""What a live schema says can be violated: keys, foreign keys, NOT NULL, CHECK, lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Key:
    """A primary or unique key. The name is the database's own, empty if it gives none."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`table (columns)` refers to `other_table (other_columns)`. `restricts`: deleting a row that
    is referred to is an error, and not passed on to the rows that refer to it."""

    name: str
    table: str
    columns: tuple[str, ...]
    other_table: str
    other_columns: tuple[str, ...]
    restricts: bool


@dataclass(frozen=True, slots=True)
class ColumnLimit:
    """A column; `required` is NOT NULL, `length` in characters or 0 if there is no limit."""

    name: str
    required: bool
    length: int


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


def read_keys(connection: sa.Connection) -> Mapping[str, TableKeys]:
    """The keys of every table of the default schema, by table name."""
    inspector = sa.inspect(connection)
    names = sorted(inspector.get_table_names())
    foreign = {name: _foreign_keys(inspector, name) for name in names}
    return {name: _table_keys(inspector, name, foreign) for name in names}


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
            ColumnLimit(c["name"], not c["nullable"], int(getattr(c["type"], "length", 0) or 0))
            for c in columns
        ),
        checks=tuple(sorted(str(c["name"]) for c in _checks(inspector, name) if c["name"])),
        generated=_generated(columns, primary_columns),
    )


def _generated(columns: list[Any], primary: tuple[str, ...]) -> str:
    """A whole-number column that is the whole primary key: the database may make its values."""
    for column in columns:
        if primary == (column["name"],) and isinstance(column["type"], sa.Integer):
            return primary[0]
    return ""


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
            restricts=(one.get("options") or {}).get("ondelete", "NO ACTION").upper()
            in {"NO ACTION", "RESTRICT"},
        )
        for one in inspector.get_foreign_keys(name)
    ]
    return tuple(sorted(found, key=lambda one: (one.columns, one.other_table)))


def _checks(inspector: Any, name: str) -> list[Any]:
    try:
        return list(inspector.get_check_constraints(name))
    except NotImplementedError:  # some dialects cannot tell
        return []
