"""Column labels that say nothing: `routers.id AS routers_id`. Which of them SQLAlchemy writes
depends on its version and on who made the statement; the database and the program are served alike.
"""

from __future__ import annotations

import itertools
import re

_OPENS_LIST = frozenset({"SELECT", "RETURNING"})
_ENDS_LIST = frozenset({"FROM", "WHERE", "INTO", "UNION", "EXCEPT", "INTERSECT"})
_BEFORE_COLUMN = frozenset({"SELECT", "DISTINCT", "ALL", "RETURNING", ","})
_AFTER_COLUMN = frozenset({",", "FROM", ")", "INTO", "WHERE", "UNION", "EXCEPT", "INTERSECT"})
_SHORTEST_CUT = 24  # characters; the shortest limit on names that a database has is 30


def without_plain_labels(tokens: list[str]) -> list[str]:
    """Drops the label of a plain column in a select list where it only repeats the column's name,
    with or without that of its table: `t.a AS t_a`, `t.a AS a`, `t.a AS a_1`.

    A label that the statement itself uses (of a subquery, in ORDER BY) stays."""
    used = _used(tokens)
    kept: list[str] = []
    in_list = [False]  # one for each open parenthesis
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token == "AS" and in_list[-1] and _says_nothing(kept, tokens, place + 1, used):
            place += 2
            continue
        if token == "(":
            in_list.append(False)
        elif token == ")" and len(in_list) > 1:
            in_list.pop()
        elif token in _OPENS_LIST or token in _ENDS_LIST:
            in_list[-1] = token in _OPENS_LIST
        kept.append(token)
        place += 1
    return kept


def _used(tokens: list[str]) -> frozenset[str]:
    """Names that may mean a label: those that stand alone, and those of a subquery's columns."""
    derived = {
        name
        for closing, word, name in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if (closing, word) == (")", "AS")
    }
    derived |= {
        name
        for name, word, opening in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if (word, opening) == ("AS", "(")
    }
    found = set()
    for table, before, token in zip(["", "", *tokens], ["", *tokens], tokens, strict=False):
        if before != "AS" and (before != "." or table in derived):
            found.add(token)
    return frozenset(found)


def _says_nothing(kept: list[str], tokens: list[str], place: int, used: frozenset[str]) -> bool:
    """Says whether the label at `place` repeats the column that ends `kept`."""
    after = tokens[place + 1 : place + 2]
    path = _column(kept)
    if len(path) < 2 or (after and after[0] not in _AFTER_COLUMN):  # noqa: PLR2004 - table, column
        return False
    label, column = tokens[place].strip('"'), path[-1]
    if label == column:
        return True
    starts = itertools.accumulate(reversed(path), lambda right, left: f"{left}_{right}")
    return tokens[place] not in used and any(_repeats(label, name) for name in starts)


def _column(kept: list[str]) -> tuple[str, ...]:
    """The names of `schema.table.column` at the end; empty if it is a part of an expression."""
    at = len(kept) - 1
    names: list[str] = []
    while at >= 0 and (kept[at][0].isalpha() or kept[at][0] in '"_'):
        names.append(kept[at].strip('"'))
        if kept[at - 1 : at] != ["."]:
            break
        at -= 2
    is_whole = at < 1 or kept[at - 1] in _BEFORE_COLUMN
    return tuple(reversed(names)) if is_whole else ()


def _repeats(label: str, name: str) -> bool:
    """Says whether a label is a name, that name numbered, or that name cut to a length."""
    if label == name:
        return True
    base, _, number = label.rpartition("_")
    if len(base) >= _SHORTEST_CUT and re.fullmatch(r"[0-9a-f]+", number):
        return name.startswith(base)
    return number.isdigit() and base.removesuffix("_") == name
