"""Scratch databases on SQLite: one file, so that every engine the audited program makes sees it.

The file lies in a new folder of its own (in memory where the system offers such a file system)
and goes with the folder. It is in WAL mode, so that a session which the program left open in a
read transaction does not stop `empty()`. Foreign keys stay as the program's connections set them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.backends.leftovers import folder_prefix, mention_left_behind
from auditor.backends.masking import masked
from auditor.model.errors import DatabaseError

_PREFIX = "sqlite:///"
FOLDER_PREFIX = "auditor_scratch_"
"""Of folders with scratch databases, before the number of the process that made them."""
_BUSY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SqliteScratch:
    """A scratch database in one SQLite file. `folder` is removed by `drop`; None when the file
    was there before and is not ours to remove."""

    url: str
    path: Path
    folder: Path | None
    created: bool = True

    @property
    def masked_url(self) -> str:
        return masked(self.url)

    @property
    def dialect(self) -> str:
        return "sqlite"

    def empty(self) -> None:
        """Delete every row of every table and reset AUTOINCREMENT keys. Raises DatabaseError if
        a transaction that writes is still open."""
        try:
            with closing(_connect(self.path)) as connection:
                _delete_all(connection)
        except sqlite3.OperationalError as error:
            raise DatabaseError(
                f"the scratch database `{self.masked_url}` cannot be emptied: {error}; the program"
                " left a transaction open: end it (close the session) before the call returns"
            ) from error

    def drop(self) -> None:
        """Remove the file, and its folder if that is ours; safe to call twice."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif self.created:
            for suffix in ("", "-wal", "-shm", "-journal"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)


@contextmanager
def open_sqlite(url: str, *, allow_existing: bool = False) -> Iterator[SqliteScratch]:
    """A scratch database for a `sqlite` URL: `sqlite://` makes a file in a temporary folder,
    `sqlite:////path` makes that file or takes it if it has no tables.

    Raises DatabaseError for a file that holds tables and is not allowed, or is not SQLite.
    """
    scratch = _named(url, allow_existing=allow_existing) if _path_of(url) else _temporary(url)
    try:
        yield scratch
    finally:
        scratch.drop()


def _temporary(url: str) -> SqliteScratch:
    scheme = url.split(":", 1)[0]
    folder = Path(tempfile.mkdtemp(prefix=folder_prefix(FOLDER_PREFIX), dir=fast_folder()))
    mention_left_behind(folder.parent, FOLDER_PREFIX, "scratch databases")
    path = folder / "scratch.db"
    try:
        _create(path)
    except BaseException:  # also an interruption: nobody else knows of the folder yet
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return SqliteScratch(f"{scheme}:///{path}", path, folder)


def _named(url: str, *, allow_existing: bool) -> SqliteScratch:
    path = Path(_path_of(url))
    if not path.parent.is_dir():
        raise DatabaseError(
            f"`{masked(url)}`: there is no folder `{path.parent}`; create it, or give `sqlite://`"
        )
    existed = path.exists()
    tables = _tables_of(path, url) if existed else ()
    if tables and not allow_existing:
        raise DatabaseError(_refusal(url, tables))
    if not existed:
        _create(path)
    return SqliteScratch(url, path, None, created=not existed)


def _refusal(url: str, tables: tuple[str, ...]) -> str:
    return (
        f"`{masked(url)}` is not empty: it holds tables ({len(tables)}, such as"
        f" `{tables[0]}`), and every row of it would be deleted; give `sqlite://` for a scratch"
        " database, or say --i-know-this-is-a-test-database"
    )


def _path_of(url: str) -> str:
    """The file of a SQLite URL; empty for a database in memory."""
    path = url.split("://", 1)[-1].partition("?")[0][1:]
    return "" if path == ":memory:" else path


def _tables_of(path: Path, url: str) -> tuple[str, ...]:
    try:
        with closing(_connect(path)) as connection:
            return _table_names(connection)
    except sqlite3.DatabaseError as error:
        raise DatabaseError(
            f"`{masked(url)}` cannot be used: {error}; give `sqlite://` for a scratch database"
        ) from error


def _create(path: Path) -> None:
    with closing(_connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)


def _table_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    )
    return tuple(name for (name,) in rows)


def _delete_all(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    for name in _table_names(connection):
        connection.execute(f"DELETE FROM {_quoted(name)}")  # noqa: S608  quoted
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        connection.execute("DELETE FROM sqlite_sequence")
    connection.execute("COMMIT")


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def fast_folder() -> str | None:
    """A folder in memory for scratch files; None (the default temporary folder) without one."""
    memory = "/dev/shm"  # noqa: S108  only a parent: mkdtemp makes a private folder in it
    return memory if os.access(memory, os.W_OK | os.X_OK) else None
