"""The body of a test, apart from its set-up: of a function its call, of a `unittest.TestCase` the
method without `setUp` and `tearDown`, which pytest runs in the same phase."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from auditor.runtime.case_body import inside


@contextmanager
def around_body(item: pytest.Item, block: AbstractContextManager[Any]) -> Iterator[None]:
    """Has the body of the test run inside `block`, while this block runs the test. An asynchronous
    method of a TestCase is made by a loop of its own: its set-up cannot be told apart."""
    if not _is_of_test_case(item) or inspect.iscoroutinefunction(_body(item)):
        with block:
            yield
        return
    case: Any = item
    method = case.obj
    case.obj = inside(block, method)
    try:
        yield
    finally:
        case.obj = method


def _is_of_test_case(item: pytest.Item) -> bool:
    return type(item).__name__ == "TestCaseFunction"


def _body(item: pytest.Item) -> Any:
    return getattr(item, "obj", None)
