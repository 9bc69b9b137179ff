"""Where another session works: reads and changes of rows, on the driver's own connections.

SQLAlchemy is passed by, so that nothing of it is seen by whoever watches the program's statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

Row = Mapping[str, Any]

_LOCKED = ("55P03", 1205, 1213, "database is locked", "lock timeout")
_IMPATIENT = {
    "sqlite": ("PRAGMA busy_timeout = 50",),
    "postgresql": ("SET lock_timeout = '200ms'",),
    "mysql": ("SET innodb_lock_wait_timeout = 1",),
}
"""A row that the program has locked itself stays locked for as long as we wait."""


class Refused(Exception):  # noqa: N818 - no defect: it says why nothing was done
    """What the other session wanted to do is not possible; the text says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row written: INSERT of `values`, UPDATE to them or DELETE of the row with that `key`."""

    verb: str
    table: str
    key: tuple[tuple[str, Any], ...] = ()
    values: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """A connection of the driver, with its dialect's way of writing statements."""

    raw: Any
    dialect: Any

    def rows(self, sql: str, parameters: Any = ()) -> list[Row]:
        """The rows of a query, by column."""
        cursor = self._executed(sql, parameters)
        try:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        finally:
            cursor.close()

    def where(self, table: str, key: Sequence[tuple[str, Any]], most: int = 0) -> list[Row]:
        """The rows of a table with these values, in no order; with an empty key, all."""
        condition = f" WHERE {self._equal(key, ' AND ')}" if key else ""
        limit = f" LIMIT {most}" if most else ""
        sql = f"SELECT * FROM {self._quoted(table)}{condition}{limit}"  # noqa: S608 - quoted
        return self.rows(sql, tuple(value for _, value in key))

    def largest(self, table: str, column: str) -> Any:
        """The largest value of a column, None if there is none."""
        sql = f"SELECT MAX({self._quoted(column)}) AS largest FROM {self._quoted(table)}"  # noqa: S608 - quoted
        return self.rows(sql)[0]["largest"]

    def make(self, change: Change) -> None:
        """Write one row."""
        table, values = self._quoted(change.table), tuple(value for _, value in change.values)
        if change.verb == "INSERT":
            names = ", ".join(self._quoted(name) for name, _ in change.values)
            held = ", ".join(self._held for _ in change.values)
            sql = f"INSERT INTO {table} ({names}) VALUES ({held})"  # noqa: S608 - quoted
        elif change.verb == "UPDATE":
            sql = f"UPDATE {table} SET {self._equal(change.values, ', ')}"  # noqa: S608 - quoted
        else:
            sql = f"DELETE FROM {table}"  # noqa: S608 - quoted
        if change.key:
            sql += f" WHERE {self._equal(change.key, ' AND ')}"
        self._executed(sql, (*values, *(value for _, value in change.key))).close()

    def say(self, sql: str) -> None:
        """Execute a statement that gives nothing back."""
        self._executed(sql, ()).close()

    def _executed(self, sql: str, parameters: Any) -> Any:
        cursor = self.raw.cursor()
        if self.dialect.name != "sqlite":
            sql = re.sub(r"\$\d+", "%s", sql)  # asyncpg's placeholders
        cursor.execute(sql, parameters) if parameters else cursor.execute(sql)
        return cursor

    def _quoted(self, name: str) -> str:
        return str(self.dialect.identifier_preparer.quote(name))

    def _equal(self, pairs: Sequence[tuple[str, Any]], between: str) -> str:
        return between.join(f"{self._quoted(name)} = {self._held}" for name, _ in pairs)

    @property
    def _held(self) -> str:
        return "?" if self.dialect.name == "sqlite" else "%s"


@contextmanager
def apart(engine: sa.Engine, *, foreign_keys: bool) -> Iterator[Desk]:
    """A connection of our own, committed at the end. Raises Refused if a lock is in the way or
    the database does not take what is done."""
    with closing(engine.raw_connection()) as pooled:
        desk = Desk(pooled.dbapi_connection, engine.dialect)
        try:
            for sql in _IMPATIENT[engine.dialect.name.replace("mariadb", "mysql")]:
                desk.say(sql)
            if engine.dialect.name == "sqlite" and foreign_keys:
                desk.say("PRAGMA foreign_keys = ON")
            yield desk
            desk.raw.commit()
        except engine.dialect.dbapi.Error as error:  # type: ignore[union-attr] # loaded: connected
            desk.raw.rollback()
            raise Refused(in_the_way(error)) from error


@contextmanager
def within(desk: Desk) -> Iterator[Desk]:
    """The program's own connection, on SQLite: all or nothing of what is done stays. Raises
    Refused if the database does not take it."""
    desk.say("SAVEPOINT auditor_rival")
    try:
        yield desk
    except Exception as error:
        desk.say("ROLLBACK TO auditor_rival")
        if isinstance(error, desk.dialect.dbapi.Error):
            raise Refused(in_the_way(error)) from error
        raise
    finally:
        desk.say("RELEASE auditor_rival")


def is_in_transaction(raw: Any) -> bool:
    """Whether a SQLite connection, of whatever driver, is inside a transaction."""
    driver = getattr(raw, "driver_connection", None) or raw
    return bool(getattr(driver, "in_transaction", False))


def in_the_way(error: BaseException) -> str:
    """Why the other session could not act, in words."""
    marks = (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), *error.args[:1])
    text = str(error).lower()
    if any(mark in marks for mark in _LOCKED) or any(str(m) in text for m in _LOCKED[3:]):
        return "another session cannot interfere here: the row is locked by the call's transaction"
    return f"another session cannot interfere here: {type(error).__name__}: {_line(error)}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120]
