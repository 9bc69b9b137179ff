"""SQL text to tokens, for the dialects of SQLite, PostgreSQL and MySQL, in linear time.

No parser: a grammar would refuse what a driver accepts. Values and comments are told apart from
the rest and are never passed on, so nothing made from these tokens can hold a bound value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

LONGEST = 65_536  # characters read of one statement; a longer one is cut after a `)` or `,`
VALUE = "?"

_TOKEN = re.compile(
    r"""
      (?P<space>  [\s\ufeff\x00]+ )
    | (?P<comment> --[^\n]* )
    | (?P<string> (?:[nNxXbBuU]|_utf8(?:mb4)?)? '[^']*(?:''[^']*)*'? )
    | (?P<escaped> [eE] '[^'\\]*(?:(?:\\.|'')[^'\\]*)*'? )
    | (?P<quoted> "[^"]*(?:""[^"]*)*"? | `[^`]*`? | \[[A-Za-z_][\w ]*\] )
    | (?P<bind>   %\(\w+\)[sdt] | %[sd](?!\w) | (?<![:\w]):[A-Za-z_]\w* | (?<!\w)\$\d+ | \?\d*
                | @[pP]\d+\b | __\[POSTCOMPILE_[^\]]*\] | \{\w*\} )
    | (?P<number> 0[xX][0-9a-fA-F]+ | (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<word>   [^\W\d][\w$]* | [@#]{1,2}\w+ )
    | (?P<mark>   :: | \|\| | <=> | <> | != | >= | <= | := | ->> | -> | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_DOLLAR = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_BEFORE_VALUE = frozenset({"=", "<", ">", "<=", ">=", "<>", "!=", "<=>", "LIKE", "ILIKE"})
_BEFORE_SIGN = _BEFORE_VALUE | frozenset(
    "( , + - * / || THEN ELSE LIMIT OFFSET BETWEEN AND OR RETURN SELECT WHEN IN".split()
)

KEYWORDS = frozenset(
    """
    ADD ALL ALTER ANALYZE AND ANY AS ASC AUTOINCREMENT AUTO_INCREMENT BEGIN BETWEEN BY CASCADE CASE
    CAST CHECK COALESCE COLLATE COLUMN COMMENT COMMIT CONFLICT CONSTRAINT COUNT CREATE CROSS
    CURRENT_DATE CURRENT_TIMESTAMP DATABASE DEFAULT DELETE DESC DISTINCT DO DROP DUPLICATE ELSE END
    ESCAPE EXCEPT EXISTS EXPLAIN FALSE FETCH FILTER FIRST FOR FOREIGN FROM FULL GRANT GROUP HAVING
    IF IGNORE ILIKE IN INDEX INNER INSERT INTERSECT INTO IS ISNULL JOIN KEY LAST LATERAL LEFT LIKE
    LIMIT LOCK LOCKED MAX MERGE MIN NATURAL NEXT NOT NOTHING NOTNULL NOWAIT NULL NULLS OF OFFSET ON
    ONLY OR ORDER OUTER OVER PARTITION PRAGMA PRIMARY RECURSIVE REFERENCES RELEASE RENAME REPLACE
    RESTRICT RETURNING REVOKE RIGHT ROLLBACK ROW ROWS SAVEPOINT SCHEMA SELECT SEQUENCE SET SHARE
    SHOW SKIP START SUM TABLE TEMPORARY THEN TO TRANSACTION TRIGGER TRUE TRUNCATE UNION UNIQUE
    UPDATE USE USING VACUUM VALUES VIEW WHEN WHERE WINDOW WITH WORK
    """.split()
)


def tokens_of(sql: str) -> tuple[str, ...]:
    """The tokens of a statement: keywords in capitals, each value or bind as `?`, names as they
    stand (quotes dropped where they change nothing), comments and a final `;` left out."""
    found: list[str] = []
    text = _cut(sql)
    for kind, token in _raw(text):
        if kind == "value":
            _fold_sign(found)
            found.append(VALUE)
        elif kind == "word":
            upper = token.upper()
            found.append(upper if upper in KEYWORDS and found[-1:] != ["."] else token)
        elif kind == "quoted":
            found.append(_name(token, found))
        else:
            found.append(token)
    while found and found[-1] == ";":
        found.pop()
    return tuple(found)


def outside(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yields place and text of the tokens that stand in no brackets, and of the brackets."""
    depth = 0
    for at, token in enumerate(tokens):
        depth -= token == ")"
        if depth == 0:
            yield at, token
        depth += token == "("


def is_name(token: str) -> bool:
    """Whether a token names a table, a column or an alias."""
    return token != VALUE and token not in KEYWORDS and (token[0].isalpha() or token[0] in '_"')


def _raw(text: str) -> Iterator[tuple[str, str]]:
    """Yields ("value" | "word" | "quoted" | "mark", text) of everything that has a meaning."""
    place, end = 0, len(text)
    while place < end:
        after = _skipped(text, place)
        if after != place:
            if text[place] == "$":
                yield "value", VALUE
            place = after
            continue
        match = _TOKEN.match(text, place)
        if match is None:  # cannot be: the last alternative takes any character
            return
        place = match.end()
        kind = match.lastgroup or "mark"
        if kind in {"string", "escaped", "bind", "number"}:
            yield "value", VALUE
        elif kind not in {"space", "comment"}:
            yield kind, match.group()


def _skipped(text: str, place: int) -> int:
    """Where a `/* comment */` or a `$tag$ string $tag$` that starts here ends; `place` if none
    does. An unfinished one takes the rest, so that no text is searched twice."""
    if text.startswith("/*", place):
        return _after_comment(text, place)
    if text[place] != "$":
        return place
    tag = _DOLLAR.match(text, place)
    if tag is None:
        return place
    closing = text.find(tag.group(), tag.end())
    return len(text) if closing < 0 else closing + len(tag.group())


def _after_comment(text: str, place: int) -> int:
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, place):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def _cut(sql: str) -> str:
    if len(sql) <= LONGEST:
        return sql
    head = sql[:LONGEST]
    row_end = head.rfind(")", LONGEST - 1024)
    return head[: (row_end if row_end >= 0 else head.rfind(",")) + 1] or head


def _fold_sign(found: list[str]) -> None:
    """Drops the sign of a number, so that `= -1` and `= 1` are one shape."""
    if found and found[-1] in {"-", "+"} and (len(found) == 1 or found[-2] in _BEFORE_SIGN):
        found.pop()


def _name(token: str, found: list[str]) -> str:
    """A quoted name without its quotes where they change nothing. In MySQL's default mode a double
    quoted text is a string: what stands after a comparison or cannot be a name is a value."""
    inner = token[1:-1] if len(token) > 1 and token[-1] in '"`]' else token[1:]
    if token[0] == '"' and (
        (found[-1:] and found[-1] in _BEFORE_VALUE) or not re.fullmatch(r"[\w$ .-]{1,128}", inner)
    ):
        return VALUE
    if _PLAIN.fullmatch(inner) and inner.upper() not in KEYWORDS:
        return inner
    return f'"{inner}"'
