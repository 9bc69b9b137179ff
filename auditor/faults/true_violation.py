"""A violation that was only pretended, made true where the program looks.

`duplicate` and `reference` are raised while the row that collides is not there, and the row that
is missed is. A program that answers by reading the database then finds what cannot be: the
correct get-or-create finds nothing to get. So where a call reads the tables in question after
such an error and does not do well, it is run once more, and another session really stores or
deletes the row right before the statement. What the call does then is what counts. A primary key
that no other session can have, because the call makes it, says nothing either way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from auditor.faults.keys import TableKeys
from auditor.faults.plan import Point, shots_at
from auditor.faults.rivals_faults import RIVAL_FAULTS
from auditor.faults.shots import Executed, Shot
from auditor.model.outcome import FaultOutcome, Verdict

_MADE_TRUE_BY = {"duplicate": ("taken",), "reference": ("parent-vanished", "child-added")}

_CANNOT_BE_TRUE = (
    "the call looks at the database, and no other session can store a row with its primary key"
)


def made_true(
    pretended: FaultOutcome,
    point: Point,
    statements: Sequence[Executed],
    keys: Mapping[str, TableKeys],
    outcome_of: Callable[[Point], FaultOutcome],
) -> FaultOutcome:
    """The outcome of the true violation, if the one pretended says nothing; else that one.

    `statements` are those that the call executed, `outcome_of` runs it with another session.
    """
    if pretended.verdict.is_good or not _looked(point.shot, statements):
        return pretended
    shot = _true_shot(point.shot, keys)
    if shot is None and point.shot.target.primary:
        return replace(pretended, verdict=Verdict.NOT_REACHED, note=_CANNOT_BE_TRUE)
    if shot is None:
        return pretended
    found = outcome_of(Point(shot, point.folded))
    if found.verdict is Verdict.NOT_REACHED:
        return pretended
    done = "stored" if shot.fault.name in {"taken", "child-added"} else "deleted"
    note = f"the call looks at the database, so the row was really {done} (`{shot.fault.name}`)"
    return replace(
        found,
        note=f"{note}; {found.note}" if found.note else note,
        in_turn=pretended.in_turn,
    )


def _looked(shot: Shot, statements: Sequence[Executed]) -> bool:
    """Whether a table that the violation is about was read after it."""
    names = {name for name in (shot.target.table, shot.target.other_table) if name}
    return any(
        one.verb == "SELECT" and any(name in one.sql for name in names)
        for one in statements
        if one.ordinal > shot.point.ordinal
    )


def _true_shot(shot: Shot, keys: Mapping[str, TableKeys]) -> Shot | None:
    """The other session's act by which the same would be violated; None if it cannot be done."""
    return next(
        (
            one
            for fault in RIVAL_FAULTS
            if fault.name in _MADE_TRUE_BY.get(shot.fault.name, ())
            for one in shots_at(fault, shot.point, keys, persistent=False)
            if (one.target.table, one.target.columns) == (shot.target.table, shot.target.columns)
        ),
        None,
    )
