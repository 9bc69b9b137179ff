"""The catalogue's rows for PostgreSQL, as psycopg and psycopg2 tell them."""

from __future__ import annotations

from auditor.faults.catalogue.fault import FaultRow

_POSTGRESQL = "https://www.postgresql.org/docs/current/errcodes-appendix.html"

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
        pattern=r"^canceling statement due to lock timeout",
        samples=("canceling statement due to lock timeout",),
        near_misses=("canceling statement due to statement timeout",),
        source=_POSTGRESQL,
    ),
    FaultRow(
        fault="lock-wait",
        dialect="postgresql",
        error="LockNotAvailable",
        code="55P03",
        message='could not obtain lock on row in relation "{table}"',
        becomes="OperationalError",
        plain="OperationalError",
        pattern=r"^could not obtain lock on row\b",
        samples=('could not obtain lock on row in relation "parents"',),
        near_misses=("canceling statement due to lock timeout",),
        source=_POSTGRESQL,
        nowait=True,
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
        fault="out-of-range",
        dialect="postgresql",
        error="NumericValueOutOfRange",
        code="22003",
        message="{integer} out of range",
        becomes="DBError",
        plain="DataError",
        pattern=r"^(smallint|integer|bigint) out of range$",
        samples=("integer out of range", "bigint out of range"),
        near_misses=("value too long for type character varying(36)",),
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
    FaultRow(
        fault="disconnect-before",
        dialect="postgresql",
        error="AdminShutdown",
        code="57P01",
        message="terminating connection due to administrator command",
        becomes="DBConnectionError",
        plain="OperationalError",
        pattern=r"^terminating connection due to administrator command\b",
        samples=(
            (
                "terminating connection due to administrator command\n"
                "server closed the connection unexpectedly\n"
                "\tThis probably means the server terminated abnormally\n"
                "\tbefore or while processing the request."
            ),
        ),
        near_misses=("canceling statement due to user request",),
        source=_POSTGRESQL,
        disconnects=True,
    ),
)
