"""The catalogue: every fault, and its error in the words of SQLite, PostgreSQL and MariaDB.

Samples are messages printed by the servers themselves: SQLite 3.45, PostgreSQL 15 and 18,
MariaDB 10.11. The classes are those of oslo.db 18.1 and SQLAlchemy 2.1, measured on each.
"""

from __future__ import annotations

from auditor.faults.catalogue.fault import (
    ANY,
    LOCK,
    LOCKING,
    SENDS_ROWS,
    SENT,
    WRITES,
    Fault,
    FaultRow,
    Moment,
    Needs,
)
from auditor.faults.catalogue.rivals import RIVAL_FAULTS

_SQLITE = "https://www.sqlite.org/rescode.html"
_POOL = "https://docs.sqlalchemy.org/en/20/errors.html#error-3o7r"

FAULTS = (
    Fault("deadlock", "another transaction holds what this one needs, and this one loses", ANY),
    Fault(
        "deadlock-rollback",
        "a deadlock after which the server has ended the transaction, as MariaDB does",
        ANY,
        rolls_back=True,
        rows_of="deadlock",
    ),
    Fault("lock-wait", "a row stayed locked for longer than the server waits", LOCKING),
    Fault(
        "serialization",
        "the row was changed by another transaction since it was read",
        (*ANY, LOCK),
        needs=Needs.SNAPSHOT,
    ),
    Fault("duplicate", "the key is there already", ("INSERT", "UPDATE"), needs=Needs.UNIQUE),
    Fault(
        "reference",
        "the row referred to is gone, or the row to delete is referred to",
        (*SENDS_ROWS, "DELETE"),
        needs=Needs.FOREIGN_KEY,
    ),
    Fault("not-null", "a value is missing", SENDS_ROWS, needs=Needs.NOT_NULL),
    Fault("check", "a CHECK constraint is violated", SENDS_ROWS, needs=Needs.CHECK),
    Fault("too-long", "a text does not fit its column", SENDS_ROWS, needs=Needs.LENGTH),
    Fault("out-of-range", "a number does not fit its column", SENDS_ROWS, needs=Needs.INTEGER),
    Fault("statement-timeout", "the statement ran for longer than the server allows", ANY),
    Fault(
        "disconnect-before",
        "the connection is dead when the statement is sent: ended while it was idle",
        SENT,
        Moment.BEFORE_STATEMENT,
    ),
    Fault("disconnect", "the connection is lost while the statement runs", SENT),
    Fault(
        "disconnect-after",
        "the connection is lost when the statement has taken effect, before the answer",
        WRITES,
        Moment.AFTER_STATEMENT,
        Needs.AUTOCOMMIT,
        rows_of="disconnect-before",  # of servers only: SQLite has no answer to lose
    ),
    Fault(
        "pool-timeout",
        "all connections of the pool are in use for longer than it waits",
        ("CHECKOUT",),
        Moment.CHECKOUT,
        Needs.POOL,
    ),
    Fault(
        "commit-deadlock",
        "COMMIT fails and nothing is stored, as on a Galera cluster",
        ("COMMIT",),
        Moment.BEFORE_COMMIT,
        rolls_back=True,
        rows_of="deadlock",
    ),
    Fault(
        "commit-disconnect",
        "the connection is lost at COMMIT, and nothing is stored",
        ("COMMIT",),
        Moment.BEFORE_COMMIT,
        rows_of="disconnect",
    ),
    Fault(
        "commit-unacknowledged",
        "the connection is lost at COMMIT, and everything is stored",
        ("COMMIT",),
        Moment.AFTER_COMMIT,
        rows_of="disconnect",
    ),
    *RIVAL_FAULTS,
)

SQLITE_ROWS = (
    FaultRow(
        fault="deadlock",
        dialect="sqlite",
        error="OperationalError",
        code="SQLITE_BUSY",
        message="database is locked",
        becomes="DBDeadlock",
        plain="OperationalError",
        pattern=r"^database (table )?is locked",
        samples=("database is locked", "database table is locked: labels"),
        near_misses=("unable to open database file",),
        source=_SQLITE,
        direct=True,
    ),
    FaultRow(
        fault="lock-wait",
        dialect="sqlite",
        error="OperationalError",
        code="SQLITE_BUSY",
        message="database is locked",
        becomes="OperationalError",
        plain="OperationalError",
        pattern=r"^database (table )?is locked",
        samples=("database is locked", "database table is locked: labels"),
        near_misses=("unable to open database file",),
        source=_SQLITE,
    ),
    FaultRow(
        fault="duplicate",
        dialect="sqlite",
        error="IntegrityError",
        code="SQLITE_CONSTRAINT_UNIQUE",
        message="UNIQUE constraint failed: {qualified}",
        becomes="DBDuplicateEntry",
        plain="IntegrityError",
        pattern=r"^UNIQUE constraint failed: \S",
        samples=("UNIQUE constraint failed: labels.id", "UNIQUE constraint failed: t.a, t.b"),
        near_misses=("CHECK constraint failed: UNIQUE", "NOT NULL constraint failed: t.a"),
        source=_SQLITE,
    ),
    FaultRow(
        fault="reference",
        dialect="sqlite",
        error="IntegrityError",
        code="SQLITE_CONSTRAINT_FOREIGNKEY",
        message="FOREIGN KEY constraint failed",
        becomes="DBReferenceError",
        plain="IntegrityError",
        pattern=r"^FOREIGN KEY constraint failed$",
        samples=("FOREIGN KEY constraint failed",),
        near_misses=('foreign key mismatch - "children" referencing "parents"',),
        source=_SQLITE,
    ),
    FaultRow(
        fault="not-null",
        dialect="sqlite",
        error="IntegrityError",
        code="SQLITE_CONSTRAINT_NOTNULL",
        message="NOT NULL constraint failed: {qualified}",
        becomes="DBError",
        plain="IntegrityError",
        pattern=r"^NOT NULL constraint failed: \S",
        samples=("NOT NULL constraint failed: labels.name",),
        near_misses=("UNIQUE constraint failed: labels.name",),
        source=_SQLITE,
    ),
    FaultRow(
        fault="check",
        dialect="sqlite",
        error="IntegrityError",
        code="SQLITE_CONSTRAINT_CHECK",
        message="CHECK constraint failed: {constraint}",
        becomes="DBError",
        plain="IntegrityError",
        pattern=r"^CHECK constraint failed: \S",
        samples=("CHECK constraint failed: qty_positive",),
        near_misses=("FOREIGN KEY constraint failed",),
        source=_SQLITE,
    ),
    FaultRow(
        fault="disconnect",
        dialect="sqlite",
        error="OperationalError",
        code="SQLITE_IOERR",
        message="disk I/O error",
        becomes="DBConnectionError",
        plain="",
        pattern=r"^disk I/O error$",
        samples=("disk I/O error",),
        near_misses=("database disk image is malformed",),
        source=_SQLITE,
        direct=True,
    ),
)

POOL_ROWS = tuple(
    FaultRow(
        fault="pool-timeout",
        dialect=dialect,
        error="TimeoutError",
        code="3o7r",
        message="QueuePool limit of size {size} overflow {overflow} reached, connection timed out,"
        " timeout {timeout:0.2f}",
        becomes="TimeoutError",
        plain="TimeoutError",
        pattern=r"^QueuePool limit of size \d+ overflow \d+ reached, connection timed out\b",
        samples=(
            "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        ),
        near_misses=("connection timeout expired",),
        source=_POOL,
    )
    for dialect in ("sqlite", "postgresql", "mysql")
)
"""SQLAlchemy's own error, with every driver the same; no filter of oslo.db sees it."""
