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

from auditor.faults.aim.keys import TableKeys
from auditor.faults.aim.shots import Executed, Shot
from auditor.faults.aim.targets import is_asked_for, targets_of
from auditor.faults.catalogue.fault import Fault, FaultError, Moment, Target, row_for
from auditor.faults.catalogue.rivals import RIVAL_DIALECTS, rival_row
from auditor.faults.catalogue.rows import FAULTS, POOL_ROWS, SQLITE_ROWS
from auditor.faults.catalogue.rows_mariadb import MARIADB_ROWS
from auditor.faults.catalogue.rows_postgresql import POSTGRESQL_ROWS

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

    Raises FaultError if there is no such ordinal, or the fault cannot happen there; with a subject
    also if it cannot be violated anywhere.
    """
    if at is not None:
        one = _look_up(fault, executed, at)
        possible = shots_at(fault, one, keys, persistent=persistent)
        shots = _asked_of(fault, possible, f"at {_place(fault, one)}")
        points = tuple(Point(shot, ()) for shot in (shots if fault.subjects else shots[:1]))
        return Plan(fault, len(executed), points, 0)
    found = {
        one.ordinal: shots_at(fault, one, keys, persistent=persistent)
        for one in executed
        if not one.spared
    }
    asked = _asked_of(fault, [shot for shots in found.values() for shot in shots], "anywhere")
    equal: dict[object, list[Shot]] = {}
    for shot in asked:
        equal.setdefault(_alike(shot), []).append(shot)
    points = tuple(
        Point(first, tuple(shot.point.ordinal for shot in others))
        for first, *others in equal.values()
    )
    hit = {shot.point.ordinal for shot in asked}
    return Plan(fault, len(executed), points, len(executed) - len(hit))


def _alike(shot: Shot) -> object:
    one = shot.point
    opens = bool(one.checkout) and shot.fault.moment is Moment.BEFORE_STATEMENT
    return (shot.target, one.shape, one.site, one.progress, one.isolation, opens)


def applies_to(fault: Fault, dialect: str) -> bool:
    """Whether a dialect knows the fault at all."""
    if fault.moment is Moment.RIVAL:
        return dialect in RIVAL_DIALECTS
    return row_for(fault, dialect, ROWS, Target()) is not None


def faults_of(dialect: str) -> tuple[Fault, ...]:
    """The faults that a dialect can tell, in the order of the catalogue."""
    return tuple(fault for fault in FAULTS if applies_to(fault, dialect))


def _look_up(fault: Fault, executed: Sequence[Executed], at: int) -> Executed:
    what = fault.moment.unit
    if not 1 <= at <= len(executed):
        raise FaultError(
            f"there is no {what} {at}: without a fault the call executes {len(executed)};"
            f" give a number from 1 to {len(executed)}"
            if executed
            else f"there is no {what} {at}: without a fault the call executes none"
        )
    return executed[at - 1]


def _place(fault: Fault, executed: Executed) -> str:
    return f"{fault.moment.unit} {executed.ordinal}, `{executed.shape[:80]}`"


def _asked_of(fault: Fault, possible: Sequence[Shot], where: str) -> Sequence[Shot]:
    """Those that the fault is limited to. Raises FaultError if there is none, unless all of a run
    was asked for: a call need not violate anything."""
    if not possible and (where != "anywhere" or fault.subjects):
        raise FaultError(
            f"the fault `{_words(fault)}` cannot happen {where}: it needs {_needs(fault)}"
        )
    selectors = dict.fromkeys(shot.target.selector for shot in possible)
    missing = [name for name in fault.subjects if name not in selectors]
    if missing:
        names = ", ".join(f"`{fault.name}:{one}`" for one in selectors)
        raise FaultError(
            f"the fault `{fault.name}:{missing[0]}` cannot happen {where}: possible are {names}"
        )
    return [shot for shot in possible if is_asked_for(shot.target, fault)]


def _words(fault: Fault) -> str:
    return ":".join((fault.name, *fault.subjects[:1]))


def _needs(fault: Fault) -> str:
    return fault.needs.value or " or ".join(fault.verbs)
