"""What metadata says of a table: its references, its unique sets, who inherits from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from auditor.model.errors import SeedError


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: `columns` of the table refer to `targets` of `parent`, pairwise."""

    columns: tuple[str, ...]
    parent: sa.Table
    targets: tuple[str, ...]
    deferrable: bool = False

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Own column and target, in the order they were declared."""
        return tuple(zip(self.columns, self.targets, strict=True))


@dataclass(frozen=True, slots=True)
class UniqueSet:
    """Columns whose values no two rows share. `partial` are the dialects on which it
    counts some rows only; `nulls_count` holds NULL for equal to NULL."""

    columns: tuple[str, ...]
    name: str
    is_key: bool = False
    partial: tuple[str, ...] = ()
    nulls_count: bool = False


def column_of(table: sa.Table, name: str) -> sa.Column[Any]:
    """A column by its name in the database; `table.columns` goes by key."""
    return next(column for column in table.columns if column.name == name)


def references_of(table: sa.Table) -> tuple[Reference, ...]:
    """The foreign keys in the order in which a row's parents are to be chosen: each determines
    what those after it share with it. Raises SeedError for one that refers to a table or column
    that the metadata does not have."""
    found = [_reference(table, one) for one in table.foreign_key_constraints]

    def rank(one: Reference) -> tuple[bool, int, int, list[int]]:
        wider = [other for other in found if set(one.columns) < set(other.columns)]
        same = [o for o in found if o is not one and set(o.columns) == set(one.columns)]
        leads = any(not _implies(other, one) for other in wider)
        implied = sum(_implies(other, one) for other in same)
        return not leads, -len(one.columns), implied, _places(table, one.columns)

    return tuple(sorted(found, key=rank))


def _implies(one: Reference, other: Reference) -> bool:
    """Whether a row that has the first parent has the other with it, by the first one's keys."""
    targets = dict(one.pairs)
    return all(
        column_of(other.parent, target) in _reachable(column_of(one.parent, targets[own]))
        for own, target in other.pairs
    )


def _reachable(start: sa.Column[Any]) -> set[sa.Column[Any]]:
    """The columns that a column's foreign keys lead to, as far as the metadata has them."""
    seen, waiting = {start}, [start]
    while waiting:
        for key in waiting.pop().foreign_keys:
            try:
                target = key.column
            except sa.exc.SQLAlchemyError:
                continue  # the error is raised where that table is filled
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def _places(table: sa.Table, columns: tuple[str, ...]) -> list[int]:
    names = [column.name for column in table.columns]
    return [names.index(name) for name in columns]


def _reference(table: sa.Table, constraint: sa.ForeignKeyConstraint) -> Reference:
    try:
        pairs = [(one.parent.name, one.column) for one in constraint.elements]
    except sa.exc.SQLAlchemyError as error:
        columns = ", ".join(constraint.column_keys)
        raise SeedError(
            f"`{table.fullname}.{columns}` refers to what the metadata does not have: {error};"
            " import the module of that model first"
        ) from error
    return Reference(
        columns=tuple(str(own) for own, _ in pairs),
        parent=pairs[0][1].table,
        targets=tuple(str(target.name) for _, target in pairs),
        deferrable=bool(constraint.deferrable),
    )


def unique_sets_of(table: sa.Table) -> tuple[UniqueSet, ...]:
    """The primary key, unique constraints and unique indexes; the fewest columns first."""
    found: dict[frozenset[str], UniqueSet] = {}
    for one in sorted(_unique_sets(table), key=lambda u: (u.partial, not u.is_key, u.columns)):
        found.setdefault(frozenset(one.columns), one)
    return tuple(sorted(found.values(), key=lambda u: (u.partial, len(u.columns), not u.is_key)))


def _unique_sets(table: sa.Table) -> Iterator[UniqueSet]:
    key = tuple(str(column.name) for column in table.primary_key.columns)
    if key:
        yield UniqueSet(key, "the primary key", is_key=True)
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint) and len(constraint.columns):
            yield _unique(constraint, constraint.columns, constraint.name)
    for index in table.indexes:
        columns = [one for one in index.columns if one.table is table]
        if index.unique and columns:
            yield _unique(index, columns, index.name)


def _unique(owner: Any, columns: Any, name: Any) -> UniqueSet:
    options = owner.dialect_options
    partial = tuple(
        key
        for key in ("postgresql", "sqlite")
        if key in options and options[key].get("where") is not None
    )
    nulls = "postgresql" in options and options["postgresql"].get("nulls_not_distinct")
    names = tuple(dict.fromkeys(str(column.name) for column in columns))
    said = f"`{name}`" if isinstance(name, str) else f"unique ({', '.join(names)})"
    return UniqueSet(names, said, partial=partial, nulls_count=bool(nulls))


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Joined-table inheritance as mappers have it. Every row of `child` is a row of `parent`.
    `discriminator` is the column that tells what a row is, by `identity`."""

    child: sa.Table
    parent: sa.Table
    discriminator: sa.Column[Any] | None
    identity: Any


def inheritances_of(metadata: sa.MetaData) -> tuple[Inheritance, ...]:
    """The inheriting tables of the mapped classes, in the order of the metadata's tables."""
    found: dict[sa.Table, Inheritance] = {}
    for mapper in _mappers_of(metadata):
        above = mapper.inherits
        if above is not None and above.local_table is not mapper.local_table:
            found.setdefault(
                mapper.local_table,
                Inheritance(
                    mapper.local_table,
                    above.local_table,
                    mapper.polymorphic_on,
                    mapper.polymorphic_identity,
                ),
            )
    return tuple(found[table] for table in metadata.tables.values() if table in found)


def identities_of(metadata: sa.MetaData) -> dict[sa.Column[Any], Any]:
    """For each discriminator column, what tells a row of its own table and no subclass's."""
    found: dict[sa.Column[Any], Any] = {}
    for mapper in _mappers_of(metadata):
        column = mapper.polymorphic_on
        if isinstance(column, sa.Column) and mapper.local_table is column.table:
            identity = mapper.polymorphic_identity
            if identity is not None and found.get(column) is None:
                found[column] = identity
    return found


def _mappers_of(metadata: sa.MetaData) -> list[Any]:
    """The mappers of the metadata's tables, those above before those below. SQLAlchemy lists
    registries in a private function only; without it discriminators are plain columns."""
    registries: Any = getattr(sys.modules.get("sqlalchemy.orm.mapper"), "_all_registries", tuple)
    tables = set(metadata.tables.values())
    mappers = [one for each in registries() for one in each.mappers if one.local_table in tables]
    return sorted(mappers, key=lambda one: (len(list(one.iterate_to_root())), one.class_.__name__))
