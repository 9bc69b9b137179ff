"""What the recorder does when it fails itself, or the world around it does."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from auditor.model.finding import Problem
from auditor.runtime import checkouts, effects, transactions
from auditor.runtime.recorder import record
from auditor.runtime.store import read
from auditor.runtime.tape_file import write_file


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))
    yield engine
    engine.dispose()


def work(engine: Engine) -> list[int]:
    with Session(engine) as session, session.begin():
        session.execute(sa.text("INSERT INTO t VALUES (1)"))
        time.sleep(0.0001)
        with session.begin_nested():
            session.execute(sa.text("INSERT INTO t VALUES (2)"))
        return list(session.scalars(sa.text("SELECT n FROM t")))


def fail(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("ours")


BROKEN: dict[str, tuple[Any, str, str]] = {
    "where a transaction begins": (transactions, "attempt_of", "recorder of transactions"),
    "the session behind it": (transactions, "sqlalchemy_calls", "recorder of transactions"),
    "where a savepoint begins": (transactions, "places_from", "recorder of savepoints"),
    "a side effect": (effects, "of_unit", "recorder of side effects"),
    "whose side effect it is": (effects, "package_of", "recorder of side effects"),
    "a checkout": (checkouts, "user_place", "recorder of connections"),
}


@pytest.mark.parametrize(("module", "name", "subject"), BROKEN.values(), ids=BROKEN.keys())
def test_a_failing_watcher_costs_the_program_nothing_and_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, subject: str
) -> None:
    monkeypatch.setattr(module, name, fail)
    with record(engine) as recording:
        assert work(engine) == [1, 2]
    assert recording.tape.statements == 5
    assert recording.tape.losses == (
        Problem(subject, "missed after `ZeroDivisionError: ours`", hides_results=True),
    )


def test_an_engine_disposed_in_mid_use_is_recorded_to_the_end(engine: Engine) -> None:
    with record(engine) as recording:
        with Session(engine) as session, session.begin():
            session.execute(sa.text("INSERT INTO t VALUES (1)"))
            engine.dispose()
            session.execute(sa.text("INSERT INTO t VALUES (2)"))
        assert work(engine) == [1, 2, 1, 2]
    assert (recording.tape.statements, recording.tape.losses) == (7, ())
    assert [(t.kind, t.committed, t.begun) for t in recording.tape.transactions] == [
        ("plain", 1, 1),
        ("savepoint", 1, 1),
        ("plain", 1, 1),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_the_child_of_a_fork_is_in_no_transaction_of_its_parent(tmp_path: Path) -> None:
    tape = run(
        """
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            child = os.fork()
            if not child:
                time.sleep(0.001)
                os._exit(0)
            os.waitpid(child, 0)
        """,
        tmp_path,
    )
    assert (tape.returncode, read(tmp_path / "auditor.tape").incidents) == (0, ())


def test_no_room_for_the_tape_is_told_and_the_command_goes_on(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    given = run(
        """
        memory = sa.create_engine("sqlite://")
        with memory.connect() as connection:
            print(connection.scalar(sa.text("SELECT 41")) + 1)
        """,
        tmp_path,
        limit,
    )
    assert (given.returncode, given.stdout) == (2, "42\n")
    assert "cannot be written" in given.stderr
    losses = read(tmp_path / "auditor.tape").losses
    assert [loss.message.partition(":")[0] for loss in losses] == [
        "a process could not write what it recorded"
    ]


def test_a_part_that_can_be_written_after_all_takes_the_word_back(tmp_path: Path) -> None:
    from auditor.runtime import attached  # here: it patches nothing when imported

    (tmp_path / "a.tape.d").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attached, "write_file", fail)
        writer = attached.begin_part(tmp_path / "a.tape", str(tmp_path))
        patch.setattr(attached, "write_file", write_file)
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
        engine.dispose()
        writer.end()
    tape = read(tmp_path / "a.tape")
    assert (tape.statements, tape.losses) == (1, ())


def run(
    body: str, folder: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    head = """
        import os, time
        import sqlalchemy as sa
        engine = sa.create_engine("sqlite:///b.db")
    """
    (folder / "make.py").write_text(
        'import sqlite3; sqlite3.connect("b.db").execute("CREATE TABLE t (n INTEGER)")\n'
    )
    (folder / "program.py").write_text(textwrap.dedent(head) + textwrap.dedent(body))
    subprocess.run([sys.executable, "make.py"], cwd=folder, check=True)
    return subprocess.run(
        [sys.executable, "-m", "auditor", "record", "-q", "--", sys.executable, "program.py"],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=before,
    )


def test_nothing_of_the_happenings_stays_after_a_recording(engine: Engine) -> None:
    before = (time.sleep, Session.begin, Session.close)
    with record(engine):
        work(engine)
    assert (time.sleep, Session.begin, Session.close) == before
    assert not transactions.open_units
