"""Holds a call to a law of growth, measured on the test's own engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from auditor.growth.calls import (
    ScaledCall,
    UnusableCall,
    breaches,
    law_of_awaited_call,
    law_of_call,
)
from auditor.model.errors import ScenarioError
from auditor.model.law import LawResult
from auditor.report.laws import law_as_text

__unittest = True  # unittest leaves frames of this module out of tracebacks

HINT = (
    "Each measurement is `reset()`, `setup(n)`, then the counted `call(n)`, every size twice: give"
    " `reset=` to take away what the call or its set-up leaves behind, such as rows or objects in a"
    " session"
)
Unseen = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of `constant` and `linear`, as written."""

    call: Any
    setup: Any
    reset: Any
    sizes: tuple[int, ...]
    at_most: str


def hold(growth: str, given: Given, case: Any, unseen: Unseen) -> Any:
    """The law of a call that grows as promised, to await if it is asynchronous and a loop runs.
    Raises the test case's failure if it does not, and what the call itself raises."""
    for name in ("call", "setup", "reset"):
        value = getattr(given, name)
        if not callable(value) and not (value is None and name != "call"):
            raise case.failureException(
                f"usage error: `{growth}`: `{name}` is `{value!r:.60}`: give a function, such as"
                " `lambda n: f(n)`"
            )
    scaled = ScaledCall(
        _name_of(given.call),
        given.call,
        given.setup,
        given.reset,
        given.sizes,
        grows=f"{growth} in n",
        at_most=given.at_most,
    )
    if scaled.is_asynchronous and _has_loop():
        return _awaited(growth, scaled, case, unseen)
    try:
        with unseen():
            result = law_of_call(scaled)
    except ScenarioError as error:
        raise _raised(error, case) from None
    return _kept(growth, result, case)


async def _awaited(growth: str, scaled: ScaledCall, case: Any, unseen: Unseen) -> LawResult:
    try:
        with unseen():
            result = await law_of_awaited_call(scaled)
    except ScenarioError as error:
        raise _raised(error, case) from None
    return _kept(growth, result, case)


def _kept(growth: str, result: LawResult, case: Any) -> LawResult:
    broken = breaches(result)
    if result.law is not None and not broken:
        return result
    head = f"wanted {growth} growth: {'; '.join(broken) or f'no law: {result.refusal}'}"
    hint = HINT if result.law is None else ""
    parts = (head, hint, law_as_text(result).rstrip("\n"))
    raise case.failureException("\n".join(part for part in parts if part))


def _raised(error: ScenarioError, case: Any) -> BaseException:
    """What the test's own functions raised, as they raised it; or that nothing can be done with
    the arguments."""
    if isinstance(error, UnusableCall):
        failure: BaseException = case.failureException(f"usage error: {error}")
        return failure
    return error.__cause__ or error


def _name_of(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", type(call).__name__).replace(".<locals>", "")


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
