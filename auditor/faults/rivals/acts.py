"""What another session does right before a statement: from the statement to changes of rows.

    vanished          DELETE the row that the statement finds         and those that must go first
    stale             UPDATE it
    taken             INSERT a row with the key that is sent
    parent-vanished   DELETE the row that is referred to
    child-added       INSERT a row that refers to the one to delete

Only rows that are stored count: of what the call has not committed no other session knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auditor.faults.aim.keys import TableKeys
from auditor.faults.catalogue.fault import Fault, Needs, Target
from auditor.faults.rivals.desk import Change, Refused, Row
from auditor.faults.rivals.rows import Schema, changed, insertion, is_uuid
from auditor.faults.rivals.text import Parameters, rows_query, sent_values

_MOST_ROWS = 200
_PLAIN = (str, int, float, UUID, type(None))


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement about to run: its text, its first set of parameters and, as far as SQLAlchemy
    knows them, the types of its table's columns and the plain values that it sends them. `known`
    are the ids stored before the call."""

    sql: str
    parameters: Parameters
    kinds: Mapping[str, Any]
    known: frozenset[str]
    values: Mapping[str, Any]

    @property
    def sent(self) -> Row:
        """The values that it writes, by column."""
        return {**self.values, **sent_values(self.sql, self.parameters)}


def statement_of(context: Any, known: frozenset[str]) -> Statement:
    """The statement of an execution context."""
    several = context.parameters or [()]
    subject = getattr(getattr(context, "compiled", None), "statement", None)
    table = getattr(subject, "table", None)
    columns = table.columns if table is not None and hasattr(table, "columns") else ()
    return Statement(
        sql=context.statement,
        parameters=several[0],
        kinds={column.name: column.type for column in columns},
        known=known,
        values=_plain_values(context, columns) if getattr(context, "isinsert", False) else {},
    )


def _plain_values(context: Any, columns: Iterable[Any]) -> dict[str, Any]:
    """What the first row of an INSERT sends, where no driver would write it otherwise: statements
    of several rows are rewritten, so that their text does not tell it."""
    first = (getattr(context, "compiled_parameters", None) or [{}])[0]
    named = {column.name: first[column.key] for column in columns if column.key in first}
    return {name: value for name, value in named.items() if isinstance(value, _PLAIN)}


def changes_for(
    fault: Fault, target: Target, statement: Statement, schema: Schema
) -> tuple[Change, ...]:
    """The rows that the other session writes, in order. Raises Refused if it cannot."""
    return tuple(_ACTS[fault.needs](target, statement, schema))


def _vanish(target: Target, statement: Statement, schema: Schema) -> list[Change]:
    return _deletion(schema, target.table, _found(target.table, statement, schema))


def _go_stale(target: Target, statement: Statement, schema: Schema) -> list[Change]:
    row = _found(target.table, statement, schema)
    values = []
    for column in target.columns:
        new = changed(schema, target.table, column, row[column], statement.kinds.get(column))
        if new is not None:
            values.append((column, new))
    if not values:
        raise Refused("no other value is plausible for what the statement writes or compares")
    return [Change("UPDATE", target.table, schema.key_of(target.table, row), tuple(values))]


def _take(target: Target, statement: Statement, schema: Schema) -> list[Change]:
    sent = statement.sent
    base = (
        {}
        if statement.sql.lstrip()[:6].upper() == "INSERT"
        else _found(target.table, statement, schema)
    )
    row = {**base, **sent}
    fixed = _values(target.columns, row)
    if any(is_uuid(value) and str(value) not in statement.known for value in fixed.values()):
        raise Refused("the key is made by the call itself: no other session can have it")
    if schema.desk.where(target.table, tuple(fixed.items()), most=1):
        raise Refused("the key is taken already")
    return insertion(schema, target.table, fixed, row)


def _orphan(target: Target, statement: Statement, schema: Schema) -> list[Change]:
    values = _values(target.columns, statement.sent)
    pairs = tuple(zip(target.other_columns, values.values(), strict=True))
    parents = schema.desk.where(target.other_table, pairs, most=1)
    if not parents:
        raise Refused(
            f"the row of `{target.other_table}` that it refers to is not stored yet: no other"
            " session can delete it"
        )
    return _deletion(schema, target.other_table, parents[0])


def _add_child(target: Target, statement: Statement, schema: Schema) -> list[Change]:
    parent = _found(target.other_table, statement, schema)
    fixed = {
        column: parent[other]
        for column, other in zip(target.columns, target.other_columns, strict=True)
    }
    like = next(iter(schema.desk.where(target.table, (), most=1)), {})
    return insertion(schema, target.table, fixed, like)


_ACTS: Mapping[Needs, Callable[[Target, Statement, Schema], list[Change]]] = {
    Needs.ROW: _vanish,
    Needs.CHANGED: _go_stale,
    Needs.UNIQUE: _take,
    Needs.PARENT: _orphan,
    Needs.CHILD: _add_child,
}


def _found(table: str, statement: Statement, schema: Schema) -> Row:
    """The first stored row that the statement is about, and that was there before the call: what
    the call makes has another id in each run, so that no serial order could be made of it."""
    query = rows_query(statement.sql, statement.parameters, table)
    if query is None:
        raise Refused("which rows the statement is about could not be told")
    rows = schema.desk.rows(*query)
    if not rows:
        raise Refused(f"no stored row of `{table}` fits the statement: nothing to interfere with")
    known = [row for row in rows if not _is_new(schema, table, row, statement)]
    if not known:
        raise Refused("the row is made by the call itself: before the call no other session has it")
    return known[0]


def _is_new(schema: Schema, table: str, row: Row, statement: Statement) -> bool:
    return any(
        is_uuid(value) and str(value) not in statement.known
        for _, value in schema.key_of(table, row)
    )


def _values(columns: tuple[str, ...], row: Row) -> dict[str, Any]:
    """The values of a key. Raises Refused if one is NULL or unknown."""
    values = {column: row.get(column) for column in columns}
    if any(value is None for value in values.values()):
        raise Refused(f"no value is sent for `{', '.join(columns)}`")
    return values


def _deletion(schema: Schema, table: str, row: Row) -> list[Change]:
    """DELETE of a row, after those that must go before it; what the database deletes along with
    it is left to the database."""
    changes: list[Change] = []
    _delete(schema, table, row, changes, set())
    return changes


def _delete(schema: Schema, table: str, row: Row, changes: list[Change], seen: set[Any]) -> None:
    key = schema.key_of(table, row)
    if (table, key) in seen:
        return
    seen.add((table, key))
    if len(seen) > _MOST_ROWS:
        raise Refused(f"more than {_MOST_ROWS} rows would have to be deleted before it")
    own = schema.keys.get(table)
    for foreign in _restricting(own):
        values = zip(foreign.columns, (row[c] for c in foreign.other_columns), strict=True)
        for child in schema.desk.where(foreign.table, tuple(values)):
            _delete(schema, foreign.table, child, changes, seen)
    changes.append(Change("DELETE", table, key))


def _restricting(keys: TableKeys | None) -> tuple[Any, ...]:
    return tuple(one for one in keys.referred_by if one.restricts) if keys is not None else ()
