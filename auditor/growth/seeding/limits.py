"""What CHECK constraints leave of a column's values, as far as they can be understood.

Understood are conjunctions of `column op value`, `column BETWEEN a AND b`, `column IN (...)`,
`length(column) op number`, `column op column`, and each of these `OR column IS NULL`. Anything
else is left to the database: it takes the rows or names the constraint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any

import sqlalchemy as sa

_TOKEN = re.compile(
    r"""\s*(?: '(?P<text>(?:[^']|'')*)' | "(?P<quoted>[^"]+)" | `(?P<ticked>[^`]+)`
    | \[(?P<boxed>[A-Za-z_][^\]]*)\] | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w$]*) | (?P<sign>::|<=|>=|<>|!=|[-+*/%<>=(),.~|\[\]&:]) )""",
    re.VERBOSE,
)
_LENGTHS = {"length", "char_length", "character_length", "len"}
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>", "!=": "!="}


@dataclass(frozen=True, slots=True)
class Bound:
    """An end of a range; `open` leaves the value itself out."""

    value: Decimal
    open: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """The values that a column may take. `shift` asks for later values than the column it is
    compared with (`starts < ends`)."""

    low: Bound | None = None
    high: Bound | None = None
    allowed: tuple[Any, ...] | None = None
    refused: tuple[Any, ...] = ()
    shortest: int = 0
    longest: int | None = None
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL: `kind` is `column`, `value`, `word` or `sign`."""

    kind: str
    value: Any


Clause = tuple[Token, ...]
NO_LIMITS = Limits()


@dataclass(slots=True, frozen=True)
class _Found:
    """The limits by column name, while they are collected."""

    by_column: dict[str, Limits] = field(default_factory=dict)

    def narrow(self, column: str, **changes: Any) -> None:
        self.by_column[column] = replace(self.by_column.get(column, NO_LIMITS), **changes)

    def of(self, column: str) -> Limits:
        return self.by_column.get(column, NO_LIMITS)


def limits_of(table: sa.Table) -> Mapping[str, Limits]:
    """The limits of a table's columns, by column name; a column without any is absent."""
    found = _Found()
    columns = {column.name.lower(): column.name for column in table.columns}
    for check in sorted(checks_of(table), key=_text_of):
        for clause in _conjuncts(_tokens(_text_of(check), columns)):
            _understand(clause, found)
    return found.by_column


def checks_of(table: sa.Table) -> list[sa.CheckConstraint]:
    """The CHECK constraints of a table and of its columns."""
    owners = (table, *table.columns)
    found = (one for owner in owners for one in owner.constraints)
    return [one for one in found if isinstance(one, sa.CheckConstraint)]


def _text_of(check: sa.CheckConstraint) -> str:
    try:
        return str(check.sqltext.compile(compile_kwargs={"literal_binds": True}))
    except (sa.exc.CompileError, NotImplementedError, TypeError):
        return ""


def _tokens(text: str, columns: Mapping[str, str]) -> Clause:
    """The pieces of a condition; table names before a column and casts are left out."""
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, piece = str(match.lastgroup), match.group(str(match.lastgroup))
        if kind == "text":
            found.append(Token("value", piece.replace("''", "'")))
        elif kind == "number":
            found.append(Token("value", Decimal(piece)))
        elif kind == "sign":
            found.append(Token("sign", piece))
        elif piece.lower() in columns:
            found.append(Token("column", columns[piece.lower()]))
        else:
            found.append(Token("word", piece.lower()))
    return tuple(_without_qualifiers(found))


def _without_qualifiers(tokens: list[Token]) -> Iterator[Token]:
    skipped = -1
    for place, token in enumerate(tokens):
        following = tokens[place + 1].value if place + 1 < len(tokens) else None
        if token.value == "::" and token.kind == "sign":
            skipped = place + 1  # the type after it
        elif place != skipped and token.value != "." and following != ".":
            yield token


def _conjuncts(tokens: Clause) -> Iterator[Clause]:
    """The conditions that must all hold."""
    inner = _unwrapped(tokens)
    choices = [_unwrapped(one) for one in _split(inner, "or")]
    if len(choices) > 1:
        strict = [one for one in choices if [t.value for t in one[1:]] != ["is", "null"]]
        if len(strict) == 1:
            yield from _conjuncts(strict[0])
        return
    parts = list(_split(inner, "and"))
    if len(parts) == 1:
        yield inner
        return
    for part in parts:
        yield from _conjuncts(part)


def _unwrapped(tokens: Clause) -> Clause:
    while len(tokens) > 1 and tokens[0].value == "(" and _closing(tokens) == len(tokens) - 1:
        tokens = tokens[1:-1]
    return tokens


def _closing(tokens: Clause) -> int:
    depth = 0
    for place, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.value, 0) if token.kind == "sign" else 0
        if depth == 0:
            return place
    return -1


def _split(tokens: Clause, word: str) -> Iterator[Clause]:
    """The parts between a word outside of parentheses; the AND of BETWEEN splits nothing."""
    depth, start, between = 0, 0, False
    for place, token in enumerate(tokens):
        if token.kind == "sign":
            depth += {"(": 1, ")": -1}.get(token.value, 0)
        elif token.kind == "word" and depth == 0:
            if token.value == word and not (between and word == "and"):
                yield tokens[start:place]
                start = place + 1
            between = token.value == "between" or (between and token.value != "and")
    yield tokens[start:]


def _understand(clause: Clause, found: _Found) -> None:
    kinds = "".join(
        {"column": "c", "value": "v"}.get(token.kind, f" {token.value} ") for token in clause
    )
    shape = " ".join(kinds.split())
    comparison = re.fullmatch(r"(c|v) (<|<=|>|>=|=|<>|!=) (c|v)", shape)
    if comparison:
        _compared(clause, found)
    elif shape == "c between vand v" or re.fullmatch(r"c between v and v", shape):
        _range(found, clause[0].value, ">=", clause[2].value)
        _range(found, clause[0].value, "<=", clause[4].value)
    elif re.fullmatch(r"c (not )?in \( v(?: , v)* \)", shape):
        values = tuple(token.value for token in clause if token.kind == "value")
        _listed(found, clause[0].value, values, refused=clause[1].value == "not")
    elif re.fullmatch(r"\w+ \( c \) (<|<=|>|>=|=) v", shape) and clause[0].value in _LENGTHS:
        _lengths(found, clause[2].value, clause[4].value, clause[5].value)


def _compared(clause: Clause, found: _Found) -> None:
    left, sign, right = clause
    if left.kind == "value" and right.kind == "column":
        left, sign, right = right, Token("sign", _FLIPPED[sign.value]), left
    if left.kind != "column":
        return
    if right.kind == "column":
        later = {"<": right, "<=": right, ">": left, ">=": left}.get(sign.value)
        earlier = left if later is right else right
        if later is not None:
            found.narrow(later.value, shift=found.of(earlier.value).shift + 1)
    elif sign.value == "=":
        _listed(found, left.value, (right.value,), refused=False)
    elif sign.value in ("<>", "!="):
        _listed(found, left.value, (right.value,), refused=True)
    else:
        _range(found, left.value, sign.value, right.value)


def _listed(found: _Found, column: str, values: tuple[Any, ...], *, refused: bool) -> None:
    known = found.of(column)
    if refused:
        found.narrow(column, refused=known.refused + values)
    elif known.allowed is None:
        found.narrow(column, allowed=values)
    else:
        found.narrow(column, allowed=tuple(one for one in known.allowed if one in values))


def _range(found: _Found, column: str, sign: str, value: Any) -> None:
    try:
        bound = Bound(Decimal(value), open=sign in "<>")
    except InvalidOperation:
        return  # a date or a text: left to the database
    known = found.of(column)
    if sign[0] == ">" and (known.low is None or bound.value >= known.low.value):
        found.narrow(column, low=bound)
    elif sign[0] == "<" and (known.high is None or bound.value <= known.high.value):
        found.narrow(column, high=bound)


def _lengths(found: _Found, column: str, sign: str, value: Any) -> None:
    if not isinstance(value, Decimal):
        return
    size, known = int(value), found.of(column)
    if sign in (">", ">=", "="):
        found.narrow(column, shortest=max(known.shortest, size + (sign == ">")))
    if sign in ("<", "<=", "="):
        longest = size - (sign == "<")
        found.narrow(column, longest=min(longest, known.longest or longest))
