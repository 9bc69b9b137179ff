"""Which handlers of the user's code saw an error, read off its traceback.

A traceback grows while an error travels, and stops at the frame that caught it: the outermost
frame of an error that was caught is the catcher's. An error that left a frame at a line inside of
a `try` went through its clause. Which clause it was is found in the source, by the classes that it
names; no tracing, so the call runs at its own speed.

A `with` catches too: `contextlib.suppress`, or a context whose `__exit__` returns true. It is told
where no clause took the error and the source leaves no doubt which `with` did.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType
from typing import Any

from auditor.faults.judge import chain
from auditor.model.span import Frame
from auditor.runtime.sites import places_raised_from, site_of

_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))
_WITHS = (ast.With, ast.AsyncWith)
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class _Passed:
    """A frame that an error came through: `line` is where it left, or was caught."""

    code: CodeType
    offset: int
    line: int
    names: Mapping[str, Any]


def user_frames(error: BaseException, boundary: CodeType, root: str) -> tuple[Frame, ...]:
    """The user's part of an error's traceback, innermost first."""
    places = [place for place in places_raised_from(error) if place[0] is not boundary]
    return site_of(places, root).stack


def handlers_of(
    errors: Iterable[BaseException], boundary: CodeType, root: str
) -> tuple[Frame, ...]:
    """The handlers that any of the errors, or what they were made of, came to; innermost error
    first, each handler once. Only those in the user's code, and only those the source tells."""
    found: dict[Frame, None] = {}
    for error in errors:
        for one in reversed(list(chain(error))):
            found.update(dict.fromkeys(_handlers_of_one(one, boundary, root)))
    return tuple(found)


def is_raised_in_handler(error: BaseException, boundary: CodeType, root: str) -> bool:
    """Whether the error came through a line of an `except` clause, or of a `finally` block, of the
    user's code."""
    return any(
        first <= one.line <= last
        for one in _passed(error)
        if one.code is not boundary and site_of([(one.code, one.offset)], root).stack
        for node in _nodes_in(one.code.co_filename)
        if isinstance(node, _TRIES)
        for first, last in _handling_lines(node)
    )


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


def _passed(error: BaseException) -> list[_Passed]:
    """The frames of an error's traceback, outermost first."""
    entries = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        entries.append(
            _Passed(frame.f_code, traceback.tb_lasti, traceback.tb_lineno, frame.f_globals)
        )
        traceback = traceback.tb_next
    return entries


def _lines_of_handlers(one: _Passed, error: BaseException, *, caught: bool) -> list[int]:
    """The lines of the handlers of a frame that an error came to, innermost first. In the frame
    that caught it, those around the clause that did not pass it on have not seen it."""
    around = [node for node in _nodes_in(one.code.co_filename) if _surrounds(node, one.line)]
    clauses = [
        clause
        for node in sorted(around, key=lambda each: each.lineno, reverse=True)
        if isinstance(node, _TRIES)
        for clause in _clauses_taking(node, error, one.names)
    ]
    if not caught:
        return [clause.lineno for clause in clauses]
    for number, clause in enumerate(clauses):
        if not _passes_on(clause):
            return [each.lineno for each in clauses[: number + 1]]
    return [*(each.lineno for each in clauses), *_line_of_with(around, one.line, error, one.names)]


def _clauses_taking(
    node: Any, error: BaseException, names: Mapping[str, Any]
) -> list[ast.ExceptHandler]:
    """The first clause of a `try` that takes the error, or none."""
    return [clause for clause in node.handlers if _takes(clause.type, error, names)][:1]


def _takes(kind: ast.expr | None, error: BaseException, names: Mapping[str, Any]) -> bool:
    if kind is None:
        return True
    if isinstance(kind, ast.Tuple):
        return any(_takes(each, error, names) for each in kind.elts)
    classes = _value_of(kind, names)
    if classes is _UNKNOWN:  # a local variable: its last word is all there is
        own = {cls.__name__ for cls in type(error).__mro__}
        return ast.unparse(kind).rpartition(".")[2] in own
    try:
        return isinstance(error, classes)
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
    items = [item for node in around if isinstance(node, _WITHS) for item in _guarding(node, line)]
    suppressing = [
        item.context_expr.lineno
        for item in items
        if isinstance(item.context_expr, ast.Call)
        and ast.unparse(item.context_expr.func).rpartition(".")[2] == "suppress"
        and any(_takes(kind, error, names) for kind in item.context_expr.args)
    ]
    if suppressing:
        return [max(suppressing)]
    return [item.context_expr.lineno for item in items] if len(items) == 1 else []


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
