"""What a live session did, aggregated: one entry for each distinct statement, site and cause.

Tape
 ├ entries         Entry(shape, site, cause, ...) with executions, rows, seconds, errors
 ├ transactions    TransactionEntry(kind, site) with begun, committed, rolled_back
 ├ courses         Course(kind, opened, steps): which statements a transaction ran, in order
 ├ incidents       Incident(kind, site, opened): what else happened while a transaction was open
 ├ attempts        Attempts(function, site): calls that a retry made more than once
 ├ opened          the call path that opened the recording: what is outside of it was not recorded
 └ losses          Problems: what could not be seen or was lost
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from auditor.model.finding import Problem
from auditor.model.span import Frame


class CauseKind(enum.Enum):
    """Why SQLAlchemy executed a statement."""

    EXPLICIT = "explicit"
    LAZY_LOAD = "lazy load"
    EAGER_BATCH = "eager batch"
    REFRESH = "refresh"
    DEFERRED = "deferred column"
    POLYMORPHIC = "polymorphic load"
    FLUSH = "flush"
    AUTOFLUSH = "autoflush"
    DDL = "ddl"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a statement ran; `relation` is `Parent.attribute` or the mapped class, if known."""

    kind: CauseKind
    relation: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value} {self.relation}".rstrip()


@dataclass(frozen=True, slots=True)
class Site:
    """Where the user's program was: its call path, innermost first; empty if none was seen."""

    stack: tuple[Frame, ...]

    @property
    def frame(self) -> Frame:
        """The innermost line of the user's code."""
        return self.stack[0] if self.stack else UNKNOWN_FRAME


UNKNOWN_FRAME = Frame("<unknown>", 0, "<unknown>")


@dataclass(frozen=True, slots=True)
class Entry:
    """All executions of one shape from one site, for one cause, in one kind of transaction.

    `rows` are rows fetched; `sent` counts parameter sets (more than `executions` for executemany).
    `seconds` is database time as the client saw it. `errors` pairs exception class and count.
    `test` is the running test's id, empty outside tests. `units` counts the transactions that had
    an execution of this entry, `most_in_unit` is the largest number of executions in one of them.

    `repeats` counts reads that their transaction had made before, with the same values and no write
    in between. `texts` counts the different texts of statements with literals in them, to 16; 0 for
    expressions and for texts that bind all values. `joined` are the relations loaded by join in the
    same statement, as paths (`Router.ports[]`, `Router.ports[] > Port.addresses[]`; `[]` after a
    relation to many). `used` are the relations (`Router.ports`) that were read, once loaded, on
    objects that this statement loaded; known of relations that the program loads eagerly somewhere.
    """

    shape: str
    verb: str
    tables: tuple[str, ...]
    site: Site
    cause: Cause
    transaction: str
    database: str
    test: str
    executions: int
    sent: int
    rows: int
    seconds: float
    errors: tuple[tuple[str, int], ...] = ()
    units: int = 0
    most_in_unit: int = 0
    repeats: int = 0
    texts: int = 0
    joined: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """All transactions of one kind begun from one site.

    `kind` is `reader`, `writer`, `independent writer`, `savepoint` or `plain`. `site` is that of
    the first statement, `opened` the line of the block or call that began the transaction.
    `attempt` is 2 for those of a second attempt by a retry decorator, and so on. `statements`
    counts those of all of them, `most_statements`, `longest_seconds` and `longest_gap` (seconds
    without a statement, from the beginning to the end) are the largest of one transaction.
    """

    kind: str
    site: Site
    database: str
    test: str
    begun: int
    committed: int
    rolled_back: int
    seconds: float
    opened: Frame = UNKNOWN_FRAME
    attempt: int = 1
    statements: int = 0
    most_statements: int = 0
    longest_seconds: float = 0.0
    longest_gap: float = 0.0


@dataclass(frozen=True, slots=True)
class CourseStep:
    """The first execution of a statement in a transaction. `is_in_savepoint` tells that only a part
    of the transaction is lost if it fails, `is_locking` that a SELECT asked for locks on its rows
    (`with_for_update()`; SQLite knows none, and its text does not say so)."""

    shape: str
    verb: str
    tables: tuple[str, ...]
    site: Site
    is_in_savepoint: bool = False
    is_locking: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """What transactions begun at one line ran: each distinct statement and line once, in order of
    its first execution. Kept of transactions that write or lock rows."""

    kind: str
    opened: Frame
    database: str
    steps: tuple[CourseStep, ...]
    committed: int
    rolled_back: int


class IncidentKind(enum.Enum):
    """What else happens while a transaction or a connection is held."""

    SIDE_EFFECT = "side effect"
    ENDED_BY_HAND = "ended by hand"
    INDEPENDENT = "independent block"
    ACROSS_THREADS = "across threads"
    LEAKED = "leaked connection"


@dataclass(frozen=True, slots=True)
class Incident:
    """All incidents of one kind at one site.

    `what` says more: `HTTP request`, `commit`, `independent writer`, `garbage collector`. `opened`
    is the line that began the transaction, or that checked the connection out. `transaction` is its
    kind, `work` what it had done by then: `writes`, `reads` or empty. `is_block` tells that the
    program asked for a transaction (a block, `begin()`): SQLAlchemy else begins one by itself.
    """

    kind: IncidentKind
    what: str
    site: Site
    opened: Frame
    transaction: str
    work: str
    is_block: bool
    database: str
    test: str
    times: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Attempts:
    """Calls of one function from one site that a retry decorator repeated, or gave up.

    `function` is its definition. `opened` is the line that began a transaction which was open
    around the retry and which the error came from, or the unknown frame; `within` is the function
    whose own retry was around this one, or the unknown frame. `most` is the largest number of
    attempts of one call, `repeated` counts all attempts after a first one, `gave_up` the calls
    whose last attempt failed as well. `errors` pairs class and count of what was repeated for.
    """

    function: Frame
    site: Site
    opened: Frame
    within: Frame
    test: str
    repeated: int
    most: int
    gave_up: int
    errors: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Tape:
    """Everything recorded, in order of first execution.

    `opened` is the call path of the user's program to the line that opened the recording, innermost
    first; empty where there was none, as for a recorded command. Tapes are equal without it.
    """

    entries: tuple[Entry, ...] = ()
    transactions: tuple[TransactionEntry, ...] = ()
    losses: tuple[Problem, ...] = ()
    processes: int = 1
    courses: tuple[Course, ...] = ()
    incidents: tuple[Incident, ...] = ()
    attempts: tuple[Attempts, ...] = ()
    opened: tuple[Frame, ...] = field(default=(), compare=False)

    @property
    def statements(self) -> int:
        """How many statements were executed, DDL left out."""
        return sum(e.executions for e in self.entries if e.cause.kind is not CauseKind.DDL)

    @property
    def rows(self) -> int:
        """How many rows were fetched."""
        return sum(entry.rows for entry in self.entries)
