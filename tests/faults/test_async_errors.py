"""The injected error equals the real one with async drivers, in class, text, codes and effect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from auditor.backends.scratch import open_scratch
from auditor.faults.aim.keys import read_keys
from auditor.faults.aim.plan import shots_at
from auditor.faults.catalogue.fault import fault_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call

ASYNC_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "psycopg_async", "mysql": "aiomysql"}
METADATA = sa.MetaData()
PARENTS = sa.Table(
    "parents",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(20), unique=True),
)
CHILDREN = sa.Table(
    "children",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", name="fk_parent")),
)

Act = Callable[[AsyncConnection], Awaitable[Any]]


def stores(table: sa.Table, **values: Any) -> Act:
    return lambda connection: connection.execute(sa.insert(table).values(**values))


# fault, what violates it, and the same without offence
PAIRS = (
    ("duplicate", stores(PARENTS, id=2, name="one"), stores(PARENTS, id=2, name="two")),
    ("reference", stores(CHILDREN, id=1, parent_id=9), stores(CHILDREN, id=1, parent_id=1)),
)


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_an_injected_violation_equals_the_real_one_of_an_async_driver(database: str) -> None:
    async def both() -> list[tuple[Any, Any]]:
        async with filled(scratch.url) as engine:
            return [
                (await portrait(engine, bad), await injected(engine, good, fault, bad))
                for fault, bad, good in PAIRS
            ]

    with open_scratch(database) as scratch:
        told = asyncio.run(both())
    assert [one for one, _ in told] == [other for _, other in told]


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
@pytest.mark.parametrize("fault", ["disconnect", "disconnect-before"])
def test_a_lost_connection_of_an_async_driver_is_replaced(database: str, fault: str) -> None:
    async def lost() -> tuple[Any, Any]:
        async with filled(scratch.url) as engine:
            error = await injected(engine, PAIRS[0][2], fault, PAIRS[0][2])
            async with engine.connect() as connection:
                return error, await connection.scalar(sa.select(sa.func.count(PARENTS.c.id)))

    with open_scratch(database) as scratch:
        error, rows = asyncio.run(lost())
    assert (error["class"], error["invalidated"], rows) == (sa.exc.OperationalError, True, 1)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[AsyncEngine]:
    """The tables with one parent, on the async driver of that database."""
    parsed = make_url(url)
    name = parsed.get_backend_name().replace("mariadb", "mysql")
    driver = ASYNC_DRIVERS[name]
    pytest.importorskip(driver.partition("_")[0])
    if driver == "psycopg_async" and sa.__version__ < "2":
        pytest.skip("SQLAlchemy 1.4 has no dialect for psycopg")
    engine = create_async_engine(parsed.set(drivername=f"{name}+{driver}"))
    if name == "sqlite":
        sa.event.listen(engine.sync_engine, "connect", _with_foreign_keys)
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        await connection.execute(sa.insert(PARENTS).values(id=1, name="one"))
    yield engine
    await engine.dispose()


def _with_foreign_keys(raw: Any, _: Any) -> None:
    cursor = raw.cursor()
    cursor.execute("PRAGMA foreign_keys=1")
    cursor.close()


async def portrait(engine: AsyncEngine, act: Act) -> dict[str, Any]:
    """All that a program can see of the error of a transaction that fails."""
    try:
        async with engine.begin() as connection:
            await act(connection)
    except sa.exc.DBAPIError as error:
        driver: Any = getattr(error, "orig", None)
        diagnostics = getattr(driver, "diag", None)
        codes = ("sqlite_errorname", "sqlstate")
        names = ("constraint_name", "table_name", "message_primary")
        return {
            "class": type(error),
            "driver": type(driver),
            "arguments": driver.args,
            "codes": [getattr(driver, code, None) for code in codes],
            "diagnostics": [getattr(diagnostics, one, None) for one in names],
            "invalidated": error.connection_invalidated,
        }
    return {}


async def injected(engine: AsyncEngine, act: Act, fault: str, struck: Act) -> dict[str, Any]:
    """The error of the fault planned from `act`, when `struck` is executed."""
    learnt = Watch(None, make_call.__code__, ".")
    with learnt.watching():
        async with engine.connect() as connection:
            await act(connection)
            await connection.rollback()
    async with engine.connect() as connection:
        keys = await connection.run_sync(read_keys)
    planned = shots_at(fault_named(fault, FAULTS), learnt.statements[0], keys, persistent=False)
    watch = Watch(planned[0], make_call.__code__, ".")
    with watch.watching():
        told = await portrait(engine, struck)
    assert (watch.fired, watch.defect) == (1, None)
    return told
