from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from auditor.backends.scratch import open_scratch
from auditor.cli.main import run

HAS_MARIADB = any(map(shutil.which, ("mariadbd", "/usr/sbin/mariadbd")))
NEEDS_MARIADB = pytest.mark.skipif(not HAS_MARIADB, reason="no MariaDB server is installed")
NAMES = {
    "postgresql": "SELECT datname FROM pg_database",
    "mysql": "SELECT schema_name FROM information_schema.schemata",
}
SCENARIOS = """
import sys
import time

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import auditor


@auditor.scenario(sizes={"n": (1, 2)})
def hanging(database, n):
    print("at", database.url, file=sys.stderr, flush=True)
    while True:
        time.sleep(0.01)


@auditor.scenario(sizes={"n": (1, 2)})
def failing(database, n):
    engine = sa.create_engine(database.url, poolclass=NullPool, future=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS t (a INTEGER)"))
    if n == 2:
        raise ValueError("half way")
    return lambda: None


@auditor.scenario(sizes={"n": (1, 2)})
def steady(database, n):
    engine = sa.create_engine(database.url, poolclass=NullPool, future=True)

    def call():
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    return call


@auditor.scenario(sizes={"n": (1, 2)})
def killing(database, n):
    engine = sa.create_engine(database.url, poolclass=NullPool, future=True)

    def call():
        with engine.connect() as connection:
            own = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar()
            with open(f"/proc/{own}/status") as status:
                parent = int(next(line for line in status if line.startswith("PPid")).split()[1])
            # The server is killed by a statement that then waits, so it is running for certain.
            program = f"COPY (SELECT) TO PROGRAM 'kill -9 {parent}'"
            connection.exec_driver_sql(
                f"DO $do$ BEGIN EXECUTE $copy${program}$copy$; PERFORM pg_sleep(60); END $do$"
            )
    return call


@auditor.scenario(sizes={"n": (1, 2)})
def unreached(database, n):
    return lambda: None
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "ending_scenarios.py"
    path.write_text(SCENARIOS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ending_scenarios", raising=False)
    return path


@pytest.fixture(params=["postgresql", pytest.param("mysql", marks=NEEDS_MARIADB)])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server without a database. Some tests kill it, so each has its own."""
    with open_scratch(request.param) as database:
        yield make_url(database.url).set(database="").render_as_string(hide_password=False)


def databases(server: str) -> set[str]:
    url = make_url(server)
    maintained = url.set(database="postgres") if url.get_backend_name() == "postgresql" else url
    engine = sa.create_engine(maintained, poolclass=NullPool, future=True)
    with engine.connect() as connection:
        rows = connection.execute(sa.text(NAMES[url.get_backend_name()]))
        return {str(name) for (name,) in rows}


def ended(file: Path, url: str, number: signal.Signals) -> tuple[int, str]:
    """The exit status of a run that two signals end, and where its scratch database was."""
    command = [sys.executable, "-m", "auditor", "profile", f"{file}::hanging", "--db", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        place = next(line for line in process.stderr if line.startswith("at "))
        process.send_signal(number)
        process.send_signal(number)
        return process.wait(), place.removeprefix("at ").strip()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_leave_no_database_on_a_server(
    file: Path, server: str, number: signal.Signals
) -> None:
    before = databases(server)
    status, place = ended(file, server, number)
    assert (status, databases(server), make_url(place).database in before) == (130, before, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_leave_no_file(file: Path, number: signal.Signals) -> None:
    status, place = ended(file, "sqlite://", number)
    folder = Path(str(make_url(place).database)).parent
    assert (status, folder.exists()) == (130, False)


def test_a_scenario_that_fails_half_way_leaves_no_database(
    file: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = databases(server)
    status = run(["profile", f"{file}::failing", "--db", server])
    assert (status, databases(server)) == (2, before)
    assert capsys.readouterr().err == (
        "auditor: scenario `failing` failed while it was populated with n=2: ValueError: half way"
        " (ending_scenarios.py:24 in failing)\n"
    )


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_server_that_is_killed_takes_no_law_along_and_the_database_is_named(
    file: Path,
    server: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("steady", "killing", "unreached")
    targets = [f"{file}::{name}" for name in names]
    status = run(["profile", *targets, "--db", server, "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    problems = [problem["message"].partition(": ")[0] for problem in report["problems"]]
    named = [one for one in caplog.messages if "could not be dropped" in one]
    assert (status, [(law["scenario"], law["law"]) for law in report["laws"]]) == (
        2,
        [("steady", "1")],
    )
    assert [re.sub(r"`postgresql[^`]*`", "`URL`", problem) for problem in problems] == [
        "scenario `killing` failed in the measured call with n=1",
        "`URL` cannot be reached",
    ]
    assert [one.rpartition("; drop it with: ")[2][:32] for one in named] == [
        'DROP DATABASE IF EXISTS "auditor'
    ]
