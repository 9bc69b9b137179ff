"""Starts a database server of our own in a temporary folder, and ends it with this process.

    this process ──pipe──> sh (supervisor) ──> server
                              └ reads the pipe; when it closes (we stopped, crashed or were
                                killed) it ends the server and removes the folder

Nothing is left behind, however this process ends. Servers refuse to run as root, so as root the
supervisor and the server run as an account without privileges.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.backends.sqlite import fast_folder
from auditor.model.errors import DatabaseError

_SUPERVISOR = """
folder=$1; signal=$2; shift 2
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -s "$signal" "$server"; } &
wait "$server"; status=$?
rm -rf "$folder"
exit "$status"
"""
_SUPERVISED = ("/bin/sh", "-c", _SUPERVISOR, "auditor")
_SECONDS_TO_START = 60.0
_SECONDS_TO_STOP = 20.0
_SECONDS_BETWEEN_TRIES = 0.02
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath}


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server: a uid and gid to change to, or None for the present user."""

    uid: int | None
    gid: int | None

    def run(self, command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """The command's outcome, run as this account. Raises OSError if it cannot start."""
        return subprocess.run(
            command,
            check=False,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=_ENVIRONMENT,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
        )


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """How a server is run: its name in messages, its command line, and the signal that ends it at
    once (its data are thrown away). `ready` raises while the server does not answer yet."""

    name: str
    arguments: tuple[str, ...]
    stop_signal: str
    ready: Callable[[], None]


def unprivileged(*names: str) -> Account:
    """The present user, or as root the first of the named accounts that exists."""
    if os.geteuid() != 0:
        return Account(None, None)
    for name in (*names, "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise DatabaseError(
        "a database server cannot run as root, and this system has no account `nobody` to run it"
        " as; run as another user, or give the URL of a running server"
    )


@contextmanager
def server_folder(account: Account) -> Iterator[Path]:
    """A new folder of the account, removed at the end; its path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="auditor_server_", dir=fast_folder()))
    try:
        if account.uid is not None and account.gid is not None:
            os.chown(folder, account.uid, account.gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def checked(account: Account, command: Sequence[str], folder: Path) -> None:
    """Run a command that prepares a server. Raises DatabaseError with the end of its output."""
    try:
        outcome = account.run(command, folder)
    except OSError as error:
        raise DatabaseError(f"`{command[0]}` cannot be run: {error}") from error
    if outcome.returncode:
        raise DatabaseError(
            f"`{Path(command[0]).name}` failed with status {outcome.returncode}:"
            f" {_last_lines(outcome.stdout)}"
        )


@contextmanager
def running(server: ServerCommand, account: Account, folder: Path) -> Iterator[None]:
    """The server, answering; ended when the context ends. Raises DatabaseError if it does not
    start."""
    log = folder / "server.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [*_SUPERVISED, str(folder), server.stop_signal, *server.arguments],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=_ENVIRONMENT,
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            start_new_session=True,  # Ctrl-C goes to us, not to the server
        )
        try:
            _wait_until_ready(server, supervisor, log)
            yield
        finally:
            _stop(supervisor)


def _wait_until_ready(
    server: ServerCommand, supervisor: subprocess.Popen[bytes], log: Path
) -> None:
    give_up = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            server.ready()
        except Exception as error:  # drivers raise many classes while it starts
            ended = supervisor.poll() is not None
            if ended or time.monotonic() > give_up:
                said = _last_lines(log.read_text(errors="replace")) if log.exists() else str(error)
                what = "ended at once" if ended else f"did not answer in {_SECONDS_TO_START:.0f} s"
                raise DatabaseError(f"{server.name} {what}: {said}") from error
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        supervisor.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()


def _last_lines(output: str, count: int = 3) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "it said nothing"
