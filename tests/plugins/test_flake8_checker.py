from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from auditor import registry
from auditor.model.finding import Confidence, Severity
from auditor.registry import Catalogue
from auditor.rule import Hits, OnModule, Rule
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project
from flake8_auditor import plugin
from flake8_auditor.plugin import Checker

BAD = """\
from sqlalchemy import text


def find(session, name):
    return session.execute(text(f"SELECT id FROM users WHERE name = '{name}'"))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    plugin._setup.cache_clear()
    return tmp_path


def said(source: str) -> list[tuple[int, int, str]]:
    checker = Checker(ast.parse("pass"), "./it.py", source.splitlines(keepends=True))
    return [(line, column, text[:6]) for line, column, text, _ in checker.run()]


def test_a_finding_has_its_line_and_column_from_nought() -> None:
    assert said(BAD) == [(5, 27, "DBA101")]


def test_suppression_comments_and_settings_count(folder: Path) -> None:
    assert said(BAD.rstrip() + "  # auditor: ignore[DBA101] a name from an enum\n") == []
    (folder / "tox.ini").write_text("[auditor]\nignore = DBA1\n")
    plugin._setup.cache_clear()
    assert said(BAD) == []


def test_a_file_that_does_not_parse_is_left_to_flake8() -> None:
    assert said("def f(:\n") == []


def test_a_crashed_rule_is_said_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(project: Project, module: ModuleFacts) -> Hits:
        raise KeyError("x")

    rule = Rule(
        code="DBA900",
        name="crashing",
        since="",
        severity=Severity.NOTE,
        confidence=Confidence.HIGH,
        message="",
        why="",
        instead="",
        checks=(OnModule(crash),),
        bad=(),
        good=(),
    )
    monkeypatch.setattr(registry, "catalogue", lambda: Catalogue((rule,)))
    assert said("x = 1\n") == [(1, 0, "DBA000")]


def test_flake8_itself_finds_the_checker(folder: Path) -> None:
    (folder / "it.py").write_text(BAD + "\n\nFINE = text(f'{1}')  # noqa: DBA101\n")
    stubs = folder / "stubs"
    if find_spec("hacking") is None:  # neutron-lib's own plug-in for flake8 needs it to load
        (stubs / "hacking").mkdir(parents=True)
        (stubs / "hacking" / "__init__.py").write_text("")
        (stubs / "hacking" / "core.py").write_text("def __getattr__(name): return lambda f: f\n")
    done = subprocess.run(
        [sys.executable, "-m", "flake8", "--isolated", "--select=DBA", "it.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(stubs)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert [line.split(" ")[:2] for line in done.stdout.splitlines()] == [["it.py:5:28:", "DBA101"]]
