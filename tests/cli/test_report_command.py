from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditor.model.span import Frame
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from auditor.runtime.store import folder_of, write

Run = Callable[..., Any]


def test_json_results_are_joined_and_equal_ones_shown_once(run: Run, folder: Path) -> None:
    run("scan", "bad.py", "--format", "json", "-o", "one.json")
    run("scan", "good.py", "--format", "json", "-o", "two.json")
    joined = run("report", "one.json", "two.json", "one.json")
    assert joined.returncode == 1
    assert joined.stdout.count("DBA101 ") == 2  # the finding and the summary


def test_codes_can_be_chosen_again(run: Run, folder: Path) -> None:
    run("scan", "bad.py", "--format", "json", "-o", "one.json")
    assert run("report", "one.json", "--ignore", "DBA1").returncode == 0


PROGRAM = """\
import sys
from sqlalchemy import create_engine, text

engine = create_engine("sqlite://")


def find(session, name):
    return session.execute(text(f"SELECT '{name}'"))


with engine.connect() as session:
    for name in sys.argv:
        find(session, name)
"""


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A program, and a tape of its statements beside it."""
    (tmp_path / "program.py").write_text(PROGRAM)
    frames = (Frame("program.py", 8, "find"), Frame("program.py", 13, "<module>"))
    entry = Entry(
        shape="SELECT ?",
        verb="SELECT",
        tables=(),
        site=Site(frames),
        cause=Cause(CauseKind.EXPLICIT),
        transaction="plain",
        database="sqlite",
        test="",
        executions=3,
        sent=3,
        rows=3,
        seconds=0.5,
    )
    write(Tape((entry,)), tmp_path / "it.tape")
    return tmp_path


def test_a_scan_and_a_tape_strengthen_each_other(run: Run, recorded: Path) -> None:
    run("scan", "program.py", "--select", "DBA101", "--format", "json", "-o", "scan.json")
    report = run("report", "scan.json", "it.tape", "--select", "DBA101", "--format", "json")
    (finding,) = json.loads(report.stdout)["findings"]
    seen = [one for one in finding["evidence"] if one["kind"] == "executions"]
    assert (finding["code"], finding["line"]) == ("DBA101", 8)
    assert [(one["shape"], one["executions"], one["rows"]) for one in seen] == [("SELECT ?", 3, 3)]


def test_the_parts_of_a_killed_recording_are_read(run: Run, recorded: Path) -> None:
    parts = folder_of(recorded / "it.tape")
    parts.mkdir()
    (recorded / "it.tape").rename(parts / "1-1.part")
    done = run("report", "it.tape")
    assert "recorded 3 statements, 3 rows" in done.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read `it`: No such file or directory"),
        (b"", "`it` is neither a tape nor JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{}", "`it` has the schema `None`; this version reads `auditor/report/1`"),
        (b"\xff\xfe\x00", "`it` is neither a tape nor JSON of ours"),
    ],
)
def test_what_is_no_result_ends_with_2(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "it").write_bytes(content)
    done = run("report", "it")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"auditor: {message}\n")


def test_an_sqlite_file_that_is_no_tape_ends_with_2(run: Run, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE it (id INTEGER)")
    connection.close()
    done = run("report", "other.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: ")
    assert "defect" not in done.stderr
