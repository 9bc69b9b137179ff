"""What is known of the places that answer errors of the database, and of those that should.

HandlerRow            one `except` clause, or one `with suppress(...)`
 ├ errors             CaughtError: can this class get there, and why
 ├ seen               what recordings saw: how often it ran, how often its `try` did
 └ sweeps             FaultAtHandler: what faults came to that it saw
MissingHandler        an error that gets out of the program with nothing on its way
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from auditor.model.outcome import Verdict
from auditor.model.span import Frame, Span


class Reach(enum.Enum):
    """Whether an error can come to a handler."""

    PROVEN = "proven"
    """The schema and the statements in the `try` say so, or a run has shown it."""
    POSSIBLE = "possible"
    NEVER = "never"


class HandlerVerdict(enum.Enum):
    """What a handler does with the errors of the database that come to it."""

    GOOD = "good"
    """It ran, and what it did was right."""
    DEAD = "dead"
    """No error that it names can come to it."""
    UNTESTED = "untested"
    """No run came to it, and the source shows no defect."""
    SWALLOWING = "swallowing"
    """The error is lost: the caller goes on as if all were well."""
    WRONG_MAPPING = "wrong-mapping"
    """It tells something else than what happened."""
    BREAKS_SESSION = "breaks-session"
    """It goes on in a session or transaction that the error has ended."""

    @property
    def is_bad(self) -> bool:
        """Whether it has to be mended."""
        return self not in (HandlerVerdict.GOOD, HandlerVerdict.UNTESTED)


@dataclass(frozen=True, slots=True)
class CaughtError:
    """A class of errors that a handler takes: its dotted name as the tables know it, whether it can
    get there, and the reason in words. A handler of everything takes `Exception`."""

    name: str
    reach: Reach
    reason: str


@dataclass(frozen=True, slots=True)
class HandlerSeen:
    """What recordings saw: `ran` errors of statements that came to the handler, and `tried`
    statements that its `try` executed."""

    ran: int = 0
    tried: int = 0


@dataclass(frozen=True, slots=True)
class FaultAtHandler:
    """A fault that the handler saw, and what came of it; `replay` is the command to repeat it."""

    fault: str
    scenario: str
    database: str
    statement: int
    verdict: Verdict
    escaped: str
    replay: str


@dataclass(frozen=True, slots=True)
class HandlerRow:
    """One handler. `kind` is `except` or `suppress`, `caught` what it names as it is written (empty
    for everything), `work` what its `try` does and `answer` how it ends, in words. `codes` are
    those of static findings that stand on it."""

    span: Span
    function: str
    kind: str
    caught: tuple[str, ...]
    errors: tuple[CaughtError, ...]
    work: str
    answer: str
    verdict: HandlerVerdict
    reason: str
    codes: tuple[str, ...] = ()
    seen: HandlerSeen = HandlerSeen()
    sweeps: tuple[FaultAtHandler, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingHandler:
    """An error of the database that can get out of a function which nothing in the program calls.

    `error` is `DBDuplicateEntry` or `DBReferenceError`, `constraint` what can be violated, in
    words, `way` the calls from the function (its own line first) to the statement. `confirmed`
    holds the replay command of a fault that got out there, and is empty if none was tried. `others`
    counts further functions that the same statement's error gets out of.
    """

    span: Span
    function: str
    error: str
    constraint: str
    way: tuple[Frame, ...]
    confirmed: str = ""
    others: int = 0
