"""Counts, limits and judges the database statements of `unittest` and `testtools` tests.

    class TestLabels(QueryAssertions, unittest.TestCase):
        def test_listing(self):
            with self.assertNumQueries(3):
                self.client.get("/labels")

`unittest_auditor.fixture` has the same as a fixture; docs/stestr.md tells the rest.
"""

from __future__ import annotations

from unittest_auditor.assertions import QueryAssertions
from unittest_auditor.marks import allow_queries, query_budget

__all__ = ["QueryAssertions", "allow_queries", "query_budget"]
