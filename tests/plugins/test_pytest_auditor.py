from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from auditor.runtime.store import read

pytest_plugins = ["pytester"]

ALONE_AND_PARALLEL = [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)]

TESTS = """
    import pytest
    import app

    def test_listing(session):
        app.listing(session)

    @pytest.mark.parametrize("times", [1, 2])
    def test_count(session, queries, times):
        with queries.at_most(1):
            for _ in range(times):
                app.count(session)
"""
FINDING = (
    "app.py:31:1 DBA302 `Label.rules` is loaded *row by row: executed 3 times in"
    " one transaction*add `.options(selectinload(Label.rules))` to the query at app.py:30*"
)
ALL_ROUND = """
    import unittest
    import pytest
    import app

    @pytest.fixture
    def listed(session):
        app.listing(session)

    @pytest.fixture(scope="module", params=["a", "b"])
    def letter(request):
        return request.param

    def test_fixture_only(listed):
        pass

    def test_parametrised(session, letter):
        if letter == "b":
            app.listing(session)

    class TestClass:
        def test_method(self, session):
            app.count(session)

    class TestCase(unittest.TestCase):
        def test_case(self):
            self.assertTrue(True)

    @pytest.mark.xfail(strict=True)
    def test_passes_unexpectedly(session):
        app.listing(session)

    @pytest.mark.xfail
    def test_fails_as_expected(session):
        app.listing(session)
        assert False

    def test_skipped(session):
        app.listing(session)
        pytest.skip("later")

    @pytest.mark.allow_queries(reason="lists all once")
    def test_excused(session):
        app.listing(session)
"""


@pytest.fixture
def suite(project: pytest.Pytester) -> pytest.Pytester:
    project.makepyfile(test_it=TESTS)
    return project


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    found = result.parseoutcomes()
    return {name: found[name] for name in sorted(found)}


@pytest.mark.parametrize("workers", ALONE_AND_PARALLEL)
def test_a_recorded_suite_has_the_same_outcomes_and_one_tape(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run(suite, "--auditor", *workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*= auditor =*",
            "31 statements from 7 lines in *",
            "by phase: 24 in set-up, 7 in tests, 0 in tear-down",
            "*3 x  app.py:31 in listing: lazy load Label.rules:*",
            "* in the bodies of tests",
            FINDING,
            "next: auditor report auditor.tape",
        ]
    )
    tape = read(suite.path / "auditor.tape")
    assert tape.statements == 31
    by_test: dict[str, int] = {}
    for entry in tape.entries:
        if entry.verb == "SELECT":
            by_test[entry.test] = by_test.get(entry.test, 0) + entry.executions
    assert by_test == {
        "test_it.py::test_count[1]": 1,
        "test_it.py::test_count[2]": 2,
        "test_it.py::test_listing": 4,
    }
    assert [p.name for p in suite.path.iterdir() if "auditor.tape" in p.name] == ["auditor.tape"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_fail_fails_the_tests_whose_bodies_have_findings_and_no_others(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    project.makepyfile(test_it=ALL_ROUND)
    result = run(project, "--auditor-fail", "-rA", *workers)
    assert outcomes(result) == {"failed": 2, "passed": 5, "skipped": 1, "xfailed": 1}
    result.stdout.fnmatch_lines(
        [
            "1 finding in the body of this test (--auditor-fail)",
            FINDING,
            "    or, if it is meant: `# auditor: ignore[[]DBA302] REASON` at app.py:31",
        ]
    )
    failed = [line.split(" - ")[0] for line in result.outlines if line.startswith("FAILED")]
    assert sorted(failed) == [
        "FAILED test_it.py::test_parametrised[b]",
        "FAILED test_it.py::test_passes_unexpectedly",
    ]
    result.stdout.fnmatch_lines(
        ["1 test: excused by `allow_queries`", "    test_it.py::test_excused: lists all once"]
    )


def test_without_fail_no_outcome_changes(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=ALL_ROUND)
    bare, recorded = run(project), run(project, "--auditor")
    assert outcomes(recorded) == outcomes(bare)


def test_what_is_suppressed_known_or_not_selected_fails_nothing(suite: pytest.Pytester) -> None:
    app = suite.path / "app.py"
    source = app.read_text()
    line = "found.append((label.name, len(label.rules)))"
    app.write_text(source.replace(line, f"{line}  # auditor: ignore[DBA302] three at most"))
    fail = ("--auditor-fail", "-k", "listing")
    run(suite, *fail).assert_outcomes(passed=1, deselected=2)
    app.write_text(source)
    run(suite, *fail).assert_outcomes(failed=1, deselected=2)
    (suite.path / "known").write_text(
        "# auditor/baseline/1\n0123456789abcdef  DBA302  app.py  listing  known\n"
    )
    run(suite, *fail, "--auditor-baseline", "known").assert_outcomes(passed=1, deselected=2)
    suite.makepyprojecttoml("[tool.auditor]\nignore = ['DBA302']\n")
    run(suite, *fail).assert_outcomes(passed=1, deselected=2)


def test_reports_are_written_in_the_format_of_their_names(suite: pytest.Pytester) -> None:
    names = ("out.sarif", "out.xml", "out.json", "gitlab:quality", "out.md", "out.txt")
    asked = [f"--auditor-report={name}" for name in names]
    result = run(suite, *asked)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["wrote out.sarif", "wrote out.xml", "wrote quality"])
    written = json.loads((suite.path / "out.json").read_text())
    assert "DBA302" in [finding["code"] for finding in written["findings"]]
    assert written["counted"]["statements"] == 31
    sarif = json.loads((suite.path / "out.sarif").read_text())
    assert sarif["version"] == "2.1.0"
    assert ET.parse(suite.path / "out.xml").getroot().tag == "testsuites"
    assert json.loads((suite.path / "quality").read_text())[0]["check_name"] == "lazy-load-in-loop"
    assert (suite.path / "out.md").read_text().startswith("# Database audit\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--auditor-report", "out"), "*`out` does not say its format: end the name in one of*"),
        (("--auditor-report", "pdf:out.pdf"), "*`pdf:out.pdf` does not say its format*"),
        (
            ("--auditor-report", "no/out.json"),
            "*cannot write `*no/out.json`: No such file or directory",
        ),
        (
            ("--auditor", "--auditor-baseline", "none"),
            "*cannot read the baseline `*none`: No such file*",
        ),
        (("--auditor", "--auditor-tape", "notes"), "*`notes` exists and is not a tape*"),
    ],
)
def test_an_option_that_cannot_be_used_ends_the_run_before_it_begins(
    suite: pytest.Pytester, arguments: tuple[str, ...], said: str
) -> None:
    (suite.path / "notes").write_text("mine")
    result = run(suite, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--auditor: {said}"])
    assert (suite.path / "notes").read_text() == "mine"


def test_a_setting_that_cannot_be_used_ends_the_run(suite: pytest.Pytester) -> None:
    suite.makepyprojecttoml("[tool.auditor]\nconfidence = 'hihg'\n")
    result = run(suite, "--auditor")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--auditor: *`confidence` is `'hihg'`*"])


def test_a_suite_without_statements_is_told_so(project: pytest.Pytester) -> None:
    project.makepyfile("def test_nothing(): pass")
    result = run(project, "--auditor")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["0 STATEMENTS SEEN*"])


def test_a_failure_of_ours_is_a_warning_and_no_outcome(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("our mistake")

    monkeypatch.setattr("pytest_auditor.bodies.judge", broken)
    result = run(suite, "--auditor-fail", "-W", "error")
    result.assert_outcomes(passed=2, failed=1, warnings=2)
    result.stdout.fnmatch_lines(
        [
            "*AuditorWarning: auditor: a test was not judged: RuntimeError: our mistake",
            "the tape was not judged: RuntimeError: our mistake",
        ]
    )


def test_the_first_finding_ends_a_run_that_stops_at_the_first_failure(
    suite: pytest.Pytester,
) -> None:
    result = run(suite, "--auditor-fail", "-x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([FINDING, "* 1 failed*"])


def test_a_run_that_is_interrupted_still_says_what_it_saw(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_z="def test_end(): raise KeyboardInterrupt")
    result = suite.runpytest_subprocess("-p", "no:cacheprovider", "--auditor")
    result.stdout.fnmatch_lines(["31 statements from 7 lines in 1 process*", FINDING])
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.slow
def test_a_worker_that_dies_takes_only_its_own_last_test_along(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it="import os\nimport app\n\ndef test_dies(session):\n    os._exit(3)\n"
        "\ndef test_listing(session):\n    app.listing(session)\n"
    )
    result = run(suite, "--auditor-fail", "-n", "1")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*worker*crashed while running *test_dies*", FINDING])


def test_listing_the_tests_writes_nothing(suite: pytest.Pytester) -> None:
    result = run(suite, "--auditor", "--auditor-write-budgets", "b.txt", "--collect-only", "-q")
    result.stdout.no_fnmatch_line("*= auditor =*")
    assert not [name for name in os.listdir(suite.path) if name in {"auditor.tape", "b.txt"}]


def test_the_plugin_imports_nothing_of_ours_before_it_is_asked(tmp_path: Path) -> None:
    code = (
        "import pytest, sys; import pytest_auditor.plugin;"
        "print([name for name in sys.modules if name.split('.')[0] in ('auditor', 'sqlalchemy')])"
    )
    given = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert given.stdout == "[]\n"
