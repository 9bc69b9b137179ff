"""The same for projects that use fixtures instead of classes: `fixtures.Fixture` of OpenStack.

    def setUp(self):
        super().setUp()
        ...
        self.queries = self.useFixture(QueriesFixture(self, at_most=20))     # last

    def test_listing(self):
        with self.queries.count(3):
            ...

A budget, measured budgets and findings are of what runs from there until the fixture is cleaned up:
the body of the test and its `tearDown`.
"""

from __future__ import annotations

from typing import Any

import fixtures

from auditor.runtime import expectations
from auditor.runtime.case_body import method_of
from unittest_auditor.checks import Body
from unittest_auditor.marks import Marks, marks_of
from unittest_auditor.queries import Queries
from unittest_auditor.settings import chosen


class QueriesFixture(fixtures.Fixture):
    """Counts, limits and judges the statements of `test`; see `Queries` for the blocks.

    `at_most` limits all of them; a mark on the test stands nearer and overrules it.
    `fail_on_findings` None leaves that to AUDITOR_FAIL.
    """

    def __init__(
        self, test: Any, *, at_most: int | None = None, fail_on_findings: bool | None = None
    ) -> None:
        self._test = test
        self._budget = None if at_most is None else expectations.at_most(at_most)
        self._asked = fail_on_findings

    def _setUp(self) -> None:  # noqa: N802 - the name that `fixtures` calls
        now = chosen()
        is_failing = now.is_failing if self._asked is None else self._asked
        marks = marks_of(self._test, method_of(self._test))
        if marks == Marks():
            marks = Marks(self._budget)
        body = Body(self._test, now, marks, is_failing=is_failing)
        queries = Queries(self._test, now, body.recording)
        self.count = queries.count
        self.at_most = queries.at_most
        self.none = queries.none
        self.snapshot = queries.snapshot
        self.constant = queries.constant
        self.linear = queries.linear
        body.__enter__()
        self.addCleanup(body.__exit__, None)
