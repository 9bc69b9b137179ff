from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

FOUND = "bad.py:5:28 DBA101 "


def test_findings_end_with_1_and_none_with_0(run: Run, folder: Path) -> None:
    bad, good = run("scan", "."), run("scan", "good.py")
    assert (bad.returncode, good.returncode) == (1, 0)
    assert bad.stdout.startswith(FOUND)
    assert good.stdout.splitlines()[0] == "no findings"
    assert (bad.stderr, good.stderr) == ("", "")


def test_exit_zero_hides_findings_but_not_failures(run: Run, folder: Path) -> None:
    assert run("scan", "--exit-zero", "bad.py").returncode == 0
    (folder / "broken.py").write_text("import sqlalchemy\ndef f(:\n")
    assert run("scan", "--exit-zero", ".").returncode == 2


def test_a_missing_path_ends_with_2(run: Run, folder: Path) -> None:
    done = run("scan", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: `nowhere` does not exist")


def test_a_notebook_is_refused_and_not_called_clean(run: Run, folder: Path) -> None:
    (folder / "it.ipynb").write_text('{"cells": []}')
    done = run("scan", "it.ipynb")
    assert (done.returncode, done.stderr) == (
        2,
        (
            "auditor: `it.ipynb` is a notebook, not Python source: `jupyter nbconvert --to script`"
            " writes the file to scan\n"
        ),
    )


def test_a_folder_without_python_ends_with_2(run: Run, tmp_path: Path) -> None:
    done = run("scan", ".")
    assert done.returncode == 2
    assert "problem: scan: no Python file was found (results are missing)" in done.stdout


def test_an_unknown_format_is_told_before_anything_is_written(run: Run, folder: Path) -> None:
    done = run("scan", ".", "--format", "yaml", "--write-baseline", "known.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: there is no format `yaml`; there are `text`, `json`,")
    assert not (folder / "known.txt").exists()


def test_output_goes_to_a_file_whole(run: Run, folder: Path) -> None:
    done = run("scan", ".", "--format", "json", "--output", "report.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert len(json.loads((folder / "report.json").read_text())["findings"]) == 1
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "bad.py",
        "good.py",
        "report.json",
    ]


def test_output_to_a_folder_that_is_not_there_ends_with_2(run: Run, folder: Path) -> None:
    done = run("scan", ".", "--output", "no/such/report.txt")
    assert done.returncode == 2
    assert done.stderr == "auditor: cannot write `no/such/report.txt`: No such file or directory\n"


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_can_be_named_and_is_not_replaced(
    run: Run, folder: Path, name: str
) -> None:
    assert run("scan", ".", "-q", "-o", name).stdout.startswith(FOUND)
    assert not (folder / "-").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_full_disk_ends_with_2(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "auditor", "scan", "--no-cache", "good.py"],
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    told = "auditor: cannot write to standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_two_runs_give_the_same_bytes(run: Run, folder: Path) -> None:
    cold, warm = run("scan", ".", "--format", "json"), run("scan", ".", "--format", "json")
    assert cold.stdout == warm.stdout


def test_a_written_baseline_hides_what_is_known(run: Run, folder: Path) -> None:
    wrote = run("scan", ".", "--write-baseline", "known.txt")
    assert (wrote.returncode, wrote.stderr) == (0, "auditor: wrote 1 finding to `known.txt`\n")
    again = run("scan", ".", "--baseline", "known.txt")
    assert again.returncode == 0
    assert "not shown: 1 in the baseline" in again.stdout
    (folder / "bad.py").write_text("import sqlalchemy\n")
    gone = run("scan", ".", "--baseline", "known.txt")
    assert gone.returncode == 0
    assert "problem: known.txt:3: DBA101 in `bad.py` was not found any more" in gone.stdout


@pytest.mark.parametrize("arguments", [("good.py",), (".", "--ignore", "DBA1")])
def test_a_known_finding_that_could_not_be_found_again_is_not_stale(
    run: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    run("scan", ".", "--write-baseline", "known.txt")
    assert "problem" not in run("scan", *arguments, "--baseline", "known.txt").stdout


def test_a_known_finding_of_a_deleted_file_is_stale(run: Run, folder: Path) -> None:
    run("scan", ".", "--write-baseline", "known.txt")
    (folder / "bad.py").unlink()
    assert "known.txt:3: DBA101" in run("scan", ".", "--baseline", "known.txt").stdout


def test_a_baseline_counts_in_a_folder_inside_and_judges_only_what_was_scanned_there(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folder / "inside"
    inside.mkdir()
    (folder / "bad.py").rename(inside / "bad.py")
    (inside / "other.py").write_text((inside / "bad.py").read_text())
    run("scan", ".", "--write-baseline", "known.txt")
    monkeypatch.chdir(inside)
    done = run("scan", "bad.py", "--baseline", "../known.txt")
    assert (done.returncode, "problem" in done.stdout) == (0, False)
    assert "not shown: 1 in the baseline" in done.stdout


def test_a_baseline_can_be_written_anew_over_the_one_that_hides(run: Run, folder: Path) -> None:
    run("scan", ".", "--write-baseline", "known.txt")
    before = (folder / "known.txt").read_text()
    run("scan", ".", "--baseline", "known.txt", "--write-baseline", "known.txt")
    assert (folder / "known.txt").read_text() == before


def test_a_half_written_baseline_ends_with_2(run: Run, folder: Path) -> None:
    run("scan", ".", "--write-baseline", "known.txt")
    known = folder / "known.txt"
    known.write_text(known.read_text()[:-5])
    done = run("scan", ".", "--baseline", "known.txt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: known.txt:3: the file ends in the middle of a line")


def test_settings_come_from_the_nearest_file_and_the_command_line_outranks_them(
    run: Run, folder: Path
) -> None:
    (folder / "pyproject.toml").write_text('[tool.auditor]\nignore = ["DBA1"]\n')
    assert run("scan", ".").returncode == 0
    assert run("scan", ".", "--select", "DBA101").returncode == 1
    (folder / "other.ini").write_text("[auditor]\nselect = DBA1\n")
    assert run("scan", ".", "--config", "other.ini").returncode == 1


def test_a_bad_setting_ends_with_2_and_its_line(run: Run, folder: Path) -> None:
    (folder / "tox.ini").write_text("[auditor]\n\nconfidence = sure\n")
    done = run("scan", ".")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"auditor: {folder / 'tox.ini'}:3: `confidence` is `'sure'`; it must be one of `high`,"
        " `medium`, `low`\n"
    )


def test_a_selected_code_that_is_none_ends_with_2(run: Run, folder: Path) -> None:
    done = run("scan", ".", "--select", "dba777,DBA1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: `select` has `DBA777`, and no rule has such a code")


def test_an_installed_package_is_found_by_name_and_not_imported(
    run_alone: Run, tmp_path: Path
) -> None:
    package = tmp_path / "site" / "wired"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import sqlalchemy\nraise SystemExit('imported')\n")
    done = run_alone("scan", "--package", "wired", PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no findings\nlooked at 1 file, ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package", "has no package of this name installed"),
        ("os.path", "give the name of a top-level package, as imported"),
        ("sys", "it is not Python source but built-in"),
    ],
)
def test_a_package_that_cannot_be_scanned_ends_with_2(
    run: Run, tmp_path: Path, name: str, message: str
) -> None:
    done = run("scan", "--package", name)
    assert (done.returncode, message in done.stderr) == (2, True)


def test_a_reader_that_goes_away_is_no_error(run: Run, folder: Path) -> None:
    (folder / "many.py").write_text(
        "from sqlalchemy import text\n\n\ndef find(session, name):\n"
        + "    session.execute(text(f'SELECT {name}'))\n" * 3000
    )
    command = f"{sys.executable} -m auditor scan --no-cache . | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, len(done.stdout.splitlines()), done.stderr) == (1, 1, "")


def test_odd_file_names_are_written_somehow(run: Run, folder: Path) -> None:
    (folder / "od\udcffd.py").write_text((folder / "bad.py").read_text())
    done = run("scan", ".", "--format", "json")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["findings"]) == 2
