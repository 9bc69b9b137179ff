from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess("-p", "no:cacheprovider", "--strict-markers", *arguments)


def test_a_budget_holds_the_body_and_not_the_fixtures(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app, pytest

        @pytest.mark.query_budget(3)
        def test_over(session):
            app.listing(session)

        @pytest.mark.query_budget(4)
        def test_within(session):
            app.listing(session)

        @pytest.mark.query_budget(select=4, insert=0)
        def test_kinds_within(session):
            app.listing(session)

        @pytest.mark.query_budget(insert=0)
        def test_kind_over(session):
            session.add(app.Label(name="x"))
            session.flush()

        @pytest.mark.query_budget(0)
        @pytest.mark.xfail(strict=True)
        def test_expected(session):
            app.count(session)
        """
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=2, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            "over `query_budget`: 4 statements were executed, wanted at most 3",
            "       3 x  app.py:31 in listing: lazy load Label.rules:*",
            "over `query_budget`: 1 statement was executed (insert 1), wanted at most insert 0",
        ]
    )


def test_the_nearer_marker_counts(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import app, pytest

        pytestmark = pytest.mark.query_budget(0)

        @pytest.mark.allow_queries(reason="lists everything once")
        def test_allowed(session):
            app.listing(session)

        @pytest.mark.allow_queries(reason="old code")
        class TestOld:
            def test_allowed(self, session):
                app.count(session)

            @pytest.mark.query_budget(1)
            def test_limited_again(self, session):
                app.listing(session)
        """
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["over `query_budget`: 4 statements*wanted at most 1"])


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("query_budget()", "marker `query_budget`: 0 numbers are given: give one, such as `3`*"),
        ("query_budget('3')", "marker `query_budget`: `'3'`: a number of statements is a whole*"),
        ("query_budget(queries=3)", "marker `query_budget`: there is no kind of statement*"),
        ("allow_queries", "marker `allow_queries` needs a reason and nothing else: *"),
        ("allow_queries('x')", "marker `allow_queries` needs a reason and nothing else: *"),
        ("allow_queries(reason=' ')", "marker `allow_queries` needs a reason and nothing else: *"),
        ("allow_queries(reason='x', n=1)", "marker `allow_queries` needs a reason and nothing*"),
    ],
)
def test_a_marker_that_cannot_be_used_names_its_test_and_the_others_run(
    project: pytest.Pytester, marker: str, said: str
) -> None:
    project.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.{marker}
        def test_bad():
            raise SystemExit("must not run")

        def test_good(): pass
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"usage error in `test_it.py::test_bad`: {said}"])


def test_a_budget_of_a_test_case_leaves_set_up_out(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import unittest
        import pytest, sqlalchemy as sa

        class TestCase(unittest.TestCase):
            def setUp(self):
                self.connection = sa.create_engine("sqlite://").connect()
                self.addCleanup(self.connection.close)
                self.connection.execute(sa.text("select 1"))

            @pytest.mark.query_budget(1)
            def test_within(self):
                self.connection.execute(sa.text("select 2"))

            @pytest.mark.query_budget(0)
            def test_over(self):
                self.connection.execute(sa.text("select 3"))
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*over `query_budget`: 1 statement was executed, wanted none"])
