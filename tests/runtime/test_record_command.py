from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.model.tape import Tape
from auditor.runtime.store import folder_of, read

SUITE = """
import unittest
import sqlalchemy as sa
from sqlalchemy.orm import Session, declarative_base, relationship

Base = declarative_base()

class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    rules = relationship("Rule")

class Rule(Base):
    __tablename__ = "rules"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("labels.id"))

class TestLabels(unittest.TestCase):
    def setUp(self):
        self.engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
        self.addCleanup(self.engine.dispose)
        Base.metadata.create_all(self.engine)
        with Session(self.engine) as session:
            session.add_all([Label(id=n, rules=[Rule()]) for n in (1, 2, 3)])
            session.commit()

    def test_rules_are_counted(self):
        with Session(self.engine) as session:
            assert sum(len(label.rules) for label in session.query(Label)) == 3

    def test_one(self):
        with self.engine.connect() as connection:
            assert connection.execute(sa.text("select count(*) from rules")).scalar() == 3
"""

# A shell without job control starts what it puts in the background with SIGINT ignored, and all
# its children have that from it; so the program says itself that it can be interrupted.
ENDLESS = """
import signal, sys, time
import sqlalchemy as sa
signal.signal(signal.SIGINT, signal.default_int_handler)
connection = sa.create_engine("sqlite://").connect()
for number in range(40):
    connection.execute(sa.text("select 1")).all()
print("ready", flush=True)
time.sleep(60)
"""

BECOMES_ANOTHER = """
import os, sys
import sqlalchemy as sa
call = sys.argv[1]
with sa.create_engine("sqlite://").connect() as connection:
    for _ in range(4 if call == "again" else 3):
        connection.execute(sa.text("select 1")).all()
again = [sys.executable, "program.py", "again"]
if call == "execv":
    os.execv(sys.executable, again)
if call == "execve":
    os.execve(sys.executable, again, os.environ)
if call == "execlp":
    os.execlp(sys.executable, *again)
"""

CHILDREN = """
import multiprocessing, os, subprocess, sys
import sqlalchemy as sa

def work(times):
    with sa.create_engine("sqlite://").connect() as connection:
        for _ in range(times):
            connection.execute(sa.text("select 1")).all()

if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(5)
    else:
        work(1)
        child = multiprocessing.get_context("fork").Process(target=work, args=(2,))
        child.start()
        child.join()
        subprocess.run([sys.executable, __file__, "again"], check=True)
        os._exit(3)
"""


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def record(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "auditor", "record", *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def without_times(tape: Tape) -> Tape:
    return replace(
        tape,
        entries=tuple(replace(entry, seconds=0.0) for entry in tape.entries),
        transactions=tuple(
            replace(each, seconds=0.0, longest_seconds=0.0, longest_gap=0.0)
            for each in tape.transactions
        ),
    )


def test_pytest_and_unittest_give_the_same_tape(tmp_path: Path) -> None:
    (tmp_path / "test_labels.py").write_text(SUITE)
    runs = {
        "a": ("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
        "b": ("unittest",),
    }
    for name, runner in runs.items():
        given = record(tmp_path, "-o", f"{name}.tape", "--", sys.executable, "-m", *runner)
        assert given.returncode == 0, given.stderr
    tapes = [without_times(read(tmp_path / f"{name}.tape")) for name in runs]
    assert tapes[0].statements == 13
    assert set(tapes[0].entries) == set(tapes[1].entries)
    assert set(tapes[0].transactions) == set(tapes[1].transactions)


def test_sub_processes_forks_and_sudden_exits_are_on_the_tape(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CHILDREN)
    given = record(tmp_path, "--", sys.executable, "program.py")
    assert given.returncode == 3, given.stderr
    tape = read(tmp_path / "auditor.tape")
    assert (tape.statements, tape.processes, tape.losses) == (8, 3, ())
    assert not folder_of(tmp_path / "auditor.tape").exists()


@pytest.mark.parametrize("call", ["execv", "execve", "execlp"])
def test_what_ran_before_a_process_became_another_program_is_on_the_tape(
    tmp_path: Path, call: str
) -> None:
    (tmp_path / "program.py").write_text(BECOMES_ANOTHER)
    given = record(tmp_path, "--", sys.executable, "program.py", call)
    assert given.returncode == 0, given.stderr
    tape = read(tmp_path / "auditor.tape")
    assert (tape.statements, tape.processes, tape.losses) == (3 + 4, 2, ())


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, (1, 130)), (signal.SIGTERM, (143,))]
)
def test_a_signal_reaches_the_command_and_the_tape_opens(
    tmp_path: Path, number: signal.Signals, status: tuple[int, ...]
) -> None:
    (tmp_path / "program.py").write_text(ENDLESS)
    with subprocess.Popen(
        [sys.executable, "-m", "auditor", "record", "--", sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_for_part(tmp_path / "auditor.tape", 40)
        process.send_signal(number)
        assert process.wait(30) in status
    assert read(tmp_path / "auditor.tape").statements == 40


def test_what_a_killed_command_did_is_on_the_tape(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        ENDLESS.replace("time.sleep(60)", "time.sleep(3); import os; os.kill(os.getpid(), 9)")
    )
    given = record(tmp_path, "--", sys.executable, "program.py")
    assert given.returncode == 137
    assert read(tmp_path / "auditor.tape").statements == 40


def wait_for_part(tape: Path, statements: int) -> None:
    """Waits until the process has written what it did; a second on an idle machine."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if any(folder_of(tape).glob("*.part")) and read(tape).statements == statements:
            return
        time.sleep(0.05)
    pytest.fail(f"no part with {statements} statements")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["sh", "-c", "exit 0"], "no Python process found the recorder"),
        ([sys.executable, "-c", "pass"], "1 Python process ran, and none of them imported SQL"),
        ([sys.executable, "-c", "import sqlalchemy"], "SQLAlchemy was loaded in 1 process"),
    ],
)
def test_nothing_seen_is_said_loudly_with_the_reason(
    tmp_path: Path, command: list[str], reason: str
) -> None:
    given = record(tmp_path, "--", *command)
    assert (given.returncode, given.stdout) == (0, "")
    assert f"auditor: 0 STATEMENTS SEEN: {reason}" in given.stderr


def test_the_status_and_output_of_the_command_are_left_alone(tmp_path: Path) -> None:
    given = record(tmp_path, "-q", "--", sys.executable, "-c", "print('mine'); raise SystemExit(7)")
    assert (given.returncode, given.stdout) == (7, "mine\n")


def test_a_sitecustomize_of_the_program_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.mine = 'hidden'")
    given = subprocess.run(
        [
            sys.executable,
            "-m",
            "auditor",
            "record",
            "-q",
            "--",
            sys.executable,
            "-c",
            "print(mine)",
        ],
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert given.stdout == "hidden\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "no-such-command"], "the command `no-such-command` was not found on PATH"),
        ([], "missing argument"),
        (["--nonsense", "--", "true"], "no such option"),
        (["-o", "taken.txt", "--", "true"], "`taken.txt` exists and is not a tape"),
        (["-o", "no/where/x.tape/y", "--", "true"], ""),
    ],
)
def test_a_command_that_cannot_be_recorded_ends_with_two(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "taken.txt").write_text("mine")
    (tmp_path / "no").write_text("a file")
    given = record(tmp_path, *arguments)
    assert (given.returncode, given.stdout) == (2, "")
    assert message in given.stderr
