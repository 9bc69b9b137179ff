"""Stored values of whole columns, for any rows of a table: what the plan of a seeding yields.

A reference's value is the value of the parent's column in the row that the reference's spread
names; so no key is kept, and a million rows take no more memory than a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from auditor.growth.seeding.axes import Axis, Constant, Omitted, Setting
from auditor.growth.seeding.spread import First
from auditor.growth.seeding.stored import Stored, processed
from auditor.growth.seeding.tables import Reference, column_of
from auditor.growth.seeding.unique import is_idle
from auditor.model.errors import SeedError

Values = Sequence[Any]
Vector = Callable[[Sequence[int]], Values]
_KEPT = 4096
_BLOCK = 10_000


@dataclass(frozen=True, slots=True)
class Columns:
    """The vectors of all tables, made when they are first asked for. `rows_of` has the values of
    rows that were there before, by column."""

    setting: Setting
    axes: Mapping[sa.Table, tuple[Axis, ...]]
    identities: Mapping[sa.Column[Any], Any]
    rows_of: Callable[[sa.Table, str], Values]
    _made: dict[tuple[sa.Table, str], Vector | None] = field(default_factory=dict)

    def names(self, table: sa.Table) -> tuple[str, ...]:
        """The columns that rows of a table are given, in the table's order."""
        hooked = self.setting.hooks.get(table, {})
        given = {
            name
            for axis in self.axes[table]
            for name in axis.columns
            if not (is_idle(axis) and isinstance(axis.idle, Omitted))
        }
        return tuple(
            str(column.name)
            for column in table.columns
            if column.name in given or column.name in hooked
        )

    def of(self, table: sa.Table, name: str) -> Vector:
        """The vector of a column. Raises SeedError for values that depend on themselves."""
        key = (table, name)
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self._kept(table, self._new(table, name))
        made = self._made[key]
        if made is None:
            raise SeedError(
                f"`{table.fullname}.{name}` refers to itself through the keys of other tables;"
                f' give it with hooks={{"{table.fullname}.{name}": lambda i: ...}}'
            )
        return made

    def _new(self, table: sa.Table, name: str) -> Vector:
        if table not in self.axes:
            there = self.rows_of(table, name)
            return lambda rows: [there[row] for row in rows]
        hook = self.setting.hooks.get(table, {}).get(name)
        column = column_of(table, name)
        if hook is not None:
            store = processed(column, self.setting.dialect)
            return lambda rows: _hooked(column, hook, store, rows)
        if column in self.identities:
            return self._discriminator(table, column)
        axis = next(one for one in self.axes[table] if name in one.columns)
        if is_idle(axis):
            value = axis.idle.value if isinstance(axis.idle, Constant) else None
            return lambda rows: [value] * len(rows)
        if axis.reference is not None:
            return self._referred(table, name, axis, axis.reference)
        if axis.domain is not None:
            return _generated(axis, axis.domain.values)
        raise AssertionError(name)  # an axis is idle, a reference, or has a domain

    def _kept(self, table: sa.Table, vector: Vector) -> Vector:
        """Values of a small table are computed once."""
        count = self.setting.rows(table)
        if not 0 < count <= _KEPT:
            return vector
        known: list[Any] = []

        def of(rows: Sequence[int]) -> Values:
            if not known:
                known.extend(vector(range(count)))
            return [known[row] for row in rows]

        return of

    def _referred(self, table: sa.Table, name: str, axis: Axis, reference: Reference) -> Vector:
        target, parent = dict(reference.pairs)[name], reference.parent
        if axis.bound:
            return self._agreeing(table, axis, reference, target)
        spread = axis.spread
        if parent is table:
            return lambda rows: _with_gaps(spread.at(rows), self.of(parent, target))
        vector = self.of(parent, target)
        return lambda rows: _with_gaps(spread.at(rows), vector)

    def _agreeing(self, table: sa.Table, axis: Axis, reference: Reference, target: str) -> Vector:
        """The parents that agree with what other axes have set, one after the other."""
        shared = [(own, there) for own, there in reference.pairs if own in axis.bound]
        choices: dict[tuple[Any, ...], list[int]] = {}
        turns = self._turns(table, axis)

        def of(rows: Sequence[int]) -> Values:
            if not choices:
                for number, key in self._keys(reference.parent, [there for _, there in shared]):
                    choices.setdefault(key, []).append(number)
            keys = zip(*(self.of(table, own)(rows) for own, _ in shared), strict=True)
            picked = [
                _picked(choices.get(key), turn, axis, table)
                for turn, key in zip(turns(rows), keys, strict=True)
            ]
            return _with_gaps(picked, self.of(reference.parent, target))

        return of

    def _turns(self, table: sa.Table, axis: Axis) -> Vector:
        """How often the axes that bind this one have been round before each row."""
        binding = [
            one.capacity
            for one in self.axes[table]
            if one is not axis and one.reference is not None and set(one.columns) & set(axis.bound)
        ]
        size = max(binding, default=1)
        return lambda rows: [row // size + row % size for row in rows]

    def _keys(self, table: sa.Table, names: list[str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        count = self.setting.rows(table)
        for start in range(0, count, _BLOCK):
            rows = range(start, min(start + _BLOCK, count))
            found = zip(*(self.of(table, name)(rows) for name in names), strict=True)
            yield from zip(rows, found, strict=True)

    def _discriminator(self, table: sa.Table, column: sa.Column[Any]) -> Vector:
        store = processed(column, self.setting.dialect)
        own = self.identities[column]

        def of(rows: Sequence[int]) -> Values:
            return store([self._identity(table, row, own) for row in rows])

        return of

    def _identity(self, table: sa.Table, row: int, own: Any) -> Any:
        """What a row is: the identity of the lowest table that has it too."""
        for heir in self.setting.inheritances.values():
            count = self.setting.counts.get(heir.child, 0)
            if heir.parent is table and count:
                first = self.setting.offset(heir.child)
                if first <= row < first + count:
                    return self._identity(heir.child, row - first, heir.identity)
        return own


def _hooked(column: sa.Column[Any], hook: Any, store: Stored, rows: Sequence[int]) -> Values:
    """What a hook gives for rows, as it is stored. Raises SeedError with what it, or the column's
    type, raised."""
    given: list[Any] = []
    try:
        for row in rows:
            given.append(hook(row))  # noqa: PERF401  how many went well is told
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise SeedError(f"the hook of `{column}` failed for row {len(given)}: {said}") from error
    try:
        return store(given)
    except Exception as error:
        raise SeedError(
            f"the hook of `{column}` gives what its type `{column.type!r:.60}` does not take, such"
            f" as `{given[0]!r:.60}`: {type(error).__name__}: {error}"
        ) from error


def _picked(choices: list[int] | None, turn: int, axis: Axis, table: sa.Table) -> int | None:
    if choices:
        return choices[turn % len(choices)]
    if axis.nullable:
        return None
    parent = axis.reference.parent.fullname if axis.reference is not None else ""
    raise SeedError(
        f"`{table.fullname}` needs rows of `{parent}` that agree with it in"
        f" `{', '.join(axis.bound)}`, and there are none for some; ask for more rows of `{parent}`"
    )


def _generated(axis: Axis, values: Vector) -> Vector:
    spread = axis.spread
    if isinstance(spread, First):
        return lambda rows: list(values([0])) * len(rows)
    return lambda rows: _with_gaps(spread.at(rows), values)


def _with_gaps(numbers: Sequence[int | None], values: Vector) -> Values:
    """The values by number, and None where there is no number."""
    there = numbers if isinstance(numbers, range) else [n for n in numbers if n is not None]
    if len(there) == len(numbers):
        return values(there)
    found = iter(values(there))
    return [None if number is None else next(found) for number in numbers]
