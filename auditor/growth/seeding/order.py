"""The order of filling: parents first; a cycle is cut at a reference that may be NULL at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from auditor.growth.seeding.axes import Axis, Facts
from auditor.growth.seeding.tables import Reference
from auditor.model.errors import SeedError

Used = Mapping[sa.Table, Sequence[Axis]]


@dataclass(frozen=True, slots=True)
class Filling:
    """Tables in order; the references that are set after all rows are there; and whether
    constraints must wait for the end of the transaction."""

    tables: tuple[sa.Table, ...]
    late: frozenset[tuple[sa.Table, tuple[str, ...]]]
    deferred: bool


def filling_order(axes: Used, facts: Mapping[sa.Table, Facts]) -> Filling:
    """The order for tables with these axes. Raises SeedError for a cycle that cannot be cut."""
    waits = {
        table: {
            axis.reference.parent: axis.reference
            for axis in found
            if axis.reference is not None
            and axis.reference.parent is not table
            and axis.reference.parent in axes
        }
        for table, found in axes.items()
    }
    ordered: list[sa.Table] = []
    late: set[tuple[sa.Table, tuple[str, ...]]] = set()
    deferred = False
    while waits:
        ready = [table for table, parents in waits.items() if not parents]
        if not ready:
            table, parent = _cut(waits, facts)
            reference = waits[table].pop(parent)
            if _can_wait(reference, facts[table]):
                late |= {(table, one.columns) for one in _between(axes[table], parent)}
            else:
                deferred = True
        for table in ready:
            ordered.append(table)
            del waits[table]
            for parents in waits.values():
                parents.pop(table, None)
    return Filling(tuple(ordered), frozenset(late), deferred)


def _between(axes: Sequence[Axis], parent: sa.Table) -> list[Reference]:
    found = [axis.reference for axis in axes if axis.reference is not None]
    return [one for one in found if one.parent is parent]


def _cut(
    waits: Mapping[sa.Table, Mapping[sa.Table, Reference]], facts: Mapping[sa.Table, Facts]
) -> tuple[sa.Table, sa.Table]:
    """A reference of a cycle: one that may be NULL, or else one whose check can be deferred."""
    edges = [
        (table, parent)
        for table, parents in waits.items()
        for parent in parents
        if _leads(parent, table, waits)
    ]
    for table, parent in edges:
        if _can_wait(waits[table][parent], facts[table]):
            return table, parent
    for table, parent in edges:
        if waits[table][parent].deferrable:
            return table, parent
    names = " and ".join(f"`{table.fullname}.{waits[table][p].columns[0]}`" for table, p in edges)
    raise SeedError(
        f"the tables behind {names} need each other's rows first: none of these foreign keys may"
        " be NULL, and none is DEFERRABLE; give one of these columns with `hooks`, or make it"
        " nullable"
    )


def _can_wait(reference: Reference, facts: Facts) -> bool:
    return any(facts.is_nullable(name) for name in reference.columns)


def _leads(
    start: sa.Table, goal: sa.Table, waits: Mapping[sa.Table, Mapping[sa.Table, Reference]]
) -> bool:
    seen, waiting = {start}, [start]
    while waiting:
        table = waiting.pop()
        if table is goal:
            return True
        new = [one for one in waits.get(table, ()) if one not in seen]
        seen.update(new)
        waiting += new
    return False
