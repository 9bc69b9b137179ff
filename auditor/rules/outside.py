"""What is outside of the program on a recorded call path: its tests, and what opened the recording;
and statements that ask for the schema, which no program writes in another way."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.model.span import Frame
from auditor.model.tape import Entry

_CATALOGUES = re.compile(
    r"\bsqlite_(?:temp_)?(?:master|schema)\b|\binformation_schema\b|\bpg_(?:catalog|class|attribute"
    r"|namespace|constraint|index|type)\b|\balembic_version\b|\ball_(?:tables|tab_columns)\b",
    re.IGNORECASE,
)


def below_test(stack: tuple[Frame, ...], test: str) -> tuple[Frame, ...]:
    """The call path from the function of a test inwards: what runs tests is no part of one."""
    name = re.split(r"[.:]+", re.split(r"[\[( ]", test, maxsplit=1)[0])[-1]
    for depth in range(len(stack) - 1, 0, -1):
        frame = stack[depth]
        if name and frame.function.rpartition(".")[2] == name and is_test_code(frame):
            return stack[: depth + 1]
    return stack


def inside_recording(
    stack: tuple[Frame, ...], opened: Sequence[Frame]
) -> tuple[tuple[Frame, ...], int]:
    """The part of a call path that is inside of the block which opened the recording, and the line
    of its outermost function on which the block begins, 0 if it begins further inside."""
    shared = 0
    for one, other in zip(reversed(stack), reversed(opened), strict=False):
        if one != other:
            break
        shared += 1
    if shared == min(len(stack), len(opened)):  # a block on one line, or on that of its caller
        shared -= 1
    if shared < 0:
        return stack, 0
    inside = stack[: len(stack) - shared]
    begins = opened[len(opened) - shared - 1]
    is_here = (begins.path, begins.function) == (inside[-1].path, inside[-1].function)
    return inside, begins.line if is_here else 0


def is_test_code(frame: Frame) -> bool:
    """Whether a line is of a test, by the name of its file or function."""
    file = frame.path.rpartition("/")[2]
    return (
        file.startswith("test_")
        or file.endswith("_test.py")
        or file in {"conftest.py", "fixture.py", "fixtures.py"}
        or "/tests/" in f"/{frame.path}"
        or any(_is_of_test_case(name) for name in frame.function.split("."))
    )


def _is_of_test_case(name: str) -> bool:
    return name.startswith("test_") or name.endswith("TestCase")


def is_of_catalogue(entry: Entry) -> bool:
    """Whether a statement asks the database about its schema, as migrations and reflection do: one
    table after the other is all that can be asked."""
    return _CATALOGUES.search(entry.shape) is not None


def is_of_test(repeats: Frame, emits: Frame) -> bool:
    """Whether it is a test that calls the program again and again: the line that repeats is of a
    test, the line that emits is not."""
    return is_test_code(repeats) and not is_test_code(emits)
