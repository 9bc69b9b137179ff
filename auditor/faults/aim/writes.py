"""What a statement writes: its tables, their columns, and which violations it passes over.

    WITH moved AS (DELETE FROM a RETURNING id) INSERT INTO b (id, name) SELECT id, ? FROM moved
    ON CONFLICT (id) DO NOTHING

        Write("DELETE", "a", ())
        Write("INSERT", "b", ("id", "name"), settles=Settled(columns=("id",)))

One `Write` for each table: an UPDATE or DELETE of MariaDB may have several.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from auditor.sql.conditions import named_tables
from auditor.sql.tables import tables_in
from auditor.sql.tokens import is_name, outside, tokens_of

Tokens = tuple[str, ...]

_VERBS = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
_ENDS_SET = frozenset({"WHERE", "FROM", "RETURNING", "ORDER", "LIMIT", "WHEN"})
_BEFORE_NAME = frozenset({"ONLY", "IGNORE"})
_NO_COLUMNS = frozenset({"SELECT", "WITH", "VALUES", "("})


@dataclass(frozen=True, slots=True)
class Settled:
    """The unique keys whose duplicates a statement deals with itself: that of these columns, that
    of this name, or every one. `updates` are the columns that it sets in the row that was there."""

    columns: frozenset[str] = frozenset()
    name: str = ""
    updates: frozenset[str] = frozenset()

    @property
    def every(self) -> bool:
        """Whether no key is named."""
        return not self.columns and not self.name


@dataclass(frozen=True, slots=True)
class Write:
    """One table that a statement writes. `columns` is None if it names none and writes all;
    `nulls` are those that it sets to a NULL in its text. `ignores`: a row that violates anything
    is left out without an error; `ignores_references`: a missing parent too, as on MariaDB."""

    verb: str
    table: str
    columns: frozenset[str] | None = frozenset()
    nulls: frozenset[str] = frozenset()
    settles: Settled | None = None
    ignores: bool = False
    ignores_references: bool = False


@lru_cache(maxsize=1024)
def writes_of(sql: str) -> tuple[Write, ...]:
    """What a statement writes, parts of a `WITH` first; empty if it only reads."""
    return tuple(write for part in _parts(tokens_of(sql)) for write in _writes(part))


def _parts(tokens: Tokens) -> Iterator[Tokens]:
    """The writing statements of a text, each from its verb to its end."""
    if tokens[:1] != ("WITH",):
        yield from (tokens,) if tokens and tokens[0].upper() in _VERBS else ()
        return
    for at, token in enumerate(tokens[:-1]):
        if token == "(" and tokens[at + 1] in _VERBS:
            yield _until_closed(tokens, at + 1)
    main = next((at for at, token in outside(tokens) if token in _VERBS), None)
    if main is not None:
        yield tokens[main:]


def _until_closed(tokens: Tokens, start: int) -> Tokens:
    depth = 1
    for at in range(start, len(tokens)):
        depth += (tokens[at] == "(") - (tokens[at] == ")")
        if depth == 0:
            return tokens[start:at]
    return tokens[start:]


def _writes(tokens: Tokens) -> Iterator[Write]:
    verb, second = tokens[0].upper(), tokens[1:3]
    is_or = second[:1] == ("OR",)
    ignores = second == ("OR", "IGNORE") or second[:1] == ("IGNORE",)
    found: Iterator[Write] = iter(())
    if verb in {"INSERT", "REPLACE"}:
        found = _inserted(verb, tokens)
    elif verb == "UPDATE":
        found = _updated(tokens)
    elif verb == "DELETE":
        found = _deleted(tokens)
    elif verb == "MERGE":
        found = _merged(tokens)
    for write in found:
        yield replace(write, ignores=ignores, ignores_references=ignores and not is_or)


def _inserted(verb: str, tokens: Tokens) -> Iterator[Write]:
    tables = tables_in(tokens)
    at = tokens.index("INTO") + 1 if "INTO" in tokens else 1
    while at < len(tokens) and (is_name(tokens[at]) or tokens[at] in {".", "AS"}):
        at += 1
    if not tables:
        return
    settles = _settled(tokens)
    if verb == "REPLACE" or tokens[1:3] == ("OR", "REPLACE"):
        settles = Settled()
    columns: Tokens | None = None
    nulls: frozenset[str] = frozenset()
    if tokens[at : at + 1] == ("(",) and _NO_COLUMNS.isdisjoint(tokens[at + 1 : at + 2]):
        listed = _until_closed(tokens, at + 1)
        columns = _names(listed)
        nulls = _nulls_of_rows(columns, tokens[at + 2 + len(listed) :])
    elif tokens[at : at + 1] == ("SET",):
        assigned = dict(_assignments(tokens[at + 1 :]))
        columns = tuple(assigned)
        nulls = frozenset(name for name, value in assigned.items() if value == ("NULL",))
    elif tokens[at : at + 2] == ("DEFAULT", "VALUES"):
        columns = ()
    yield Write(verb, tables[0], None if columns is None else frozenset(columns), nulls, settles)


def _nulls_of_rows(columns: Tokens, rest: Tokens) -> frozenset[str]:
    """The columns that are `NULL` in the text of every row of VALUES."""
    if rest[:1] != ("VALUES",):
        return frozenset()
    rows, at = [], 1
    while rest[at : at + 1] == ("(",):
        row = _until_closed(rest, at + 1)
        rows.append(_split(row))
        at += len(row) + 2 + (rest[at + len(row) + 2 : at + len(row) + 3] == (",",))
    return frozenset(
        name
        for place, name in enumerate(columns)
        if rows and all(row[place : place + 1] == [("NULL",)] for row in rows)
    )


def _settled(tokens: Tokens) -> Settled | None:
    """What ON CONFLICT or ON DUPLICATE KEY UPDATE says; the last, and a SELECT's ON is neither."""
    for at, _ in outside(tokens):
        if tokens[at : at + 4] == ("ON", "DUPLICATE", "KEY", "UPDATE"):
            return Settled(updates=frozenset(name for name, _ in _assignments(tokens[at + 4 :])))
        if tokens[at : at + 2] == ("ON", "CONFLICT"):
            return _conflict(tokens[at + 2 :])
    return None


def _conflict(rest: Tokens) -> Settled:
    columns: Tokens = ()
    name = ""
    if rest[:1] == ("(",):
        columns = _names(_until_closed(rest, 1))
    elif rest[:2] == ("ON", "CONSTRAINT"):
        name = "".join(rest[2:3]).strip('"')
    sets = [at for at, token in outside(rest) if token == "SET"]
    updates = _assignments(rest[sets[0] + 1 :]) if sets else ()
    return Settled(frozenset(columns), name, frozenset(column for column, _ in updates))


def _updated(tokens: Tokens) -> Iterator[Write]:
    at = next((at for at, token in outside(tokens) if token == "SET"), None)
    tables = tables_in(tokens)
    if at is None or not tables:
        return
    known = {**_listed(tokens[1:at]), **named_tables(" ".join(tokens))}
    found: dict[str, dict[str, Tokens]] = {}
    for dotted, value in _assignments(tokens[at + 1 :], dotted=True):
        owner, _, column = dotted.rpartition(".")
        found.setdefault(known.get(owner, tables[0]), {})[column] = value
    for table, columns in found.items():
        nulls = frozenset(name for name, value in columns.items() if value == ("NULL",))
        yield Write("UPDATE", table, frozenset(columns), nulls)


def _listed(tokens: Tokens) -> dict[str, str]:
    """Tables of `UPDATE a, b AS x SET` by the names they go by."""
    found: dict[str, str] = {}
    for item in filter(None, _split(tokens) if "JOIN" not in tokens else ()):
        name = _first_name(item)
        found.update(dict.fromkeys((name, name.rpartition(".")[2], item[-1].strip('"')), name))
    return found


def _deleted(tokens: Tokens) -> Iterator[Write]:
    """`DELETE a, b FROM ...` and `DELETE FROM a, b USING ...` delete from several."""
    known = named_tables(" ".join(tokens))
    start = tokens.index("FROM") if "FROM" in tokens else 0
    before = tokens[1:start]
    listed = before if any(is_name(token) for token in before) else _after_from(tokens[start + 1 :])
    targets = [_first_name(item) for item in _split(listed)]
    for target in dict.fromkeys(known.get(name, name) for name in targets if name):
        yield Write("DELETE", target)


def _after_from(rest: Tokens) -> Tokens:
    end = next(
        (at for at, token in outside(rest) if token in {"USING", "WHERE", "RETURNING"}), None
    )
    return rest[:end]


def _merged(tokens: Tokens) -> Iterator[Write]:
    tables = tables_in(tokens)
    if not tables:
        return
    columns: set[str] = set()
    for at, token in outside(tokens):
        if token == "SET":
            columns.update(name for name, _ in _assignments(tokens[at + 1 :]))
        elif token == "INSERT" and tokens[at + 1 : at + 2] == ("(",):
            columns.update(_names(_until_closed(tokens, at + 2)))
    yield Write("MERGE", tables[0], frozenset(columns))


def _assignments(tokens: Tokens, *, dotted: bool = False) -> Iterator[tuple[str, Tokens]]:
    """Column and value of each `column = value`; `(a, b) = (...)` sets two to an unknown value."""
    end = next((at for at, token in outside(tokens) if token in _ENDS_SET), len(tokens))
    for item in _split(tokens[:end]):
        if item[:1] == ("(",):
            yield from ((name, ()) for name in _names(_until_closed(item, 1)))
        elif "=" in item:
            left = item[: item.index("=")]
            name = "".join(token.strip('"') for token in left)
            yield (name if dotted else name.rpartition(".")[2]), item[len(left) + 1 :]


def _split(tokens: Sequence[str]) -> list[Tokens]:
    """The parts between commas that stand in no brackets."""
    found: list[list[str]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            found.append([])
        else:
            found[-1].append(token)
    return [tuple(item) for item in found]


def _names(listed: Tokens) -> Tokens:
    return tuple(item[-1].strip('"') for item in _split(listed) if item)


def _first_name(item: Tokens) -> str:
    """The dotted name at the start of an item, without the alias after it and MariaDB's `.*`."""
    parts: list[str] = []
    for at, token in enumerate(token for token in item if token not in _BEFORE_NAME):
        if at % 2 == 0 and is_name(token):
            parts.append(token.strip('"'))
        elif not (at % 2 and token == "."):
            break
    return ".".join(parts)
