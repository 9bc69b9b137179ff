"""Suites under stestr with two workers: the fixture, files that all workers write, one report."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from auditor.runtime.store import read

HEAD = """
import unittest

import sqlalchemy as sa
import testtools

from unittest_auditor import QueryAssertions
from unittest_auditor.fixture import QueriesFixture

engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)

def select(times):
    with engine.connect() as connection:
        for number in range(times):
            connection.execute(sa.text("select 1")).all()

def tearDownModule():
    engine.dispose()

"""  # `execute` stands on line 14
LABELS = """
class TestLabels(QueryAssertions, testtools.TestCase):
    def test_list(self):
        with self.assertQuerySnapshot():
            select(2)

class TestRules(QueryAssertions, unittest.TestCase):
    def setUp(self):
        select(3)

    def test_list(self):
        with self.assertQuerySnapshot("first"):
            select(1)
        with self.assertQuerySnapshot("first"):
            select({rules})
"""
SNAPSHOTS = """\
# auditor/queries/1
# statements of blocks under `queries.snapshot()`, for review; `AUDITOR_UPDATE=1 stestr run` \
writes them

[TestLabels::test_list]
     2  SELECT ?

[TestRules::test_list / first]
     1  SELECT ?

[TestRules::test_list / first 2]
     1  SELECT ?
"""
BUDGETS = """\
# auditor/budgets/1
# statements of each test's own body, set-up left out; \
`AUDITOR_WRITE_BUDGETS=FILE stestr run` writes them

[test_it.TestLabels.test_list]
     2  select  in test_it.py select (explicit)

[test_it.TestRules.test_list]
     2  select  in test_it.py select (explicit)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / ".stestr.conf").write_text("[DEFAULT]\ntest_path=.\n")
    write(tmp_path, LABELS.format(rules=1))
    subprocess.run([stestr(), "init"], cwd=tmp_path, check=True)
    return tmp_path


def write(folder: Path, tests: str) -> None:
    (folder / "test_it.py").write_text(HEAD.lstrip() + textwrap.dedent(tests))


def stestr() -> str:
    return str(Path(sys.executable).with_name("stestr"))


def run(folder: Path, *recorded: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in {"CI", "BUILD_NUMBER"}}
    prefix = [sys.executable, "-m", "auditor", "record", *recorded, "--"] if recorded else []
    return subprocess.run(
        [*prefix, stestr(), "run", "--concurrency", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
    )


def told(given: subprocess.CompletedProcess[str]) -> list[str]:
    """What failed tests were told; stestr shows it when a test ends, and again at the end."""
    text = given.stdout.partition("output below:")[2]
    return re.findall(r"AssertionError: (.*?)\n\n", text, re.DOTALL)


@pytest.mark.slow  # five runs
def test_workers_write_one_file_of_snapshots_and_keep_to_it(suite: Path) -> None:
    kept = suite / "__queries__" / "test_it.txt"
    on_ci = run(suite, CI="true")
    assert on_ci.returncode == 1
    assert (
        "there is no snapshot `TestLabels::test_list` in __queries__/test_it.txt, and on CI none is"
        " written: run `AUDITOR_UPDATE=1 stestr run` and commit the file. The statements were\n"
        "     2  SELECT ?"
    ) in told(on_ci)
    assert not kept.exists()
    assert run(suite).returncode == 0
    assert kept.read_text() == SNAPSHOTS
    write(suite, LABELS.format(rules=2))
    changed = run(suite)
    assert told(changed) == [
        (
            "the statements are not those of the snapshot\n"
            "-     1  SELECT ?\n"
            "+     2  SELECT ?\n"
            "executed at\n"
            "       2 x  test_it.py:14 in select: explicit: SELECT ? (2 rows)\n"
            "snapshot `TestRules::test_list / first 2` in __queries__/test_it.txt; if this is"
            " right: AUDITOR_UPDATE=1 stestr run"
        )
    ]
    assert run(suite, AUDITOR_UPDATE="1").returncode == 0
    assert run(suite, CI="true").returncode == 0


def test_workers_write_one_file_of_budgets_and_a_test_that_does_more_fails(suite: Path) -> None:
    assert run(suite, AUDITOR_WRITE_BUDGETS="budgets.txt").returncode == 0
    assert (suite / "budgets.txt").read_text() == BUDGETS
    assert run(suite, AUDITOR_BUDGETS="budgets.txt").returncode == 0
    write(suite, LABELS.format(rules=4))
    worse = run(suite, AUDITOR_BUDGETS="budgets.txt", AUDITOR_UPDATE="1")
    assert told(worse) == [
        (
            "over the measured budget: select 2 -> 5 (budget select 2; now select 5)\n"
            "    +3  select  in test_it.py select (explicit): 2 before, 5 now"
        )
    ]


@pytest.mark.slow
def test_a_file_of_budgets_that_is_none_fails_every_test(suite: Path) -> None:
    (suite / "budgets.txt").write_text("ten\n")
    refused = told(run(suite, AUDITOR_BUDGETS="budgets.txt"))
    assert [text.replace(f"{suite}/", "") for text in refused] == [
        (
            "auditor: budgets.txt:1: `ten` is not the first line, `# auditor/budgets/1`;"
            " `AUDITOR_WRITE_BUDGETS=FILE stestr run` writes a new one"
        )
    ] * 2


FIXTURE = """
class TestIt(testtools.TestCase):
    def setUp(self):
        super().setUp()
        select(9)
        self.queries = self.useFixture(QueriesFixture(self, at_most=3, fail_on_findings=True))

    def test_right(self):
        with self.queries.count(2), self.queries.at_most(2):
            select(2)
        with self.queries.none():
            pass
        self.queries.constant(lambda n: select(40))

    def test_over(self):
        select(4)
"""


def test_the_fixture_begins_after_what_was_set_up_before_it(suite: Path) -> None:
    write(suite, FIXTURE)
    given = run(suite)
    assert re.findall(r" - (Passed|Failed): (\d+)", given.stdout) == [
        ("Passed", "1"),
        ("Failed", "1"),
    ]
    assert told(given) == [
        (
            "over `query_budget`: 4 statements were executed, wanted at most 3\n"
            "       4 x  test_it.py:14 in select: explicit: SELECT ? (4 rows)"
        )
    ]
    assert "\n\n1 finding in the body of this test\ntest_it.py:14:1 DBA301 " in given.stdout
    assert "Captured queries:\n~~~~~~~~~~~~~~~~~\n    4 statements, 4 rows fetched" in given.stdout


LOOP = """
class TestA(unittest.TestCase):
    def test_it(self):
        select(5)

class TestB(unittest.TestCase):
    def test_it(self):
        select(1)
"""


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param([], 0, marks=pytest.mark.slow),
        (["--fail"], 1),
        pytest.param(["--fail", "--baseline", "known.txt"], 0, marks=pytest.mark.slow),
    ],
)
def test_one_command_runs_the_workers_merges_and_reports(
    suite: Path, options: list[str], status: int
) -> None:
    write(suite, LOOP)
    (suite / "known.txt").write_text("# auditor/baseline/1\n")
    if "--baseline" in options:
        run(suite, "-o", "before.tape")
        report = [sys.executable, "-m", "auditor", "report", "before.tape"]
        subprocess.run(
            [*report, "--write-baseline", "known.txt"], cwd=suite, check=True, capture_output=True
        )
    given = run(suite, "--report", "found.sarif", "--report", "gitlab:found.json", *options)
    assert given.returncode == status
    tape = read(suite / "auditor.tape")
    assert {entry.test: entry.executions for entry in tape.entries} == {
        "test_it.TestA.test_it": 5,
        "test_it.TestB.test_it": 1,
    }
    findings = 0 if "--baseline" in options else 1
    assert (suite / "found.sarif").read_text().count('"ruleId": "DBA301"') == findings
    assert (suite / "found.json").read_text().count('"description": "DBA301 ') == findings
    noun = "finding" if findings == 1 else "findings"
    lines = given.stderr.splitlines()
    assert f"auditor: {findings} {noun} in what was recorded" in lines
    assert lines[-2:] == ["auditor: wrote `found.sarif`", "auditor: wrote `found.json`"]


def test_a_failed_run_keeps_its_status_and_has_its_report(suite: Path) -> None:
    write(suite, "class TestA(unittest.TestCase):\n    def test_it(self): raise SystemExit(3)\n")
    command = [sys.executable, "-m", "auditor", "record", "--fail", "--report", "r.txt", "--"]
    given = subprocess.run(
        [*command, sys.executable, "-c", "raise SystemExit(7)"], cwd=suite, check=False
    )
    assert given.returncode == 7
    assert (suite / "r.txt").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--report", "out.xyz"],
            (
                "auditor: --report `out.xyz` does not say its format: end the name in one of"
                " `.txt`, `.json`, `.sarif`, `.md`, `.xml`, `.html`, `.htm`, or write FORMAT:FILE,"
                " such as `gitlab:report.json`"
            ),
        ),
        (
            ["--report", "no/out.json"],
            "auditor: cannot write `no/out.json`: No such file or directory",
        ),
        (["--report", "json:."], "auditor: cannot write `.`: it is a folder"),
        (
            ["--baseline", "known.txt"],
            "auditor: `--baseline` needs `--report FILE` or `--fail`: nothing is judged",
        ),
    ],
)
def test_what_cannot_be_reported_is_refused_before_the_run(
    tmp_path: Path, options: list[str], message: str
) -> None:
    given = subprocess.run(
        [sys.executable, "-m", "auditor", "record", *options, "--", sys.executable, "-c", "1/0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (given.returncode, given.stderr) == (2, f"{message}\n")
