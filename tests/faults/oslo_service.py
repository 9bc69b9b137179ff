"""A small program on oslo.db for the sweeps of the tests beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from oslo_db.sqlalchemy import enginefacade

from auditor.backends.database import ScratchDatabase


@enginefacade.transaction_context_provider
class Context:
    session: Any


@dataclass(frozen=True, slots=True)
class Service:
    """The program's manager and a request."""

    manager: Any
    context: Any

    @property
    def writer(self) -> Any:
        return self.manager.writer.using(self.context)

    @property
    def reader(self) -> Any:
        return self.manager.reader.using(self.context)


def service_on(database: ScratchDatabase, metadata: sa.MetaData) -> Service:
    """The program with these tables, with foreign keys on SQLite too."""
    manager = enginefacade.transaction_context()
    manager.configure(connection=database.url, sqlite_fk=True)
    metadata.create_all(manager.writer.get_engine())
    return Service(manager, Context())
