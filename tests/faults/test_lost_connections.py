"""A connection that the sweep ends, and a pool that it runs dry, are held to real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import QueuePool

from auditor.backends.scratch import open_scratch
from auditor.faults.aim.plan import shots_at
from auditor.faults.catalogue.fault import fault_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.strike.connections import end_session
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call

SERVERS = ("postgresql", "mariadb")
EVENTS = ("connect", "checkout", "invalidate", "close")
ONE = sa.text("SELECT 1")
NOTES = sa.Table("notes", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))

Act = Callable[[Any], Any]


def reads_once(engine: sa.Engine) -> Any:
    with engine.connect() as connection:
        return connection.scalar(ONE)


def reads_twice(engine: sa.Engine, between: Callable[[Any], None] = lambda _: None) -> Any:
    with engine.connect() as connection:
        connection.scalar(ONE)
        between(connection)
        return connection.scalar(ONE)


def writes(engine: sa.Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.insert(NOTES).values(id=1))


@pytest.mark.parametrize("pre_ping", [False, True])
@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_connection_ended_in_the_pool_is_found_dead_or_replaced_as_really(
    database: str, pre_ping: bool
) -> None:
    with open_scratch(database) as scratch:
        for url in drivers(scratch.url):
            with engine_of(url, pool_pre_ping=pre_ping) as engine:
                reads_once(engine)
                end_the_idle_one(engine)
                really = witnessed(engine, reads_once)
            with engine_of(url, pool_pre_ping=pre_ping) as engine:
                reads_once(engine)
                assert injected(engine, reads_once, "disconnect-before") == really


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_a_connection_ended_in_a_transaction_is_found_dead_as_really(
    database: str, filtered: bool
) -> None:
    with open_scratch(database) as scratch:
        for url in drivers(scratch.url):
            with engine_of(url, filtered=filtered) as engine:
                reads_once(engine)
                really = witnessed(engine, lambda one: reads_twice(one, end_this_one))
            with engine_of(url, filtered=filtered) as engine:
                reads_once(engine)
                assert injected(engine, reads_twice, "disconnect-before", at=2) == really


@pytest.mark.parametrize("database", SERVERS, indirect=True)
def test_what_a_statement_stored_stays_when_only_its_answer_is_lost(database: str) -> None:
    with open_scratch(database) as scratch, engine_of(scratch.url, filtered=True) as engine:
        NOTES.create(engine)
        told = injected(engine, writes, "disconnect-after")
        with engine.connect() as connection:
            stored = connection.execute(sa.select(NOTES.c.id)).all()
        assert (told["class"], stored) == ("DBConnectionError", [(1,)])


def test_a_write_in_a_transaction_cannot_be_stored_without_its_answer(postgresql: str) -> None:
    def in_transaction(engine: sa.Engine) -> None:
        with engine.begin() as connection:
            connection.execute(sa.insert(NOTES).values(id=1))

    with open_scratch(postgresql) as scratch, engine_of(scratch.url, filtered=True) as engine:
        NOTES.create(engine)
        assert shots(engine, in_transaction, "disconnect-after") == ()


@pytest.mark.skipif(sa.__version__ < "2", reason="1.4 begins nothing in AUTOCOMMIT mode")
def test_a_write_on_sqlite_is_in_a_transaction_of_oslo_db_even_in_autocommit_mode() -> None:
    with open_scratch("sqlite://") as scratch, engine_of(scratch.url, filtered=True) as engine:
        NOTES.create(engine)
        assert shots(engine, writes, "disconnect-after") == ()


@pytest.mark.parametrize("database", ["sqlite", *SERVERS], indirect=True)
def test_a_pool_runs_dry_in_the_words_of_a_real_one(database: str) -> None:
    with open_scratch(database) as scratch:
        pool: dict[str, Any] = {
            "poolclass": QueuePool,
            "pool_size": 1,
            "max_overflow": 0,
            "pool_timeout": 0.01,
        }
        with engine_of(scratch.url, **pool) as engine, engine.connect():
            really = witnessed(engine, reads_once)
        with engine_of(scratch.url, **pool) as engine:
            reads_once(engine)
            assert injected(engine, reads_once, "pool-timeout") == really
        assert (really["class"], really["code"]) == ("TimeoutError", "3o7r")


def test_an_async_pool_runs_dry_in_the_words_of_a_real_one(tmp_path: Any) -> None:
    pytest.importorskip("aiosqlite")
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.01}
    options["poolclass"] = sa.pool.AsyncAdaptedQueuePool  # that of files only since 2.0

    async def really() -> Any:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", **options)
        async with engine.connect():
            _, error = await outcome(engine)
        await engine.dispose()
        return error

    async def pretended() -> Any:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", **options)
        learnt = Watch(None, make_call.__code__, ".")
        with learnt.watching():
            await outcome(engine)
        (shot,) = shots_at(
            fault_named("pool-timeout", FAULTS), learnt.checkouts[0], {}, persistent=False
        )
        with Watch(shot, make_call.__code__, ".").watching():
            _, error = await outcome(engine)
        await engine.dispose()
        return error

    async def outcome(engine: Any) -> tuple[Any, Any]:
        try:
            async with engine.connect() as connection:
                return await connection.scalar(ONE), None
        except sa.exc.TimeoutError as error:
            return None, (type(error), str(error), error.code)

    assert asyncio.run(pretended()) == asyncio.run(really()) is not None


def test_a_pool_that_never_waits_cannot_run_dry_on_a_server(postgresql: str) -> None:
    with (
        open_scratch(postgresql) as scratch,
        engine_of(scratch.url, poolclass=sa.pool.NullPool) as engine,
    ):
        assert shots(engine, reads_once, "pool-timeout") == ()


@contextmanager
def engine_of(url: str, *, filtered: bool = False, **options: Any) -> Iterator[sa.Engine]:
    """An engine, with oslo.db's filters or without."""
    if filtered:
        manager = enginefacade.transaction_context()
        manager.configure(connection=url)
        engine = manager.writer.get_engine()
    else:
        engine = sa.create_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def injected(engine: sa.Engine, act: Act, fault: str, at: int = 1) -> dict[str, Any]:
    """What the program sees of the fault at its statement (checkout) of that number."""
    if fault == "disconnect-after":
        (shot,) = shots(engine, lambda one: writes_and_takes_back(one, act), fault, at)
    else:
        (shot,) = shots(engine, act, fault, at)
    watch = Watch(shot, make_call.__code__, ".")
    with watch.watching():
        told = witnessed(engine, act)
    assert (watch.fired, watch.defect) == (1, None)
    return told


def writes_and_takes_back(engine: sa.Engine, act: Act) -> None:
    act(engine)
    with engine.begin() as connection:
        connection.execute(sa.delete(NOTES))


def shots(engine: sa.Engine, act: Act, fault: str, at: int = 1) -> Any:
    learnt = Watch(None, make_call.__code__, ".")
    with learnt.watching():
        act(engine)
    asked = fault_named(fault, FAULTS)
    points = learnt.checkouts if asked.moment.unit == "checkout" else learnt.statements
    return shots_at(asked, points[at - 1], {}, persistent=False)


def witnessed(engine: sa.Engine, act: Act) -> dict[str, Any]:
    """All that a program sees of a call that may fail: the error, the driver's in it, and what the
    pool did."""
    seen: list[str] = []

    def listener(name: str) -> Callable[..., None]:
        return lambda *_: seen.append(name)

    listeners = [(name, listener(name)) for name in EVENTS]
    for name, one in listeners:
        event.listen(engine, name, one)
    try:
        value, error = make_call(lambda: act(engine))
    finally:
        for name, one in listeners:
            event.remove(engine, name, one)
    wrapped = getattr(error, "inner_exception", None) or error
    driver = getattr(wrapped, "orig", None)
    return {
        "value": value,
        "class": type(error).__name__,
        "message": str(error).splitlines()[:1],
        "code": getattr(error, "code", None),
        "driver": f"{type(driver).__module__}.{type(driver).__name__}",
        "arguments": getattr(driver, "args", None),
        "invalidated": getattr(wrapped, "connection_invalidated", None),
        "pool": seen,
    }


def end_the_idle_one(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        raw = connection.connection.dbapi_connection
    end_session(engine.pool, raw, engine.dialect.name)


def end_this_one(connection: Any) -> None:
    raw = connection.connection.dbapi_connection
    end_session(connection.engine.pool, raw, connection.dialect.name)


def drivers(url: str) -> list[str]:
    """The URL as it is, and for PostgreSQL also with the other driver."""
    return [url, url.replace("+psycopg:", "+psycopg2:")] if "+psycopg:" in url else [url]
