"""A connection to what the user gave: an engine, a connection, a session, or a database's URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool

from auditor.model.errors import SeedError

_PLAIN = {
    "aiosqlite": "sqlite",
    "asyncpg": "postgresql+psycopg",
    "psycopg_async": "postgresql+psycopg",
    "aiomysql": "mysql+pymysql",
    "asyncmy": "mysql+pymysql",
}


@contextmanager
def connected(database: Any) -> Iterator[Connection]:
    """A connection whose transaction is committed at the end if it was opened here. Raises
    SeedError for what is no database, or is asynchronous."""
    url = getattr(database, "url", database)
    if isinstance(database, Engine):
        with database.begin() as connection:
            yield connection
    elif isinstance(database, Connection):
        yield from _in_transaction(database)
    elif hasattr(database, "run_sync") or hasattr(database, "sync_engine"):
        raise SeedError(
            f"`{type(database).__name__}` is asynchronous: give the database's URL or a plain"
            " engine, or `await session.run_sync(seed, metadata, sizes)`"
        )
    elif isinstance(url, (str, URL)):
        engine = plain_engine(url)
        with engine.begin() as connection:
            yield connection
    else:
        yield from _in_transaction(_of_session(database))


def plain_engine(url: str | URL) -> Engine:
    """A synchronous engine for a URL, also for one that names an asynchronous driver; it keeps no
    connections."""
    given = make_url(url)
    driver = given.drivername.partition("+")[2]
    return sa.create_engine(
        given.set(drivername=_PLAIN.get(driver, given.drivername)), poolclass=NullPool, future=True
    )


def _in_transaction(connection: Connection) -> Iterator[Connection]:
    if connection.in_transaction() or getattr(connection, "_is_future", True):
        yield connection
        return
    with connection.begin():  # SQLAlchemy 1.4 without `future`: nothing is begun by itself
        yield connection


def _of_session(session: Any) -> Connection:
    found = session.connection() if callable(getattr(session, "connection", None)) else None
    if isinstance(found, Connection):
        return found
    raise SeedError(
        f"`{session!r:.60}` is no database: give an engine, a connection, a session or a URL"
    )
