"""Scratch databases on MariaDB and MySQL: on a given server, or on a MariaDB of the system,
started for the purpose."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy.engine import URL, Connection

from auditor.backends.local_server import (
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

_SERVERS = ("mariadbd", "/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd")
_INSTALLERS = ("mariadb-install-db", "mysql_install_db")
_INSTALL_SETTINGS = ("--auth-root-authentication-method=normal", "--skip-test-db")
# Safe only because the data are thrown away: no waiting for the disk.
_SETTINGS = (
    "--skip-networking",
    "--skip-grant-tables",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-log-file-size=16M",
    "--character-set-server=utf8mb4",
)


@contextmanager
def open_mariadb(url: str, *, allow_existing: bool = False) -> Iterator[ServerScratch]:
    """A scratch database for a `mysql` or `mariadb` URL; without host and name, on a server of
    our own. Raises DatabaseError."""
    given = parsed(url)
    if given.host or given.database or given.query:
        with open_on_server(MARIADB, given, allow_existing=allow_existing) as scratch:
            yield scratch
    else:
        with _local_server() as socket_path:
            local = URL.create(
                given.drivername, username="root", host="localhost",
                query={"unix_socket": str(socket_path)},
            )  # fmt: skip
            with open_on_server(MARIADB, local, allow_existing=False) as scratch:
                yield scratch


@contextmanager
def _local_server() -> Iterator[Path]:
    """A server of our own that listens on the socket yielded, and nowhere else."""
    server_program, installer = _program(_SERVERS), _program(_INSTALLERS)
    account = unprivileged("mysql")
    with server_folder(account) as folder:
        data, socket_path = folder / "data", folder / "s"
        checked(
            account,
            [installer, "--no-defaults", f"--datadir={data}", *_INSTALL_SETTINGS],
            folder,
        )
        server = ServerCommand(
            name="the MariaDB server",
            arguments=(
                server_program, "--no-defaults", f"--datadir={data}", f"--socket={socket_path}",
                f"--pid-file={folder / 'pid'}", *_SETTINGS,
            ),
            stop_signal="KILL",
            ready=partial(_answer, socket_path),
        )  # fmt: skip
        with running(server, account, folder):
            yield socket_path


def _answer(socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:  # pymysql leaks its socket when it is refused
        probe.connect(str(socket_path))
    url = with_driver(MARIADB, parsed(f"mysql://root@localhost/mysql?unix_socket={socket_path}"))
    with connected(MARIADB, url) as connection:
        connection.exec_driver_sql("SELECT 1")


def _program(names: tuple[str, ...]) -> str:
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise DatabaseError(
        f"no MariaDB server is installed to start one from (looked for `{names[0]}`): install"
        " mariadb-server, or give the URL of a running server, such as `mysql+pymysql://user@host/`"
    )


def _disconnect(connection: Connection, name: str) -> None:
    rows = connection.exec_driver_sql(
        "SELECT id FROM information_schema.processlist WHERE db = %s", (name,)
    ).all()
    for (number,) in rows:
        connection.exec_driver_sql(f"KILL {number}")


def _delete_all(connection: Connection) -> None:
    connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
    connection.exec_driver_sql("SET lock_wait_timeout = 2, innodb_lock_wait_timeout = 2")
    quote = connection.dialect.identifier_preparer.quote_identifier
    tables = connection.exec_driver_sql(
        "SELECT table_name, coalesce(auto_increment, 1) FROM information_schema.tables"
        " WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY 1"
    ).all()
    filled = filled_tables(connection, [quote(table) for table, _ in tables])
    for name in filled:
        connection.exec_driver_sql(f"DELETE FROM {name}")  # noqa: S608  quoted by the dialect
    for table, next_key in tables:
        if next_key > 1 or quote(table) in filled:
            connection.exec_driver_sql(f"ALTER TABLE {quote(table)} AUTO_INCREMENT = 1")


MARIADB = ServerKind(
    dialect="mysql",
    extra="mariadb",
    maintenance="information_schema",
    drivers=("pymysql", "mysqldb"),
    sync_for={"aiomysql": "pymysql", "asyncmy": "pymysql"},
    databases="SELECT schema_name FROM information_schema.schemata",
    idle_databases=(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
        " (SELECT db FROM information_schema.processlist WHERE db IS NOT NULL)"
    ),
    drop="DROP DATABASE IF EXISTS `{name}`",
    disconnect=_disconnect,
    delete_all=_delete_all,
)
