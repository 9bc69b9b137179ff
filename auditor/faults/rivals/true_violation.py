"""A violation that was only pretended, made true where the program looks.

`duplicate` and `reference` are raised while the row that collides is not there, and the row that
is missed is. A program that answers by reading the database then finds what cannot be: the
correct get-or-create finds nothing to get. So where a call reads the tables in question after
such an error and does not do well, it is run once more, and another session really stores or
deletes the row right before the statement. What the call does then is what counts. A primary key
that no other session can have, because the call makes it, says nothing either way.

A violation that is reported, where the statement can violate something else too, is made true as
well: which of them the program names is right or wrong only when one has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from auditor.faults.aim.keys import TableKeys
from auditor.faults.aim.plan import Point, shots_at
from auditor.faults.aim.shots import Executed, Shot
from auditor.faults.catalogue.rivals import RIVAL_FAULTS, TOLD_APART
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
    if pretended.verdict is Verdict.REPORTED:
        return _told_rightly(pretended, point, keys, outcome_of)
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
    why = f"the call looks at the database, so the row was {_done(shot)}"
    return replace(
        found,
        note=f"{why}; {found.note}" if found.note else why,
        in_turn=pretended.in_turn,
    )


def _told_rightly(
    reported: FaultOutcome,
    point: Point,
    keys: Mapping[str, TableKeys],
    outcome_of: Callable[[Point], FaultOutcome],
) -> FaultOutcome:
    """The outcome of the true violation if the call then speaks of another one."""
    rivals = list(_rival_shots(point.shot, keys))
    shot = _true_shot(point.shot, keys)
    told_apart = [one for one in rivals if one.fault.name in TOLD_APART]
    if shot is None or not told_apart[1:]:
        return reported
    found = outcome_of(Point(shot, point.folded))
    if found.verdict is not Verdict.MISREPORTED:
        return reported
    note = f"when the row was {_done(shot)}, {found.note}"
    return replace(found, note=note, in_turn=reported.in_turn)


def _done(shot: Shot) -> str:
    done = "stored" if shot.fault.name in {"taken", "child-added"} else "deleted"
    return f"really {done} (`{shot.fault.name}`)"


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
            for one in _rival_shots(shot, keys)
            if one.fault.name in _MADE_TRUE_BY.get(shot.fault.name, ())
            and (one.target.table, one.target.columns) == (shot.target.table, shot.target.columns)
        ),
        None,
    )


def _rival_shots(shot: Shot, keys: Mapping[str, TableKeys]) -> Iterator[Shot]:
    for fault in RIVAL_FAULTS:
        yield from shots_at(fault, shot.point, keys, persistent=False)
