from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest


def test_passing():
    pass


@pytest.mark.skip(reason="not here")
def test_skipped():
    pass
"""
UNIT = """
import unittest


class Case(unittest.TestCase):
    def test_passing(self):
        pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "test_broken.py").write_text("def test_a(:\n")
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "__init__.py").touch()
    (tmp_path / "unit" / "test_labels.py").write_text(UNIT)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def refusal(project: Path, *arguments: str) -> str:
    run = subprocess.run(
        (sys.executable, "-m", "auditor", "faults", *arguments),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    return run.stderr.strip()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "pytest:test_app.py::test_none",
            (
                "`pytest:test_app.py::test_none` cannot be collected: not found:"
                " FOLDER/test_app.py::test_none"
            ),
        ),
        (
            "pytest:test_broken.py",
            "`pytest:test_broken.py` cannot be collected: SyntaxError: invalid syntax",
        ),
        (
            "pytest:",
            (
                "`pytest:` names no test: write `pytest:tests/test_labels.py::test_delete`, a"
                " file, a class or a folder"
            ),
        ),
        (
            "pytest:test_app.py::test_skipped",
            (
                "test `test_app.py::test_skipped` does not pass without a fault: it is"
                " skipped: not here"
            ),
        ),
        (
            "stestr:unit.test_labels.Case.test_none",
            (
                "`stestr:unit.test_labels.Case.test_none` names no test: ids read"
                " `package.module.Class.test_method`, and the beginning of one selects all that"
                " go on from there"
            ),
        ),
        (
            "unittest:nowhere.test_a",
            (
                "`nowhere.test_a`: there is no module `nowhere` below `FOLDER_NAME`, nor one"
                " that is installed"
            ),
        ),
    ],
)
def test_what_names_no_test_is_refused(project: Path, target: str, message: str) -> None:
    said = refusal(project, target).replace(str(project), "FOLDER")
    assert said.replace(project.name, "FOLDER_NAME").startswith(f"auditor: {message}")


def test_a_database_cannot_be_chosen_for_a_test(project: Path) -> None:
    assert refusal(project, "pytest:test_app.py", "--db", "sqlite://") == (
        "auditor: `pytest:test_app.py` is a test, which makes its database itself: leave `--db`"
        " out, or name the database as the test's project does"
    )


def test_a_second_session_cannot_be_opened_on_the_database_of_a_test(project: Path) -> None:
    assert refusal(project, "pytest:test_app.py::test_passing", "--fault", "vanished") == (
        "auditor: the fault `vanished` needs a database that a second session can be opened on,"
        " and a test has its own: write a scenario for it"
    )
