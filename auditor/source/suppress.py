"""Suppression comments: `# auditor: ignore[DBA301, DBA302] at most three rows`.

A comment holds for the innermost statement it stands on, whichever of its lines that is; on a line
of its own between statements it holds for the next one. For a compound statement (`for`, `def`,
`with`) only its header counts, not its body.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from auditor.source.facts import Suppression

_MARK = b"auditor:"
_COMMENT = re.compile(r"#\s*auditor:\s*ignore\b(?:\[(?P<codes>[^\]]*)\])?[\s:,-]*(?P<reason>.*)")


def suppressions_in(source: bytes, tree: ast.Module) -> tuple[Suppression, ...]:
    """All suppression comments of a module, in order; an empty code or reason is kept."""
    if _MARK not in source:
        return ()
    headers = sorted(_headers(tree))
    found = []
    for line, text in _comments(source):
        match = _COMMENT.search(text)
        if match is None:
            continue
        codes = tuple(c.strip().upper() for c in (match["codes"] or "").split(",") if c.strip())
        first, last = _statement_at(headers, line)
        found.append(Suppression(line, first, last, codes, match["reason"].strip()))
    return tuple(found)


def _comments(source: bytes) -> Iterator[tuple[int, str]]:
    try:
        for token in tokenize.tokenize(io.BytesIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    except (tokenize.TokenError, SyntaxError):  # what ast accepts, tokenize may still refuse
        return


def _headers(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """First and last line of each statement; of its header if it has a body."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(d.lineno for d in decorators)])
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        last = node.end_lineno or node.lineno
        if body:
            inner = getattr(body[0], "lineno", None) or body[0].pattern.lineno
            last = max(first, inner - 1)
        yield first, last


def _statement_at(headers: list[tuple[int, int]], line: int) -> tuple[int, int]:
    around = [header for header in headers if header[0] <= line <= header[1]]
    if around:
        return min(around, key=lambda header: header[1] - header[0])
    after = [header for header in headers if header[0] > line]
    return after[0] if after else (line, line)
