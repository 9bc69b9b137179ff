"""What every scratch database offers, whichever server is behind it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class ScratchDatabase(Protocol):
    """A database that this project created, and that it drops at the end.

    `url` is a SQLAlchemy URL that the audited program can give to `create_engine` as it is, with
    a password if the server wants one; `masked_url` is the one to print. `dialect` is `sqlite`,
    `postgresql` or `mysql`.
    """

    @property
    def url(self) -> str: ...

    @property
    def masked_url(self) -> str: ...

    @property
    def dialect(self) -> str: ...

    def empty(self) -> None:
        """Delete every row of every table and reset generated keys; the schema stays."""
        ...

    def drop(self) -> None:
        """Remove the database and everything in it; safe to call twice."""
        ...
