from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ALONE_AND_PARALLEL = [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)]

TESTS = """
    import app, pytest

    def test_listing(session):
        app.listing(session)

    @pytest.mark.parametrize("times", [0, 2])
    def test_count(session, times):
        for _ in range(times):
            app.count(session)
"""
HEAD = """# auditor/budgets/1
# statements of each test's own body, set-up left out; `pytest --auditor-write-budgets b.txt`\
 writes them
"""
LISTING = """
[test_it.py::test_listing]
     1  select label  in app.py listing (explicit)
     3  select rule  in app.py listing (lazy load Label.rules)
"""
MEASURED = f"""{HEAD}
[test_it.py::test_count[0]]

[test_it.py::test_count[2]]
     2  select label  in app.py count (explicit)
{LISTING}"""


@pytest.fixture
def suite(project: pytest.Pytester) -> pytest.Pytester:
    project.makepyfile(test_it=TESTS)
    return project


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


@pytest.mark.parametrize("workers", ALONE_AND_PARALLEL)
def test_measured_budgets_hold_from_then_on(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    run(suite, "--auditor-write-budgets", "b.txt", *workers).assert_outcomes(passed=3)
    budgets = suite.path / "b.txt"
    assert budgets.read_text() == MEASURED
    budgets.write_text(MEASURED.replace("     3  select rule", "     1  select rule"))
    result = run(suite, "--auditor-budgets", "b.txt", *workers)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "over the measured budget: select 2 -> 4 (budget select 2; now select 4)",
            "    +2  select rule  in app.py listing (lazy load Label.rules): 1 before, 3 now",
            "FAILED test_it.py::test_listing - Failed: over the measured budget: *",
        ]
    )


def test_a_run_of_some_tests_keeps_the_entries_of_the_others(suite: pytest.Pytester) -> None:
    budgets = suite.path / "b.txt"
    budgets.write_text(f"{HEAD}\n[other.py::test_other]\n     7  select x  in y z (explicit)\n")
    run(suite, "--auditor-write-budgets", "b.txt", "-k", "listing").assert_outcomes(
        passed=1, deselected=2
    )
    assert budgets.read_text() == (
        f"{HEAD}\n[other.py::test_other]\n     7  select x  in y z (explicit)\n{LISTING}"
    )


def test_a_failing_test_keeps_its_entry(suite: pytest.Pytester) -> None:
    budgets = suite.path / "b.txt"
    budgets.write_text(MEASURED)
    suite.makepyfile(test_it=TESTS.replace("app.count(session)", "assert not app.count(session)"))
    run(suite, "--auditor-write-budgets", "b.txt").assert_outcomes(passed=2, failed=1)
    assert budgets.read_text() == MEASURED


def test_improvements_and_tests_without_a_budget_are_told_and_fail_nothing(
    suite: pytest.Pytester,
) -> None:
    (suite.path / "b.txt").write_text(
        f"{HEAD}\n[test_it.py::test_listing]\n     9  select label  in old.py gone (explicit)\n"
    )
    result = run(suite, "--auditor-budgets", "b.txt")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "1 test: fewer statements than their budget",
            "    test_it.py::test_listing: select 9 -> 4",
            "1 test: no budget yet: --auditor-write-budgets FILE adds them",
            "    test_it.py::test_count?2?: select 2",
        ]
    )


def test_fixtures_and_set_up_of_test_cases_are_no_part_of_a_budget(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_it="""
        import unittest
        import pytest
        import sqlalchemy as sa
        from sqlalchemy.orm import Session
        import app

        @pytest.fixture(autouse=True)
        def slow(session):
            app.listing(session)
            yield
            app.listing(session)

        class TestCase(unittest.TestCase):
            def setUp(self):
                self.engine = sa.create_engine("sqlite://")
                app.Base.metadata.create_all(self.engine)
                self.session = Session(self.engine)
                app.fill(self.session, 5)

            def tearDown(self):
                app.count(self.session)
                self.session.close()
                self.engine.dispose()

            def test_method(self):
                app.count(self.session)
        """
    )
    result = run(project, "--auditor-write-budgets", "b.txt")
    result.assert_outcomes(passed=1)
    assert (project.path / "b.txt").read_text() == (
        f"{HEAD}\n[test_it.py::TestCase::test_method]\n"
        "     1  select label  in app.py count (explicit)\n"
    )
    result.stdout.fnmatch_lines(["by phase: * in set-up, 1 in tests, 4 in tear-down, * elsewhere"])


def test_what_scaling_measures_is_no_part_of_a_budget(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app

        def test_scaling(session, scaling):
            app.count(session)
            scaling.constant(lambda n: app.count(session))
        """
    )
    run(project, "--auditor-write-budgets", "b.txt").assert_outcomes(passed=1)
    assert (
        "     1  select label  in app.py count (explicit)\n" in (project.path / "b.txt").read_text()
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "--auditor: cannot read `*b.txt`: No such file or directory; *"),
        ("", "--auditor: *b.txt:1: an empty file is not the first line, `# auditor/budgets/1`; *"),
        (f"{HEAD}oops\n", "--auditor: *b.txt:3: `oops` is neither*"),
    ],
)
def test_a_budget_file_that_cannot_be_used_ends_the_run_before_it_begins(
    suite: pytest.Pytester, text: str | None, said: str
) -> None:
    if text is not None:
        (suite.path / "b.txt").write_text(text)
    result = run(suite, "--auditor-budgets", "b.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}"])


def test_budgets_that_cannot_be_written_are_a_usage_error(suite: pytest.Pytester) -> None:
    result = run(suite, "--auditor-write-budgets", "nowhere/b.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--auditor: cannot write `b.txt`: there is no folder `nowhere`"])
