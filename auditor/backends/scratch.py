"""Opens a scratch database for a URL; the part before `://` says which backend does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from auditor.backends.database import ScratchDatabase
from auditor.backends.mariadb import open_mariadb
from auditor.backends.masking import masked
from auditor.backends.postgresql import open_postgresql
from auditor.backends.sqlite import open_sqlite
from auditor.model.errors import DatabaseError

Opener = Callable[..., AbstractContextManager[ScratchDatabase]]

OPENERS: Mapping[str, Opener] = {
    "sqlite": open_sqlite,
    "postgresql": open_postgresql,
    "mysql": open_mariadb,
    "mariadb": open_mariadb,
}


def open_scratch(
    url: str = "sqlite://", *, allow_existing: bool = False
) -> AbstractContextManager[ScratchDatabase]:
    """A scratch database behind `url`, dropped when the context ends, however it ends.

    `sqlite://`, `postgresql` and `mysql` need no running server; a URL of a server gets a
    database of its own name on it. `allow_existing` permits a named database that holds tables:
    every row of it will be deleted. Raises DatabaseError.
    """
    opener = OPENERS.get(dialect_of(url))
    if opener is None:
        known = ", ".join(f"`{name}`" for name in OPENERS)
        raise DatabaseError(
            f"`{masked(url)}` names no database that scratch databases can be made on: known are"
            f" {known}, such as `sqlite://`"
        )
    return opener(url, allow_existing=allow_existing)


def dialect_of(url: str) -> str:
    """The dialect of a URL without its driver: `postgresql+psycopg://` is `postgresql`."""
    return url.partition(":")[0].partition("+")[0].lower()


def has_server(url: str) -> bool:
    """Whether the URL names a server or a file that is there already, not one of our own."""
    return bool(url.partition("://")[2].strip("/"))
