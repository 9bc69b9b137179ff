"""Suppression comments: `# auditor: ignore[DBA301, DBA302] at most three rows`.

A comment holds for the innermost statement it stands on, whichever of its lines that is; on a line
of its own between statements it holds for the next one, and where that is the first of a block, for
the header of the block too. For a compound statement (`for`, `def`, `with`) only its header counts,
not its body; an `except` clause counts as a statement.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import Suppression

_MARK = b"auditor:"
_COMMENT = re.compile(
    r"#\s*auditor:\s*ignore(?:\s*\[(?P<codes>[^\]]*)\]|\b)[\s:,-]*(?P<reason>.*)"
    r"|#\s*auditor:\s*[\w-]+\s*\[\s*[A-Za-z]+\d"  # another word with codes: meant as one, and told
)
_SEPARATOR = re.compile(r"[,\s]+")
_NO_CODE = frozenset(
    (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER)
)


class _Comment(NamedTuple):
    line: int
    text: str
    is_between: bool
    """It stands alone on its line, and inside no statement."""


def suppressions_in(source: bytes, tree: ast.Module) -> tuple[Suppression, ...]:
    """All suppression comments of a module, in order; an empty code or reason is kept."""
    if _MARK not in source:
        return ()
    headers: list[tuple[int, int]] = []
    found = []
    for comment in _comments(source):
        match = _COMMENT.search(comment.text)
        if match is None:
            continue
        headers = headers or sorted(_headers(tree))
        codes = tuple(c.upper() for c in _SEPARATOR.split(match["codes"] or "") if c)
        first, last = _statement_of(headers, comment)
        reason = (match["reason"] or "").strip()
        found.append(Suppression(comment.line, first, last, codes, reason))
    return tuple(found)


def _comments(source: bytes) -> Iterator[_Comment]:
    is_inside = False
    try:
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type == tokenize.COMMENT:
                alone = not token.line[: token.start[1]].strip()
                yield _Comment(token.start[0], token.string, alone and not is_inside)
            elif token.type == tokenize.NEWLINE:
                is_inside = False
            elif token.type not in _NO_CODE:
                is_inside = True
    except (tokenize.TokenError, SyntaxError):  # what ast accepts, tokenize may still refuse
        return


def _headers(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """First and last line of each statement; of its header if it has a body."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.stmt, ast.ExceptHandler)):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        last = node.end_lineno or node.lineno
        if body:
            inner = getattr(body[0], "lineno", None) or body[0].pattern.lineno
            last = max(first, inner - 1)
        yield first, last


def _statement_of(headers: list[tuple[int, int]], comment: _Comment) -> tuple[int, int]:
    line = comment.line
    around = [header for header in headers if header[0] <= line <= header[1]]
    after = next((header for header in headers if header[0] > line), None)
    if around and not comment.is_between:
        return min(around, key=lambda header: header[1] - header[0])
    first, last = after or (line, line)
    opened = [header for header in around if header[1] < first]
    return (min(opened, key=lambda header: header[1] - header[0])[0] if opened else first), last
