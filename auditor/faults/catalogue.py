"""What a fault is, and where it can happen: tables, and questions to them.

    Fault         deadlock: when it comes, which statements it can hit, what the server does then
     └ FaultRow   one for each dialect: the driver's error, its message, what it becomes, a source

The rows are in `rows.py`; errors are made from them in `errors.py`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

from auditor.faults.keys import ForeignKey, Key, TableKeys
from auditor.model.errors import AuditorError

READS = ("SELECT",)
WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
ANY = (*READS, *WRITES)


class FaultError(AuditorError):
    """A fault that was asked for does not exist, or cannot happen where it was asked for."""


class Moment(enum.Enum):
    """When a fault comes."""

    STATEMENT = "in place of a statement"
    RIVAL = "before a statement, by a second session; the statement then runs"
    BEFORE_COMMIT = "at COMMIT, before it took effect"
    AFTER_COMMIT = "at COMMIT, after it took effect"

    @property
    def unit(self) -> str:
        """What the points of such a fault are: `statement` or `COMMIT`, each counted from 1."""
        return "statement" if self in (Moment.STATEMENT, Moment.RIVAL) else "COMMIT"


class Needs(enum.Enum):
    """What the table of the statement must have for the fault to be possible."""

    NOTHING = ""
    UNIQUE = "a primary or unique key that the statement writes"
    FOREIGN_KEY = "a foreign key that the statement writes, or one that refers to what it deletes"
    NOT_NULL = "a NOT NULL column that the statement writes"
    CHECK = "a CHECK constraint"
    LENGTH = "a column of limited length that the statement writes"
    ROW = "a row that the statement finds by its key"
    CHANGED = "a column beside the keys that the statement writes or compares"
    PARENT = "a foreign key that the statement writes"
    CHILD = "a foreign key of another table that forbids to delete what it refers to"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way in which a database says no. `rolls_back`: the server has ended the transaction."""

    name: str
    summary: str
    verbs: tuple[str, ...]
    moment: Moment = Moment.STATEMENT
    needs: Needs = Needs.NOTHING
    rolls_back: bool = False
    rows_of: str = ""
    """The fault whose rows tell the error, if this one has none of its own."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault as one dialect tells it.

    `error` is the name of the class in the driver's module of errors, `code` the SQLSTATE, error
    number or SQLite result code name, `sqlstate` what MariaDB gives beside its number. `message`
    and `detail` are templates over a `Target`; `pattern` matches the real message and nothing else.
    `becomes` is the class under oslo.db's filters, `plain` that without them (empty: it cannot
    happen there). `direct`: oslo.db has no filter that would make `becomes` of it, so that class
    is raised itself. `deletes`: this is the error of a DELETE. `rolls_back`: this server ends the
    transaction by itself.
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
    rolls_back: bool = False
    disconnects: bool = False

    def recognises(self, message: str) -> bool:
        """Whether a driver's message is that of this fault."""
        return re.search(self.pattern, message) is not None


@dataclass(frozen=True, slots=True)
class Target:
    """What a constraint fault is about: fills the templates of a row."""

    table: str = ""
    constraint: str = ""
    columns: tuple[str, ...] = ()
    other_table: str = ""
    other_columns: tuple[str, ...] = ()
    deletes: bool = False
    primary: bool = False
    length: int = 0


def fault_named(name: str, faults: Iterable[Fault]) -> Fault:
    """The fault of that name; raises FaultError with all names."""
    known = {fault.name: fault for fault in faults}
    if name not in known:
        names = ", ".join(f"`{each}`" for each in known)
        raise FaultError(f"there is no fault `{name}`: known are {names}")
    return known[name]


def row_for(
    fault: Fault, dialect: str, rows: Iterable[FaultRow], *, deletes: bool
) -> FaultRow | None:
    """How a dialect tells a fault; None if it never does."""
    name = fault.rows_of or fault.name
    found = [row for row in rows if (row.fault, row.dialect) == (name, dialect)]
    exact = [row for row in found if row.deletes == deletes]
    return next(iter(exact or found), None)


def written_columns(verb: str, sql: str) -> frozenset[str]:
    """The column names that a statement writes: INSERT's list, the left sides of UPDATE's SET."""
    if verb in {"INSERT", "REPLACE"}:
        found = re.search(r"\bINTO\s+[^(]+\(([^)]*)\)", sql, re.IGNORECASE)
        names = found[1].split(",") if found else []
    elif verb == "UPDATE":
        found = re.search(r"\bSET\b(.*?)(\bWHERE\b|$)", sql, re.IGNORECASE | re.DOTALL)
        names = re.findall(r"([\w\"`.]+)\s*=", found[1]) if found else []
    else:
        names = []
    return frozenset(name.strip().strip('"`').rpartition(".")[2].strip('"`') for name in names)


def target_of(fault: Fault, verb: str, sql: str, keys: TableKeys | None) -> Target | None:
    """What the fault would be about if this statement met it; None if it cannot.

    `keys` are those of the table that the statement names first, None if it is unknown: then only
    faults that need nothing of a table are possible.
    """
    if verb not in fault.verbs:
        return None
    if fault.needs is Needs.NOTHING:
        return Target(table=keys.name if keys else "")
    if keys is None:
        return None
    written = written_columns(verb, sql)
    if fault.needs is Needs.UNIQUE:
        return _unique_target(keys, written)
    if fault.needs is Needs.FOREIGN_KEY:
        return _deleting_target(keys) if verb == "DELETE" else _referring_target(keys, written)
    if fault.needs is Needs.CHECK:
        names = keys.checks[:1]
        return Target(keys.name, names[0]) if names else None
    return _column_target(fault.needs, keys, written)


def _column_target(needs: Needs, keys: TableKeys, written: frozenset[str]) -> Target | None:
    primary = keys.primary.columns if keys.primary is not None else ()
    for column in sorted(keys.columns, key=lambda one: one.name in primary):
        wanted = column.required if needs is Needs.NOT_NULL else column.length > 0
        if column.name in written and wanted:
            return Target(keys.name, columns=(column.name,), length=column.length)
    return None


def _unique_target(keys: TableKeys, written: frozenset[str]) -> Target | None:
    """A unique key before the primary one: values of primary keys are often generated."""
    primary = (keys.primary,) if keys.primary is not None else ()
    key = _first_written((*keys.uniques, *primary), written)
    if key is None:
        return None
    return Target(keys.name, key.name, key.columns, primary=key == keys.primary)


def _referring_target(keys: TableKeys, written: frozenset[str]) -> Target | None:
    for foreign in keys.foreign_keys:
        if set(foreign.columns) <= written:
            return _foreign_target(foreign, deletes=False)
    return None


def _deleting_target(keys: TableKeys) -> Target | None:
    for foreign in keys.referred_by:
        if foreign.restricts:
            return _foreign_target(foreign, deletes=True)
    return None


def _foreign_target(foreign: ForeignKey, *, deletes: bool) -> Target:
    return Target(
        foreign.table,
        foreign.name,
        foreign.columns,
        foreign.other_table,
        foreign.other_columns,
        deletes=deletes,
    )


def _first_written(keys: Iterable[Key], written: frozenset[str]) -> Key | None:
    return next((key for key in keys if set(key.columns) <= written), None)
