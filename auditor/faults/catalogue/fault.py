"""What a fault is, and where it can happen: tables, and questions to them.

    Fault         deadlock: when it comes, which statements it can hit, what the server does then
     └ FaultRow   one for each dialect: the driver's error, its message, what it becomes, a source

The rows are in `rows.py`; errors are made from them in `errors.py`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from auditor.faults.aim.keys import ForeignKey
from auditor.model.errors import AuditorError

READS = ("SELECT",)
WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
LOCK = "SELECT FOR UPDATE"
LOCKING = (*WRITES, LOCK)
ANY = (*READS, *WRITES)
SENT = (*ANY, "SAVEPOINT", "RELEASE")
SENDS_ROWS = ("INSERT", "UPDATE", "MERGE", "REPLACE")


class FaultError(AuditorError):
    """A fault that was asked for does not exist, or cannot happen where it was asked for."""


class Moment(enum.Enum):
    """When a fault comes. Deadlocks, violations and timeouts come in place of a statement."""

    CHECKOUT = "in place of a connection from the pool"
    BEFORE_STATEMENT = "before a statement, which then finds its connection dead"
    STATEMENT = "in place of a statement"
    AFTER_STATEMENT = "after a statement took effect"
    RIVAL = "before a statement, by a second session; the statement then runs"
    BEFORE_COMMIT = "at COMMIT, before it took effect"
    AFTER_COMMIT = "at COMMIT, after it took effect"

    @property
    def unit(self) -> str:
        """What the points of such a fault are: `statement`, `COMMIT` or `checkout`; each kind is
        counted from 1."""
        if self in (Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT):
            return "COMMIT"
        return "checkout" if self is Moment.CHECKOUT else "statement"

    @property
    def took_effect(self) -> bool:
        """Whether what failed is stored in spite of it."""
        return self in (Moment.AFTER_STATEMENT, Moment.AFTER_COMMIT)


class Needs(enum.Enum):
    """What a statement must have, or its table, for the fault to be possible."""

    NOTHING = ""
    SNAPSHOT = "a transaction of REPEATABLE READ or SERIALIZABLE isolation"
    AUTOCOMMIT = "a statement that writes in AUTOCOMMIT mode (a transaction takes it back)"
    POOL = "a pool that makes its callers wait"
    UNIQUE = "a primary or unique key that the statement writes"
    FOREIGN_KEY = "a foreign key that the statement writes, or one that refers to what it deletes"
    NOT_NULL = "a NOT NULL column that the statement writes"
    CHECK = "a CHECK constraint"
    LENGTH = "a column of limited length that the statement writes"
    INTEGER = "a column of whole numbers that the statement writes"
    ROW = "a row that the statement finds by its key"
    CHANGED = "a column beside the keys that the statement writes or compares"
    PARENT = "a foreign key that the statement writes"
    CHILD = "a foreign key of another table that forbids to delete what it refers to"


WITH_SUBJECTS = frozenset({Needs.UNIQUE, Needs.FOREIGN_KEY, Needs.PARENT, Needs.CHILD})
"""Of these a table may have several, and a program may tell them apart: each is tried."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a database says no. `rolls_back`: the server has ended the transaction.
    `verbs` are those of statements that it can hit; `LOCK` is a read that locks its rows."""

    name: str
    summary: str
    verbs: tuple[str, ...]
    moment: Moment = Moment.STATEMENT
    needs: Needs = Needs.NOTHING
    rolls_back: bool = False
    rows_of: str = ""
    """The fault whose rows tell the error, if this one has none of its own."""
    subjects: tuple[str, ...] = ()
    """What it is limited to, as asked for: `router_id` of `reference:router_id`; empty if not."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault as one dialect tells it.

    `error` is the name of the class in the driver's module of errors, `code` the SQLSTATE, error
    number or SQLite result code name, `sqlstate` what MariaDB gives beside its number. `message`
    and `detail` are templates over a `Target`; `pattern` matches the real message and nothing else.
    `becomes` is the class under oslo.db's filters, `plain` that without them (empty: it cannot
    happen there). `direct`: oslo.db has no filter that would make `becomes` of it, so that class
    is raised itself. `deletes`: this is the error of a DELETE; `nowait`: that of a read which does
    not wait for locks. `rolls_back`: this server ends the transaction by itself.
    """

    fault: str
    dialect: str
    error: str
    code: str
    message: str
    becomes: str
    plain: str
    pattern: str
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]
    source: str
    sqlstate: str = ""
    detail: str = ""
    hint: str = ""
    direct: bool = False
    deletes: bool = False
    nowait: bool = False
    rolls_back: bool = False
    disconnects: bool = False

    def recognises(self, message: str) -> bool:
        """Whether a driver's message is that of this fault."""
        return re.search(self.pattern, message) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """What a constraint fault is about: fills the templates of a row. `deletes`: the row of
    `other_table` is to go; `length` is in characters, `integer` the type of a whole number."""

    table: str = ""
    constraint: str = ""
    columns: tuple[str, ...] = ()
    other_table: str = ""
    other_columns: tuple[str, ...] = ()
    deletes: bool = False
    primary: bool = False
    length: int = 0
    integer: str = ""
    nowait: bool = False

    @classmethod
    def of_key(cls, foreign: ForeignKey, *, deletes: bool = False) -> Target:
        """The violation of a foreign key."""
        return cls(
            foreign.table,
            foreign.name,
            foreign.columns,
            foreign.other_table,
            foreign.other_columns,
            deletes=deletes,
        )

    @property
    def subject(self) -> str:
        """What is violated, for people: `router_id -> routers.id`, `name, project_id`; empty if
        nothing in particular."""
        own = ", ".join(self.columns)
        if not self.other_table:
            return own or self.constraint
        other = ", ".join(f"{self.other_table}.{name}" for name in self.other_columns)
        return f"{self.table}.{own} -> {other}" if self.deletes else f"{own} -> {other}"

    @property
    def selector(self) -> str:
        """The same for a command line, without blanks: `router_id`, `name,project_id`,
        `ports.router_id` of a DELETE."""
        own = ",".join(self.columns) or self.constraint
        return f"{self.table}.{own}" if self.deletes else own


def fault_named(name: str, faults: Iterable[Fault]) -> Fault:
    """The fault of that name; `reference:router_id` is `reference` limited to one subject.

    Raises FaultError with all names."""
    known = {fault.name: fault for fault in faults}
    plain, separator, subject = name.partition(":")
    if plain not in known:
        names = ", ".join(f"`{each}`" for each in known)
        raise FaultError(f"there is no fault `{plain}`: known are {names}")
    fault = known[plain]
    if not separator:
        return fault
    subject = re.sub(r"\s+", "", subject)
    if fault.needs not in WITH_SUBJECTS or not subject:
        several = ", ".join(f"`{one.name}`" for one in known.values() if one.needs in WITH_SUBJECTS)
        raise FaultError(
            f"`{name}` names something that is violated; write it after one of {several}, as in"
            " `reference:router_id`"
            if fault.needs not in WITH_SUBJECTS
            else f"`{name}` says nothing after the colon: write columns, as in"
            f" `{plain}:name,project_id`, or `{plain}` for all"
        )
    return replace(fault, subjects=(subject,))


def faults_named(names: Sequence[str], faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults of these names, each once; one that is asked for with several subjects is limited
    to all of them, and not limited if it is asked for without any. Raises FaultError."""
    known = tuple(faults)
    found: dict[str, Fault] = {}
    for name in names:
        fault = fault_named(name, known)
        before = found.get(fault.name)
        both = (*before.subjects, *fault.subjects) if before is not None else fault.subjects
        is_whole = not fault.subjects or (before is not None and not before.subjects)
        subjects = () if is_whole else tuple(dict.fromkeys(both))
        found[fault.name] = replace(fault, subjects=subjects)
    return tuple(found.values())


def row_for(
    fault: Fault, dialect: str, rows: Iterable[FaultRow], target: Target
) -> FaultRow | None:
    """How a dialect tells a fault; None if it never does."""
    name = fault.rows_of or fault.name
    found = [row for row in rows if (row.fault, row.dialect) == (name, dialect)]
    exact = [row for row in found if (row.deletes, row.nowait) == (target.deletes, target.nowait)]
    return next(iter(exact or found), None)
