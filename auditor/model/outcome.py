"""What happened when one statement of a workload was made to fail."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from auditor.model.span import Frame


class Verdict(enum.Enum):
    """What the code did with the error, judged by result, escaping error and database state."""

    RECOVERED = "recovered"
    """Result and state equal those of the run without a fault."""
    REPORTED = "reported"
    """A declared or domain error reached the caller, and the state is as before."""
    LEAKED = "leaked"
    """The raw database error reached the caller."""
    SWALLOWED = "swallowed"
    """The call returned as if all were well, but its result or the state is not that of success."""
    HALF_COMMITTED = "half-committed"
    """The state is neither that before the call nor that of success."""
    BROKEN_SESSION = "broken-session"
    """The error left a session or context that cannot be used any more."""
    MASKED = "masked"
    """Another error, raised while handling it, hid the database error."""
    MISREPORTED = "misreported"
    """The error that reached the caller says something else than what happened."""
    REPEATED_EFFECT = "repeated-effect"
    """Result and state are right, but a retry did something outside the database twice, or changed
    what it had been given."""
    RETRIED_IN_VAIN = "retried-in-vain"
    """The call was retried until it gave up, or retried what can never succeed."""
    HUNG = "hung"
    """The call did not end in the time allowed."""
    CRASHED = "crashed"
    """The process ended during the call."""
    NOT_REACHED = "not-reached"
    """The statement was not executed again, so no fault was injected."""

    @property
    def is_good(self) -> bool:
        """Whether the code did what it should with the error."""
        return self in (Verdict.RECOVERED, Verdict.REPORTED)


@dataclass(frozen=True, slots=True)
class StateChange:
    """Rows of one table that differ from the expected state: counts of rows missing and added."""

    table: str
    missing: int
    added: int


@dataclass(frozen=True, slots=True)
class Retried:
    """A function that a retry decorator called more than once in a run, or whose own loop tried
    more than once: `attempts` in all, the first included."""

    function: Frame
    attempts: int


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """One fault, at one statement of one workload, and what came of it.

    `scenario` is the name of the workload: a scenario, or the id of a test. `statement` counts
    from 1 in the order of the run without faults. `mode` is `once` or `persistent`. `escaped` is
    the class of the error that reached the caller, empty if none.
    """

    scenario: str
    database: str
    fault: str
    mode: str
    statement: int
    shape: str
    site: Frame
    verdict: Verdict
    attempts: int
    escaped: str = ""
    escaped_message: str = ""
    changes: tuple[StateChange, ...] = ()
    traceback: tuple[Frame, ...] = ()
    handlers: tuple[Frame, ...] = ()
    """The user's `except` clauses that saw the error, in order."""
    replay: str = ""
    note: str = ""
    folded: tuple[int, ...] = ()
    """Other statements that this outcome stands for: same shape, call path and progress."""
    stack: tuple[Frame, ...] = ()
    """The user's call path to the statement, innermost first; the first frame is `site`."""
    subject: str = ""
    """What is violated, where a table has several: `router_id -> routers.id`, a key's columns."""
    retried: tuple[Retried, ...] = ()
    """What was called again because of the fault, innermost first."""
    effects: tuple[str, ...] = ()
    """What was done outside the database more often than without the fault, in words."""
    in_turn: str = ""
    """What the call does when the other session has acted before it: `returns`, or the class it
    raises; empty for faults without another session."""


@dataclass(frozen=True, slots=True)
class SweepCoverage:
    """What one fault was tried on: every statement of the workload is in exactly one count.

    `points` statements were made to fail, one a run, and `folded` more are equal to one of them;
    at `not_applicable` the fault cannot happen; `left_out` were not tried (budget, or one asked
    for). `not_reached` of the points were not executed again. For faults at COMMIT, commits are
    counted instead of statements.
    """

    scenario: str
    database: str
    fault: str
    mode: str
    sizes: tuple[tuple[str, int], ...]
    statements: int
    points: int
    folded: int
    not_applicable: int
    not_reached: int
    left_out: int
    unreached: tuple[int, ...] = ()
    """The ordinals behind `not_reached`."""
    untried: tuple[int, ...] = ()
    """The ordinals behind `left_out`."""
    impossible: tuple[int, ...] = ()
    """The ordinals behind `not_applicable`."""
    needs: str = ""
    """What a statement must be, or have, for the fault to be possible."""
