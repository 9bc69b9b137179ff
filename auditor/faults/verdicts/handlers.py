"""Which handlers of the user's code saw an error, read off its traceback.

A traceback grows while an error travels, and stops at the frame that caught it: the outermost
frame of an error that was caught is the catcher's. An error that left a frame at a line inside of
a `try` went through its clause. Which clause it was is found in the source, by the classes that it
names; no tracing, so the call runs at its own speed.

A `with` catches too: `contextlib.suppress`, or a context whose `__exit__` returns true. It is told
where no clause took the error and the source leaves no doubt which `with` did.

An error that a handler raised in place of another may be gone when the call has ended. Where the
source leaves no doubt that it was raised, and of which class, it is followed along the call path:

    shown error -> its catcher raises X(...) -> the callers' clauses that take an X -> ...
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain as chained
from itertools import repeat
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from auditor.faults.verdicts.judge import chain
from auditor.model.span import Frame
from auditor.runtime.sites import places_raised_from, site_of

_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))
_WITHS = (ast.With, ast.AsyncWith)
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break, *_TRIES)
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class Passed:
    """A frame that an error came through, or may: `line` is where it left, or was caught."""

    code: CodeType
    offset: int
    line: int
    names: Mapping[str, Any]


def user_frames(error: BaseException, boundary: CodeType, root: str) -> tuple[Frame, ...]:
    """The user's part of an error's traceback, innermost first."""
    places = [place for place in places_raised_from(error) if place[0] is not boundary]
    return site_of(places, root).stack


def way_out(frame: FrameType | None, boundary: CodeType) -> tuple[Passed, ...]:
    """The call path of a frame, innermost first, out to the boundary."""
    found = []
    while frame is not None and frame.f_code is not boundary:
        found.append(Passed(frame.f_code, frame.f_lasti, frame.f_lineno, frame.f_globals))
        frame = frame.f_back
    return tuple(found)


def handlers_of(
    errors: Iterable[BaseException],
    boundary: CodeType,
    root: str,
    ways: Sequence[tuple[Passed, ...]] = (),
) -> tuple[Frame, ...]:
    """The handlers that any of the errors, or what they were made of, came to; innermost error
    first, each handler once. Only those in the user's code, and only those the source tells.
    `ways` are the call paths on which the errors, as far as they go, were raised."""
    found: dict[Frame, None] = {}
    for error, way in zip(errors, chained(ways, repeat(())), strict=False):
        for one in reversed(list(chain(error))):
            found.update(dict.fromkeys(_handlers_of_one(one, boundary, root)))
        found.update(dict.fromkeys(_handlers_beyond(error, way, root)))
    return tuple(found)


def is_raised_in_handler(error: BaseException, boundary: CodeType, root: str) -> bool:
    """Whether the error came through a line of an `except` clause, or of a `finally` block, of the
    user's code. One that came to the clause from its `try`, and was raised again there, did not."""
    passed = _passed(error)
    return any(
        first <= one.line <= last and not _came_from_body(node, one, passed[place + 1 :])
        for place, one in enumerate(passed)
        if one.code is not boundary and site_of([(one.code, one.offset)], root).stack
        for node in _nodes_in(one.code.co_filename)
        if isinstance(node, _TRIES)
        for first, last in _handling_lines(node)
    )


def _came_from_body(node: ast.stmt, one: Passed, before: Sequence[Passed]) -> bool:
    return any(each.code is one.code and _surrounds(node, each.line) for each in before)


def _handlers_of_one(error: BaseException, boundary: CodeType, root: str) -> Iterator[Frame]:
    passed = _passed(error)
    escaped = bool(passed) and passed[0].code is boundary
    for place in range(len(passed) - 1, -1, -1):
        one = passed[place]
        stack = site_of([(one.code, one.offset)], root).stack
        if one.code is boundary or not stack:
            continue
        for line in _lines_of_handlers(one, error, caught=place == 0 and not escaped):
            yield Frame(stack[0].path, line, stack[0].function)


def _passed(error: BaseException) -> list[Passed]:
    """The frames of an error's traceback, outermost first."""
    entries = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        entries.append(
            Passed(frame.f_code, traceback.tb_lasti, traceback.tb_lineno, frame.f_globals)
        )
        traceback = traceback.tb_next
    return entries


def _lines_of_handlers(one: Passed, error: BaseException, *, caught: bool) -> list[int]:
    """The lines of the handlers of a frame that an error came to, innermost first. In the frame
    that caught it, those around the clause that did not pass it on have not seen it."""
    around = _around(one)
    clauses = _clauses_around(around, type(error), one.names)
    if not caught:
        return [clause.lineno for clause in clauses]
    for number, clause in enumerate(clauses):
        if not _passes_on(clause):
            return [each.lineno for each in clauses[: number + 1]]
    return [*(each.lineno for each in clauses), *_line_of_with(around, one.line, error, one.names)]


def _handlers_beyond(error: BaseException, way: Sequence[Passed], root: str) -> Iterator[Frame]:
    """The handlers that took what the catcher of an error raised in its place, and what they
    raised. A catcher that is twice on the way leaves open which call of it it was."""
    passed = _passed(error)
    at = [number for number, one in enumerate(way) if passed and one.code is passed[0].code]
    if len(at) != 1:
        return
    around = _around(passed[0])
    for clause in _clauses_around(around, type(error), passed[0].names):
        if not _passes_on(clause):
            yield from _handlers_of_raised(clause, way[at[0] :], root)
            return


def _handlers_of_raised(
    clause: ast.ExceptHandler, way: Sequence[Passed], root: str
) -> Iterator[Frame]:
    """Follow what a clause in the first frame of the way raises."""
    raised = _raised_by(clause, way[0].names)
    if raised is None:
        return
    for number, one in enumerate([replace(way[0], line=clause.body[-1].lineno), *way[1:]]):
        stack = site_of([(one.code, one.offset)], root).stack
        around = _around(one)
        if _lines_of_suppress(around, one.line, raised, one.names):
            return
        for taking in _clauses_around(around, raised, one.names):
            if stack:
                yield Frame(stack[0].path, taking.lineno, stack[0].function)
            if not _passes_on(taking):
                yield from _handlers_of_raised(taking, way[number:], root)
                return


def _raised_by(clause: ast.ExceptHandler, names: Mapping[str, Any]) -> type[BaseException] | None:
    """The class of what a clause raises, whatever comes; None if that is not certain."""
    *before, last = clause.body
    if not isinstance(last, ast.Raise) or last.exc is None:
        return None
    if any(isinstance(node, _LEAVING) for each in before for node in ast.walk(each)):
        return None
    named = last.exc.func if isinstance(last.exc, ast.Call) else last.exc
    found = _value_of(named, names)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _around(one: Passed) -> list[ast.stmt]:
    return [node for node in _nodes_in(one.code.co_filename) if _surrounds(node, one.line)]


def _clauses_around(
    around: Sequence[ast.stmt], kind: type[BaseException], names: Mapping[str, Any]
) -> list[ast.ExceptHandler]:
    """The clauses that take an error, innermost `try` first."""
    return [
        clause
        for node in sorted(around, key=lambda each: each.lineno, reverse=True)
        if isinstance(node, _TRIES)
        for clause in _clauses_taking(node, kind, names)
    ]


def _clauses_taking(
    node: Any, error: type[BaseException], names: Mapping[str, Any]
) -> list[ast.ExceptHandler]:
    """The first clause of a `try` that takes the error, or none."""
    return [clause for clause in node.handlers if _takes(clause.type, error, names)][:1]


def _takes(kind: ast.expr | None, error: type[BaseException], names: Mapping[str, Any]) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(_takes(each, error, names) for each in kind.elts)
    classes = _value_of(kind, names)
    if classes is _UNKNOWN:  # a local variable: its last word is all there is
        own = {cls.__name__ for cls in error.__mro__}
        return ast.unparse(kind).rpartition(".")[2] in own
    try:
        return issubclass(error, classes)
    except TypeError:
        return False


def _value_of(expression: ast.expr, names: Mapping[str, Any]) -> Any:
    """What `name.attribute` is in a module; _UNKNOWN if it is no global name."""
    if isinstance(expression, ast.Name):
        return names.get(expression.id, getattr(builtins, expression.id, _UNKNOWN))
    if isinstance(expression, ast.Attribute):
        owner = _value_of(expression.value, names)
        return _UNKNOWN if owner is _UNKNOWN else getattr(owner, expression.attr, _UNKNOWN)
    return _UNKNOWN


def _passes_on(clause: ast.ExceptHandler) -> bool:
    last = clause.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _line_of_with(
    around: list[ast.stmt], line: int, error: BaseException, names: Mapping[str, Any]
) -> list[int]:
    """The line of the `with` that ended the error's way: a `suppress` that names its class, or the
    only context there is."""
    suppressing = _lines_of_suppress(around, line, type(error), names)
    if suppressing:
        return [max(suppressing)]
    items = _items_around(around, line)
    return [item.context_expr.lineno for item in items] if len(items) == 1 else []


def _lines_of_suppress(
    around: list[ast.stmt], line: int, kind: type[BaseException], names: Mapping[str, Any]
) -> list[int]:
    return [
        item.context_expr.lineno
        for item in _items_around(around, line)
        if isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).rpartition(".")[2] == "suppress"
        and any(_takes(named, kind, names) for named in item.context_expr.args)
    ]


def _items_around(around: list[ast.stmt], line: int) -> list[ast.withitem]:
    return [item for node in around if isinstance(node, _WITHS) for item in _guarding(node, line)]


def _surrounds(node: ast.stmt, line: int) -> bool:
    body = node.body  # type: ignore[attr-defined] # every node here has one
    first = node.lineno if isinstance(node, _WITHS) else body[0].lineno
    return bool(first <= line <= (body[-1].end_lineno or 0))


def _guarding(node: Any, line: int) -> list[ast.withitem]:
    """The contexts that an error at a line meets: where a context fails as it ends, which is at
    the line of the `with`, those before the last."""
    is_body = line >= node.body[0].lineno
    return list(node.items if is_body else node.items[:-1])


def _handling_lines(node: Any) -> Iterator[tuple[int, int]]:
    for block in (*(clause.body for clause in node.handlers), node.finalbody):
        if block:
            yield block[0].lineno, block[-1].end_lineno or block[-1].lineno


@lru_cache(maxsize=256)
def _nodes_in(filename: str) -> tuple[ast.stmt, ...]:
    """Every `try` and `with` of a file; none if it cannot be read."""
    try:
        tree = ast.parse(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, (*_TRIES, *_WITHS)))
