"""Tables of one SELECT that nothing ties together: each row of one meets each row of the other.

SELECT ... FROM a, b WHERE a.x = ?                 a and b are not tied
SELECT ... FROM a, b WHERE a.id = b.a_id           tied
SELECT ... FROM a CROSS JOIN b                     meant so
SELECT ... FROM a, (SELECT max(x) FROM c) AS top   one row
SELECT ... FROM a, b WHERE b.id = ?                one row
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.sql.tokens import VALUE, is_name, outside, tokens_of

_ENDS = frozenset(
    ("WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "FETCH", "FOR", "WINDOW", ";")
)
_JOINS = frozenset(
    ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "STRAIGHT_JOIN")
)
_SETS = frozenset(("UNION", "INTERSECT", "EXCEPT", "MINUS"))
_AGGREGATES = frozenset(("COUNT", "MAX", "MIN", "SUM", "AVG"))
_KEYS = frozenset(("id", "uuid", "pk", "rowid"))


class _Member(NamedTuple):
    """One table of FROM: by which name columns are told to be of it, and whether it counts."""

    table: str
    name: str
    counts: bool


class _Unknown(Exception):  # noqa: N818 - no error: this statement is not understood
    pass


def untied_tables(sql: str) -> tuple[str, ...]:
    """One table of each group that nothing ties to the others, in the order of FROM; empty if all
    are tied, or when that cannot be told."""
    tokens = list(tokens_of(sql))
    if tokens[:1] != ["SELECT"] or not _SETS.isdisjoint(_flat(tokens)):
        return ()
    try:
        groups = _groups(tokens)
    except (_Unknown, IndexError):
        return ()
    return tuple(groups) if len(groups) > 1 else ()


def _flat(tokens: list[str]) -> Iterator[str]:
    return (token for _, token in outside(tokens))


def _groups(tokens: list[str]) -> list[str]:
    start = next((at for at, token in outside(tokens) if token == "FROM"), -1)
    if start < 0:
        return []
    end = next((at for at, t in outside(tokens) if at > start and t in _ENDS), len(tokens))
    members, ties = _members(tokens[start + 1 : end])
    names = [member.name for member in members]
    if end < len(tokens) and tokens[end] == "WHERE":
        after = (at for at, t in outside(tokens) if at > end and t in _ENDS)
        condition = tokens[end + 1 : next(after, len(tokens))]
        for part in _parts(condition):
            ties.append(_named(part, names))
            members = [m._replace(counts=m.counts and not _pins(part, m.name)) for m in members]
    return _untied([m for m in members if m.counts], ties)


def _untied(members: list[_Member], ties: list[set[str]]) -> list[str]:
    """One table for each group of members that the ties leave apart."""
    groups: list[set[str]] = [{member.name} for member in members]
    for tie in ties:
        touched = [group for group in groups if group & tie]
        if len(touched) > 1 or (touched and tie - touched[0]):
            groups = [g for g in groups if not g & tie] + [set().union(tie, *touched)]
    firsts = [next(m for m in members if m.name in group) for group in groups]
    return [m.table for m in sorted(firsts, key=members.index)]


def _members(tokens: list[str]) -> tuple[list[_Member], list[set[str]]]:
    """The tables of FROM, and the ties that its joins make."""
    members: list[_Member] = []
    ties: list[set[str]] = []
    at = 0
    while at < len(tokens):
        is_join = False
        while tokens[at] in _JOINS:
            is_join = True
            at += 1
        member, at = _member(tokens, at)
        if is_join:
            condition, at = _condition(tokens, at)
            before = {one.name for one in members}
            tied = _named(condition, [*before, member.name]) - {member.name}
            ties.append({member.name, *(tied or before)})
        members.append(member)
        if tokens[at : at + 1] == [","]:
            at += 1
        elif at < len(tokens) and tokens[at] not in _JOINS:
            raise _Unknown
    return members, ties


def _member(tokens: list[str], at: int) -> tuple[_Member, int]:
    """The table, subquery or function that starts at a place, and where it ends."""
    is_lateral = tokens[at] == "LATERAL"
    at += is_lateral
    if tokens[at] == "(":
        end = _closing(tokens, at)
        if tokens[at + 1] != "SELECT":
            raise _Unknown
        name, after = _alias(tokens, end)
        counts = not is_lateral and not _is_one_row(tokens[at + 1 : end - 1])
        return _Member(name or "a subquery", name, counts), after
    parts = [tokens[at]]
    at += 1
    while tokens[at : at + 1] == ["."]:
        parts.append(tokens[at + 1])
        at += 2
    if not is_name(parts[-1]):
        raise _Unknown
    is_call = tokens[at : at + 1] == ["("]
    at = _closing(tokens, at) if is_call else at
    name, at = _alias(tokens, at)
    if tokens[at : at + 1] == ["("]:  # columns of a function
        at = _closing(tokens, at)
    return _Member(parts[-1], name or parts[-1], not is_call and not is_lateral), at


def _alias(tokens: list[str], at: int) -> tuple[str, int]:
    if tokens[at : at + 1] == ["AS"]:
        return tokens[at + 1], at + 2
    if at < len(tokens) and is_name(tokens[at]) and tokens[at] not in _JOINS:
        return tokens[at], at + 1
    return "", at


def _condition(tokens: list[str], at: int) -> tuple[list[str], int]:
    """What follows ON, and where it ends; USING ties as well as ON, and names no table."""
    if tokens[at : at + 1] == ["USING"]:
        return [], _closing(tokens, at + 1)
    if tokens[at : at + 1] != ["ON"]:
        return [], at
    rest = tokens[at + 1 :]
    end = next((n for n, token in outside(rest) if token in _JOINS or token == ","), len(rest))
    return rest[:end], at + 1 + end


def _parts(condition: list[str]) -> Iterator[list[str]]:
    """The parts of a condition that AND joins."""
    part: list[str] = []
    joining = {at for at, token in outside(condition) if token == "AND"}
    for at, token in enumerate(condition):
        if at in joining:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _named(part: list[str], names: list[str]) -> set[str]:
    """The tables that a part of a condition names. Raises where columns stand without their table
    beside others: nobody knows what they tie."""
    found = {
        token for at, token in enumerate(part) if token in names and part[at + 1 : at + 2] == ["."]
    }
    bare = [at for at, token in enumerate(part) if _is_bare(part, at, token)]
    if len(bare) + len(found) > 1 and bare:
        raise _Unknown
    return found


def _is_bare(part: list[str], at: int, token: str) -> bool:
    return (
        is_name(token)
        and part[at - 1 : at] != ["."]
        and part[at + 1 : at + 2] not in (["."], ["("])
    )


def _pins(part: list[str], name: str) -> bool:
    """`table.id = ?`: one row of the table at most."""
    match part:
        case [table, ".", column, "=", value] if table == name and value == VALUE:
            return column.lower() in _KEYS
        case _:
            return False


def _is_one_row(tokens: list[str]) -> bool:
    """Whether a subquery gives one row: aggregates without groups, LIMIT 1 or no table."""
    flat = list(_flat(tokens))
    if "FROM" not in flat or "LIMIT" in flat or "FETCH" in flat:
        return True
    listed = flat[1 : flat.index("FROM")]
    return "GROUP" not in flat and any(token.upper() in _AGGREGATES for token in listed)


def _closing(tokens: list[str], at: int) -> int:
    """The place after the parenthesis that closes the one at a place."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place] == "(") - (tokens[place] == ")")
        if depth == 0:
            return place + 1
    raise _Unknown
