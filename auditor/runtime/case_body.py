"""The body of a `unittest.TestCase`: its method, without `setUp`, `tearDown` and fixtures."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__unittest = True  # unittest leaves frames of this module out of tracebacks

_MISSING = object()


def method_of(case: Any) -> Any:
    """The method that a test case runs; None if it has none of that name."""
    return getattr(case, case._testMethodName, None)  # noqa: SLF001 - the only name of it


@contextmanager
def around_body(case: Any, block: AbstractContextManager[Any]) -> Iterator[None]:
    """Has the method of a test case run inside `block`, while this block runs the test case."""
    name, method = case._testMethodName, method_of(case)  # noqa: SLF001 - the only name of it
    if method is None:  # the runner says so better
        yield
        return
    before = case.__dict__.get(name, _MISSING)
    case.__dict__[name] = inside(block, method)
    try:
        yield
    finally:
        del case.__dict__[name]
        if before is not _MISSING:
            case.__dict__[name] = before


def inside(block: AbstractContextManager[Any], method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, asynchronous or not, run inside a block."""
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def run_awaited(*arguments: Any, **named: Any) -> Any:
            with block:
                return await method(*arguments, **named)

        return run_awaited

    @functools.wraps(method)
    def run(*arguments: Any, **named: Any) -> Any:
        with block:
            return method(*arguments, **named)

    return run
