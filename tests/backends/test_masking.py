from __future__ import annotations

import pytest

from auditor.backends.masking import masked


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("postgresql://a:secret@h/db?x=1", "postgresql://a:***@h/db?x=1"),
        ("postgresql://a:s:e@c/r@h/db", "postgresql://a:***@h/db"),
        ("mysql+pymysql://u:p@ss:w@h:3306/d", "mysql+pymysql://u:***@h:3306/d"),
        ("postgresql://a@h/db?password=secret&a=1", "postgresql://a@h/db?password=***&a=1"),
        ("postgresql://:secret@h/db", "postgresql://:***@h/db"),
        ("postgresql", "postgresql"),
        ("sqlite:////folder/a.db", "sqlite:////folder/a.db"),
        ("postgresql://a@h/db", "postgresql://a@h/db"),
    ],
)
def test_passwords_are_masked_and_nothing_else_changes(url: str, want: str) -> None:
    assert masked(url) == want
