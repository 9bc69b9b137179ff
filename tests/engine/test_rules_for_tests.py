"""Which rules speak about files of tests, when a scan takes them in."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor import registry
from auditor.engine.context import judged, linked
from auditor.engine.scanning import scan
from auditor.model.settings import Settings
from auditor.source.discover import discover
from auditor.source.parse import parse_module

PROGRAM = """\
import sqlalchemy
def labels(session, keys):
    for key in keys:
        session.query(Label).filter(Label.id == key).all()


def insert(session, name):
    session.execute("INSERT INTO labels (name) VALUES ('" + name + "')")
"""
"""A query in a loop on line 4, and plain SQL on line 8."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with the same program in a module and in a test."""
    monkeypatch.chdir(tmp_path)
    for name in ("shop/__init__.py", "shop/tests/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("shop/labels.py", "shop/tests/test_labels.py"):
        (tmp_path / name).write_text(PROGRAM)
    return tmp_path / "shop"


def found(path: Path, *, tests: bool) -> list[tuple[str, int, str]]:
    settings = Settings(tests=tests, cache_dir="-")
    return [(f.span.path, f.span.line, f.code) for f in scan([path], settings).findings]


def test_a_test_is_judged_by_rules_about_tests_only(package: Path) -> None:
    program = found(package, tests=False)
    assert {(line, code) for _, line, code in program} >= {(4, "DBA301"), (8, "DBA103")}
    tests = [f for f in found(package, tests=True) if f not in program]
    assert tests == [("shop/tests/test_labels.py", 8, "DBA101"),
                     ("shop/tests/test_labels.py", 8, "DBA103")]  # fmt: skip


def test_a_test_that_is_named_itself_is_judged_by_all_rules(package: Path) -> None:
    named = found(package / "tests" / "test_labels.py", tests=False)
    assert (4, "DBA301") in {(line, code) for _, line, code in named}


def test_a_test_that_is_named_beside_its_folder_counts_as_named(package: Path) -> None:
    test = package / "tests" / "test_labels.py"
    for roots in ([test, package], [package, test]):
        files = discover(roots, tests=True).files
        assert [f.path for f in files if f.is_test] == ["shop/tests/__init__.py"]


def test_a_review_of_tests_follows_what_they_do(package: Path) -> None:
    settings = Settings(tests=True, cache_dir="-")
    report = judged(linked([package / "tests"], settings), settings, registry.catalogue())
    told = {(f.span.path, f.span.line, f.code) for f in report.findings}
    assert ("shop/tests/test_labels.py", 4, "DBA301") in told


def test_functions_of_tests_without_a_word_of_databases_are_not_looked_into() -> None:
    source = b"""\
def check(self):
    self.assertEqual(1, one())


def load(session):
    session.query(Label).all()
"""
    for is_test, events in ((False, [True, True]), (True, [False, True])):
        facts = parse_module("test_a.py", "test_a", source, is_test=is_test)
        assert [bool(f.events) for f in facts.functions[:-1]] == events
