"""Which `except` clauses of the user's code saw an error, read off its traceback.

A traceback grows while an error travels, and stops at the frame that caught it: the outermost
frame of an error that was caught is the catcher's. Which clause it was is found in the source, by
the names of the classes; no tracing, so the call runs at its own speed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType

from auditor.faults.judge import chain
from auditor.model.span import Frame
from auditor.runtime.sites import places_raised_from, site_of

_TRIES = (ast.Try, getattr(ast, "TryStar", ast.Try))


def user_frames(error: BaseException, boundary: CodeType, root: str) -> tuple[Frame, ...]:
    """The user's part of an error's traceback, innermost first."""
    places = [place for place in places_raised_from(error) if place[0] is not boundary]
    return site_of(places, root).stack


def handlers_of(
    errors: Iterable[BaseException], boundary: CodeType, root: str
) -> tuple[Frame, ...]:
    """The clauses that caught any of the errors or what they were made of, innermost error first;
    only those in the user's code, and only those that the source tells."""
    found: dict[Frame, None] = {}
    for error in errors:
        for one in reversed(list(chain(error))):
            frame = _catcher(one, boundary, root)
            if frame is not None:
                found[frame] = None
    return tuple(found)


def _catcher(error: BaseException, boundary: CodeType, root: str) -> Frame | None:
    entries = _traceback(error)
    if not entries or entries[0][0] is boundary:  # it escaped, or was never raised
        return None
    code, offset, line = entries[0]
    stack = site_of([(code, offset)], root).stack
    clause = _clause_line(code.co_filename, line, frozenset(_names(error)))
    return Frame(stack[0].path, clause, stack[0].function) if stack and clause else None


def _traceback(error: BaseException) -> list[tuple[CodeType, int, int]]:
    """(code, instruction, line) of each frame, outermost first."""
    entries = []
    traceback = error.__traceback__
    while traceback is not None:
        entries.append((traceback.tb_frame.f_code, traceback.tb_lasti, traceback.tb_lineno))
        traceback = traceback.tb_next
    return entries


def _names(error: BaseException) -> Iterator[str]:
    return (cls.__name__ for cls in type(error).__mro__)


def _clause_line(filename: str, line: int, names: frozenset[str]) -> int:
    """The line of the `except` clause, around `line`, that takes one of the class names; the
    innermost such. 0 if there is none."""
    around = [
        node
        for node in _tries_in(filename)
        if node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
    ]
    for node in sorted(around, key=lambda one: one.lineno, reverse=True):
        for handler in node.handlers:
            if _takes(handler, names):
                return handler.lineno
    return 0


def _takes(handler: ast.ExceptHandler, names: frozenset[str]) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind).rpartition(".")[2] in names for kind in kinds)


@lru_cache(maxsize=256)
def _tries_in(filename: str) -> tuple[ast.Try, ...]:
    try:
        tree = ast.parse(Path(filename).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, _TRIES))
