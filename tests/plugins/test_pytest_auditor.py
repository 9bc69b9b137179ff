from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from auditor.runtime.store import read

pytest_plugins = ["pytester"]

TESTS = """
    import pytest
    import sqlalchemy as sa

    @pytest.fixture
    def connection():
        engine = sa.create_engine("sqlite://")
        with engine.connect() as connection:
            yield connection
        engine.dispose()

    def select(connection, times):
        for number in range(times):
            connection.execute(sa.text("select 1")).all()

    def test_three(connection):
        select(connection, 3)

    @pytest.mark.parametrize("times", [1, 2])
    def test_budget(connection, queries, times):
        with queries.at_most(1):
            select(connection, times)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_CURRENT_TEST", raising=False)
    pytester.makepyfile(test_it=TESTS)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_a_budget_fails_with_the_statements_that_broke_it(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "2 statements were executed, wanted at most 1",
            "*2 x  test_it.py:13 in select: explicit:*",
        ]
    )
    result.stdout.no_fnmatch_line("*= auditor =*")
    assert not (suite.path / "auditor.tape").exists()


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_recorded_suite_has_the_same_outcomes_and_one_tape(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run(suite, "--auditor", *workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*= auditor =*", "6 statements from 1 line in *"])
    by_test = {each.test: each.executions for each in read(suite.path / "auditor.tape").entries}
    assert by_test == {
        "test_it.py::test_three": 3,
        "test_it.py::test_budget[1]": 1,
        "test_it.py::test_budget[2]": 2,
    }


def test_a_suite_without_statements_is_told_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    result = run(pytester, "--auditor")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["0 STATEMENTS SEEN*"])


def test_a_tape_that_would_overwrite_a_file_is_a_usage_error(suite: pytest.Pytester) -> None:
    (suite.path / "notes").write_text("mine")
    result = run(suite, "--auditor", "--auditor-tape", "notes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--auditor: `notes` exists and is not a tape*"])


def test_the_plugin_imports_nothing_of_ours_before_it_is_asked(tmp_path: Path) -> None:
    code = (
        "import pytest, sys; import pytest_auditor.plugin;"
        "print([name for name in sys.modules if name.split('.')[0] in ('auditor', 'sqlalchemy')])"
    )
    given = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert given.stdout == "[]\n"
