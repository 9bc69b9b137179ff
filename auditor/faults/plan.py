"""From what a workload executes to what to try: fault points, equal ones folded into one.

    Executed × Fault -> Shot      where the fault can happen, as the schema and the dialect say
    Shots            -> Point     one of equal shots, with the ordinals of those it stands for

Two shots are equal when shape, call path and progress are: what was committed or written before
decides whether half of the work can be left, so the second round of a loop is no repetition of the
first, but the third is one of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.faults.catalogue import Fault, FaultError, row_for, target_of
from auditor.faults.inject import Executed, Shot
from auditor.faults.keys import TableKeys
from auditor.faults.rows import FAULTS, POSTGRESQL_ROWS, SQLITE_ROWS
from auditor.faults.rows_mariadb import MARIADB_ROWS

ROWS = (*SQLITE_ROWS, *POSTGRESQL_ROWS, *MARIADB_ROWS)
MODES = ("once", "persistent")


@dataclass(frozen=True, slots=True)
class Point:
    """One run to make: its shot, and the ordinals of the other statements it stands for."""

    shot: Shot
    folded: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of one fault, in order, and how many statements it cannot happen at."""

    fault: Fault
    statements: int
    points: tuple[Point, ...]
    not_applicable: int


def shot_at(
    fault: Fault, executed: Executed, keys: Mapping[str, TableKeys], *, persistent: bool
) -> Shot | None:
    """The fault aimed at this statement; None if it cannot happen there."""
    plain_name = executed.table.rpartition(".")[2]
    target = target_of(fault, executed.verb, executed.sql, keys.get(plain_name))
    if target is None:
        return None
    row = row_for(fault, executed.dialect, ROWS, deletes=target.deletes)
    if row is None or not (row.becomes if executed.filtered else row.plain):
        return None
    return Shot(fault, row, target, executed, persistent)


def plan_for(
    fault: Fault,
    executed: Sequence[Executed],
    keys: Mapping[str, TableKeys],
    *,
    at: int | None = None,
    persistent: bool = False,
) -> Plan:
    """The points of a fault over a whole run, or the one point `at` an ordinal, unfolded.

    Raises FaultError if there is no such ordinal, or the fault cannot happen there.
    """
    shots = [(one, shot_at(fault, one, keys, persistent=persistent)) for one in executed]
    impossible = sum(shot is None for _, shot in shots)
    if at is not None:
        asked = _asked_for(fault, [shot for _, shot in shots], executed, at)
        return Plan(fault, len(executed), (Point(asked, ()),), 0)
    equal: dict[object, list[Shot]] = {}
    for one, shot in shots:
        if shot is not None:
            equal.setdefault((one.shape, one.site, one.progress), []).append(shot)
    points = tuple(
        Point(first, tuple(shot.point.ordinal for shot in others))
        for first, *others in equal.values()
    )
    return Plan(fault, len(executed), points, impossible)


def applies_to(fault: Fault, dialect: str) -> bool:
    """Whether a dialect knows the fault at all."""
    return row_for(fault, dialect, ROWS, deletes=False) is not None


def faults_of(dialect: str) -> tuple[Fault, ...]:
    """The faults that a dialect can tell, in the order of the catalogue."""
    return tuple(fault for fault in FAULTS if applies_to(fault, dialect))


def _asked_for(
    fault: Fault, shots: Sequence[Shot | None], executed: Sequence[Executed], at: int
) -> Shot:
    what = fault.moment.unit
    if not 1 <= at <= len(executed):
        raise FaultError(
            f"there is no {what} {at}: without a fault the call executes {len(executed)};"
            f" give a number from 1 to {len(executed)}"
            if executed
            else f"there is no {what} {at}: without a fault the call executes none"
        )
    shot = shots[at - 1]
    if shot is None:
        raise FaultError(
            f"the fault `{fault.name}` cannot happen at {what} {at},"
            f" `{executed[at - 1].shape[:80]}`: it needs"
            f" {fault.needs.value or ' or '.join(fault.verbs)}"
        )
    return shot
