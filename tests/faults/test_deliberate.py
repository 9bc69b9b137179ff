"""Python's own errors: raised on purpose, or by mistake."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from auditor.faults.verdicts.deliberate import is_deliberate, parts_of

CODES: dict[int, type[Exception]] = {}


def on_purpose() -> None:
    raise ValueError("taken")


def a_class_on_purpose() -> None:
    raise KeyError


def failing_to_make_the_error() -> None:
    raise CODES[1062]("taken")


def an_attribute_that_is_not_there() -> None:
    raise ValueError(CODES.constraint)  # type: ignore[attr-defined]


def too_many_arguments() -> None:
    raise ValueError(message="taken")  # type: ignore[call-arg]


def an_assertion() -> None:
    assert CODES


def in_a_library() -> None:
    pickle.dumps(lambda: None)


def passed_on() -> None:
    try:
        on_purpose()
    except ValueError:  # noqa: TRY203 - that it passes on is the case
        raise


def error_of(program: Callable[[], Any]) -> Exception:
    try:
        program()
    except Exception as error:  # noqa: BLE001 - whatever the program raises
        return error
    raise NotImplementedError(program)


@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (on_purpose, True),
        (a_class_on_purpose, True),
        (passed_on, True),
        (failing_to_make_the_error, False),
        (an_attribute_that_is_not_there, False),
        (too_many_arguments, False),
        (an_assertion, False),
        (in_a_library, False),
    ],
)
def test_an_error_is_deliberate_if_the_program_raised_it_itself(
    program: Callable[[], Any], wanted: bool
) -> None:
    assert is_deliberate(error_of(program)) is wanted


def test_an_error_that_was_never_raised_is_not_deliberate() -> None:
    assert is_deliberate(ValueError("taken")) is False


class Group(Exception):
    def __init__(self, *exceptions: object) -> None:
        self.exceptions = exceptions


def test_a_group_is_its_members_and_those_of_groups_in_it() -> None:
    one, two = ValueError("one"), ValueError("two")
    empty = Group()
    assert parts_of(Group(one, Group(two))) == (one, two)
    assert parts_of(one) == (one,)
    assert parts_of(empty) == (empty,)
