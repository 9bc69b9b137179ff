"""Which tables a statement names, in order of first appearance, without aliases."""

from __future__ import annotations

from auditor.sql.tokens import KEYWORDS, VALUE, tokens_of

_LEADS = frozenset({"FROM", "JOIN", "INTO", "UPDATE", "TABLE", "USING", "ON"})
_ENDS_LIST = frozenset({"WHERE", "SET", "VALUES", "SELECT", "GROUP", "ORDER", "HAVING", "LIMIT"})
_BEFORE_NAME = frozenset({"ONLY", "LATERAL", "IF", "NOT", "EXISTS", "IGNORE", "OR", "TEMPORARY"})


def tables_of(sql: str) -> tuple[str, ...]:
    """Table names as written (`schema.table`); names of `WITH` parts and functions left out."""
    return tables_in(tokens_of(sql))


def tables_in(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """Like `tables_of`, for text that is already in tokens."""
    parts = _with_names(tokens)
    found: dict[str, None] = {}
    for place in _places(tokens):
        name, after = _name_at(tokens, place)
        is_call = tokens[after : after + 1] == ("(",) and tokens[place - 1] in {"FROM", "JOIN", ","}
        if name and name not in parts and not is_call:
            found[name] = None
    return tuple(found)


def _places(tokens: tuple[str, ...]) -> list[int]:
    """Where table names start: after FROM, JOIN, INTO and so on, and commas of a FROM list."""
    places = []
    listing: dict[int, bool] = {}
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if token in _LEADS and _leads_to_table(tokens, at):
            places.append(at + 1)
            listing[depth] = token in {"FROM", "USING"}
        elif token == "," and listing.get(depth):
            places.append(at + 1)
        elif token in _ENDS_LIST or token == ")":
            listing[depth + (token == ")")] = False
    return places


def _leads_to_table(tokens: tuple[str, ...], at: int) -> bool:
    token = tokens[at]
    before = tokens[at - 1] if at else ""
    if token == "UPDATE":
        return before not in {"FOR", "DO", "KEY", "ON"}
    if token == "ON":  # CREATE INDEX name ON table
        return "INDEX" in tokens[:at] and tokens[0] == "CREATE"
    if token == "FROM":  # not IS DISTINCT FROM, EXTRACT(year FROM x), substring(a FROM 2)
        return before != "DISTINCT" and (before == "DELETE" or tokens[at - 2 : at - 1] != ("(",))
    if token == "USING":
        return tokens[0] == "DELETE" and tokens[at + 1 : at + 2] != ("(",)
    return True


def _name_at(tokens: tuple[str, ...], place: int) -> tuple[str, int]:
    """The dotted name at `place` and the place after it; no name at a subquery or a value."""
    while tokens[place : place + 1] and tokens[place] in _BEFORE_NAME:
        place += 1
    parts: list[str] = []
    while place < len(tokens) and _can_name(tokens[place]):
        parts.append(tokens[place].strip('"'))
        place += 1
        if tokens[place : place + 1] != (".",):
            break
        place += 1
    return ".".join(parts), place


def _can_name(token: str) -> bool:
    return token != VALUE and token not in KEYWORDS and (token[0].isalpha() or token[0] in '_"@#')


def _with_names(tokens: tuple[str, ...]) -> frozenset[str]:
    """Names that a WITH defines."""
    if tokens[:1] != ("WITH",):
        return frozenset()
    return frozenset(
        token
        for at, token in enumerate(tokens)
        if tokens[at + 1 : at + 3] == ("AS", "(") or _with_columns(tokens, at)
    )


def _with_columns(tokens: tuple[str, ...], at: int) -> bool:
    """Says whether `name (column, ...) AS (` starts here."""
    if not _can_name(tokens[at]) or tokens[at + 1 : at + 2] != ("(",):
        return False
    rest = tokens[at + 1 : at + 64]
    return ")" in rest and tokens[at + 2 + rest.index(")") : at + 4 + rest.index(")")] == (
        "AS",
        "(",
    )
