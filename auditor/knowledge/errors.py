"""Error classes of SQLAlchemy, oslo.db and the DB-API drivers, and what oslo.db makes of them.

SQLAlchemy 2.1.9, oslo.db 18.1.1. oslo.db's exception filters translate SQLAlchemy's errors by
dialect and message on every engine it makes; what no filter matches goes through (operational
errors) or becomes `DBError` (all other DB-API errors).
"""

from __future__ import annotations

from typing import Any

from auditor.model.knowledge import ErrorRow, Table

_SA = "https://docs.sqlalchemy.org/en/20/core/exceptions.html"
_ORM = "https://docs.sqlalchemy.org/en/20/orm/exceptions.html"
_OSLO = "https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html"
_DBAPI = "https://peps.python.org/pep-0249/#exceptions"


def _samples(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    module, _, last = name.rpartition(".")
    return (
        (f"import {module}\nit = {name}\n", f"from {module} import {last} as alias\nit = alias\n"),
        (f"from somewhere.else_ import {last}\nit = {last}\n",),
    )


def _row(name: str, *bases: str, library: str, source: str, **more: Any) -> ErrorRow:
    samples, near_misses = _samples(name)
    return ErrorRow(name, bases, library, source, samples=samples, near_misses=near_misses, **more)


def _sa(name: str, base: str, under: str, *becomes: str, **more: Any) -> ErrorRow:
    return _row(
        f"sqlalchemy.exc.{name}", base if "." in base else f"sqlalchemy.exc.{base}",
        library="sqlalchemy", source=_SA, under_oslo_db=under,
        becomes=tuple(f"oslo_db.exception.{b}" for b in becomes), **more,
    )  # fmt: skip


def _orm(name: str, base: str, note: str = "") -> ErrorRow:
    return _row(
        f"sqlalchemy.orm.exc.{name}", f"sqlalchemy.exc.{base}",
        library="sqlalchemy", source=_ORM, under_oslo_db="always", note=note,
    )  # fmt: skip


def _oslo(name: str, base: str = "oslo_db.exception.DBError", **more: Any) -> ErrorRow:
    older = f"oslo.db.exception.{name}"  # the namespace package of oslo.db before 1.5
    return _row(
        f"oslo_db.exception.{name}", base, library="oslo.db", source=_OSLO, aliases=(older,), **more
    )


_TRANSLATED_INTEGRITY = ("DBDuplicateEntry", "DBReferenceError", "DBConstraintError", "DBError")
_TRANSLATED_OPERATIONAL = (
    "DBDeadlock", "DBConsistencyError", "DBConnectionError", "DBNonExistentTable",
    "DBNonExistentDatabase", "DBDataError", "DBError",
)  # fmt: skip

_SQLALCHEMY = Table(
    "sqlalchemy errors",
    (
        _sa(
            "SQLAlchemyError", "builtins.Exception", "partly",
            note="database errors arrive as oslo.db's classes, which are not below it; "
            "`StaleDataError`, `NoResultFound` and the like still are",
        ),
        _sa("StatementError", "SQLAlchemyError", "partly", "DBError"),
        _sa(
            "DBAPIError", "StatementError", "partly", "DBError",
            note="only operational errors that no filter matches get through",
        ),
        _sa("InterfaceError", "DBAPIError", "never", "DBConnectionError", "DBError"),
        _sa(
            "DatabaseError", "DBAPIError", "partly", "DBDeadlock", "DBError",
            note="only operational errors that no filter matches get through",
        ),
        _sa("DataError", "DatabaseError", "never", "DBDataError", "DBError"),
        _sa(
            "OperationalError", "DatabaseError", "partly", *_TRANSLATED_OPERATIONAL,
            note="PostgreSQL serialization failures, lock and statement timeouts, SQLite's "
            "`database is locked` and MariaDB's CHECK violations get through as they are",
        ),
        _sa("IntegrityError", "DatabaseError", "never", *_TRANSLATED_INTEGRITY),
        _sa("InternalError", "DatabaseError", "never", "DBDeadlock", "DBDataError", "DBError"),
        _sa(
            "ProgrammingError", "DatabaseError", "partly", "DBNonExistentTable", "DBError",
            note="MySQL's missing table (1146) gets through as it is",
        ),
        _sa("NotSupportedError", "DatabaseError", "never", "DBNotSupportedError"),
        _sa("InvalidRequestError", "SQLAlchemyError", "always"),
        _sa("ArgumentError", "SQLAlchemyError", "always"),
        _sa("CompileError", "SQLAlchemyError", "always"),
        _sa("DisconnectionError", "SQLAlchemyError", "always"),
        _sa("TimeoutError", "SQLAlchemyError", "always", note="the pool is exhausted"),
        _sa("PendingRollbackError", "InvalidRequestError", "always"),
        _sa("ResourceClosedError", "InvalidRequestError", "always"),
        _sa("NoSuchColumnError", "InvalidRequestError", "always"),
        _sa("NoSuchTableError", "InvalidRequestError", "always"),
        _sa("MissingGreenlet", "InvalidRequestError", "always"),
        _sa(
            "NoResultFound", "InvalidRequestError", "always",
            aliases=("sqlalchemy.orm.exc.NoResultFound",),
        ),
        _sa(
            "MultipleResultsFound", "InvalidRequestError", "always",
            aliases=("sqlalchemy.orm.exc.MultipleResultsFound",),
        ),
        _orm("StaleDataError", "SQLAlchemyError"),
        _orm("FlushError", "SQLAlchemyError"),
        _orm("DetachedInstanceError", "SQLAlchemyError"),
        _orm("ObjectDeletedError", "InvalidRequestError"),
        _orm("UnmappedInstanceError", "InvalidRequestError"),
    ),
)  # fmt: skip

_CAUSED = ("cause", "inner_exception")
_OSLO_DB = Table(
    "oslo.db errors",
    (
        _oslo("DBError", "oslo_utils.excutils.CausedByException", attributes=_CAUSED),
        _oslo("DBDuplicateEntry", attributes=("columns", "value", *_CAUSED)),
        _oslo(
            "DBReferenceError", attributes=("table", "constraint", "key", "key_table", *_CAUSED),
            note="all four attributes are None on SQLite",
        ),
        _oslo(
            "DBConstraintError", attributes=("table", "check_name", *_CAUSED),
            note="raised on PostgreSQL only",
        ),
        _oslo("DBNonExistentConstraint", attributes=("table", "constraint", *_CAUSED)),
        _oslo("DBNonExistentTable", attributes=("table", *_CAUSED)),
        _oslo("DBNonExistentDatabase", attributes=("database", *_CAUSED)),
        _oslo("DBDeadlock", retriable=True, attributes=_CAUSED),
        _oslo("DBConsistencyError", "oslo_db.exception.DBDeadlock", retriable=True),
        _oslo("DBConnectionError", retriable=True, attributes=_CAUSED),
        _oslo("DBDataError", attributes=_CAUSED, note="raised on MySQL and MariaDB in practice"),
        _oslo("DBNotSupportedError", attributes=_CAUSED),
        _oslo("DBMigrationError", attributes=_CAUSED),
        _oslo("RetryRequest", "builtins.Exception", retriable=True, attributes=("inner_exc",)),
        _oslo("DBInvalidUnicodeParameter", "builtins.Exception"),
        _oslo("InvalidSortKey", "builtins.Exception", attributes=("key",)),
        _oslo("ColumnError", "builtins.Exception"),
        _oslo("BackendNotAvailable", "builtins.Exception"),
        _oslo("NoEngineContextEstablished", "builtins.AttributeError"),
        _oslo("ContextNotRequestedError", "builtins.AttributeError"),
        _oslo("CantStartEngineError", "builtins.Exception"),
    ),
)  # fmt: skip

_BELOW_DATABASE = (
    "DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError",
    "NotSupportedError",
)  # fmt: skip
_DRIVERS = {
    "sqlite3": (), "psycopg2": ("psycopg2.errors",), "psycopg": ("psycopg.errors",),
    "pymysql": ("pymysql.err",), "MySQLdb": (), "aiosqlite": (),
}  # fmt: skip


def _driver(name: str, homes: tuple[str, ...]) -> tuple[ErrorRow, ...]:
    def row(error: str, base: str) -> ErrorRow:
        return _row(
            f"{name}.{error}", base if "." in base else f"{name}.{base}", library="driver",
            source=_DBAPI, under_oslo_db="never", aliases=tuple(f"{h}.{error}" for h in homes),
        )  # fmt: skip

    return (
        row("Error", "builtins.Exception"),
        row("InterfaceError", "Error"),
        row("DatabaseError", "Error"),
        *(row(error, "DatabaseError") for error in _BELOW_DATABASE),
    )


TABLES: tuple[Table, ...] = (
    _SQLALCHEMY,
    _OSLO_DB,
    *(Table(f"{name} errors", _driver(name, homes)) for name, homes in _DRIVERS.items()),
)
