"""A Ctrl-C in a scenario is a Ctrl-C, whatever the program's libraries make of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

from auditor.growth.run import profile
from auditor.growth.scenario import scenario
from auditor.model.errors import ScenarioError


def interrupted_in_a_driver() -> None:
    """What oslo.db does on SQLite: the clean-up after the interruption fails by itself."""
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        raise LookupError("the transaction is gone")


@scenario(sizes={"n": (1, 2)})
def interrupted_call(database: Any, n: int) -> Callable[[], None]:
    return interrupted_in_a_driver


@scenario(sizes={"n": (1, 2)})
def interrupted_filling(database: Any, n: int) -> Callable[[], None]:
    interrupted_in_a_driver()
    return interrupted_in_a_driver


@scenario(sizes={"n": (1, 2)})
def failing(database: Any, n: int) -> Callable[[], None]:
    error = LookupError("a cause that is its own")
    error.__cause__ = error

    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize("one", [interrupted_call, interrupted_filling], ids=lambda one: one.name)
def test_an_error_that_an_interruption_brought_about_is_the_interruption(one: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        profile(one)


def test_an_error_that_has_other_causes_is_a_failure_of_the_scenario() -> None:
    with pytest.raises(ScenarioError, match="LookupError: a cause that is its own"):
        profile(failing)
