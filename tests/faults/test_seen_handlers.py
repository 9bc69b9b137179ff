"""Which handlers an error came to, told by its traceback and the source alone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditor.faults.verdicts.handlers import Passed, handlers_of, is_raised_in_handler, way_out

HERE = Path(__file__)
LOST = (ConnectionError, TimeoutError)
CAUGHT: list[BaseException] = []
WAYS: list[tuple[Passed, ...]] = []
BOUNDARY = pytest.raises.__code__


def fails(error: type[BaseException] = KeyError) -> None:
    one = error("x")
    CAUGHT.append(one)
    WAYS.append(way_out(sys._getframe(1), BOUNDARY))
    raise one


def by_tuple_in_a_constant() -> None:
    try:
        fails(TimeoutError)
    except LOST:  # seen
        pass
    except Exception:  # noqa: BLE001 - never comes to it
        pass


def by_suppress() -> None:
    with contextlib.suppress(ValueError), contextlib.suppress(LookupError):  # seen
        fails()


@contextlib.contextmanager
def failing_at_its_end() -> Iterator[None]:
    yield
    fails()


def by_suppress_when_a_context_ends() -> None:
    with contextlib.suppress(LookupError), failing_at_its_end():  # seen
        pass


class Forgiving:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> bool:
        return True


def by_the_only_context() -> None:
    with Forgiving():  # seen
        fails()


def by_one_of_two_contexts() -> None:
    with Forgiving(), contextlib.ExitStack():
        fails()


def raised_again_and_caught_outside() -> None:
    try:
        try:
            fails()
        except KeyError:  # seen  # noqa: TRY203 - that it passes on is the case
            raise
    except LookupError:  # seen
        pass
    except KeyError:
        pass


def caught_inside_alone() -> None:
    try:
        try:
            fails()
        except LookupError:  # seen
            pass
    except KeyError:
        pass


def passed_on_by_a_callee() -> None:
    try:
        _passes_on()
    except KeyError:  # seen second
        pass


def _passes_on() -> None:
    try:
        fails()
    except KeyError as error:  # seen first  # noqa: TRY203 - as above
        raise error  # noqa: TRY201 - by name


def not_by_the_wrong_class() -> None:
    with contextlib.suppress(KeyError):  # seen
        try:
            fails()
        except (ValueError, OSError):
            pass


@contextlib.contextmanager
def forgiving_unit() -> Iterator[None]:
    try:
        yield
    except KeyError:  # seen
        pass


def by_a_unit_of_work() -> None:
    with forgiving_unit():
        fails()


class TakenError(Exception):
    """What a program says in place of a KeyError."""


class OtherError(Exception):
    """What it says in place of that."""


def saying_taken() -> None:
    try:
        fails()
    except KeyError as error:  # seen first
        raise TakenError(error) from error


def in_other_words_and_swallowed() -> None:
    try:
        with forgiving_unit():
            saying_taken()
    except TakenError:  # seen next
        pass


def saying_other() -> None:
    try:
        saying_taken()
    except ValueError:
        pass
    except TakenError:  # seen next
        raise OtherError from None


def in_third_words_and_swallowed() -> None:
    try:
        saying_other()
    except (OtherError, OSError):  # seen last
        pass
    except TakenError:
        pass


def saying_one_of_two(*, much: bool = False) -> None:
    try:
        fails()
    except KeyError as error:  # seen first
        if much:
            raise OtherError from error
        raise TakenError(error) from error


def in_words_that_depend() -> None:
    try:
        saying_one_of_two()
    except TakenError:
        pass


def in_other_words_and_suppressed() -> None:
    try:
        with contextlib.suppress(TakenError):
            saying_taken()
    except TakenError:
        pass


def lines_marked(*functions: Callable[..., Any]) -> list[int]:
    """The lines of the functions marked as seen, in the order of the functions."""
    lines = HERE.read_text().splitlines()
    found = []
    for function in functions:
        code = getattr(function, "__wrapped__", function).__code__
        last = max(line or 0 for _, _, line in code.co_lines())
        found += [n for n in range(code.co_firstlineno, last + 1) if "# seen" in lines[n - 1]]
    return found


@pytest.mark.parametrize(
    ("program", "functions"),
    [
        (by_tuple_in_a_constant, [by_tuple_in_a_constant]),
        (by_suppress, [by_suppress]),
        (by_suppress_when_a_context_ends, [by_suppress_when_a_context_ends]),
        (by_the_only_context, [by_the_only_context]),
        (by_one_of_two_contexts, []),
        (raised_again_and_caught_outside, [raised_again_and_caught_outside]),
        (caught_inside_alone, [caught_inside_alone]),
        (passed_on_by_a_callee, [_passes_on, passed_on_by_a_callee]),
        (not_by_the_wrong_class, [not_by_the_wrong_class]),
        (by_a_unit_of_work, [forgiving_unit]),
        (in_other_words_and_swallowed, [saying_taken, in_other_words_and_swallowed]),
        (
            in_third_words_and_swallowed,
            [saying_taken, saying_other, in_third_words_and_swallowed],
        ),
        (in_words_that_depend, [saying_one_of_two]),
        (in_other_words_and_suppressed, [saying_taken]),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_exactly_the_handlers_that_an_error_came_to_are_told(
    program: Callable[[], None], functions: list[Callable[..., Any]]
) -> None:
    CAUGHT.clear()
    WAYS.clear()
    program()
    found = handlers_of(CAUGHT, BOUNDARY, str(Path.cwd()), WAYS)
    assert [frame.line for frame in found] == lines_marked(*functions)


def in_the_body() -> None:
    try:
        fails(ValueError)
    except KeyError:
        pass


def in_the_clause() -> None:
    try:
        fails()
    except KeyError:
        fails(ValueError)


def in_finally() -> None:
    try:
        pass
    finally:
        fails(ValueError)


def again_by_name() -> None:
    try:
        fails(ValueError)
    except ValueError as error:  # noqa: TRY203 - what is held up
        raise error  # noqa: TRY201 - as libraries do


def again_by_a_context() -> None:
    try:
        fails(ValueError)
    except ValueError as error:
        with held_up(error):
            pass


@contextlib.contextmanager
def held_up(error: Exception) -> Iterator[None]:
    yield
    raise error


def in_a_clause_of_a_clause() -> None:
    try:
        in_the_clause()
    except ValueError as error:
        with held_up(error):
            pass


@pytest.mark.parametrize(
    ("program", "is_handling"),
    [
        (in_the_body, False),
        (in_the_clause, True),
        (in_finally, True),
        (again_by_name, False),
        (again_by_a_context, False),
        (in_a_clause_of_a_clause, True),
    ],
)
def test_an_error_of_a_handler_is_told_from_one_of_the_work(
    program: Callable[[], None], is_handling: bool
) -> None:
    with pytest.raises(ValueError, match="x") as raised:
        program()
    assert (
        is_raised_in_handler(raised.value, pytest.raises.__code__, str(Path.cwd())) is is_handling
    )
