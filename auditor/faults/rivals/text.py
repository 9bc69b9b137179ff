"""What a statement sends, and which rows it is about, read off the text that the driver gets.

    UPDATE labels SET name=?, shared=? WHERE labels.id = ?        ("b", 1, 7)

        sent_values     name: "b", shared: 1
        rows_query      SELECT labels.* FROM labels WHERE labels.id = ?        (7,)

Text and not SQLAlchemy's objects: statements written by hand are read too, and the values are
those that the driver gets. What is not understood is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.sql.conditions import named_tables
from auditor.sql.tables import tables_of

_TOKENS = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)"""
    r"""|(?P<held>%\((?P<name>[^)]*)\)s|%s|\?|\$(?P<number>\d+))"""
    r"""|(?P<word>[A-Za-z_][\w$]*)|(?P<mark>[(),=;])|(?P<rest>\s+|.)""",
    re.DOTALL,
)
_AFTER_ROWS = frozenset("ORDER GROUP HAVING LIMIT OFFSET FETCH FOR RETURNING WINDOW".split())
_SET_OPERATIONS = frozenset("UNION EXCEPT INTERSECT WITH".split())

Parameters = Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A token of a statement: `depth` of brackets around it, `place` among the placeholders (-1 if
    it is none), `name` of a named placeholder."""

    text: str
    start: int
    end: int
    depth: int
    kind: str
    place: int = -1
    name: str = ""

    @property
    def word(self) -> str:
        """A keyword or bare name in capitals; empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""


def sent_values(sql: str, parameters: Parameters) -> Mapping[str, Any]:
    """The values that INSERT ... VALUES (its first row) or UPDATE ... SET sends, by column; those
    of expressions are left out. NULL is None."""
    pieces = _pieces(sql)
    verb = pieces[0].word if pieces else ""
    if verb in {"INSERT", "REPLACE"}:
        pairs = _inserted(pieces)
    elif verb == "UPDATE":
        pairs = _assigned(pieces)
    else:
        return {}
    return {
        column: value
        for column, piece in pairs
        for value in _values(piece, parameters)
    }  # fmt: skip


def rows_query(sql: str, parameters: Parameters, table: str) -> tuple[str, Parameters] | None:
    """A SELECT of whole rows of the table that a SELECT, UPDATE or DELETE is about, by the same
    criteria and in the same order of placeholders; None where the statement is not understood, or
    is about another table."""
    pieces = _pieces(sql)
    words = [piece.word for piece in pieces if piece.depth == 0]
    if not words or _SET_OPERATIONS & set(words):
        return None
    if words[0] == "UPDATE":
        return _of_update(sql, pieces, parameters, table)
    begin = next((p for p in pieces if p.depth == 0 and p.word == "FROM"), None)
    if words[0] not in {"SELECT", "DELETE"} or begin is None:
        return None
    tail = [p for p in pieces if p.start >= begin.start]
    end = _end_of_rows(tail, len(sql))
    return _selected(sql[begin.start : end], table, tail, parameters, end)


def _of_update(
    sql: str, pieces: Sequence[Piece], parameters: Parameters, table: str
) -> tuple[str, Parameters] | None:
    found = {p.word: p for p in reversed(pieces) if p.depth == 0 and p.word in {"SET", "WHERE"}}
    if "SET" not in found or any(p.depth == 0 and p.word == "FROM" for p in pieces):
        return None
    written = sql[pieces[0].end : found["SET"].start]
    begin = found["WHERE"].start if "WHERE" in found else len(sql)
    tail = [p for p in pieces if p.start >= begin]
    end = _end_of_rows(tail, len(sql))
    text = f"FROM {written.strip()} {sql[begin:end]}"
    return _selected(text, table, tail, parameters, end)


def _selected(
    tail_text: str, table: str, tail: Sequence[Piece], parameters: Parameters, end: int
) -> tuple[str, Parameters] | None:
    alias = _name_of_first(tail_text, table)
    if not alias:
        return None
    text = f"SELECT {alias}.* {tail_text}"
    places = [p.place for p in tail if p.place >= 0 and p.start < end]
    if isinstance(parameters, Mapping):
        return text, parameters
    return text, tuple(parameters[place] for place in places)


def _end_of_rows(tail: Sequence[Piece], length: int) -> int:
    return next((p.start for p in tail if p.depth == 0 and p.word in _AFTER_ROWS), length)


def _name_of_first(tail: str, table: str) -> str:
    """The name that the table goes by after FROM, quoted as it stands there; empty if it is not
    the first one there."""
    tables = tables_of(f"SELECT 1 {tail}")
    if not tables or tables[0].rpartition(".")[2] != table:
        return ""
    named = named_tables(f"SELECT 1 {tail}").items()
    alias = next((name for name, one in named if one == tables[0]), "")
    quoted = re.search(rf'(["`]){re.escape(alias or table)}\1', tail)
    return quoted[0] if quoted else alias


def _inserted(pieces: Sequence[Piece]) -> Iterator[tuple[str, Piece | None]]:
    columns = _bracket(pieces, lambda before: "INTO" in before and "VALUES" not in before)
    values = _bracket(pieces, lambda before: before[-1:] == ["VALUES"])
    if columns and len(columns) == len(values):
        for name, value in zip(columns, values, strict=True):
            yield _column(name), value[0] if len(value) == 1 else None


def _bracket(pieces: Sequence[Piece], is_it: Any) -> list[list[Piece]]:
    """The items of the first outermost bracket of which the keywords before say that it is it."""
    before: list[str] = []
    for at, piece in enumerate(pieces):
        if piece.depth == 0 and piece.word:
            before.append(piece.word)
        if piece.text == "(" and piece.depth == 0 and is_it(before):
            return _items(pieces[at + 1 :], depth=1)
    return []


def _items(pieces: Sequence[Piece], depth: int) -> list[list[Piece]]:
    """Parts between commas up to the closing bracket; a cast's type is no part of a value."""
    items: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.text == ")" and piece.depth < depth:
            break
        if piece.text == "," and piece.depth == depth:
            items.append([])
        else:
            items[-1].append(piece)
    return [_without_cast(item) for item in items]


def _without_cast(item: list[Piece]) -> list[Piece]:
    """`%(a)s::VARCHAR(36)` is the placeholder alone."""
    is_cast = [piece.text for piece in item[1:3]] == [":", ":"] and item[0].place >= 0
    return item[:1] if is_cast else item


def _assigned(pieces: Sequence[Piece]) -> Iterator[tuple[str, Piece | None]]:
    outer = [p.word if p.depth == 0 else "" for p in pieces]
    if "SET" not in outer:
        return
    start = outer.index("SET") + 1
    ends = [at for at, word in enumerate(outer) if word in {"WHERE", "FROM", "RETURNING"}]
    for item in _items(pieces[start : min(ends, default=len(pieces))], depth=0):
        signs = [at for at, piece in enumerate(item) if piece.text == "="]
        if signs:
            value = _without_cast(item[signs[0] + 1 :])
            yield _column(item[: signs[0]]), value[0] if len(value) == 1 else None


def _column(pieces: Sequence[Piece]) -> str:
    return pieces[-1].text.strip('"`') if pieces else ""


def _values(piece: Piece | None, parameters: Parameters) -> Iterator[Any]:
    """The value of a placeholder or NULL, as one item; none for anything else."""
    if piece is None:
        return
    if piece.word == "NULL":
        yield None
    elif piece.place >= 0 and isinstance(parameters, Mapping):
        if piece.name in parameters:
            yield parameters[piece.name]
    elif not isinstance(parameters, Mapping) and 0 <= piece.place < len(parameters):
        yield parameters[piece.place]


def _pieces(sql: str) -> list[Piece]:
    """The tokens, spaces left out."""
    found: list[Piece] = []
    depth = places = 0
    for match in _TOKENS.finditer(sql):
        kind, text = str(match.lastgroup), match[0]
        if match["held"]:
            place = int(match["number"]) - 1 if match["number"] else places
            places += 1
            found.append(
                Piece(text, match.start(), match.end(), depth, "held", place, match["name"] or "")
            )
            continue
        if text == ")":
            depth -= 1
        if not text.isspace():
            found.append(Piece(text, match.start(), match.end(), depth, kind))
        if text == "(":
            depth += 1
    return found
