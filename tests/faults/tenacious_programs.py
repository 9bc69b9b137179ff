"""Programs that try again by tenacity, in functions and in coroutines."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy.ext.asyncio import create_async_engine
from tenacity import Retrying, retry, retry_if_exception_type, stop_after_attempt, wait_fixed

from auditor.backends.database import ScratchDatabase
from auditor.growth.scenario import Scenario
from tests.faults.retrying_programs import Base, Item, Store, insert, tell

patient = retry(
    retry=retry_if_exception_type((db_exc.DBDeadlock, sa.exc.OperationalError)),
    stop=stop_after_attempt(3),
    wait=wait_fixed(5),
    reraise=True,
)


@patient
def takes(own: Store, body: dict[str, Any]) -> None:
    body.pop("links", None)
    insert(own, body["name"])


@patient
def patiently(own: Store) -> None:
    insert(own, "a")


def by_attempts(own: Store) -> None:
    for attempt in Retrying(stop=stop_after_attempt(3), reraise=True):
        with attempt:
            insert(own, "a")


@dataclass(frozen=True, slots=True)
class Engines:
    """The asynchronous engine of a database with the tables in it."""

    engine: Any

    @classmethod
    def made(cls, database: ScratchDatabase) -> Engines:
        plain = sa.create_engine(database.url)
        Base.metadata.create_all(plain)
        plain.dispose()
        path = sa.engine.make_url(database.url).set(drivername="sqlite+aiosqlite")
        return cls(create_async_engine(path, poolclass=sa.pool.NullPool))


async def insert_later(own: Engines, name: str) -> None:
    async with own.engine.begin() as connection:
        await connection.execute(sa.insert(Item.__table__).values(id=name, note=name))


@patient
async def creates_in_a_coroutine(own: Engines, seen: list[str]) -> None:
    seen.append("a")
    tell("a")
    await insert_later(own, "a")


def asynchronously(function: Callable[..., Any], *arguments: Any) -> Scenario:
    """A scenario on an asynchronous engine."""

    def populate(own: Engines, rows: int) -> Callable[[], Any]:
        return lambda: asyncio.run(function(own, *copy.deepcopy(arguments)))

    return Scenario(
        name=function.__name__, populate=populate, sizes=(("rows", (1,)),), prepare=Engines.made
    )
