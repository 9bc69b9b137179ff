"""The faults in which a second session really acts, just before a statement, and commits.

Nothing is raised for them: the database itself answers the statement, so they have no errors of
their own in the tables of `rows`.
"""

from __future__ import annotations

from auditor.faults.catalogue.fault import Fault, FaultRow, Moment, Needs

RIVAL_FAULTS = (
    Fault(
        "vanished",
        "another session has deleted the row",
        ("SELECT", "UPDATE", "DELETE"),
        Moment.RIVAL,
        Needs.ROW,
    ),
    Fault(
        "stale",
        "another session has changed the row since it was read",
        ("UPDATE", "DELETE"),
        Moment.RIVAL,
        Needs.CHANGED,
    ),
    Fault(
        "taken",
        "another session has stored a row with the same key",
        ("INSERT", "UPDATE"),
        Moment.RIVAL,
        Needs.UNIQUE,
    ),
    Fault(
        "parent-vanished",
        "another session has deleted the row referred to",
        ("INSERT", "UPDATE"),
        Moment.RIVAL,
        Needs.PARENT,
    ),
    Fault(
        "child-added",
        "another session has stored a row that refers to the one to delete",
        ("DELETE",),
        Moment.RIVAL,
        Needs.CHILD,
    ),
)


TOLD_APART = frozenset({"taken", "parent-vanished"})
"""Those of which a statement may have several, so that a program may mistake one for another."""

RIVAL_DIALECTS = ("sqlite", "postgresql", "mysql")


def rival_row(fault: Fault, dialect: str) -> FaultRow:
    """In place of a row of the tables: what happens is left to the database."""
    return FaultRow(
        fault=fault.name,
        dialect=dialect,
        error="",
        code="",
        message="",
        becomes="",
        plain="",
        pattern="",
        samples=(),
        near_misses=(),
        source="",
    )
