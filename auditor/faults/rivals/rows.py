"""Rows as another session would store them: like what is there or what is sent, but its own.

Values are plausible, not random: a column that must differ takes the value of another row, or the
sent one with its last letter changed; keys are of a range that nothing else uses.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from auditor.faults.aim.keys import ForeignKey, Key, TableKeys
from auditor.faults.rivals.desk import Change, Desk, Refused, Row

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_FAR = 1_000_000
"""Added to the largest number of a column, so that the database does not give the same one."""
_DEEPEST = 4
_UNLIKELY = 17
"""Added to numbers: programs add 1, and both together must not look like one."""
_OF_TYPE: tuple[tuple[type[Any], Any], ...] = (
    (sa.Boolean, False),
    (sa.Integer, 1),
    (sa.Numeric, 1),
    (sa.JSON, "{}"),
    (sa.DateTime, "2001-01-01 00:00:00"),
    (sa.Date, "2001-01-01"),
    (sa.Time, "00:00:00"),
    (sa.LargeBinary, b"x"),
    (sa.String, "x"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """What is stored, and what is known of the tables: keys for all, columns with types and
    defaults for those that another session may have to fill."""

    desk: Desk
    keys: Mapping[str, TableKeys]
    tables: Mapping[str, sa.Table]

    def key_of(self, table: str, row: Row) -> tuple[tuple[str, Any], ...]:
        """The primary key of a row. Raises Refused for a table that has none."""
        primary = self.keys[table].primary if table in self.keys else None
        if primary is None:
            raise Refused(f"`{table}` has no primary key, so no one row can be named")
        return tuple((column, row[column]) for column in primary.columns)


def insertion(schema: Schema, table: str, fixed: Row, base: Row, depth: int = 0) -> list[Change]:
    """The rows to store so that `table` gets one with the `fixed` values, and otherwise like
    `base`; rows that it must refer to come first. Raises Refused if there can be no such row."""
    if depth > _DEEPEST or table not in schema.keys:
        raise Refused(f"no plausible row of `{table}` could be made")
    keys = schema.keys[table]
    like = next(iter(schema.desk.where(table, (), most=1)), {})
    values = {**_required(schema, keys, like), **base, **fixed}
    own = set(fixed)
    for column in _own_key(keys, own):
        if column == keys.generated and not depth:
            values.pop(column, None)
        else:
            values[column] = _new_key(schema, keys, column, values.get(column))
        own.add(column)
    before = _referred(schema, keys, values, own, depth)
    for key in keys.uniques:
        if not own & set(key.columns) and all(values.get(c) is not None for c in key.columns):
            before += _set_apart(schema, keys, key, values, depth)
            own |= set(key.columns)
    return [*before, Change("INSERT", table, values=tuple(values.items()))]


def changed(schema: Schema, table: str, column: str, value: Any, kind: Any) -> Any:
    """Another value for a column; None if none is plausible. `kind` is its SQLAlchemy type as far
    as the statement knows it."""
    if isinstance(kind, sa.Enum):
        return next((one for one in kind.enums if one != value), None)
    if isinstance(kind, (sa.DateTime, sa.Date, sa.Time, sa.JSON)):
        return None
    if isinstance(value, bool) or isinstance(kind, sa.Boolean):
        return not value
    if isinstance(value, (int, float)):
        return value + _UNLIKELY
    others = (row[column] for row in schema.desk.where(table, (), most=50))
    other = next((one for one in others if one not in (None, value)), None)
    if other is not None:
        return other
    if value is None and isinstance(kind, (sa.String, sa.Integer)):
        return "x" if isinstance(kind, sa.String) else _UNLIKELY
    is_text = isinstance(value, str) and (kind is None or isinstance(kind, sa.String))
    return varied(value) if is_text else None


def varied(text: str) -> str:
    """The text with its last character changed: no longer than it was."""
    return f"{text[:-1]}{'y' if text[-1:] == 'x' else 'x'}"


def is_uuid(value: Any) -> bool:
    """Whether a value is a UUID, as text or as such."""
    return isinstance(value, uuid.UUID) or (
        isinstance(value, str) and _UUID.fullmatch(value) is not None
    )


def _required(schema: Schema, keys: TableKeys, like: Row) -> dict[str, Any]:
    """Values for the columns that must have one and get none by default: those of another row, or
    plausible ones of their type."""
    table = schema.tables.get(keys.name)
    found: dict[str, Any] = {}
    for column in keys.columns:
        declared = table.columns.get(column.name) if table is not None else None
        by_default = declared is not None and declared.server_default is not None
        if not column.required or column.name == keys.generated or by_default:
            continue
        found[column.name] = (
            like[column.name] if column.name in like else _of_type(declared, column.length)
        )
    return found


def _of_type(declared: Any, length: int) -> Any:
    if declared is None:
        return "x"
    if isinstance(declared.type, sa.Enum):
        return declared.type.enums[0]
    value = next((v for kind, v in _OF_TYPE if isinstance(declared.type, kind)), "x")
    return value[:length] if length and isinstance(value, str) else value


def _own_key(keys: TableKeys, own: set[str]) -> tuple[str, ...]:
    """Columns of the primary key that must be new: none if part of it is given already, or if all
    of it refers to other rows."""
    referring = {column for foreign in keys.foreign_keys for column in foreign.columns}
    columns = keys.primary.columns if keys.primary is not None else ()
    if own & set(columns):
        return ()
    free = tuple(column for column in columns if column not in referring)
    return free[:1]


def _new_key(schema: Schema, keys: TableKeys, column: str, sent: Any) -> Any:
    rows = schema.desk.where(keys.name, (), most=1) if sent is None else []
    example = rows[0][column] if rows else sent
    if isinstance(example, int) or (example is None and column == keys.generated):
        largest = schema.desk.largest(keys.name, column)
        return max(int(largest or 0), int(example or 0)) + _FAR
    if isinstance(example, str) and not is_uuid(example):
        return varied(example)
    new = uuid.UUID(int=(0x4 << 76) | (0x8 << 60) | len(keys.name))
    is_bare = isinstance(example, str) and "-" not in example
    length = next((one.length for one in keys.columns if one.name == column), 0)
    text = new.hex if is_bare else str(new)
    return text[:length] if length else text


def _referred(
    schema: Schema, keys: TableKeys, values: dict[str, Any], own: set[str], depth: int
) -> list[Change]:
    """Make the row refer only to what is there for every session."""
    changes: list[Change] = []
    for foreign in keys.foreign_keys:
        pairs = tuple(zip(foreign.other_columns, map(values.get, foreign.columns), strict=True))
        if any(value is None for _, value in pairs) or schema.desk.where(
            foreign.other_table, pairs
        ):
            continue
        if own & set(foreign.columns):
            raise Refused(
                f"the row of `{foreign.other_table}` that it refers to is not stored yet: no other"
                " session can refer to it"
            )
        changes += _refer_elsewhere(schema, keys, foreign, values, depth)
        own |= set(foreign.columns)
    return changes


def _refer_elsewhere(
    schema: Schema,
    keys: TableKeys,
    foreign: ForeignKey,
    values: dict[str, Any],
    depth: int,
) -> list[Change]:
    """Refer to nothing where that is allowed, else to a row that is there, else to a new one."""
    required = {column.name for column in keys.columns if column.required}
    loose = [column for column in foreign.columns if column not in required]
    if loose:
        values[loose[0]] = None
        return []
    alone = any(set(foreign.columns) >= set(key.columns) for key in keys.uniques)
    other = None if alone else next(iter(schema.desk.where(foreign.other_table, (), most=1)), None)
    made = [] if other else insertion(schema, foreign.other_table, {}, {}, depth + 1)
    row = other or dict(made[-1].values)
    for column, referred in zip(foreign.columns, foreign.other_columns, strict=True):
        values[column] = row[referred]
    return made


def _set_apart(
    schema: Schema, keys: TableKeys, key: Key, values: dict[str, Any], depth: int
) -> list[Change]:
    """Give the row another value of a unique key than the one it was copied with."""
    foreign = {column: one for one in keys.foreign_keys for column in one.columns}
    free = [column for column in key.columns if column not in foreign]
    if not free:
        first = foreign[key.columns[0]]
        return _refer_elsewhere(schema, keys, first, values, depth)
    value = values[free[-1]]
    if isinstance(value, str):
        values[free[-1]] = varied(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        values[free[-1]] = int(schema.desk.largest(keys.name, free[-1]) or 0) + _FAR
    return []
