"""Makes a fault's error so that nothing tells it from the real one.

PostgreSQL raises it itself, asked by `DO ... RAISE`: the transaction is then really aborted, and
class, SQLSTATE and diagnostics are the server's. For the other drivers the exception is built
from the driver's own class. Source of what each driver and oslo.db do: measured, see the rows.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy.exc

from auditor.faults.catalogue.fault import FaultRow, Moment, Target
from auditor.model.errors import AuditorError

MODULES = {
    "pysqlite": "sqlite3",
    "aiosqlite": "sqlite3",
    "psycopg": "psycopg.errors",
    "psycopg_async": "psycopg.errors",
    "psycopg2": "psycopg2.errors",
    "pymysql": "pymysql.err",
    "aiomysql": "pymysql.err",
    "mysqldb": "MySQLdb",
}
"""Where each driver, by SQLAlchemy's name for it, keeps its error classes."""


@dataclass(frozen=True, slots=True, eq=False)
class Occasion:
    """Where a fault strikes. `raw` is the driver's connection; `values` are those sent, by column,
    as far as they are known."""

    dialect: str
    driver: str
    filtered: bool
    raw: Any
    statement: str
    values: Mapping[str, Any]
    moment: Moment = Moment.STATEMENT


def error_of(
    row: FaultRow, target: Target, occasion: Occasion, *, rolls_back: bool
) -> BaseException:
    """The error to raise, after doing to the connection what the server would."""
    ended = rolls_back or row.rolls_back
    if ended:
        _roll_back(occasion)
    if row.direct and occasion.filtered:
        return _filtered(row, target, occasion)
    of_server = None
    if row.disconnects:
        of_server = _disconnect(row, occasion)
    elif row.dialect == "postgresql" and not ended and occasion.moment is Moment.STATEMENT:
        of_server = _raised_by_server(row, target, occasion)
    return of_server or driver_error(row, target, occasion)


def driver_error(row: FaultRow, target: Target, occasion: Occasion) -> BaseException:
    """The driver's exception with its own message and attributes. Raises AuditorError if the
    driver is not one that `MODULES` names."""
    module = MODULES.get(occasion.driver)
    if module is None:
        raise AuditorError(
            f"the driver `{occasion.driver}` is not one that errors can be made for: known are"
            f" {', '.join(f'`{name}`' for name in MODULES)}"
        )
    kind = getattr(importlib.import_module(module), row.error)
    code = "SQLITE_CONSTRAINT_PRIMARYKEY" if _is_primary(row, target) else row.code
    error = _BUILD[row.dialect](kind, code, _message(row, target, occasion))
    if row.sqlstate and hasattr(error, "sqlstate"):  # PyMySQL since 1.2
        error.sqlstate = row.sqlstate
    return error


def pool_timeout(row: FaultRow, pool: Any) -> BaseException:
    """What SQLAlchemy raises when a pool has no connection to give. A pool that never waits, as
    that of SQLite in memory, stands for one with SQLAlchemy's defaults."""
    text = row.message.format(
        size=pool.size() if hasattr(pool, "_max_overflow") else 5,
        overflow=getattr(pool, "_max_overflow", 10),
        timeout=getattr(pool, "_timeout", 30.0),
    )
    return sqlalchemy.exc.TimeoutError(text, code=row.code)


def _is_primary(row: FaultRow, target: Target) -> bool:
    return target.primary and row.code == "SQLITE_CONSTRAINT_UNIQUE"


def _message(row: FaultRow, target: Target, occasion: Occasion) -> str:
    fields = _fields(target, occasion)
    text = row.message.format_map(fields)
    if row.detail:
        text += f"\nDETAIL:  {row.detail.format_map(fields)}"
    return text + (f"\nHINT:  {row.hint}" if row.hint else "")


def _fields(target: Target, occasion: Occasion) -> dict[str, Any]:
    named = target.other_columns if target.deletes else target.columns
    values = [_value(occasion.values, name) for name in named]
    database = _database(occasion.raw)
    quoted = {
        name: ", ".join(f"`{column}`" for column in columns)
        for name, columns in (("own", target.columns), ("other", target.other_columns))
    }
    return {
        "table": target.table,
        "constraint": target.constraint,
        "columns": ", ".join(target.columns),
        "qualified": ", ".join(f"{target.table}.{column}" for column in target.columns),
        "values": ", ".join(values),
        "dashed": "-".join(values),
        "other_table": target.other_table,
        "other_columns": ", ".join(target.other_columns),
        "length": target.length,
        "integer": target.integer,
        "database": database,
        "foreign_key": f"`{database}`.`{target.table}`, CONSTRAINT `{target.constraint}`"
        f" FOREIGN KEY ({quoted['own']}) REFERENCES `{target.other_table}` ({quoted['other']})",
    }


def _database(raw: Any) -> str:
    """The name of a connection's database, as PyMySQL and aiomysql keep it."""
    name = getattr(getattr(raw, "_connection", raw), "db", None) or "db"
    return name.decode() if isinstance(name, bytes) else str(name)


def _value(values: Mapping[str, Any], column: str) -> str:
    """The value sent for a column; SQLAlchemy numbers those of a WHERE clause."""
    return str(values.get(column, values.get(f"{column}_1", "?")))


def _built_sqlite(kind: type[BaseException], code: str, message: str) -> BaseException:
    error: Any = kind(message)
    if sys.version_info >= (3, 11):  # the first that tells the code
        error.sqlite_errorname = code
        error.sqlite_errorcode = getattr(importlib.import_module("sqlite3"), code)
    return cast("BaseException", error)  # `kind` made it; Any lets the codes be set


def _built_mysql(kind: type[BaseException], code: str, message: str) -> BaseException:
    return kind(int(code), message)


def _built_postgresql(kind: type[BaseException], code: str, message: str) -> BaseException:
    error = kind(message)
    _say(error, message, code)
    return error


_BUILD: Mapping[str, Callable[[type[BaseException], str, str], BaseException]] = {
    "sqlite": _built_sqlite,
    "mysql": _built_mysql,
    "postgresql": _built_postgresql,
}


def _say(error: BaseException, message: str, code: str) -> None:
    """Set what psycopg2 keeps beside the arguments; psycopg has only the arguments."""
    error.args = (message,)
    if type(error).__module__.startswith("psycopg2"):
        error.args = (f"{message}\n",)
        error.__setstate__({"pgcode": code, "pgerror": f"ERROR:  {message}\n"})


def _filtered(row: FaultRow, target: Target, occasion: Occasion) -> BaseException:
    """The oslo.db exception that the error would become on a server that has it."""
    exceptions = importlib.import_module("oslo_db.exception")
    inner = driver_error(row, target, occasion)
    wrapped = sqlalchemy.exc.OperationalError(occasion.statement, {}, inner)
    made: BaseException = getattr(exceptions, row.becomes)(wrapped)
    return made


def _roll_back(occasion: Occasion) -> None:
    """End the transaction behind the program's back, as InnoDB does with a deadlock's victim."""
    occasion.raw.rollback()
    if occasion.dialect == "sqlite" and occasion.moment is Moment.STATEMENT:
        occasion.raw.cursor().execute("BEGIN")


def _raised_by_server(row: FaultRow, target: Target, occasion: Occasion) -> BaseException | None:
    """The error as the server raises it. None if it cannot: it has no PL/pgSQL."""
    fields = _fields(target, occasion)
    is_of_table = target.constraint or row.fault == "not-null"
    options = {
        "ERRCODE": row.code,
        "MESSAGE": row.message.format_map(fields),
        "DETAIL": row.detail.format_map(fields),
        "HINT": row.hint,
        "SCHEMA": "public" if is_of_table else "",
        "TABLE": target.table if is_of_table else "",
        "CONSTRAINT": target.constraint,
        "COLUMN": target.columns[0] if row.fault == "not-null" else "",
    }
    using = ", ".join(f"{name} = {_quoted(text)}" for name, text in options.items() if text)
    cursor = occasion.raw.cursor()
    try:
        cursor.execute(f"DO $auditor$ BEGIN RAISE EXCEPTION USING {using}; END $auditor$")
    except Exception as error:  # noqa: BLE001 - the error is the result
        if getattr(error, "sqlstate", getattr(error, "pgcode", "")) != row.code:
            return None
        _say(error, _message(row, target, occasion), row.code)
        return error.with_traceback(None)
    finally:
        cursor.close()
    return None


def _disconnect(row: FaultRow, occasion: Occasion) -> BaseException | None:
    """Cut the connection. PostgreSQL ends the session itself, and tells the error; of the other
    drivers the socket is closed."""
    if row.dialect != "postgresql":
        occasion.raw.close()
        return None
    try:
        occasion.raw.cursor().execute("SELECT pg_terminate_backend(pg_backend_pid())")
    except Exception as error:  # noqa: BLE001 - the error is the result
        return error.with_traceback(None)
    return None


def _quoted(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
