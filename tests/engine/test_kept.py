"""Kept reports: the same bytes cold and warm, and never a report of something else."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.engine import kept, scan
from auditor.engine.scanning import NO_CACHE
from auditor.model.finding import Problem
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.report.json import render
from auditor.source.discover import discover

BAD = """\
from sqlalchemy import text


def find(session, name):
    session.execute(text(f"SELECT {name}"))
"""
SOURCES = {"bad.py": BAD, "broken.py": "import sqlalchemy\n)", "plain.py": "x = 1\n"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, source in SOURCES.items():
        (tmp_path / name).write_text(source)
    monkeypatch.chdir(tmp_path)
    return Settings(cache_dir=str(tmp_path / ".cache"), jobs=1)


def entries() -> list[Path]:
    return sorted(Path(".cache/reports").glob("*"))


def fresh(settings: Settings) -> str:
    return render(scan(["."], replace(settings, cache_dir=NO_CACHE)))


def test_a_report_is_the_same_bytes_without_cache_cold_and_warm(settings: Settings) -> None:
    cold = scan(["."], settings)
    (entry,) = entries()
    warm = scan(["."], settings)
    assert render(cold) == render(warm) == fresh(settings)
    assert warm == replace(cold, counted=warm.counted)
    assert [entry] == entries()


def test_what_is_kept_is_used(settings: Settings) -> None:
    scan(["."], settings)
    other = Report(problems=(Problem("kept", "it is"),))
    kept.store(Path(".cache"), kept.key_of(discover(["."]), settings), other)
    assert scan(["."], settings) == other


@pytest.mark.parametrize("name", ["bad.py", "broken.py", "plain.py", "new.py"])
def test_a_changed_file_is_scanned_again(settings: Settings, name: str) -> None:
    scan(["."], settings)
    before = os.stat("bad.py")
    Path(name).write_text(BAD.replace("name", "mark"))
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert render(scan(["."], settings)) == fresh(settings)


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: replace(settings, ignore=("DBA1",)),
        lambda settings: replace(settings, tests=True),
        lambda settings: replace(settings, exclude=("bad*",)),
    ],
)
def test_other_settings_are_another_report(
    settings: Settings, change: Callable[[Settings], Settings]
) -> None:
    Path("test_it.py").write_text(BAD)
    scan(["."], settings)
    other = change(settings)
    assert render(scan(["."], other)) == fresh(other)
    assert len(entries()) == 2


def test_another_version_of_the_tool_scans_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(["."], settings)
    monkeypatch.setattr(kept, "_code_version", lambda: "another")
    scan(["."], settings)
    assert len(entries()) == 2


@pytest.mark.parametrize(
    "content", [b"", b"garbage", pickle.dumps(os.getcwd), pickle.dumps(("a", 1))]
)
def test_a_broken_or_foreign_entry_is_read_past(settings: Settings, content: bytes) -> None:
    scan(["."], settings)
    (entry,) = entries()
    entry.write_bytes(content)
    assert render(scan(["."], settings)) == fresh(settings)


def test_an_entry_cannot_run_code(settings: Settings) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch ran",)

    scan(["."], settings)
    (entry,) = entries()
    entry.write_bytes(pickle.dumps(Evil()))
    scan(["."], settings)
    assert not Path("ran").exists()


def test_the_oldest_reports_go(settings: Settings) -> None:
    for number in range(40):
        kept.store(Path(".cache"), f"{number:064}", Report())
    assert len(entries()) == 32


def test_a_report_that_a_failed_rule_left_incomplete_is_not_repeatable(settings: Settings) -> None:
    found = discover(["."])
    of_a_file = Report(problems=(Problem("broken.py", "not parsed", hides_results=True),))
    of_a_rule = Report(problems=(Problem("rule DBA101 x", "failed", hides_results=True),))
    assert kept.is_repeatable(of_a_file, found)
    assert not kept.is_repeatable(of_a_rule, found)
