"""What is stored in the databases that a test uses, read without disturbing them.

The test makes its engines itself, perhaps in the middle of its body; the first statement of each
tells of it. A file or a server is read through a connection of our own, which sees what is
committed. An in-memory SQLite database exists on the test's connection only: it is read there,
below SQLAlchemy. So is a database on which a transaction was open when the body began, as where a
fixture rolls everything back at the end: what the program commits there is seen nowhere else.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from auditor.faults.aim.keys import TableKeys, read_keys
from auditor.faults.state.oracle import Snapshot, TableRows, plain_engine

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%'"
    " ESCAPE '!' ORDER BY name",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    " ORDER BY tablename",
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
    " AND table_type = 'BASE TABLE' ORDER BY table_name",
}


@dataclass(frozen=True, slots=True)
class State:
    """The rows of all tables; `unknown` says why they could not be read, if they could not."""

    tables: dict[str, TableRows]
    unknown: str = ""


class EnginesUsed:
    """The engines that were connected to since watching began, in that order, each with the
    driver's last connection and all of SQLAlchemy's that are alive."""

    def __init__(self) -> None:
        self.raw: dict[Any, Any] = {}
        self._alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self._engines: dict[Any, Any] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take in connections while the block runs."""
        event.listen(sa.engine.Engine, "engine_connect", self._connected)
        try:
            yield
        finally:
            event.remove(sa.engine.Engine, "engine_connect", self._connected)

    def _connected(self, connection: Any, *branch: object) -> None:
        pool = connection.engine.pool
        self._engines.setdefault(pool, connection.engine)
        self.raw[pool] = connection.connection.dbapi_connection
        self._alive.add(connection)

    def engines(self) -> list[Any]:
        """One of each pool."""
        return list(self._engines.values())

    def in_transaction(self, engine: Any) -> Any:
        """A connection of the engine with an open transaction; None if there is none."""
        for one in list(self._alive):
            if one.engine.pool is engine.pool and not one.closed and one.in_transaction():
                return one
        return None


class HeldState:
    """Reads the state of the databases of a test; each found when it is used first."""

    def __init__(self, used: EnginesUsed) -> None:
        self._used = used
        self._readers: dict[Any, _Reader] = {}
        self._unreadable = ""

    def begin(self) -> State:
        """The state when the body begins; a transaction that is open is that of the fixtures."""
        for engine in self._used.engines():
            outer = self._used.in_transaction(engine)
            if outer is not None:
                self._readers[engine.pool] = _through(outer)
        return self.read()

    def read(self) -> State:
        """All tables of all databases used so far. Never raises: it runs amid the program."""
        tables: dict[str, TableRows] = {}
        try:
            self._find_readers()
            for number, reader in enumerate(self._readers.values(), start=1):
                for name, rows in reader.rows().items():
                    tables[f"{name} ({number})" if name in tables else name] = rows
        except Exception as error:  # noqa: BLE001 - drivers, pools and creators can raise anything
            self._unreadable = _said(error)
        return State(tables, self._unreadable)

    def keys(self) -> Mapping[str, TableKeys]:
        """The keys of all tables, by name."""
        found: dict[str, TableKeys] = {}
        for reader in reversed(list(self._readers.values())):
            with suppress(Exception):
                found.update(reader.keys())
        return found

    def is_new(self) -> bool:
        """Whether a database is used that was not read yet."""
        return any(engine.pool not in self._readers for engine in self._used.engines())

    @property
    def is_shared(self) -> bool:
        """Whether what is read is what a connection of the test sees, stored or not."""
        return any(not reader.ends for reader in self._readers.values())

    def close(self) -> None:
        """Gives back the connections of our own, which would block a DROP DATABASE."""
        for reader in self._readers.values():
            with suppress(Exception):
                reader.close()

    def _find_readers(self) -> None:
        for engine in self._used.engines():
            if engine.pool not in self._readers:
                is_file = engine.dialect.name != "sqlite" or _file_of(engine)
                self._readers[engine.pool] = (
                    _apart(engine) if is_file else _beside(engine, self._used)
                )


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """`raw` gives the driver's connection to read through; `ends`: it is our own, and what it
    reads is over at once. `inspected` reads the keys."""

    dialect: Any
    raw: Callable[[], Any]
    keys: Callable[[], Mapping[str, TableKeys]]
    close: Callable[[], None]
    ends: bool = False

    def rows(self) -> Snapshot:
        connection = self.raw()
        cursor = connection.cursor()
        try:
            cursor.execute(_TABLES[self.dialect.name.replace("mariadb", "mysql")])
            names = [row[0] for row in cursor.fetchall()]
            return {name: self._table(cursor, name) for name in names}
        finally:
            cursor.close()
            if self.ends:
                connection.rollback()

    def _table(self, cursor: Any, name: str) -> TableRows:
        cursor.execute(f"SELECT * FROM {self.dialect.identifier_preparer.quote(name)}")  # noqa: S608 - quoted
        columns = tuple(column[0] for column in cursor.description)
        return TableRows(columns, tuple(tuple(row) for row in cursor.fetchall()))


def _file_of(engine: Any) -> str:
    """The file of a SQLite database; empty if it is in memory, or if only its creator knows."""
    name = engine.url.database or ""
    is_memory = not name or name == ":memory:" or "mode=memory" in str(engine.url)
    return "" if is_memory or name.startswith("file::memory:") else name


def _apart(engine: Any) -> _Reader:
    """Reads what is committed."""
    stack = plain_engine(engine.url.render_as_string(hide_password=False))
    own = stack.__enter__()
    raw = own.raw_connection()

    def keys() -> Mapping[str, TableKeys]:
        with own.connect() as connection:
            return read_keys(connection)

    def close() -> None:
        raw.close()
        stack.__exit__(None, None, None)

    return _Reader(own.dialect, lambda: raw.dbapi_connection, keys, close, ends=True)


def _through(connection: Any) -> _Reader:
    """Reads inside a transaction of the test."""
    raw = connection.connection.dbapi_connection
    return _Reader(connection.dialect, lambda: raw, lambda: read_keys(connection), _nothing)


def _beside(engine: Any, used: EnginesUsed) -> _Reader:
    """Reads an in-memory database on the driver's connection that the test has."""

    def raw() -> Any:
        return used.raw[engine.pool]

    def keys() -> Mapping[str, TableKeys]:
        own = sa.create_engine("sqlite://", creator=raw, poolclass=StaticPool)
        with own.connect() as connection:
            return read_keys(connection)

    return _Reader(engine.dialect, raw, keys, _nothing)


def _said(error: Exception) -> str:
    if type(error).__name__ == "MissingGreenlet":
        return "it is in memory, behind an asynchronous driver"
    return " ".join(f"{type(error).__name__}: {error}".split())


def _nothing() -> None:
    return None
