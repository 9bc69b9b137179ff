"""The catalogue: every fault, and its error in the words of SQLite, PostgreSQL and MariaDB.

Samples are messages printed by the servers themselves: SQLite 3.45, PostgreSQL 15 and 18,
MariaDB 10.11. The classes are those of oslo.db 18.1 and SQLAlchemy 2.1, measured on each.
"""

from __future__ import annotations

from auditor.faults.catalogue import ANY, WRITES, Fault, FaultRow, Moment, Needs

_SQLITE = "https://www.sqlite.org/rescode.html"
_POSTGRESQL = "https://www.postgresql.org/docs/current/errcodes-appendix.html"

FAULTS = (
    Fault("deadlock", "another transaction holds what this one needs, and this one loses", ANY),
    Fault(
        "deadlock-rollback",
        "a deadlock after which the server has ended the transaction, as MariaDB does",
        ANY,
        rolls_back=True,
        rows_of="deadlock",
    ),
    Fault("lock-wait", "a row stayed locked for longer than the server waits", WRITES),
    Fault("serialization", "the row was changed by another transaction since it was read", ANY),
    Fault("duplicate", "the key is there already", ("INSERT", "UPDATE"), needs=Needs.UNIQUE),
    Fault(
        "reference",
        "the row referred to is gone, or the row to delete is referred to",
        ("INSERT", "UPDATE", "DELETE"),
        needs=Needs.FOREIGN_KEY,
    ),
    Fault("not-null", "a value is missing", ("INSERT", "UPDATE"), needs=Needs.NOT_NULL),
    Fault("check", "a CHECK constraint is violated", ("INSERT", "UPDATE"), needs=Needs.CHECK),
    Fault("too-long", "a text does not fit its column", ("INSERT", "UPDATE"), needs=Needs.LENGTH),
    Fault("statement-timeout", "the statement ran for longer than the server allows", ANY),
    Fault("disconnect", "the connection to the server is lost", ANY),
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

_WAITS = (
    "Process 71 waits for ShareLock on transaction 702; blocked by process 72.\n"
    "Process 72 waits for ShareLock on transaction 701; blocked by process 71."
)

POSTGRESQL_ROWS = (
    FaultRow(
        fault="deadlock",
        dialect="postgresql",
        error="DeadlockDetected",
        code="40P01",
        message="deadlock detected",
        detail=_WAITS,
        hint="See server log for query details.",
        becomes="DBDeadlock",
        plain="OperationalError",
        pattern=r"^deadlock detected\b",
        samples=(
            f"deadlock detected\nDETAIL:  {_WAITS}\nHINT:  See server log for query details.",
        ),
        near_misses=("canceling statement due to lock timeout",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="lock-wait",
        dialect="postgresql",
        error="LockNotAvailable",
        code="55P03",
        message="canceling statement due to lock timeout",
        becomes="OperationalError",
        plain="OperationalError",
        pattern=r"^(canceling statement due to lock timeout|could not obtain lock on row\b)",
        samples=(
            "canceling statement due to lock timeout",
            'could not obtain lock on row in relation "parents"',
        ),
        near_misses=("canceling statement due to statement timeout",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="serialization",
        dialect="postgresql",
        error="SerializationFailure",
        code="40001",
        message="could not serialize access due to concurrent update",
        becomes="OperationalError",
        plain="OperationalError",
        pattern=r"^could not serialize access due to\b",
        samples=(
            "could not serialize access due to concurrent update",
            "could not serialize access due to read/write dependencies among transactions",
        ),
        near_misses=("deadlock detected",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="duplicate",
        dialect="postgresql",
        error="UniqueViolation",
        code="23505",
        message='duplicate key value violates unique constraint "{constraint}"',
        detail="Key ({columns})=({values}) already exists.",
        becomes="DBDuplicateEntry",
        plain="IntegrityError",
        pattern=r"^duplicate key value violates unique constraint \"",
        samples=(
            (
                'duplicate key value violates unique constraint "labels_pkey"\n'
                "DETAIL:  Key (id)=(1) already exists."
            ),
        ),
        near_misses=('conflicting key value violates exclusion constraint "no_overlap"',),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="reference",
        dialect="postgresql",
        error="ForeignKeyViolation",
        code="23503",
        message='insert or update on table "{table}" violates foreign key constraint'
        ' "{constraint}"',
        detail='Key ({columns})=({values}) is not present in table "{other_table}".',
        becomes="DBReferenceError",
        plain="IntegrityError",
        pattern=r"^insert or update on table \".*\" violates foreign key constraint \"",
        samples=(
            (
                'insert or update on table "children" violates foreign key constraint "fk_parent"\n'
                'DETAIL:  Key (parent_id)=(99) is not present in table "parents".'
            ),
        ),
        near_misses=('new row for relation "children" violates check constraint "fk_parent"',),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="reference",
        dialect="postgresql",
        error="ForeignKeyViolation",
        code="23503",
        message='update or delete on table "{other_table}" violates foreign key constraint'
        ' "{constraint}" on table "{table}"',
        detail='Key ({other_columns})=({values}) is still referenced from table "{table}".',
        becomes="DBReferenceError",
        plain="IntegrityError",
        pattern=r"^update or delete on table \".*\" violates (RESTRICT setting of )?foreign key",
        samples=(
            (
                'update or delete on table "parents" violates foreign key constraint "fk_parent" on'
                ' table "children"\n'
                'DETAIL:  Key (id)=(1) is still referenced from table "children".'
            ),
        ),
        near_misses=('insert or update on table "children" violates foreign key constraint "f"',),
        source=_POSTGRESQL,
        deletes=True,
    ),
    FaultRow(
        fault="not-null",
        dialect="postgresql",
        error="NotNullViolation",
        code="23502",
        message='null value in column "{columns}" of relation "{table}" violates not-null'
        " constraint",
        detail="Failing row contains (null).",
        becomes="DBError",
        plain="IntegrityError",
        pattern=r"^null value in column \"\w+\" of relation \"\w+\" violates not-null constraint",
        samples=(
            (
                'null value in column "name" of relation "labels" violates not-null constraint\n'
                "DETAIL:  Failing row contains (1, null)."
            ),
        ),
        near_misses=('column "name" of relation "labels" does not exist',),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="check",
        dialect="postgresql",
        error="CheckViolation",
        code="23514",
        message='new row for relation "{table}" violates check constraint "{constraint}"',
        detail="Failing row contains (1, -1).",
        becomes="DBConstraintError",
        plain="IntegrityError",
        pattern=r"^new row for relation \"\w+\" violates check constraint \"",
        samples=(
            (
                'new row for relation "parents" violates check constraint "qty_positive"\n'
                "DETAIL:  Failing row contains (1, -1)."
            ),
        ),
        near_misses=('insert or update on table "a" violates foreign key constraint "b"',),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="too-long",
        dialect="postgresql",
        error="StringDataRightTruncation",
        code="22001",
        message="value too long for type character varying({length})",
        becomes="DBError",
        plain="DataError",
        pattern=r"^value too long for type character\b",
        samples=("value too long for type character varying(36)",),
        near_misses=("integer out of range",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="statement-timeout",
        dialect="postgresql",
        error="QueryCanceled",
        code="57014",
        message="canceling statement due to statement timeout",
        becomes="OperationalError",
        plain="OperationalError",
        pattern=r"^canceling statement due to statement timeout\b",
        samples=("canceling statement due to statement timeout",),
        near_misses=("canceling statement due to lock timeout",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="disconnect",
        dialect="postgresql",
        error="AdminShutdown",
        code="57P01",
        message="terminating connection due to administrator command",
        becomes="DBConnectionError",
        plain="OperationalError",
        pattern=r"^terminating connection due to administrator command\b",
        samples=("terminating connection due to administrator command",),
        near_misses=("canceling statement due to user request",),
        source=_POSTGRESQL,
        disconnects=True,
    ),
)
