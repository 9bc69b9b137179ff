"""The door to the database: one oslo.db transaction context manager for the whole service.

`READER` and `WRITER` serve both as decorators and, through `using(context)`, as `with` contexts.
They look their engine up when a transaction begins, so `bind` may point the service at another
database between two requests.
"""

from __future__ import annotations

from typing import Any

from oslo_db.sqlalchemy import enginefacade

from metering import models

MANAGER = enginefacade.transaction_context()
READER = MANAGER.reader
WRITER = MANAGER.writer


@enginefacade.transaction_context_provider
class Context:
    """One request; oslo.db gives it the attributes `session` and `connection`."""

    session: Any


def bind(url: str) -> Context:
    """Point the service at the database at `url`, and no other, and create missing tables.

    Returns a context to work in.
    """
    MANAGER.dispose_pool()
    manager = enginefacade.transaction_context()
    manager.configure(connection=url, sqlite_fk=True)
    MANAGER.patch_factory(manager)
    models.Base.metadata.create_all(MANAGER.writer.get_engine())
    return Context()
