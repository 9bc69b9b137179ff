"""Work in threads and coroutines whose error nobody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from auditor.growth.scenario import Scenario, scenario
from metering import errors, models
from planted import rows
from planted.pair import Pair
from planted.store import ERRORS, Store, begin_like_other_databases, connect, plain


@dataclass(frozen=True, slots=True)
class AsyncStore:
    """An asynchronous engine, and the store of the same database."""

    engine: Any
    store: Store

    def session(self) -> AsyncSession:
        """A session for one piece of work."""
        return AsyncSession(self.engine)


_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def connect_async(database: Any) -> AsyncStore:
    """An asynchronous store on a scratch database."""
    store = connect(database.url)
    name = store.engine.dialect.name
    engine = create_async_engine(sa.engine.make_url(database.url).set(drivername=_DRIVERS[name]))
    if name == "sqlite":
        begin_like_other_databases(engine.sync_engine)
    return AsyncStore(engine, store)


def coroutine(act: Callable[[AsyncStore], Any]) -> Scenario:
    """The scenario that awaits `act` with a store of a few rows."""

    @functools.wraps(act)
    def populate(own: AsyncStore) -> Callable[[], Any]:
        with own.store.engine.begin() as connection:
            rows.fill(connection)
        return functools.partial(act, own)

    return scenario(sizes={}, prepare=connect_async, declared=ERRORS)(populate)


def _create(store: Store) -> str:
    with store.sessions.begin() as session:
        session.execute(rows.insert_label("new"))
    return "new"


@plain
def thread_forgotten(store: Store) -> Any:
    with rows.reporting():
        worker = threading.Thread(target=_create, args=(store,))
        worker.start()
        worker.join()


@plain
def thread_forgotten_twin(store: Store) -> Any:
    with rows.reporting(), ThreadPoolExecutor(1) as pool:
        pool.submit(_create, store).result()


@plain
def future_not_asked(store: Store) -> Any:
    with rows.reporting(), ThreadPoolExecutor(1) as pool:
        done = pool.submit(_create, store)
    return done.done()


@plain
def future_not_asked_twin(store: Store) -> Any:
    with rows.reporting(), ThreadPoolExecutor(1) as pool:
        done = pool.submit(_create, store)
        done.result()
    return done.done()


async def _create_async(own: AsyncStore) -> str:
    async with own.session() as session:
        session.add(rows.new_label())
        await session.commit()
    return "new"


@coroutine
async def coroutine_swallows(own: AsyncStore) -> Any:
    try:
        await _create_async(own)
    except sa_exc.OperationalError:
        pass
    return "new"


@coroutine
async def coroutine_swallows_twin(own: AsyncStore) -> Any:
    try:
        await _create_async(own)
    except sa_exc.OperationalError as error:
        raise errors.MeteringUnavailable("new") from error
    return "new"


@coroutine
async def gathered_and_not_looked_at(own: AsyncStore) -> Any:
    with rows.reporting():
        await asyncio.gather(_create_async(own), return_exceptions=True)


@coroutine
async def gathered_and_not_looked_at_twin(own: AsyncStore) -> Any:
    with rows.reporting():
        await asyncio.gather(_create_async(own), return_exceptions=False)


@coroutine
async def task_not_awaited(own: AsyncStore) -> Any:
    with rows.reporting():
        task = asyncio.create_task(_create_async(own))
        await asyncio.wait([task])


@coroutine
async def task_not_awaited_twin(own: AsyncStore) -> Any:
    with rows.reporting():
        task = asyncio.create_task(_create_async(own))
        await asyncio.wait([task])
        await task


@coroutine
async def coroutine_commits_in_the_loop(own: AsyncStore) -> Any:
    with rows.reporting():
        async with own.session() as session:
            for name in ("a", "b"):
                session.add(rows.new_label(name))
                await session.commit()


@coroutine
async def coroutine_commits_in_the_loop_twin(own: AsyncStore) -> Any:
    with rows.reporting():
        async with own.session() as session:
            for name in ("a", "b"):
                session.add(rows.new_label(name))
            await session.commit()


@coroutine
async def coroutine_asks_in_the_dead_session(own: AsyncStore) -> Any:
    async with own.session() as session:
        session.add(rows.new_label())
        try:
            await session.flush()
        except sa_exc.IntegrityError as error:
            label = await session.get(models.MeteringLabel, "label-1")
            raise errors.LabelExists(label.name) from error
        await session.commit()


@coroutine
async def coroutine_asks_in_the_dead_session_twin(own: AsyncStore) -> Any:
    async with own.session() as session:
        session.add(rows.new_label())
        try:
            await session.flush()
        except sa_exc.IntegrityError as error:
            await session.rollback()
            label = await session.get(models.MeteringLabel, "label-1")
            raise errors.LabelExists(label.name) from error
        await session.commit()


@coroutine
async def cancelled_and_called_done(own: AsyncStore) -> Any:
    """A write that fails cancels the one that goes with it, and the cancellation is swallowed."""
    task = asyncio.current_task()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await _create_async(own)
            except sa_exc.OperationalError:
                task.cancel()
                await asyncio.sleep(0)
    finally:
        getattr(task, "uncancel", int)()


@coroutine
async def cancelled_and_called_done_twin(own: AsyncStore) -> Any:
    """A write that fails cancels the one that goes with it, and the failure is told."""
    task = asyncio.current_task()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            try:
                await _create_async(own)
            except sa_exc.OperationalError as error:
                task.cancel()
                raise errors.MeteringUnavailable("new") from error
    finally:
        getattr(task, "uncancel", int)()


@coroutine
async def group_of_raw_errors(own: AsyncStore) -> Any:
    async with asyncio.TaskGroup() as group:
        group.create_task(_create_async(own))


async def _create_or_say(own: AsyncStore) -> None:
    with rows.reporting():
        await _create_async(own)


@coroutine
async def group_of_raw_errors_twin(own: AsyncStore) -> Any:
    async with asyncio.TaskGroup() as group:
        group.create_task(_create_or_say(own))


_NO_ASYNC = ("mysql",)

PAIRS = (
    Pair(
        "a thread dies, and nobody asks",
        thread_forgotten,
        thread_forgotten_twin,
        "deadlock",
        "swallowed",
    ),
    Pair(
        "a future is not asked for its result",
        future_not_asked,
        future_not_asked_twin,
        "deadlock",
        "swallowed",
    ),
    Pair(
        "a coroutine swallows",
        coroutine_swallows,
        coroutine_swallows_twin,
        "deadlock",
        "swallowed",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "`gather` collects errors that nobody looks at",
        gathered_and_not_looked_at,
        gathered_and_not_looked_at_twin,
        "deadlock",
        "swallowed",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "a task is waited for, and not asked",
        task_not_awaited,
        task_not_awaited_twin,
        "deadlock",
        "swallowed",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "COMMIT in the loop of a coroutine",
        coroutine_commits_in_the_loop,
        coroutine_commits_in_the_loop_twin,
        "deadlock",
        "reported half-committed",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "a coroutine asks in the dead session",
        coroutine_asks_in_the_dead_session,
        coroutine_asks_in_the_dead_session_twin,
        "duplicate",
        "masked",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "a cancellation hides the failure",
        cancelled_and_called_done,
        cancelled_and_called_done_twin,
        "deadlock",
        "swallowed",
        lacks=_NO_ASYNC,
    ),
    Pair(
        "a group of tasks lets the raw error through",
        group_of_raw_errors,
        group_of_raw_errors_twin,
        "deadlock",
        "leaked",
        lacks=_NO_ASYNC,
        since=(3, 11),
    ),
)
