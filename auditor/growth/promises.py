"""A test's promise of how a call grows: measured, and kept or told. Test runners' adapters stand on
this; they say which exception fails a test, and what the test is held to meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

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

__unittest = True  # unittest leaves frames of this module out of tracebacks

HINT = (
    "Each measurement is `reset()`, `setup(n)`, then the counted `call(n)`, every size twice: give"
    " `reset=` to take away what the call or its set-up leaves behind, such as rows or objects in a"
    " session"
)


@dataclass(frozen=True, slots=True)
class Given:
    """What a test says of a call, as written. `growth` is `constant` or `linear`."""

    growth: str
    call: Any
    setup: Any
    reset: Any
    sizes: Sequence[int]
    at_most: str | int


@dataclass(frozen=True, slots=True)
class Runner:
    """How the test's runner wants it: `failure` makes the exception that fails a test, `refused`
    the one for arguments that mean nothing, `unseen` leaves a block out of what the test is held
    to."""

    failure: Callable[[str], BaseException]
    refused: Callable[[str], BaseException]
    unseen: Callable[[], AbstractContextManager[Any]]


class Scaling:
    """Measures a call at several sizes and fails the test unless its law is as promised.

    `call` gets the size; so does `setup`, which is not counted. `reset`, without arguments, runs
    before each set-up. Any of them may be `async def`: then await the result inside an
    asynchronous test.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def constant(
        self,
        call: Callable[[int], Any],
        *,
        setup: Callable[[int], Any] | None = None,
        reset: Callable[[], Any] | None = None,
        sizes: Sequence[int] = SIZES,
        at_most: str | int = "",
    ) -> Any:
        """Wants as many statements of `call(n)` at every size; gives the law. Where functions are
        `async def` and a loop runs, the law is to be awaited."""
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


def hold(given: Given, runner: Runner) -> Any:
    """The law of a call that grows as promised, to await if a function is `async def` and a loop
    runs. Raises the runner's failure if it does not, and what the call itself raises."""
    for name in ("call", "setup", "reset"):
        value = getattr(given, name)
        if not callable(value) and not (value is None and name != "call"):
            raise runner.refused(
                f"`{given.growth}`: `{name}` is `{value!r:.60}`: give a function, such as"
                " `lambda n: f(n)`"
            )
    scaled = ScaledCall(
        _name_of(given.call),
        given.call,
        given.setup,
        given.reset,
        given.sizes,
        grows=f"{given.growth} in n",
        at_most=str(given.at_most),
    )
    if scaled.is_asynchronous and _has_loop():
        return _awaited(given.growth, scaled, runner)
    try:
        with runner.unseen():
            result = law_of_call(scaled)
    except ScenarioError as error:
        raise _raised(error, runner) from None
    return _kept(given.growth, result, runner)


async def _awaited(growth: str, scaled: ScaledCall, runner: Runner) -> LawResult:
    try:
        with runner.unseen():
            result = await law_of_awaited_call(scaled)
    except ScenarioError as error:
        raise _raised(error, runner) from None
    return _kept(growth, result, runner)


def _kept(growth: str, result: LawResult, runner: Runner) -> LawResult:
    broken = breaches(result)
    if result.law is not None and not broken:
        return result
    head = f"wanted {growth} growth: {'; '.join(broken) or f'no law: {result.refusal}'}"
    hint = HINT if result.law is None else ""
    parts = (head, hint, law_as_text(result).rstrip("\n"))
    raise runner.failure("\n".join(part for part in parts if part))


def _raised(error: ScenarioError, runner: Runner) -> BaseException:
    """What the test's own functions raised, as they raised it; or that nothing can be done with
    the arguments."""
    if isinstance(error, UnusableCall):
        return runner.refused(str(error))
    return error.__cause__ or error


def _name_of(call: Callable[..., Any]) -> str:
    return getattr(call, "__qualname__", type(call).__name__).replace(".<locals>", "")


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
