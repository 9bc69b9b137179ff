"""Which test is running, for every runner that ends up in `unittest.TestCase` (unittest, stestr,
testtools; pytest for such classes). pytest's own functions are known from its environment variable.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class RunningTest:
    """The id of the test in progress, empty outside tests. One for the process."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = ""


running = RunningTest()


def test_case_class() -> Any:
    """`unittest.TestCase` if the program has loaded it, else None."""
    return getattr(sys.modules.get("unittest.case"), "TestCase", None)


def watch_test_case(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `TestCase.__call__` that names the test while it runs."""

    def call(case: Any, *arguments: Any, **named: Any) -> Any:
        before, running.name = running.name, _id_of(case)
        try:
            return original(case, *arguments, **named)
        finally:
            running.name = before

    return call


def test_name(raw: object) -> str:
    """A test's id without pytest's phase: `tests/test_a.py::test_b (call)` as bytes or text."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")
    for phase in (" (setup)", " (call)", " (teardown)"):
        text = text.removesuffix(phase)
    return text


def _id_of(case: Any) -> str:
    try:
        return str(case.id())
    except Exception:  # noqa: BLE001 - a test case of the program's own making
        return ""
