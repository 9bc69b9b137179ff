"""A sweep that was ended by anything goes on from its journal, to the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner

from auditor.backends.sqlite import FOLDER_PREFIX, fast_folder
from auditor.cli.main import auditor, run
from auditor.faults.sweep import supervision

PROGRAM = """
import sqlalchemy as sa
from auditor import scenario

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes", METADATA,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(20), unique=True),
)


def prepare(database):
    engine = sa.create_engine(database.url)
    METADATA.create_all(engine)
    return engine


def write(engine, text):
    with engine.begin() as connection:
        connection.execute(sa.insert(NOTES).values(text=text))


def read(engine, number):
    with engine.connect() as connection:
        return connection.execute(sa.select(NOTES.c.text).where(NOTES.c.id == number)).scalar()


def add_notes(engine):
    try:
        write(engine, "one")
        write(engine, "two")
    except sa.exc.OperationalError:
        pass
    for number in range(3):
        read(engine, number)


@scenario(sizes={}, prepare=prepare)
def noted(engine):
    return lambda: add_notes(engine)


@scenario(sizes={}, prepare=prepare)
def noted_again(engine):
    return lambda: (write(engine, "three"), write(engine, "four"))
"""
ASKED = ("--fault", "deadlock", "--fault", "lock-wait")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swept_notes.py").write_text(PROGRAM)
    return "swept_notes.py"


def swept(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(auditor, ["faults", *arguments, "--format", "json"])
    return result.exit_code, result.stdout, result.stderr


def test_any_number_of_workers_writes_the_same_bytes(program: str) -> None:
    one, two, three = (
        swept(program, *ASKED, "--mode", "both", "--workers", number) for number in "123"
    )
    assert one == two == three
    assert one[0] == 1


UNLIKE = """
import uuid
from datetime import datetime, timezone
from swept_notes import NOTES, prepare, sa
from auditor import scenario


class Refused(Exception):
    pass


def refuse(engine):
    try:
        with engine.begin() as connection:
            connection.execute(sa.insert(NOTES).values(text="one"))
    except sa.exc.OperationalError as error:
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        raise Refused(f"{object()!r} refused note {uuid.uuid4()} at {now}") from error


@scenario(sizes={}, prepare=prepare)
def unlike(engine):
    return lambda: refuse(engine)
"""


def test_an_error_that_names_what_is_of_its_run_only_is_told_with_the_same_bytes(
    program: str,
) -> None:
    Path("unlike.py").write_text(UNLIKE)
    one, two = (swept("unlike.py", "--workers", "1") for _ in range(2))
    assert one == two
    (outcome,) = json.loads(one[1])["faults"]
    assert outcome["escaped_message"] == "<object object> refused note <new id> at <now>"


@pytest.mark.parametrize("lines", [1, 4])
def test_a_journal_cut_anywhere_is_gone_on_with_to_the_same_report(
    program: str, lines: int
) -> None:
    whole = swept(program, *ASKED, "--resume", "kept.jsonl")
    kept = Path("kept.jsonl").read_text().splitlines(keepends=True)
    Path("kept.jsonl").write_text("".join(kept[:lines]))
    assert swept(program, *ASKED, "--resume", "kept.jsonl") == whole
    assert sorted(Path("kept.jsonl").read_text().splitlines()) == sorted(
        line.rstrip("\n") for line in kept
    )


def test_a_torn_last_line_is_made_again_and_told(program: str) -> None:
    status, told, _ = swept(program, *ASKED, "--resume", "kept.jsonl")
    kept = Path("kept.jsonl").read_text()
    Path("kept.jsonl").write_text(kept[:-30])
    again = swept(program, *ASKED, "--resume", "kept.jsonl")
    said = (
        "auditor: the last line of `kept.jsonl` had no end: the sweep was killed while it was"
        " written; that run was made again\n"
    )
    assert again == (status, told, said)
    assert Path("kept.jsonl").read_text() == kept


def test_a_whole_journal_gives_the_report_without_a_run(program: str) -> None:
    whole = swept(program, *ASKED, "--resume", "kept.jsonl")
    before = Path("kept.jsonl").read_text()
    assert swept(program, *ASKED, "--resume", "kept.jsonl") == whole
    assert Path("kept.jsonl").read_text() == before


PAUSED = """
import os, time
from swept_notes import prepare, write
from auditor import scenario


def pausing(engine):
    for text in ("one", "two", "three", "four"):
        try:
            write(engine, text)
        except Exception:
            if text == "two" and os.path.exists("paused"):
                with open("paused", "w") as waiting:
                    waiting.write("now")
                os.remove("paused")
                time.sleep(600)
            raise


@scenario(sizes={}, prepare=prepare)
def paused(engine):
    return lambda: pausing(engine)
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "auditor", "faults", "paused.py", *ASKED, *arguments]


def remove_databases_of(process: int) -> None:
    """Removes what a killed process could not: later runs would warn of it."""
    parent = Path(fast_folder() or tempfile.gettempdir())
    (folder,) = parent.glob(f"{FOLDER_PREFIX}{process}_*")
    shutil.rmtree(folder)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_ended_by_a_signal_goes_on_to_the_same_report(
    program: str, ending: signal.Signals
) -> None:
    Path("paused.py").write_text(PAUSED)
    whole = subprocess.run(command("--format", "json"), capture_output=True, check=False)
    os.mkfifo("paused")
    child = subprocess.Popen(
        command("--format", "json", "--resume", "kept.jsonl", "--workers", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert Path("paused").read_text() == "now"  # the program has come to where it waits
    child.send_signal(ending)
    told, _ = child.communicate(timeout=300)  # on a loaded machine a minute was not enough
    Path("paused").unlink(missing_ok=True)  # the program may have ended before it removed it
    if ending is signal.SIGKILL:
        assert (child.returncode, told) == (-9, b"")
        remove_databases_of(child.pid)
    else:
        report = json.loads(told)
        assert (child.returncode, len(report["faults"])) == (2, 1)
        (problem,) = report["problems"]
        assert problem["message"] == (
            "the sweep was interrupted, so that not every statement was tried: `deadlock` at 3 of"
            " 4, `lock-wait` at 4 of 4 are missing in mode once; give `--resume kept.jsonl` again"
            " to go on"
        )
        assert [one["untried"] for one in report["coverage"]] == [[2, 3, 4], [1, 2, 3, 4]]
    resumed = subprocess.run(
        command("--format", "json", "--resume", "kept.jsonl"), capture_output=True, check=False
    )
    assert json.loads(resumed.stdout) == json.loads(whole.stdout)
    assert (resumed.returncode, resumed.stdout) == (whole.returncode, whole.stdout)


def test_a_spent_budget_is_told_and_gone_on_with(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = swept(program, *ASKED)
    kept = Path("kept.jsonl")

    def hours_after_the_first_outcome() -> float:
        return monotonic() + (1e6 if '"outcome"' in kept.read_text() else 0.0)

    with monkeypatch.context() as patch:
        patch.setattr(supervision, "monotonic", hours_after_the_first_outcome)
        status, told, _ = swept(program, *ASKED, "--budget", "3600", "--resume", str(kept))
    first, *_ = json.loads(told)["problems"]
    message = (
        "the budget was spent, so that not every statement was tried: `deadlock` at 4 of 5,"
        " `lock-wait` at 2 of 5 are missing in mode once; give `--resume kept.jsonl` again to go"
        " on"
    )
    assert (status, first["message"]) == (2, message)
    assert swept(program, *ASKED, "--resume", str(kept)) == whole


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["faults", *arguments, "--resume", "kept.jsonl"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--fault", "duplicate"), "it was begun with faults `deadlock`, not `duplicate`"),
        (("--mode", "persistent"), "it was begun with mode `once`, not `persistent`"),
        (("--timeout", "3"), "it was begun with timeout `30.0`, not `3.0`"),
        (("--at", "1"), "it was begun with at `None`, not `1`"),
        (("--mode", "both"), "it was begun for 1 sweep, not 2"),
    ],
)
def test_a_journal_of_another_sweep_is_refused(
    program: str, arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"{program}::noted"
    run(["faults", target, "--resume", "kept.jsonl"])
    capsys.readouterr()
    assert refused(target, *arguments, capsys=capsys) == (
        f"auditor: `kept.jsonl` cannot be gone on with: {reason}; name a new file to begin anew,"
        " or remove it\n"
    )


def test_a_journal_of_code_that_changed_is_refused_with_the_file(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["faults", f"{program}::noted", "--resume", "kept.jsonl"])
    capsys.readouterr()
    with Path(program).open("a") as file:
        file.write("# changed\n")
    assert "`swept_notes.py` changed since it was begun; name a new file" in refused(
        f"{program}::noted", capsys=capsys
    )


@pytest.mark.parametrize(
    "content", ["my notes\n", "my notes", '{"a": 1}\n', "[]\n", "\x00\n", '{"journal": "x/1"}\n']
)
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(
    program: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("kept.jsonl").write_text(content)
    assert "cannot be gone on with: " in refused(f"{program}::noted", capsys=capsys)
    assert Path("kept.jsonl").read_text() == content


def test_a_journal_that_cannot_be_written_is_refused(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["faults", f"{program}::noted", "--resume", "absent/kept.jsonl"]) == 2
    assert capsys.readouterr().err == (
        "auditor: cannot write `absent/kept.jsonl`: No such file or directory\n"
    )
