"""The shape of a statement: what stays the same when only values, list lengths and generated
names change. Equal for SQL text in the source and for the statement that was executed.

    SELECT a FROM t WHERE id IN (1, 2, 3)     ->  SELECT a FROM t WHERE id IN (?)
    insert into t values (%s, %s), (%s, %s)   ->  INSERT INTO t VALUES (?, ?)
    SAVEPOINT sa_savepoint_12                 ->  SAVEPOINT sa_savepoint_1
    SELECT t_7.a AS t_7_a FROM t AS t_7       ->  SELECT t_1.a FROM t AS t_1
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache

from auditor.sql.labels import without_plain_labels
from auditor.sql.tokens import KEYWORDS, VALUE, tokens_of

_CACHED_BELOW = 16_384  # characters; the cache holds 4,096 statements, so it stays small
_GENERATED = re.compile(r"(?P<base>[^\W\d]\w*?)_(?P<number>\d+)")
_CAST_WORDS = frozenset({"PRECISION", "VARYING", "WITHOUT", "WITH", "TIME", "ZONE"})
_NO_SPACE_AFTER = frozenset({"(", ".", "::", "@"})
_NO_SPACE_BEFORE = frozenset({")", ",", ".", ";", "::"})
_CALLABLE = frozenset(
    {"COUNT", "SUM", "MIN", "MAX", "CAST", "COALESCE", "REPLACE", "LEFT", "RIGHT"}
)
_TRUTH = frozenset({"TRUE", "FALSE"})


def shape_of(sql: str) -> str:
    """The shape of `sql`, empty for empty text. Never fails; reads at most 65,536 characters."""
    return _cached_shape(sql) if len(sql) < _CACHED_BELOW else _shape(sql)


def brief(shape: str, width: int = 100) -> str:
    """A shape for people: long select lists and parameter lists become `…`, then cut at `width`."""
    text = re.sub(
        r"^SELECT (?P<first>DISTINCT )?(?P<columns>.{24,}?) FROM ",
        r"SELECT \g<first>… FROM ",
        shape,
    )
    text = re.sub(r"^(INSERT INTO \S+) \(.{24,}?\) VALUES \([^()]*\)", r"\1 (…)", text)
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def _shape(sql: str) -> str:
    tokens = list(tokens_of(sql))
    for step in _STEPS:
        tokens = step(tokens)
    return _spaced(tokens)


_cached_shape = lru_cache(maxsize=4096)(_shape)


def _without_casts(tokens: list[str]) -> list[str]:
    """Drops `::TYPE` after a value: some drivers write it, others do not."""
    kept: list[str] = []
    place = 0
    while place < len(tokens):
        if tokens[place] == "::" and kept[-1:] == [VALUE]:
            place = _after_type(tokens, place + 1)
        else:
            kept.append(tokens[place])
            place += 1
    return kept


def _after_type(tokens: list[str], place: int) -> int:
    place += 1
    while place < len(tokens):
        if tokens[place].upper() in _CAST_WORDS:
            place += 1
        elif tokens[place : place + 3] == ["(", VALUE, ")"]:
            place += 3
        elif tokens[place : place + 2] == ["[", "]"]:
            place += 2
        else:
            break
    return place


def _plain_truth(tokens: list[str]) -> list[str]:
    """Makes TRUE and FALSE values, as drivers without booleans send them; not after IS."""
    return [
        VALUE if token in _TRUTH and not {"IS", "NOT"} & set(tokens[max(at - 1, 0) : at]) else token
        for at, token in enumerate(tokens)
    ]


def _values_rows(tokens: list[str]) -> list[str]:
    """Keeps the first of several equal rows after VALUES; NULL in a row is a value."""
    kept: list[str] = []
    place = 0
    while place < len(tokens):
        kept.append(tokens[place])
        place += 1
        if kept[-1] == "VALUES" and tokens[place : place + 1] == ["("]:
            rows, place = _rows(tokens, place)
            kept += [token for token in rows if token is not None]
    return kept


def _rows(tokens: list[str], place: int) -> tuple[list[str], int]:
    """The distinct rows `(…), (…)` that start at `place`, and where they end."""
    rows: list[list[str]] = []
    seen: set[tuple[str, ...]] = set()
    while True:
        end = _closing(tokens, place)
        row = [VALUE if token == "NULL" else token for token in tokens[place:end]]
        if tuple(row) not in seen:
            seen.add(tuple(row))
            rows.append(row)
        place = end
        if tokens[place : place + 2] == [",", "("]:
            place += 1
        else:
            if tokens[place:] == [","]:  # a statement cut for its length
                place += 1
            break
    joined = rows[0]
    for row in rows[1:]:
        joined = [*joined, ",", *row]
    return joined, place


def _in_lists(tokens: list[str]) -> list[str]:
    """`IN (?, ?, ?)` and `IN ((?, ?), (?, ?))` with one item left; `IN ?` gets its parentheses."""
    kept: list[str] = []
    place = 0
    while place < len(tokens):
        kept.append(tokens[place])
        place += 1
        if kept[-1] != "IN":
            continue
        if tokens[place : place + 1] == [VALUE]:
            kept += ["(", VALUE, ")"]
            place += 1
        elif tokens[place : place + 1] == ["("]:
            end = _closing(tokens, place)
            kept += _one_item(tokens[place:end])
            place = end
    return kept


def _one_item(group: list[str]) -> list[str]:
    """`( a , a , a )` as `( a )` if all items are values or tuples of values."""
    if not set(group) <= {"(", ")", ",", VALUE}:
        return group
    if "(" not in group[1:]:
        return ["(", VALUE, ")"]
    first_end = _closing(group, 1)
    return ["(", *group[1:first_end], ")"]


def _closing(tokens: list[str], place: int) -> int:
    """The place after the parenthesis that closes the one at `place`."""
    depth = 0
    for at in range(place, len(tokens)):
        if tokens[at] == "(":
            depth += 1
        elif tokens[at] == ")":
            depth -= 1
            if depth == 0:
                return at + 1
    return len(tokens)


def _renumbered(tokens: list[str]) -> list[str]:
    """Numbers generated names (`anon_3`, `routers_12`, `sa_savepoint_7`) in order of appearance.

    Only names that stand after AS or SAVEPOINT are generated; they are renamed everywhere."""
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for before, token in itertools.pairwise(tokens):
        match = _GENERATED.fullmatch(token)
        if before in {"AS", "SAVEPOINT", "TO"} and match is not None and token not in names:
            base = match["base"]
            taken[base] = taken.get(base, 0) + 1
            names[token] = f"{base}_{taken[base]}"
    return [names.get(token, token) for token in tokens] if names else tokens


def _spaced(tokens: list[str]) -> str:
    parts: list[str] = []
    in_table_name = False
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else ""
        if before in {"INTO", "TABLE", "REFERENCES", "EXISTS", "AS", "ON"}:
            in_table_name = token not in {"(", "SELECT"}
        elif in_table_name and before != "." and token not in {".", "("}:
            in_table_name = False
        if at and _space_between(before, token, in_table_name=in_table_name):
            parts.append(" ")
        if token == "(":
            in_table_name = False
        parts.append(token)
    return "".join(parts)


_STEPS = (
    _without_casts,
    _plain_truth,
    _values_rows,
    _in_lists,
    without_plain_labels,
    _renumbered,
)


def _space_between(before: str, token: str, *, in_table_name: bool) -> bool:
    if token in _NO_SPACE_BEFORE or before in _NO_SPACE_AFTER:
        return False
    if token != "(" or in_table_name:
        return True
    is_word = before[:1].isalpha() or before[:1] in {'"', "_"}
    return not is_word or (before in KEYWORDS and before not in _CALLABLE)
