"""The order of filling: parents first; a cycle is cut at a reference that may be NULL at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from auditor.growth.seeding.axes import Axis, Facts
from auditor.growth.seeding.tables import Reference
from auditor.model.errors import SeedError

Used = Mapping[sa.Table, Sequence[Axis]]
Parents = dict[sa.Table, list[Reference]]


@dataclass(frozen=True, slots=True)
class Filling:
    """Tables in order; the references that are set after all rows are there; and whether
    constraints must wait for the end of the transaction."""

    tables: tuple[sa.Table, ...]
    late: frozenset[tuple[sa.Table, tuple[str, ...]]]
    deferred: bool


def filling_order(axes: Used, facts: Mapping[sa.Table, Facts]) -> Filling:
    """The order for tables with these axes. Raises SeedError for a cycle that cannot be cut."""
    waits = {table: _parents(table, found, axes) for table, found in axes.items()}
    ordered: list[sa.Table] = []
    late: set[tuple[sa.Table, tuple[str, ...]]] = set()
    deferred = False
    while waits:
        ready = [table for table, parents in waits.items() if not parents]
        if not ready:
            table, parent = _cut(waits, facts)
            cut = waits[table].pop(parent)
            late |= {(table, one.columns) for one in cut if _can_wait(one, facts[table])}
            deferred |= any(not _can_wait(one, facts[table]) for one in cut)
        for table in ready:
            ordered.append(table)
            del waits[table]
            for parents in waits.values():
                parents.pop(table, None)
    return Filling(tuple(ordered), frozenset(late), deferred)


def _parents(table: sa.Table, found: Sequence[Axis], axes: Used) -> Parents:
    """The references to each table that is filled too, other than the table itself."""
    parents: Parents = {}
    for axis in found:
        reference = axis.reference
        if reference is not None and reference.parent is not table and reference.parent in axes:
            parents.setdefault(reference.parent, []).append(reference)
    return parents


def _cut(
    waits: Mapping[sa.Table, Parents], facts: Mapping[sa.Table, Facts]
) -> tuple[sa.Table, sa.Table]:
    """A step of a cycle whose references may all be NULL, or else wait for the end."""
    steps = [
        (table, parent)
        for table, parents in waits.items()
        for parent in parents
        if _leads(parent, table, waits)
    ]
    for table, parent in steps:
        if all(_can_wait(one, facts[table]) for one in waits[table][parent]):
            return table, parent
    for table, parent in steps:
        if all(one.deferrable or _can_wait(one, facts[table]) for one in waits[table][parent]):
            return table, parent
    names = " and ".join(
        f"`{table.fullname}.{one.columns[0]}`"
        for table, parent in steps
        for one in waits[table][parent]
        if not _can_wait(one, facts[table])
    )
    raise SeedError(
        f"the tables behind {names} need each other's rows first: these foreign keys may not be"
        " NULL, and are not DEFERRABLE; make one nullable, or give its values with `hooks`"
    )


def _can_wait(reference: Reference, facts: Facts) -> bool:
    return any(facts.is_nullable(name) for name in reference.columns)


def _leads(start: sa.Table, goal: sa.Table, waits: Mapping[sa.Table, Parents]) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        table = waiting.pop()
        if table is goal:
            return True
        new = [one for one in waits.get(table, ()) if one not in seen]
        seen.update(new)
        waiting += new
    return False
