"""The fixture `scaling`: how the statements of a call grow, on the test's own engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from auditor.growth.calls import SIZES
from auditor.growth.promises import Given, Runner, hold
from pytest_auditor.pausable import unseen


class Scaling:
    """Measures a call at several sizes and fails the test unless its law is as promised.

    `call` gets the size; so does `setup`, which is not counted. `reset`, without arguments, runs
    before each set-up. Any of them may be `async def`: then await the result inside an
    asynchronous test.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._runner = Runner(
            failure=_failure,
            refused=lambda said: _failure(f"usage error in `{item.nodeid}`: `scaling`: {said}"),
            unseen=lambda: unseen(item),
        )

    def constant(
        self,
        call: Callable[[int], Any],
        *,
        setup: Callable[[int], Any] | None = None,
        reset: Callable[[], Any] | None = None,
        sizes: Sequence[int] = SIZES,
        at_most: str | int = "",
    ) -> Any:
        """Wants as many statements at every size. Gives the law, to await if a function is
        `async def` and a loop runs."""
        return hold(Given("constant", call, setup, reset, sizes, at_most), self._runner)

    def linear(
        self,
        call: Callable[[int], Any],
        *,
        setup: Callable[[int], Any] | None = None,
        reset: Callable[[], Any] | None = None,
        sizes: Sequence[int] = SIZES,
        at_most: str | int = "",
    ) -> Any:
        """Wants statements that grow with the size and no faster, and with `at_most="20 + n"` never
        more than that."""
        return hold(Given("linear", call, setup, reset, sizes, at_most), self._runner)


def _failure(said: str) -> BaseException:
    return pytest.fail.Exception(said, pytrace=False)
