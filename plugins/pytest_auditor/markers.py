"""The markers: `query_budget(...)` limits the body of a test, `allow_queries(...)` excuses it.

The one nearer to the test counts: what a class or module says is overruled by its tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from auditor.runtime.expectations import Expectation, ExpectationError, at_most, counting
from pytest_auditor.body import around_body
from pytest_auditor.warned import warn


def refuse_unusable(item: pytest.Item) -> None:
    """Fails a test whose markers cannot be used, and says how to write them."""
    refusal = None
    try:
        budget_of(item)
        reason_of(item)
    except ExpectationError as error:
        refusal = pytest.fail.Exception(f"usage error in `{item.nodeid}`: {error}", pytrace=False)
    if refusal is not None:
        raise refusal


def budget_of(item: pytest.Item) -> Expectation | None:
    """The nearest `query_budget`; None if there is none, or an excuse stands as near.
    Raises ExpectationError."""
    marker = item.get_closest_marker("query_budget")
    if marker is None:
        return None
    try:
        return at_most(*marker.args, **marker.kwargs)
    except ExpectationError as error:
        raise ExpectationError(f"marker `query_budget`: {error}") from error


def reason_of(item: pytest.Item) -> str:
    """Why a test may execute what it likes; empty if nothing says so. Raises ExpectationError."""
    marker = item.get_closest_marker("allow_queries")
    if marker is None:
        return ""
    reason = marker.kwargs.get("reason")
    is_alone = not marker.args and set(marker.kwargs) <= {"reason"}
    if not is_alone or not isinstance(reason, str) or not reason.strip():
        raise ExpectationError(
            "marker `allow_queries` needs a reason and nothing else:"
            ' `allow_queries(reason="loads the whole catalogue once")`'
        )
    return " ".join(reason.split())


def is_excused(item: pytest.Item) -> bool:
    """Whether `allow_queries` is said, and no `query_budget` nearer to the test."""
    for marker in item.iter_markers():
        if marker.name in {"allow_queries", "query_budget"}:
            return marker.name == "allow_queries"
    return False


@contextmanager
def budget_block(item: pytest.Item) -> Iterator[None]:
    """Holds the body of a test to its budget; the test fails inside, as from an assertion."""
    budget = budget_of(item)
    if budget is None or is_excused(item):
        yield
        return
    block = counting(
        budget,
        lambda text: pytest.fail.Exception(f"over `query_budget`: {text}", pytrace=False),
        root=str(item.config.invocation_params.dir),
        unsure=lambda text: warn(item, f"`query_budget` {text}"),
    )
    with around_body(item, block):
        yield
