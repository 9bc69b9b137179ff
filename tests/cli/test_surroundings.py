"""What surrounds the program: streams that are closed, a working directory that is gone, and
options that are refused before the work instead of after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auditor.cli.faults import replayed_as

SCENARIO = """
from auditor import scenario

@scenario(sizes={"rows": (1, 2)})
def never_run(database, rows):
    open("ran", "w").close()
    return lambda: None
"""


def in_shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    program = f"'{sys.executable}' -m auditor"
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("auditor", program, 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_closed_standard_output_is_said(folder: Path) -> None:
    done = in_shell(folder, "auditor scan --no-cache good.py >&-")
    told = "auditor: cannot write to standard output: it is closed; name a file with `--output`\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_closed_standard_error_changes_nothing(folder: Path) -> None:
    done = in_shell(folder, "auditor scan --no-cache -q bad.py 2>&-")
    assert (done.returncode, done.stdout.split(" ")[1]) == (1, "DBA101")


@pytest.mark.parametrize("command", ["scan --no-cache x.py", "record -- true", "report x.json"])
def test_a_working_directory_that_is_gone_ends_with_2(tmp_path: Path, command: str) -> None:
    (tmp_path / "gone").mkdir()
    done = in_shell(tmp_path, f"cd gone; rmdir ../gone; auditor {command}")
    told = (
        "auditor: the working directory is not there any more: change to one that is, and run the"
        " command again\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--format", "yaml"), "there is no format `yaml`"),
        (("-o", "no/such.txt"), "cannot write `no/such.txt`: No such file or directory"),
        (("-o", "file/x.txt"), "cannot write `file/x.txt`: Not a directory"),
        (("--write-baseline", "no/such"), "cannot write `no/such`: No such file or directory"),
        (("--baseline", "absent"), "cannot read the baseline `absent`: No such file or directory"),
    ],
)
def test_what_cannot_be_delivered_is_said_before_the_work(
    tmp_path: Path, run: object, option: tuple[str, ...], message: str
) -> None:
    (tmp_path / "s.py").write_text(SCENARIO)
    (tmp_path / "file").write_text("")
    done = run("profile", "s.py", *option)  # type: ignore[operator]
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"auditor: {message}")
    assert not (tmp_path / "ran").exists()


def test_a_replay_names_its_file_as_seen_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert replayed_as(f"{tmp_path}/inner/s.py", "one") == "s.py::one"
    assert replayed_as("./s.py", "one") == "s.py::one"
    assert replayed_as(f"{tmp_path}/s.py::one", "one") == f"{tmp_path}/s.py::one"


@pytest.mark.parametrize("module", ["click", "sqlparse", "tomllib"])
def test_a_module_of_the_user_does_not_take_the_place_of_ours(folder: Path, module: str) -> None:
    (folder / f"{module}.py").write_text("raise SystemExit('the module of the user ran')\n")
    done = in_shell(folder, "auditor scan --no-cache -q .")
    assert (done.returncode, done.stdout.split(" ")[1], done.stderr) == (1, "DBA101", "")
