"""From what a workload executes to what to try: fault points, equal ones folded into one.

    Executed × Fault -> Shots     where the fault can happen, as the schema and the dialect say:
                                  one for each thing that may be violated
    Shots            -> Point     one of equal shots, with the ordinals of those it stands for

Two shots are equal when target, shape, call path and progress are: what was committed or written
before decides whether half of the work can be left, so the second round of a loop is no repetition
of the first, but the third is one of the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auditor.faults.catalogue import Fault, FaultError, Moment, Target, row_for
from auditor.faults.inject import Executed, Shot
from auditor.faults.keys import TableKeys
from auditor.faults.rivals_faults import RIVAL_DIALECTS, rival_row
from auditor.faults.rows import FAULTS, POOL_ROWS, SQLITE_ROWS
from auditor.faults.rows_mariadb import MARIADB_ROWS
from auditor.faults.rows_postgresql import POSTGRESQL_ROWS
from auditor.faults.targets import is_asked_for, targets_of

ROWS = (*SQLITE_ROWS, *POSTGRESQL_ROWS, *MARIADB_ROWS, *POOL_ROWS)
MODES = ("once", "persistent")


@dataclass(frozen=True, slots=True)
class Point:
    """One run to make: its shot, and the ordinals of the other statements it stands for."""

    shot: Shot
    folded: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of one fault, in order of statements, and how many statements it cannot happen at.
    A statement that may violate several things has a run for each."""

    fault: Fault
    statements: int
    points: tuple[Point, ...]
    not_applicable: int


def shots_at(
    fault: Fault, executed: Executed, keys: Mapping[str, TableKeys], *, persistent: bool
) -> tuple[Shot, ...]:
    """The fault aimed at this statement, once for each thing that it could violate there."""
    targets = targets_of(fault, executed, keys)
    shots = (_shot(fault, target, executed, persistent=persistent) for target in targets)
    return tuple(
        replace(shot, selector=shot.target.selector if place else "")
        for place, shot in enumerate(one for one in shots if one is not None)
    )


def _shot(fault: Fault, target: Target, executed: Executed, *, persistent: bool) -> Shot | None:
    if fault.moment is Moment.RIVAL:
        return Shot(fault, rival_row(fault, executed.dialect), target, executed, persistent)
    row = row_for(fault, executed.dialect, ROWS, target)
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
    """The points of a fault over a whole run, or the one point `at` an ordinal, unfolded: its
    first subject, or all that the fault is limited to.

    Raises FaultError if there is no such ordinal, or the fault cannot happen there.
    """
    if at is not None:
        _look_up(fault, executed, at)
    looked_at = executed if at is None else executed[at - 1 : at]
    found = {
        one: shots_at(fault, one, keys, persistent=persistent)
        if at is not None or not one.spared
        else ()
        for one in looked_at
    }
    asked = {
        one: tuple(shot for shot in shots if is_asked_for(shot.target, fault))
        for one, shots in found.items()
    }
    if at is not None:
        shots = _known(fault, executed[at - 1], found[executed[at - 1]], asked[executed[at - 1]])
        points = tuple(Point(shot, ()) for shot in (shots if fault.subjects else shots[:1]))
        return Plan(fault, len(executed), points, 0)
    equal: dict[object, list[Shot]] = {}
    for one, shots in asked.items():
        for shot in shots:
            equal.setdefault((shot.target, one.shape, one.site, one.progress), []).append(shot)
    points = tuple(
        Point(first, tuple(shot.point.ordinal for shot in others))
        for first, *others in equal.values()
    )
    return Plan(fault, len(executed), points, sum(not shots for shots in asked.values()))


def applies_to(fault: Fault, dialect: str) -> bool:
    """Whether a dialect knows the fault at all."""
    if fault.moment is Moment.RIVAL:
        return dialect in RIVAL_DIALECTS
    return row_for(fault, dialect, ROWS, Target()) is not None


def faults_of(dialect: str) -> tuple[Fault, ...]:
    """The faults that a dialect can tell, in the order of the catalogue."""
    return tuple(fault for fault in FAULTS if applies_to(fault, dialect))


def _look_up(fault: Fault, executed: Sequence[Executed], at: int) -> None:
    what = fault.moment.unit
    if not 1 <= at <= len(executed):
        raise FaultError(
            f"there is no {what} {at}: without a fault the call executes {len(executed)};"
            f" give a number from 1 to {len(executed)}"
            if executed
            else f"there is no {what} {at}: without a fault the call executes none"
        )


def _known(
    fault: Fault, executed: Executed, possible: Sequence[Shot], asked: Sequence[Shot]
) -> Sequence[Shot]:
    where = f"at {fault.moment.unit} {executed.ordinal}, `{executed.shape[:80]}`"
    if not possible:
        raise FaultError(
            f"the fault `{fault.name}` cannot happen {where}: it needs"
            f" {fault.needs.value or ' or '.join(fault.verbs)}"
        )
    selectors = [shot.target.selector for shot in possible]
    missing = [name for name in fault.subjects if name not in selectors]
    if missing:
        names = ", ".join(f"`{fault.name}:{one}`" for one in selectors)
        raise FaultError(
            f"the fault `{fault.name}:{missing[0]}` cannot happen {where}: possible are {names}"
        )
    return asked
