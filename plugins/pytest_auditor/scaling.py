"""The fixture `scaling`: how the statements of a call grow, on the test's own engine."""

from __future__ import annotations

import pytest

from auditor.growth.promises import Runner, Scaling
from pytest_auditor.pausable import unseen


def scaling_of(item: pytest.Item) -> Scaling:
    """What the fixture gives to a test."""
    return Scaling(
        Runner(
            failure=_failure,
            refused=lambda said: _failure(f"usage error in `{item.nodeid}`: `scaling`: {said}"),
            unseen=lambda: unseen(item),
        )
    )


def _failure(said: str) -> BaseException:
    return pytest.fail.Exception(said, pytrace=False)
