"""A database behind plain SQLAlchemy, and what makes a scenario of a function that works on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm

from auditor.growth.scenario import Scenario, scenario
from planted import rows

ERRORS = ("metering.errors.MeteringError",)


@dataclass(frozen=True, slots=True)
class Store:
    """`sessions` makes a session for one piece of work; `shared` is the one of the thread, which
    lives on after the call."""

    engine: sa.engine.Engine
    sessions: Any
    shared: Any


def connect(url: str) -> Store:
    """A store on the database at `url`; missing tables are created."""
    engine = sa.create_engine(url, future=True)
    if engine.dialect.name == "sqlite":
        begin_like_other_databases(engine)
    rows.create_tables(engine)
    sessions = orm.sessionmaker(engine, future=True)
    return Store(engine, sessions, orm.scoped_session(sessions))


def begin_like_other_databases(engine: sa.engine.Engine) -> None:
    """Foreign keys hold, and a transaction begins when SQLAlchemy says so: sqlite3 by itself begins
    one at the first write, and savepoints before it are none."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.connection.dbapi_connection.execute("BEGIN")


def plain(act: Callable[[Store], Any]) -> Scenario:
    """The scenario that calls `act` with a store of a few rows."""

    @functools.wraps(act)
    def populate(store: Store) -> Callable[[], Any]:
        with store.engine.begin() as connection:
            rows.fill(connection)
        return functools.partial(act, store)

    return scenario(sizes={}, prepare=_prepared, declared=ERRORS)(populate)


def undeclared(act: Callable[[Store], Any]) -> Scenario:
    """The same, where no error is declared: one that says the wrong thing is held against it."""
    return replace(plain(act), declared=())


def _prepared(database: Any) -> Store:
    return connect(database.url)
