"""Which columns of a statement are compared: what an index on its tables could serve.

    SELECT * FROM ports AS p JOIN routers ON p.router_id = routers.id WHERE p.status = ?
        p: status        routers: id

Only comparisons that every row must pass: what stands under an OR or a NOT, in a subquery or in
the arguments of a function is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.sql.tables import tables_in
from auditor.sql.tokens import VALUE, is_name, outside, tokens_of

_COMPARES = frozenset({"=", "<", ">", "<=", ">=", "<=>", "IN", "BETWEEN"})
_MIRRORED = frozenset({"=", "<", ">", "<=", ">=", "<=>"})
_BEGINS = frozenset({"WHERE", "ON"})
_ENDS = frozenset(
    "GROUP ORDER LIMIT HAVING UNION EXCEPT INTERSECT RETURNING WINDOW FOR JOIN LEFT RIGHT INNER"
    " CROSS FULL NATURAL OFFSET FETCH".split()
)


def compared_columns(sql: str) -> Mapping[str, tuple[str, ...]]:
    """Compared columns by the name a table goes by in the statement (its alias if it has one):
    those compared with values, and if there is none those compared with other columns.

    A column without a table is given to the only table there is; with several it is left out.
    """
    tokens = tokens_of(sql)
    names = _named(tokens)
    found: dict[str, dict[str, bool]] = {}
    for qualifier, column, with_value in _compared(tokens):
        owner = qualifier or (next(iter(names)) if len(names) == 1 else "")
        if owner in names:
            columns = found.setdefault(owner, {})
            columns[column] = columns.get(column, False) or with_value
    return {
        owner: tuple(c for c, with_value in columns.items() if with_value) or tuple(columns)
        for owner, columns in found.items()
    }


def named_tables(sql: str) -> Mapping[str, str]:
    """Tables by the name they go by: `{"p": "ports", "routers": "routers"}`; of a table in a
    schema the last part of its name too."""
    return _named(tokens_of(sql))


def _named(tokens: tuple[str, ...]) -> dict[str, str]:
    names: dict[str, str] = {}
    for table in tables_in(tokens):
        names.update(dict.fromkeys(_names_of(table, tokens), table))
    return names


def _names_of(table: str, tokens: tuple[str, ...]) -> Iterator[str]:
    """The aliases of a table; its own name where it stands without one."""
    parts = table.split(".")
    spelled = tuple(".".join(parts).replace(".", " . ").split())
    for at in range(len(tokens) - len(spelled) + 1):
        if tuple(token.strip('"') for token in tokens[at : at + len(spelled)]) != spelled:
            continue
        before, after = tokens[at - 1] if at else "", tokens[at + len(spelled) :]
        if before == "." or after[:1] == (".",):
            continue  # a column's name, or its table's
        if after[:1] == ("AS",):
            yield after[1].strip('"')
        elif after[:1] and is_name(after[0]):
            yield after[0].strip('"')
        else:
            yield parts[-1]


def _compared(tokens: tuple[str, ...]) -> Iterator[tuple[str, str, bool]]:
    """Yields (table or empty, column, whether with a value) of each comparison in the outermost
    WHERE and ON."""
    for part in _parts(tokens):
        for term in _terms(part):
            for table, column in _of_term(term):
                yield table, column, VALUE in term


def _terms(part: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What a condition demands, each alone: `a AND (b AND c)` is three terms, `a OR b` none."""
    if any(token == "OR" for _, token in outside(part)):
        return
    terms = tuple(_split(part, "AND"))
    if len(terms) > 1:
        for term in terms:
            yield from _terms(term)
        return
    inner = _bare(part)
    if inner == part:
        yield part
    else:
        yield from _terms(inner)


def _parts(tokens: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The tokens of each outermost WHERE and ON."""
    start = -1
    for at, token in outside(tokens):
        if start >= 0 and (token in _ENDS or token in _BEGINS):
            yield tokens[start:at]
            start = -1
        if token in _BEGINS:
            start = at + 1
    if start >= 0:
        yield tokens[start:]


def _split(tokens: tuple[str, ...], word: str) -> Iterator[tuple[str, ...]]:
    """Parts between an outermost `word`; the AND of a BETWEEN is none."""
    start, between = 0, False
    for at, token in outside(tokens):
        if token == "BETWEEN":
            between = True
        elif token == word and between:
            between = False
        elif token == word:
            yield tokens[start:at]
            start = at + 1
    yield tokens[start:]


def _bare(term: tuple[str, ...]) -> tuple[str, ...]:
    """A term without brackets around the whole of it."""
    closes = (at for at, token in outside(term) if token == ")")
    if term[:1] == ("(",) and next(closes, -1) == len(term) - 1:
        return term[1:-1]
    return term


def _of_term(term: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    left, after = _column_at(term, 0)
    if left is not None and term[after : after + 1] and term[after] in _COMPARES:
        yield left
    operators = [at for at, token in outside(term) if token in _MIRRORED]
    if len(operators) == 1:
        right, end = _column_at(term, operators[0] + 1)
        if right is not None and end == len(term):
            yield right


def _column_at(tokens: tuple[str, ...], at: int) -> tuple[tuple[str, str] | None, int]:
    """The column at a place as (table or empty, column), and the place after it."""
    parts: list[str] = []
    while at < len(tokens) and is_name(tokens[at]):
        parts.append(tokens[at].strip('"'))
        at += 1
        if tokens[at : at + 1] != (".",):
            break
        at += 1
    if not parts or tokens[at : at + 1] == ("(",):
        return None, at
    return (parts[-2] if len(parts) > 1 else "", parts[-1]), at
