"""Decorators for tests and classes of tests: `query_budget` limits the body of a test,
`allow_queries` excuses it. The one nearer to the test counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from auditor.runtime.expectations import Expectation, ExpectationError, at_most

_BUDGET, _EXCUSE = "_auditor_budget", "_auditor_excuse"
Marked = TypeVar("Marked")


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks of a test come to: a budget, an excuse, or neither."""

    budget: Expectation | None = None
    excuse: str = ""


def query_budget(*total: int, **by_kind: int) -> Callable[[Marked], Marked]:
    """`@query_budget(5)`, `@query_budget(select=3, insert=1)` on a test or a class: its body may
    execute no more. Raises ExpectationError."""
    try:
        budget = at_most(*total, **by_kind)
    except ExpectationError as error:
        raise ExpectationError(f"`query_budget`: {error}") from error
    return _marking(_BUDGET, budget)


def allow_queries(*misplaced: object, reason: str = "") -> Callable[[Marked], Marked]:
    """`@allow_queries(reason="...")` on a test or a class: no budget and no finding fails it.
    Raises ExpectationError without a reason."""
    if misplaced or not isinstance(reason, str) or not reason.strip():
        raise ExpectationError(
            "`allow_queries` needs a reason and nothing else:"
            ' `@allow_queries(reason="loads the whole catalogue once")`'
        )
    return _marking(_EXCUSE, " ".join(reason.split()))


def _marking(name: str, value: object) -> Callable[[Marked], Marked]:
    def mark(target: Marked) -> Marked:
        setattr(target, name, value)
        return target

    return mark


def marks_of(case: Any, method: Any) -> Marks:
    """The marks that stand nearest to a test: on its method, its class, or a class above."""
    for owner in (getattr(method, "__func__", method), *type(case).__mro__):
        own = getattr(owner, "__dict__", {})
        if _EXCUSE in own:
            return Marks(excuse=own[_EXCUSE])
        if _BUDGET in own:
            return Marks(budget=own[_BUDGET])
    return Marks()
