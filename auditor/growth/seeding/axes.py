"""The axes of a table: what may be chosen freely for a row, a parent or a value, each on its own.

    memberships(user_id -> users, team_id -> teams, role, since)
        axis user_id    as many choices as there are users
        axis team_id    as many choices as there are teams
        axis role       the values of the enumeration; idle: the first, unless rows must differ

A composite foreign key is one axis. One whose columns other axes have set in part is *bound*: it
chooses among the parents that agree with them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from auditor.growth.seeding.domains import Domain, Wanted
from auditor.growth.seeding.limits import NO_LIMITS, Limits
from auditor.growth.seeding.spread import Cycle, First, Own, Spread, Tree
from auditor.growth.seeding.stored import processed, stored_domain
from auditor.growth.seeding.tables import (
    Inheritance,
    Reference,
    UniqueSet,
    column_of,
    references_of,
    unique_sets_of,
)
from auditor.model.errors import SeedError

Hook = Callable[[int], Any]


@dataclass(frozen=True, slots=True)
class Constant:
    """One stored value for all rows."""

    value: Any


@dataclass(frozen=True, slots=True)
class Omitted:
    """The column is left to the database."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A choice for each row. `idle` is what stands in its columns while nothing has to differ.
    `bound` are those of its columns that other axes set; `grows` says that the parent has no
    asked size."""

    columns: tuple[str, ...]
    capacity: int
    spread: Spread
    reference: Reference | None = None
    domain: Domain | None = None
    idle: Constant | Omitted | None = None
    bound: tuple[str, ...] = ()
    nullable: bool = False
    grows: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a table, read once."""

    table: sa.Table
    references: tuple[Reference, ...]
    unique_sets: tuple[UniqueSet, ...]
    limits: Mapping[str, Limits]
    referenced: frozenset[str]

    def is_nullable(self, name: str) -> bool:
        column = column_of(self.table, name)
        return bool(column.nullable) and not column.primary_key


@dataclass(frozen=True, slots=True)
class Setting:
    """What all tables share while they are planned. `counts` has the rows of each table that is
    filled, `existing` those that other tables hold already, `asked` the tables with a size."""

    dialect: Dialect
    facts: Mapping[sa.Table, Facts]
    hooks: Mapping[sa.Table, Mapping[str, Hook]]
    inheritances: Mapping[sa.Table, Inheritance]
    asked: frozenset[sa.Table]
    counts: dict[sa.Table, int]
    existing: dict[sa.Table, int]

    def rows(self, table: sa.Table) -> int:
        """How many rows a reference to the table can choose from."""
        return self.counts.get(table, 0) + self.existing.get(table, 0)

    def offset(self, table: sa.Table) -> int:
        """Where the rows of an inheriting table begin among those of its parent."""
        parent = self.inheritances[table].parent
        before = 0
        for sibling in self.inheritances.values():
            if sibling.child is table:
                break
            before += self.counts.get(sibling.child, 0) if sibling.parent is parent else 0
        return before


def facts_of(table: sa.Table, limits: Mapping[str, Limits], referenced: frozenset[str]) -> Facts:
    """The facts of a table; `referenced` are its columns that foreign keys refer to."""
    return Facts(table, references_of(table), unique_sets_of(table), limits, referenced)


def axes_of(table: sa.Table, setting: Setting) -> tuple[Axis, ...]:
    """The axes of a table that is filled, before rows are made to differ. Columns with a hook
    belong to none. Raises SeedError."""
    facts, taken = setting.facts[table], set(setting.hooks.get(table, {}))
    axes: list[Axis] = []
    for reference in facts.references:
        for axis in _of_reference(facts, reference, taken, setting):
            axes.append(axis)
            taken.update(axis.columns)
    plain = [column for column in table.columns if column.name not in taken]
    return (*axes, *(_of_column(facts, column, setting) for column in plain))


def is_required(facts: Facts, reference: Reference, hooked: Mapping[str, Hook]) -> bool:
    """Whether a row cannot be without the parent."""
    own = [name for name in reference.columns if name not in hooked]
    return bool(own) and not any(facts.is_nullable(name) for name in own)


def _of_reference(
    facts: Facts, reference: Reference, taken: set[str], setting: Setting
) -> Iterator[Axis]:
    table, parent = facts.table, reference.parent
    free = tuple(name for name in reference.columns if name not in taken)
    if not free:
        return
    optional = any(facts.is_nullable(name) for name in free)
    choices = setting.rows(parent)
    if choices == 0:
        if not optional:
            raise SeedError(_no_parents(table, reference, setting))
        for name in (one for one in free if facts.is_nullable(one)):
            yield Axis((name,), 1, First(), idle=Constant(None), nullable=True)
        return
    yield Axis(
        columns=reference.columns,
        capacity=choices,
        spread=_first_spread(table, reference, setting, optional=optional),
        reference=reference,
        bound=tuple(name for name in reference.columns if name in taken),
        nullable=optional,
        grows=parent in setting.counts and parent not in setting.asked,
        settled=parent is table,
    )


def _first_spread(
    table: sa.Table, reference: Reference, setting: Setting, *, optional: bool
) -> Spread:
    known = setting.inheritances.get(table)
    if known is not None and known.parent is reference.parent and _is_key(table, reference):
        return Own(setting.offset(table))
    if reference.parent is table:
        return Tree(None if optional else 0)
    return Cycle(setting.rows(reference.parent))


def _is_key(table: sa.Table, reference: Reference) -> bool:
    return set(reference.columns) == {column.name for column in table.primary_key.columns}


def _no_parents(table: sa.Table, reference: Reference, setting: Setting) -> str:
    return (
        f"`{table.fullname}` needs a row of `{reference.parent.fullname}` (foreign key"
        f" `{', '.join(reference.columns)}`), and 0 rows were asked for it; ask for at least 1,"
        " or do not name it: what is needed is filled"
    )


def _of_column(facts: Facts, column: sa.Column[Any], setting: Setting) -> Axis:
    name, key = str(column.name), column.name in facts.referenced or column.primary_key
    nullable = facts.is_nullable(name)
    if column.computed is not None:
        return Axis((name,), 1, First(), idle=Omitted())
    wanted = Wanted(
        column,
        rows=setting.counts[facts.table],
        dialect=setting.dialect,
        limits=facts.limits.get(name, NO_LIMITS),
        is_key=bool(column.primary_key),
    )
    domain = stored_domain(wanted)
    idle = None if key else _idle(column, domain, wanted)
    if domain is None and idle is None:
        raise SeedError(
            f"`{column}` has the type `{column.type!r:.60}`, whose values are not known;"
            f' give them with hooks={{"{column}": lambda i: ...}}'
        )
    if domain is None:
        return Axis((name,), 1, First(), idle=idle, nullable=nullable)
    spread: Spread = Own() if domain.capacity >= wanted.rows else Cycle(domain.capacity or 1)
    if idle is not None or not domain.varied:
        spread = First()
    return Axis((name,), domain.capacity, spread, domain=domain, idle=idle, nullable=nullable)


def _idle(
    column: sa.Column[Any], domain: Domain | None, wanted: Wanted
) -> Constant | Omitted | None:
    """What the program itself would store if it said nothing of the column; None if a value has
    to be made up."""
    default: Any = column.default
    if default is not None and default.is_scalar and not wanted.limits.shift:
        with contextlib.suppress(Exception):  # the type's own code refuses what was written
            (value,) = processed(column, wanted.dialect)([default.arg])
            return Constant(value)
    if column.server_default is not None:
        return Omitted()
    times = (sa.DateTime, sa.Date, sa.Time)
    if column.nullable and (domain is None or isinstance(column.type, times)):
        return Constant(None)
    if domain is not None and domain.capacity == 0 and column.nullable:
        return Constant(None)
    return None


def set_columns(axes: Sequence[Axis]) -> frozenset[str]:
    """The columns that are NULL in every row."""
    return frozenset(
        axis.columns[0]
        for axis in axes
        if isinstance(axis.idle, Constant) and axis.idle.value is None
    )
