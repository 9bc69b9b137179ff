"""Every row of folders means its samples, and none of its near misses."""

from __future__ import annotations

import pytest

from auditor.knowledge.folders import RUN_ONCE, FolderRow


@pytest.mark.parametrize("row", RUN_ONCE, ids=lambda row: row.holds)
def test_a_row_means_its_samples_and_none_of_its_near_misses(row: FolderRow) -> None:
    assert row.samples
    assert row.near_misses
    assert row.source.startswith("https://")
    assert [path for path in row.samples if not row.is_meant(path)] == []
    assert [path for path in row.near_misses if row.is_meant(path)] == []
