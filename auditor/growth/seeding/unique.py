"""Makes the rows of a table differ where they must, and disturbs the even spread no more than that.

A set of columns is unique at once if one of its axes has a choice of its own for each row.
Otherwise its axes are combined: the first stays a Cycle, the next are Lapped, so that no
combination comes twice and each parent still gets its even share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from auditor.growth.seeding.axes import Axis, Facts, Setting, axes_of, set_columns
from auditor.growth.seeding.spread import (
    Blocks,
    Chain,
    Cycle,
    First,
    Lapped,
    Own,
    Tree,
    Within,
)
from auditor.growth.seeding.tables import UniqueSet
from auditor.model.errors import SeedError

Columns = tuple[str, ...]


class TooFewParents(Exception):  # noqa: N818  not an error yet: the parent may get more rows
    """A table whose size nobody asked for must have at least `rows` rows."""

    def __init__(self, parent: sa.Table, rows: int) -> None:
        super().__init__(parent.fullname, rows)
        self.parent, self.rows = parent, rows


def distinct_axes(table: sa.Table, setting: Setting) -> tuple[Axis, ...]:
    """The axes of a table, with spreads under which its unique sets hold.

    Raises TooFewParents, and SeedError where more rows were asked for than can differ.
    """
    facts, rows = setting.facts[table], setting.counts[table]
    axes = {axis.columns: axis for axis in axes_of(table, setting)}
    hooked = set(setting.hooks.get(table, {}))
    for unique in facts.unique_sets:
        if not hooked.intersection(unique.columns):
            _make_distinct(unique, axes, facts, setting, rows=rows)
    return tuple(axes.values())


def _make_distinct(
    unique: UniqueSet, axes: dict[Columns, Axis], facts: Facts, setting: Setting, *, rows: int
) -> None:
    columns = set(unique.columns)
    empty = set_columns(tuple(axes.values()))
    if rows <= 1 or (empty & columns and not unique.nulls_count):
        return
    members = [axis for axis in axes.values() if columns.intersection(axis.columns)]
    firm = [axis for axis in members if _tells_rows_apart(axis, columns, setting)]
    if any(_is_own(axis, rows) for axis in firm):
        return
    changed = _combined(firm, rows) or _unbranched(members)
    if changed is None:
        if setting.dialect.name in unique.partial or len(firm) < len(members) or _settled(firm):
            _grow_bound(members, rows)
            return  # not proved: the database decides
        changed = _with_gaps(unique, firm, facts, rows=rows)
    axes.update({axis.columns: axis for axis in changed})


def _grow_bound(members: Sequence[Axis], rows: int) -> None:
    """A parent to be chosen among those that agree with others must be there for each row.
    Raises TooFewParents."""
    for axis in members:
        if (
            axis.bound
            and axis.grows
            and not axis.nullable
            and axis.reference is not None
            and axis.capacity < rows
        ):
            raise TooFewParents(axis.reference.parent, rows)


def _tells_rows_apart(axis: Axis, columns: set[str], setting: Setting) -> bool:
    """Whether another choice is another value in these columns."""
    if axis.reference is None:
        return axis.domain is not None
    if axis.bound or _is_tree(axis):
        return False
    targets = {target for own, target in axis.reference.pairs if own in columns}
    if len(targets) == len(axis.reference.columns):
        return True
    parent = setting.facts[axis.reference.parent]
    return any(targets.issuperset(one.columns) for one in parent.unique_sets)


def _is_tree(axis: Axis) -> bool:
    return isinstance(axis.spread, Tree)


def _unbranched(members: Sequence[Axis]) -> list[Axis] | None:
    """The first reference of the table to itself as a chain, or each row its own parent."""
    for axis in members:
        if _is_tree(axis):
            return [replace(axis, spread=Chain() if axis.nullable else Own())]
    return None


def _is_own(axis: Axis, rows: int) -> bool:
    spread = axis.spread
    if isinstance(spread, Cycle | Within):
        return (spread.choices if isinstance(spread, Cycle) else spread.count) >= rows
    return isinstance(spread, Own | Within | Chain)


def _settled(firm: Sequence[Axis]) -> list[Axis]:
    return [axis for axis in firm if axis.settled]


def _combined(firm: Sequence[Axis], rows: int) -> list[Axis] | None:
    """The axes with new spreads; None if they have too few combinations."""
    free = sorted((axis for axis in firm if not axis.settled), key=_rank)
    settled = _settled(firm)
    alone = [axis for axis in free if axis.domain is not None and axis.capacity >= rows]
    if settled:
        return _beside(settled[0], free, alone, rows)
    changed: list[Axis] = []
    before = 1
    for axis in free:
        if before >= rows:
            break
        fitting = Cycle(axis.capacity) if before == 1 else Lapped(axis.capacity, before)
        changed.append(replace(axis, spread=fitting, settled=True))
        before *= axis.capacity
    if before < rows:
        return None
    if len(changed) == 1 and alone:
        return [replace(alone[0], spread=Own(), settled=True)]
    return changed


def _beside(
    settled: Axis, free: Sequence[Axis], alone: Sequence[Axis], rows: int
) -> list[Axis] | None:
    """One more axis made to differ where a settled one repeats."""
    for axis in free:
        if settled.capacity > 0 and math.ceil(rows / settled.capacity) <= axis.capacity:
            spread = Blocks(settled.capacity, axis.capacity)
            return [replace(axis, spread=spread, settled=True)]
    return [replace(alone[0], spread=Own(), settled=True)] if alone else None


def _rank(axis: Axis) -> tuple[int, int]:
    """References first, the largest parent leading; then values that vary; then idle columns,
    the fewest values first."""
    if axis.reference is not None:
        return 0, -axis.capacity
    return (2, axis.capacity) if isinstance(axis.spread, First) else (1, -axis.capacity)


def _with_gaps(unique: UniqueSet, firm: Sequence[Axis], facts: Facts, *, rows: int) -> list[Axis]:
    """Rows beyond what is possible get NULL where it is allowed.

    Raises TooFewParents where a parent may grow instead, and SeedError where neither helps.
    """
    possible = math.prod(axis.capacity for axis in firm)
    for axis in firm:
        if axis.grows and axis.reference is not None and not axis.nullable:
            others = max(possible // max(axis.capacity, 1), 1)
            raise TooFewParents(axis.reference.parent, math.ceil(rows / others))
    for axis in firm:
        if axis.nullable and not unique.nulls_count and not axis.settled:
            return [replace(axis, spread=Within(axis.capacity), settled=True)]
    raise SeedError(_impossible(unique, firm, facts, rows, possible))


def _impossible(
    unique: UniqueSet, firm: Sequence[Axis], facts: Facts, rows: int, possible: int
) -> str:
    table = facts.table.fullname
    parents = [axis.reference.parent.fullname for axis in firm if axis.reference is not None]
    more = f", or for more rows of `{'` or `'.join(parents)}`" if parents else ""
    columns = ", ".join(unique.columns)
    hook = f'"{table}.{unique.columns[0]}"'
    wanted = "" if parents else f", or give the values with hooks={{{hook}: lambda i: ...}}"
    return (
        f"`{table}` cannot have {rows} rows: `{columns}` is unique ({unique.name}), and at most"
        f" {possible} different rows are possible; ask for at most {possible}{more}{wanted}"
    )


def is_idle(axis: Axis) -> bool:
    """Whether the axis was left at what the program itself would store."""
    return isinstance(axis.spread, First) and axis.idle is not None
