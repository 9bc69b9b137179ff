"""The school's database: an asynchronous engine for a URL, and its sessions."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import NullPool

from courses import models

Sessions = async_sessionmaker[AsyncSession]
_ASYNCHRONOUS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


def engine_for(url: str) -> AsyncEngine:
    """An engine that keeps no connections, with a driver that can be awaited."""
    given = sa.make_url(url)
    return create_async_engine(
        given.set(drivername=_ASYNCHRONOUS[given.get_backend_name()]), poolclass=NullPool
    )


async def opened(url: str) -> Sessions:
    """The sessions of a database whose tables are there."""
    engine = engine_for(url)
    async with engine.begin() as connection:
        await connection.run_sync(models.Base.metadata.create_all)
    return async_sessionmaker(engine, expire_on_commit=False)
