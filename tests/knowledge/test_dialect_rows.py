from __future__ import annotations

import pytest

from auditor.knowledge.dialects import DIALECTS, DialectRow


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.name)
def test_a_row_finds_its_samples_and_none_of_its_near_misses(row: DialectRow) -> None:
    assert [bool(row.pattern.search(sample)) for sample in row.samples] == [True]
    assert [bool(row.pattern.search(near_miss)) for near_miss in row.near_misses] == [False]


def test_every_row_says_where_it_was_learnt_and_leaves_some_database_out() -> None:
    assert all(row.source.startswith("https://") and row.parsed_by for row in DIALECTS)
