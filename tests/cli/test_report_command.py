from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    import sqlite3

    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE it (id INTEGER)")
    connection.close()
    done = run("report", "other.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: ")
    assert "defect" not in done.stderr
