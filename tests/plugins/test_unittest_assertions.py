"""The mixin for `unittest` and `testtools`, in runs of their own as users start them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
import unittest

import sqlalchemy as sa
import testtools

from unittest_auditor import QueryAssertions, allow_queries, query_budget

engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)

def select(times):
    with engine.connect() as connection:
        for number in range(times):
            connection.execute(sa.text("select 1")).all()

def tearDownModule():
    engine.dispose()

"""  # `execute` stands on line 13
SITE = "test_it.py:13 in select: explicit: SELECT ?"


def run(
    folder: Path, tests: str, *, runner: str = "unittest", **environment: str
) -> subprocess.CompletedProcess[str]:
    if tests:
        (folder / "test_it.py").write_text(HEAD.lstrip() + textwrap.dedent(tests))
    kept = {k: v for k, v in os.environ.items() if k not in {"CI", "BUILD_NUMBER"}}
    return subprocess.run(
        [sys.executable, "-m", *runner.split(), "test_it"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**kept, **environment},
    )


def failures(given: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """What each failed test was told, without the traceback, by its name; `OK` alone for none."""
    text = given.stdout + given.stderr
    found = {}
    for part in re.split(r"={70}\n", text)[1:]:
        name = part.split(maxsplit=2)[1].rpartition(".")[2]
        told = re.search(
            r"^AssertionError: (.*?)\n\n", f"{part.rstrip()}\n\n", re.DOTALL | re.MULTILINE
        )
        assert told, part
        found[name] = told[1]
    assert found or text.rstrip().endswith("OK"), text
    return found


COUNTED = """
class TestIt(QueryAssertions, {base}):
    def setUp(self):
        super().setUp()
        select(7)

    def tearDown(self):
        select(7)
        super().tearDown()

    def test_right(self):
        with self.assertNumQueries(3), self.assertMaxQueries(4), self.assertNumQueries(select=3):
            select(3)
        with self.assertNoQueries():
            pass

    def test_too_many(self):
        with self.assertNumQueries(1):
            select(2)

    def test_too_few(self):
        with self.assertNumQueries(select=2, insert=0):
            select(1)

    def test_over(self):
        with self.assertMaxQueries(1):
            select(2)

    def test_some(self):
        with self.assertNoQueries():
            select(1)

    @query_budget(2)
    def test_budget(self):
        select(3)

    @query_budget(3)
    def test_within_budget(self):
        select(3)

    @allow_queries(reason="reads the catalogue")
    def test_excused(self):
        select(30)

    @query_budget(1)
    def test_skipped(self):
        select(2)
        self.skipTest("not here")
"""
TOLD = {
    "test_too_many": f"2 statements were executed, wanted exactly 1\n       2 x  {SITE} (2 rows)",
    "test_too_few": (
        "1 statement was executed (select 1), wanted exactly select 2, insert 0\n"
        f"       1 x  {SITE} (1 row)"
    ),
    "test_over": f"2 statements were executed, wanted at most 1\n       2 x  {SITE} (2 rows)",
    "test_some": f"1 statement was executed, wanted none\n       1 x  {SITE} (1 row)",
    "test_budget": (
        "over `query_budget`: 3 statements were executed, wanted at most 2\n"
        f"       3 x  {SITE} (3 rows)"
    ),
}


@pytest.mark.parametrize(
    ("base", "runner"),
    [("unittest.TestCase", "unittest"), ("testtools.TestCase", "testtools.run")],
)
def test_blocks_and_budgets_fail_with_the_statements_and_set_up_counts_for_neither(
    tmp_path: Path, base: str, runner: str
) -> None:
    given = run(tmp_path, COUNTED.format(base=base), runner=runner)
    assert failures(given) == TOLD
    assert "Ran 9 tests" in given.stdout + given.stderr


def test_a_traceback_ends_in_the_test_and_not_in_the_auditor(tmp_path: Path) -> None:
    given = run(tmp_path, COUNTED.format(base="unittest.TestCase"))
    assert re.findall(r'  File ".*?([\w.]+)", line \d+, in (\w+)', given.stderr) == [
        ("test_it.py", "test_over"),
        ("test_it.py", "test_some"),
        ("test_it.py", "test_too_few"),
        ("test_it.py", "test_too_many"),
    ]


def test_a_failed_testtools_test_carries_its_statements_with_their_call_paths(
    tmp_path: Path,
) -> None:
    given = run(tmp_path, COUNTED.format(base="testtools.TestCase"), runner="testtools.run")
    detail = re.search(r"test_budget\n-+\nqueries: {{{(.*?)}}}", given.stdout, re.DOTALL)
    assert detail
    assert detail[1] == textwrap.dedent(
        """
        3 statements, 3 rows fetched
             3 x  explicit: SELECT ?
                  test_it.py:13 in select
                  test_it.py:52 in TestIt.test_budget
        """
    )


def test_a_body_over_its_budget_is_what_a_test_may_be_expected_to_fail_for(tmp_path: Path) -> None:
    given = run(
        tmp_path,
        """
        class TestIt(QueryAssertions, unittest.TestCase):
            @query_budget(1)
            @unittest.expectedFailure
            def test_it(self):
                select(2)
        """,
    )
    assert given.stderr.splitlines()[-1] == "OK (expected failures=1)"


def test_asynchronous_tests_have_the_same_and_their_set_up_does_not_count(tmp_path: Path) -> None:
    given = run(
        tmp_path,
        """
        class TestIt(QueryAssertions, unittest.IsolatedAsyncioTestCase):
            async def asyncSetUp(self):
                select(9)

            @query_budget(2)
            async def test_within_budget(self):
                async with self.assertNumQueries(2):
                    select(2)

            @query_budget(2)
            async def test_budget(self):
                select(3)

            async def test_grows(self):
                async def call(n):
                    select(1)
                law = await self.assertConstantQueries(call)
                self.assertEqual("1", str(law.law))
        """,
    )
    assert failures(given) == {"test_budget": TOLD["test_budget"]}


def test_the_mark_nearer_to_the_test_counts(tmp_path: Path) -> None:
    given = run(
        tmp_path,
        """
        @query_budget(2)
        class Limited(QueryAssertions, unittest.TestCase):
            def test_budget(self):
                select(3)

            @allow_queries(reason="loads all")
            def test_excused(self):
                select(3)

        @allow_queries(reason="old tests")
        class Excused(Limited):
            @query_budget(2)
            def test_budget(self):
                select(3)

            def test_new(self):
                select(3)
        """,
    )
    text = given.stderr
    assert re.findall(r"^FAIL: test_budget \(test_it\.(\w+)", text, re.MULTILINE) == [
        "Excused",
        "Limited",
    ]
    assert failures(given) == {"test_budget": TOLD["test_budget"]}


def test_a_law_that_is_not_as_promised_fails_with_it_and_is_not_of_the_body(tmp_path: Path) -> None:
    given = run(
        tmp_path,
        """
        class TestIt(QueryAssertions, unittest.TestCase):
            @query_budget(0)
            def test_constant(self):
                self.assertConstantQueries(lambda n: select(2))

            @query_budget(0)
            def test_linear(self):
                self.assertLinearQueries(lambda n: select(1 + n), at_most="1 + n")

            def test_grows(self):
                self.assertConstantQueries(lambda n: select(n))

            def test_raises(self):
                with self.assertRaises(ZeroDivisionError):
                    self.assertConstantQueries(lambda n: 1 // 0)

            def test_no_function(self):
                self.assertConstantQueries(select(1))
        """,
    )
    told = failures(given)
    assert {name: text.splitlines()[:2] for name, text in told.items()} == {
        "test_grows": [
            "wanted constant growth: it is not constant in n",
            "TestIt.test_grows.<lambda> on its own engine: n statements",
        ],
        "test_no_function": [
            "usage error: `constant`: `call` is `None`: give a function, such as `lambda n: f(n)`"
        ],
    }


LOOP = """
class TestIt(QueryAssertions, unittest.TestCase):
    {head}
    def setUp(self):
        select(9)

    def test_loop(self):
        select(5)

    def test_one(self):
        select(1)

    @allow_queries(reason="five servers, five queries")
    def test_excused(self):
        select(5)
"""


@pytest.mark.parametrize(
    ("head", "variable", "fails"),
    [
        ("", "", False),
        ("", "1", True),
        ("", "0", False),
        ("fail_on_findings = True", "", True),
        ("fail_on_findings = False", "1", False),
    ],
)
def test_a_finding_in_the_body_fails_the_test_where_that_is_asked_for(
    tmp_path: Path, head: str, variable: str, fails: bool
) -> None:
    given = run(tmp_path, LOOP.format(head=head), AUDITOR_FAIL=variable)
    told = {name: text.splitlines() for name, text in failures(given).items()}
    if not fails:
        assert told == {}
        return
    assert list(told) == ["test_loop"]
    assert told["test_loop"][0] == "1 finding in the body of this test"
    assert told["test_loop"][1].startswith("test_it.py:13:1 DBA301 `SELECT ?` was executed 5 times")


def test_a_known_finding_fails_no_test(tmp_path: Path) -> None:
    run(tmp_path, LOOP.format(head=""))
    auditor = [sys.executable, "-m", "auditor"]
    for step in (
        ["record", "-q", "--", sys.executable, "-m", "unittest", "test_it.TestIt.test_loop"],
        ["report", "auditor.tape", "--write-baseline", "known.txt"],
    ):
        subprocess.run([*auditor, *step], cwd=tmp_path, check=True, capture_output=True)
    given = run(tmp_path, "", AUDITOR_FAIL="1", AUDITOR_BASELINE="known.txt")
    assert failures(given) == {}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            "class TestIt(unittest.TestCase, QueryAssertions): pass",
            (
                "`TestIt`: name `QueryAssertions` first, before the class of tests:"
                " `class TestIt(QueryAssertions, ...)`"
            ),
        ),
        (
            "@allow_queries\ndef test(): pass",
            (
                "`allow_queries` needs a reason and nothing else:"
                ' `@allow_queries(reason="loads the whole catalogue once")`'
            ),
        ),
        (
            "query_budget(selects=3)",
            (
                "`query_budget`: there is no kind of statement `selects`; there are `select`,"
                " `insert`, `update`, `delete`, `savepoint`, `other`"
            ),
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_at_import(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "test_it.py").write_text(HEAD.lstrip() + source)
    given = subprocess.run(
        [sys.executable, "-c", "import test_it"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert given.stderr.splitlines()[-1].partition("Error: ")[2] == told


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AUDITOR_FAIL": "maybe"}, "auditor: AUDITOR_FAIL is `maybe`: write 1 or 0"),
        (
            {"AUDITOR_WRITE_BUDGETS": "no/where.txt"},
            "auditor: AUDITOR_WRITE_BUDGETS: cannot write `where.txt`: there is no folder `no`",
        ),
    ],
)
def test_settings_that_cannot_be_used_fail_every_test_loudly(
    tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    given = run(tmp_path, LOOP.format(head=""), **variables)
    assert failures(given) == dict.fromkeys(("test_loop", "test_one", "test_excused"), told)
