"""What a live session did, aggregated: one entry for each distinct statement, site and cause.

Tape
 ├ entries         Entry(shape, site, cause, ...) with executions, rows, seconds, errors
 ├ transactions    TransactionEntry(kind, site) with begun, committed, rolled_back
 └ losses          Problems: what could not be seen or was lost
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """All transactions of one kind begun from one site.

    `kind` is `reader`, `writer`, `independent writer`, `savepoint` or `plain`.
    """

    kind: str
    site: Site
    database: str
    test: str
    begun: int
    committed: int
    rolled_back: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tape:
    """Everything recorded, in order of first execution."""

    entries: tuple[Entry, ...] = ()
    transactions: tuple[TransactionEntry, ...] = ()
    losses: tuple[Problem, ...] = ()
    processes: int = 1

    @property
    def statements(self) -> int:
        """How many statements were executed, DDL left out."""
        return sum(e.executions for e in self.entries if e.cause.kind is not CauseKind.DDL)

    @property
    def rows(self) -> int:
        """How many rows were fetched."""
        return sum(entry.rows for entry in self.entries)
