"""Scratch databases on a server: one of our own name, created, emptied between points, dropped.

What differs between servers is a `ServerKind`: a value with its SQL and a few functions. The rest
is the same for all, and goes through SQLAlchemy with the driver that the URL names (or a
synchronous one beside it when the program's driver is asynchronous).
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.pool import NullPool

from auditor.backends.masking import masked
from auditor.model.errors import DatabaseError

_LOG = logging.getLogger("auditor")
_SECONDS_TO_CONNECT = 10
PREFIX = "auditor_scratch_"


@dataclass(frozen=True, slots=True)
class ServerKind:
    """What is particular to one kind of server.

    `maintenance` is the database to connect to while databases are created and dropped.
    `drivers` are the synchronous drivers by preference, `sync_for` the one to use beside an
    asynchronous driver. `databases` lists all databases, `idle_databases` those without a
    connection. `drop` is a template over the name. `disconnect` ends the sessions of a database.
    """

    dialect: str
    extra: str
    maintenance: str
    drivers: tuple[str, ...]
    sync_for: Mapping[str, str]
    databases: str
    idle_databases: str
    drop: str
    disconnect: Callable[[Connection, str], None]
    delete_all: Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class ServerScratch:
    """A scratch database on a server. `admin` is the URL our own connections use. `owned` is
    whether the database was created by us, `cleared` whether its tables are ours to drop."""

    kind: ServerKind
    program: URL
    admin: URL
    owned: bool
    cleared: bool

    @property
    def url(self) -> str:
        return self.program.render_as_string(hide_password=False)

    @property
    def masked_url(self) -> str:
        return masked(self.url)

    @property
    def dialect(self) -> str:
        return self.kind.dialect

    def empty(self) -> None:
        """Delete every row of every table and reset generated keys. Raises DatabaseError if an
        open transaction of the program is in the way."""
        try:
            with connected(self.kind, self.admin) as connection:
                self.kind.delete_all(connection)
        except sqlalchemy.exc.DBAPIError as error:
            raise DatabaseError(
                f"the scratch database `{self.masked_url}` cannot be emptied: {_first_line(error)};"
                " if the program left a transaction open, end it before the call returns"
            ) from error

    def drop(self) -> None:
        """Drop the database, or only its tables if it was there before; safe to call twice. A
        database that cannot be dropped is logged with the command that drops it."""
        name = str(self.admin.database)
        try:
            if self.owned:
                with connected(self.kind, self._maintenance) as connection:
                    self.kind.disconnect(connection, name)
                    connection.exec_driver_sql(self._drop_statement)
            elif self.cleared:
                with connected(self.kind, self.admin) as connection:
                    _drop_tables(connection)
        except (DatabaseError, sqlalchemy.exc.SQLAlchemyError) as error:
            _LOG.warning(
                "auditor: the scratch database on `%s` could not be dropped (%s); drop it with: %s",
                self.masked_url,
                _first_line(error),
                self._drop_statement if self.owned else "drop its tables",
            )

    @property
    def _maintenance(self) -> URL:
        return self.admin.set(database=self.kind.maintenance)

    @property
    def _drop_statement(self) -> str:
        return self.kind.drop.format(name=self.admin.database)


@contextmanager
def open_on_server(kind: ServerKind, url: URL, *, allow_existing: bool) -> Iterator[ServerScratch]:
    """A database of our own name on the server of `url`; or the one it names, if that does not
    exist yet, holds no tables, or `allow_existing` is given. Raises DatabaseError."""
    program = with_driver(kind, url)
    admin = _synchronous(kind, program)
    scratch = (
        _named(kind, program, admin, allow_existing=allow_existing)
        if url.database
        else _of_own_name(kind, program, admin)
    )
    try:
        yield scratch
    finally:
        scratch.drop()


@contextmanager
def connected(kind: ServerKind, url: URL) -> Iterator[Connection]:
    """A connection of our own, each statement its own transaction. Raises DatabaseError if the
    server cannot be reached."""
    try:
        engine = sqlalchemy.create_engine(
            url,
            future=True,  # the way of 2.x on SQLAlchemy 1.4 too
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": _SECONDS_TO_CONNECT},
        )
        connection = engine.connect()
    except ImportError as error:
        raise DatabaseError(
            f"`{_shown(url)}` needs the driver `{error.name or url.drivername}`, which is not"
            f" installed: pip install 'sqlalchemy-auditor[{kind.extra}]'"
        ) from error
    except sqlalchemy.exc.NoSuchModuleError as error:
        raise DatabaseError(
            f"`{_shown(url)}` names the driver `{url.drivername}`, which this SQLAlchemy does not"
            f" know; known here: {', '.join(kind.drivers)}"
        ) from error
    except (sqlalchemy.exc.DBAPIError, OSError, ValueError) as error:
        raise DatabaseError(
            f"`{_shown(url)}` cannot be reached: {_first_line(error, url)}; start that server or"
            f" correct the URL (`{kind.dialect}` alone starts a server of its own)"
        ) from error
    try:
        with connection:
            yield connection
    finally:
        engine.dispose()


def parsed(url: str) -> URL:
    """The URL as SQLAlchemy reads it. Raises DatabaseError if it cannot."""
    text = url if ":" in url else f"{url}://"
    try:
        return make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise DatabaseError(
            f"`{masked(url)}` is not a database URL: it is written"
            " `dialect+driver://user:password@host:port/database`"
        ) from error


def filled_tables(connection: Connection, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the (quoted) tables that hold rows."""
    if not names:
        return ()
    parts = (
        f"SELECT {number} AS n FROM (SELECT 1 AS one) AS o"  # noqa: S608  quoted by the dialect
        f" WHERE EXISTS (SELECT 1 FROM {name})"
        for number, name in enumerate(names)
    )
    rows = connection.exec_driver_sql(" UNION ALL ".join(parts))
    return tuple(names[int(number)] for (number,) in rows)


def _of_own_name(kind: ServerKind, program: URL, admin: URL) -> ServerScratch:
    with connected(kind, admin.set(database=kind.maintenance)) as connection:
        taken = set(_column(connection, kind.databases))
        _mention_leftovers(kind, connection, admin)
        names = (f"{PREFIX}{os.getpid()}_{number}" for number in itertools.count(1))
        name = next(name for name in names if name not in taken)
        _create(connection, name, admin)
    return ServerScratch(
        kind, program.set(database=name), admin.set(database=name), owned=True, cleared=True
    )


def _named(kind: ServerKind, program: URL, admin: URL, *, allow_existing: bool) -> ServerScratch:
    with connected(kind, admin.set(database=kind.maintenance)) as connection:
        owned = admin.database not in _column(connection, kind.databases)
        if owned:
            _create(connection, str(admin.database), admin)
    if owned:
        return ServerScratch(kind, program, admin, owned=True, cleared=True)
    with connected(kind, admin) as connection:
        tables = sorted(sqlalchemy.inspect(connection).get_table_names())
    if tables and not allow_existing:
        raise DatabaseError(
            f"`{_shown(admin)}` is not empty: it holds tables ({len(tables)}, such as"
            f" `{tables[0]}`), and every row of it would be deleted; leave out the name of the"
            " database to get a scratch one, or say --i-know-this-is-a-test-database"
        )
    return ServerScratch(kind, program, admin, owned=False, cleared=not tables)


def _create(connection: Connection, name: str, admin: URL) -> None:
    quoted = connection.dialect.identifier_preparer.quote_identifier(name)
    try:
        connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
    except sqlalchemy.exc.DBAPIError as error:
        raise DatabaseError(
            f"`{_shown(admin)}`: the scratch database `{name}` cannot be created:"
            f" {_first_line(error)}; give a user that may create databases, or the URL of an empty"
            " database"
        ) from error


def _mention_leftovers(kind: ServerKind, connection: Connection, admin: URL) -> None:
    own = f"{PREFIX}{os.getpid()}_"
    idle = [
        name
        for name in _column(connection, kind.idle_databases)
        if name.startswith(PREFIX) and not name.startswith(own)
    ]
    if idle:
        _LOG.warning(
            "auditor: `%s` holds scratch databases that nobody is connected to, left by an earlier"
            " run that was killed; if no other auditor is running, drop them with: %s",
            _shown(admin.set(database="")),
            " ".join(kind.drop.format(name=name) + ";" for name in sorted(idle)),
        )


def _column(connection: Connection, statement: str) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in connection.exec_driver_sql(statement))


def _drop_tables(connection: Connection) -> None:
    metadata = sqlalchemy.MetaData()
    metadata.reflect(connection)
    metadata.drop_all(connection)


def with_driver(kind: ServerKind, url: URL) -> URL:
    """The URL with a driver that is installed, if it names none."""
    if "+" in url.drivername:
        return url
    for driver in kind.drivers:
        if importlib.util.find_spec(driver) and _sqlalchemy_knows(f"{kind.dialect}.{driver}"):
            return url.set(drivername=f"{url.drivername}+{driver}")
    raise DatabaseError(
        f"`{_shown(url)}` needs a driver, and none of {', '.join(kind.drivers)} is installed:"
        f" pip install 'sqlalchemy-auditor[{kind.extra}]'"
    )


def _synchronous(kind: ServerKind, url: URL) -> URL:
    name, _, driver = url.drivername.partition("+")
    return url.set(drivername=f"{name}+{kind.sync_for.get(driver, driver)}")


def _sqlalchemy_knows(dialect: str) -> bool:
    try:
        sqlalchemy.dialects.registry.load(dialect)
    except sqlalchemy.exc.NoSuchModuleError:
        return False
    return True


def _shown(url: URL) -> str:
    return masked(url.render_as_string(hide_password=False))


def _first_line(error: Exception, url: URL | None = None) -> str:
    """The first line of what the driver said, without the password should it be repeated there."""
    said = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    line = said.splitlines()[0]
    password = str(url.password) if url is not None and url.password else ""
    return line.replace(password, "***") if password else line
