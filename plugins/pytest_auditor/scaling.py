"""The fixture `scaling`: how the statements of a call grow, on the test's own engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from auditor.growth.calls import (
    SIZES,
    ScaledCall,
    UnusableCall,
    breaches,
    law_of_awaited_call,
    law_of_call,
)
from auditor.model.errors import ScenarioError
from auditor.model.law import LawResult
from auditor.report.laws import law_as_text
from pytest_auditor.pausable import unseen

_HINT = (
    "Each measurement is `reset()`, `setup(n)`, then the counted `call(n)`, every size twice: give"
    " `reset=` to take away what the call or its set-up leaves behind, such as rows or objects in a"
    " session"
)


class Scaling:
    """Measures a call at several sizes and fails the test unless its law is as promised.

    `call` gets the size; so does `setup`, which is not counted. `reset`, without arguments, runs
    before each set-up. Any of them may be `async def`: then await the result inside an
    asynchronous test.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

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
        return self._hold("constant", call, setup=setup, reset=reset, sizes=sizes, at_most=at_most)

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
        return self._hold("linear", call, setup=setup, reset=reset, sizes=sizes, at_most=at_most)

    def _hold(self, growth: str, call: Any, **given: Any) -> Any:
        for name in ("setup", "reset"):
            if given[name] is not None and not callable(given[name]):
                raise self._refusal(f"`{name}` is `{given[name]!r:.60}`, not a function")
        if not callable(call):
            raise self._refusal(
                f"the call is `{call!r:.60}`: give a function of n, such as `lambda n: f(n)`"
            )
        given["at_most"] = str(given["at_most"])
        scaled = ScaledCall(_name_of(call), call, grows=f"{growth} in n", **given)
        if scaled.is_asynchronous and _has_loop():
            return self._awaited(growth, scaled)
        try:
            with unseen(self._item):
                result = law_of_call(scaled)
            return self._told(growth, result)
        except ScenarioError as error:
            raise self._raised(error) from None

    async def _awaited(self, growth: str, scaled: ScaledCall) -> LawResult:
        try:
            with unseen(self._item):
                result = await law_of_awaited_call(scaled)
            return self._told(growth, result)
        except ScenarioError as error:
            raise self._raised(error) from None

    def _told(self, growth: str, result: LawResult) -> LawResult:
        broken = breaches(result)
        if result.law is not None and not broken:
            return result
        head = f"`scaling.{growth}`: {'; '.join(broken) or f'no law: {result.refusal}'}"
        hint = _HINT if result.law is None else ""
        parts = (head, hint, law_as_text(result).rstrip("\n"))
        raise pytest.fail.Exception("\n".join(part for part in parts if part), pytrace=False)

    def _refusal(self, text: str) -> BaseException:
        said = f"usage error in `{self._item.nodeid}`: `scaling`: {text}"
        return pytest.fail.Exception(said, pytrace=False)

    def _raised(self, error: ScenarioError) -> BaseException:
        """What the test's own functions raised, as they raised it; or that nothing can be done with
        the arguments."""
        if isinstance(error, UnusableCall):
            return self._refusal(str(error))
        return error.__cause__ or error


def _name_of(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", type(call).__name__).replace(".<locals>", "")


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
