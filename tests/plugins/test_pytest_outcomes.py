"""Tests that misbehave end as they would without the plug-in."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

HOSTILE = """
    import os
    import unittest
    import pytest
    import sqlalchemy as sa

    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)

    def teardown_module():
        engine.dispose()

    def select(times, on=engine):
        with on.connect() as connection:
            for _ in range(times):
                connection.execute(sa.text("select 1")).all()

    @pytest.mark.parametrize("name", ["a/b", "\\xfcn\\xef", "a::b[c]", "a\\nb", "\\udcff", " "])
    def test_names(name, queries):
        with queries.count(1):
            select(1)

    class TestCase(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            select(9)

        @classmethod
        def tearDownClass(cls):
            select(9)

        @unittest.skip("not here")
        def test_skipped(self):
            select(3)

        def test_skips(self):
            select(1)
            self.skipTest("not now")

        @unittest.expectedFailure
        def test_fails_as_expected(self):
            select(1)
            self.fail("as expected")

        @unittest.expectedFailure
        def test_passes_unexpectedly(self):
            select(1)

        def test_parts(self):
            for number in range(2):
                with self.subTest(number=number):
                    select(number)

    def test_fork():
        select(1)
        child = os.fork()
        if child == 0:
            select(1)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        select(1)

    def test_nested(queries):
        with queries.count(3), queries.at_most(5):
            select(1)
            with queries.count(select=2), queries.at_most(2):
                select(2)

    def test_own_error_wins(queries):
        with queries.none():
            select(1)
            raise KeyError("mine")

    def test_only_ddl(queries):
        with queries.none(), engine.begin() as connection:
            connection.execute(sa.text("create table t (id integer)"))

    def test_disposed_in_use(queries):
        other = sa.create_engine("sqlite:///one.db", poolclass=sa.pool.NullPool)
        with queries.count(2, engine=other):
            with other.connect() as connection:
                connection.execute(sa.text("select 1")).all()
                other.dispose()
            select(1, other)
            select(1)
        other.dispose()

    def test_exits():
        select(1)
        raise SystemExit(3)

    def test_moves(monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        select(1)

    def test_recursion():
        def deeper():
            deeper()
        with pytest.raises(RecursionError):
            deeper()
        select(1)

    @pytest.fixture
    def broken():
        yield
        select(1)
        raise RuntimeError("tear-down")

    def test_tear_down(broken):
        select(1)
"""


def ends(project: pytest.Pytester, *arguments: str) -> list[str]:
    result = project.runpytest_inprocess("-p", "no:cacheprovider", "-rA", *arguments)
    found = [re.sub(r" - .*", "", line) for line in result.outlines]
    return sorted(line for line in found if re.match(r"[A-Z]+ (\[\d+\] )?test_it\.py", line))


def test_tests_that_misbehave_end_as_without_the_recorder(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=HOSTILE)
    bare = ends(project)
    assert [line for line in bare if not line.startswith(("PASSED", "SUBPASS"))] == [
        "ERROR test_it.py::test_tear_down",
        "FAILED test_it.py::TestCase::test_passes_unexpectedly",
        "FAILED test_it.py::test_exits",
        "FAILED test_it.py::test_own_error_wins",
        "SKIPPED [1] test_it.py:30: not here",
        "SKIPPED [1] test_it.py:34: not now",
        "XFAIL test_it.py::TestCase::test_fails_as_expected",
    ]
    assert ends(project, "--auditor") == bare
    assert ends(project, "--auditor", "--auditor-write-budgets", "budgets.txt") == bare
    assert ends(project, "--auditor-budgets", "budgets.txt") == bare
