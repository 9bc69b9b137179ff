"""`auditor demo` tells the same story each time, and says what it misses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import auditor
from auditor.cli import demo, witnesses
from auditor.cli.main import run

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "demo.txt"


def printed(folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What the demo prints, run in a folder; it must end with status 0 and no complaint."""
    done = subprocess.run(
        [sys.executable, "-m", "auditor", "demo"],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_story_is_the_golden_one() -> None:
    """After a wanted change: `auditor demo > tests/cli/demo.txt`, and read the difference."""
    assert printed(ROOT, {"PYTHONHASHSEED": "7"}) == GOLDEN.read_text(encoding="utf-8")


def test_the_story_fits_on_a_page_of_eighty_lines() -> None:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 85
    assert [line for line in lines if len(line) > 100 or "\x1b" in line] == []


def test_commands_are_told_as_they_can_be_typed_where_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    typed = []
    for folder in (ROOT, ROOT / "tests"):
        monkeypatch.chdir(folder)
        typed.append(witnesses.as_typed(ROOT / "sample_schemas"))
    assert typed == ["sample_schemas", "../sample_schemas"]


def test_a_module_of_the_samples_name_in_the_working_directory_is_not_taken_for_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "metering.py").write_text("raise SystemExit('the wrong module')")
    told = printed(tmp_path, {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)})
    assert "2 + 6*labels + labels*routers" in told


def test_without_oslo_db_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "oslo_db" else find(name)
    )
    assert run(["demo"]) == 2
    assert capsys.readouterr().err == (
        "auditor: the demo runs a sample that needs oslo.db, not installed here;"
        " `pip install 'sqlalchemy-auditor[openstack]'` installs what it needs\n"
    )


def test_without_the_sample_it_says_where_it_looked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(auditor, "__file__", str(tmp_path / "auditor" / "__init__.py"))
    assert run(["demo"]) == 2
    assert capsys.readouterr().err == (
        "auditor: the demo's sample is not installed: there is no folder"
        " `auditor_samples/metering` beside the package; install sqlalchemy-auditor from its wheel,"
        " or run from a checkout\n"
    )


def test_an_option_it_does_not_have_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--format", "json"]) == 2
    assert capsys.readouterr().err == (
        "auditor: no such option `--format`; `auditor demo --help` lists what there is\n"
    )


@pytest.mark.parametrize(
    ("shipped_as", "found"), [("sample_schemas", True), ("auditor_samples", True), ("x", False)]
)
def test_the_sample_is_found_beside_the_package(
    shipped_as: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / shipped_as / "metering"
    folder.mkdir(parents=True)
    (folder / "scenarios.py").touch()
    monkeypatch.setattr(auditor, "__file__", str(tmp_path / "auditor" / "__init__.py"))
    if found:
        assert demo.sample_folder() == folder
    else:
        with pytest.raises(auditor.AuditorError):
            demo.sample_folder()
