"""What stands around a hole tells what belongs into it: a value, an identifier, or a whole clause.

WHERE id = {a value}      FROM {an identifier}      WHERE {an identifier} = :id
LIMIT {a value}           ORDER BY {an identifier}  WHERE name = 'x' {a clause}
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.model.finding import Confidence
from auditor.source.pieces import Kind, Piece

_BEFORE_VALUE = re.compile(
    r"(?:[=<>]|\b(?:like|ilike|in|values|between|limit|offset|interval|is|regexp|rlike|similar\s+to"
    r"|then|else|return))\s*(?:\(\s*)?$",
    re.IGNORECASE,
)
_LIKE_TABLE = re.compile(r"\bcreate\s+(?:temporary\s+)?table\s+\S+\s+\(?like\s*$", re.IGNORECASE)
_IN_VALUES = re.compile(r"\b(?:values|in)\s*\([^()]*$", re.IGNORECASE)
_BIND_NAME = re.compile(r"(?:^|[^:\w]):$")
_BEFORE_IDENTIFIER = re.compile(
    r"(?:\b(?:from|join|into|update|table|exists|by|distinct|index|on|column|constraint|references"
    r"|schema|database|view|sequence|set|select|truncate|role|user|using|trigger|function|analyze"
    r"|vacuum|savepoint|collate|only|rename\s+to|grant|revoke|key|extension|call|pragma|to"
    r"|attach|use)\s*"
    r"|[\w\"`\])]\.|\b(?!in\b|values\b)\w+\(\s*(?:distinct\s+)?)$",
    re.IGNORECASE,
)
_ORDERS = re.compile(r"\b(?:order|group)\s+by\s+[\w.,\s\"`]*$", re.IGNORECASE)
_BEFORE_TEST = re.compile(r"\b(?:where|and|or|on|having|not|set|when)\s*\(*\s*$", re.IGNORECASE)
_AFTER_COLUMN = re.compile(
    r"\s*(?:[=<>]|!=|(?:not\s+)?(?:in|like|ilike|between)\b|is\b)", re.IGNORECASE
)
_LISTS = re.compile(
    r"\b(select|by|into|from|set|values|in|where|having|table|on|returning)\b", re.IGNORECASE
)
_LISTS_NAMES = frozenset({"select", "by", "into", "from", "returning"})


_SAYS_SQL = re.compile(r"(?:^|_)(?:sql|sub_?query|sql_query|stmt|statement|clause|where)$")
"""Names of what is SQL itself, put in where a table may stand."""
_CATALOGUE = re.compile(r"\.get_(?:table|view|schema|sequence|temp_table|index)_names\(")
"""What the inspector reads from the database: names, as somebody declared them."""
_SETTING = re.compile(r"os\.(?:environ|getenv)\b")
_TYPED = re.compile(r"(?:input|sys\.argv)\b")
"""What whoever runs the program has set or types, who has the database anyway."""
_HANDED_AROUND = re.compile(
    r"\w+$|.*\[[^\[\]]*\]$|(?!\w*(?:_|\b)(?:id|uuid|name|table|path)\()\w+\(|.*\.(?:user(?:name)?|login"
    r"|email|title|label|comment|description|text|search|value|message)$"
    r"|.*\.(?:execute|scalars?|fetchall|fetchone|all|first)\("
)
"""A local, an item, what a function gives that does not say to give a name of the program's own,
an attribute that people write, a row: `name`, `row["name"]`, `wanted(...)`, `url.username`,
`session.execute(...)`. Of other attributes and methods most give the program's own: an id, a
setting, the name of a table."""
_UNBINDABLE = re.compile(
    r"\s*(?:pragma|create\s+(?:or\s+replace\s+)?(?:function|procedure|trigger))\b", re.IGNORECASE
)
"""What takes no bound value, wherever that comes from: a pragma, the body of a routine."""
_CHOSEN = re.compile(
    r"\b(?:order|group)\s+by\s[^()]*$|\binsert\s+into\s[^()]*\([^()]*$", re.IGNORECASE
)
"""Where names of columns stand that whoever asks or stores chooses."""


class Role(enum.Enum):
    """What belongs into a hole."""

    VALUE = "value"
    IDENTIFIER = "identifier"
    CLAUSE = "clause"
    """Conditions, a list of columns with their types, a whole statement."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole that is not safe, what belongs into it, and whether it stands between quotes."""

    piece: Piece
    role: Role
    is_quoted: bool
    is_chosen: bool = False
    """Whether it names columns to order or group by, or columns of a row to be stored."""
    is_bare: bool = True
    """Whether it stands outside the quotes that names are written in."""

    @property
    def is_sent(self) -> bool:
        """Whether it comes from outside the program; names and clauses not from whoever runs it."""
        is_own = _SETTING.match(self.piece.source) or _TYPED.match(self.piece.source)
        is_value = self.role is Role.VALUE  # in which a quote breaks the statement for anybody
        return self.piece.kind is Kind.INPUT and (is_value or not is_own)


def open_holes(pieces: Sequence[Piece]) -> Iterator[Hole]:
    """The holes through which something not known to be harmless enters the text."""
    before = told = ""
    for index, piece in enumerate(pieces):
        if not piece.kind.is_safe:
            after = next(iter(pieces[index + 1 : index + 2]), None)
            before = told if index and not pieces[index - 1].kind.is_safe else before
            told = before  # what follows at once is another thing that may stand in the same place
            is_quoted = before.count("'") % 2 == 1
            role = Role.VALUE if is_quoted else _role(before, after.text if after else "")
            if role is Role.IDENTIFIER and _SAYS_SQL.search(piece.source):
                role = Role.CLAUSE
            if _UNBINDABLE.match(before):
                role = Role.CLAUSE
            yield Hole(piece, role, is_quoted, _is_chosen(before), _is_bare(before))
        before += piece.text if piece.kind.is_safe and piece.text else "x"


def _role(before: str, after: str) -> Role:
    if _BIND_NAME.search(before):
        return Role.CLAUSE
    if before.count('"') % 2 == 1 or before.count("`") % 2 == 1 or _LIKE_TABLE.search(before):
        return Role.IDENTIFIER
    if _BEFORE_VALUE.search(before) or _IN_VALUES.search(before):
        return Role.VALUE
    if _BEFORE_TEST.search(before):
        return Role.IDENTIFIER if _AFTER_COLUMN.match(after) else Role.CLAUSE
    if _BEFORE_IDENTIFIER.search(before) or _ORDERS.search(before) or _continues_names(before):
        return Role.IDENTIFIER
    return Role.CLAUSE


def _is_chosen(before: str) -> bool:
    """Whether a name stands where whoever asks or stores chooses it, and in no quotes."""
    return _is_bare(before) and _CHOSEN.search(before) is not None


def _is_bare(before: str) -> bool:
    return before.count('"') % 2 == 0 and before.count("`") % 2 == 0


def _continues_names(before: str) -> bool:
    """Whether a list of names goes on here: `SELECT a, {b}`, `INSERT INTO t (`, `ORDER BY a, `."""
    if before.rstrip()[-1:] not in {",", "("}:
        return False
    leads = _LISTS.findall(before)
    return bool(leads) and leads[-1].lower() in _LISTS_NAMES


def origin_of(holes: Sequence[Hole]) -> str:
    """Where what is put in comes from, worst first, as a message says it."""
    kinds = {hole.piece.kind for hole in holes}
    if Kind.INPUT in kinds:
        return "it comes from outside the program"
    if Kind.PARAMETER in kinds:
        return "the caller decides what it is"
    return "where it comes from is not known"


def confidence_of(holes: Sequence[Hole], *, sure: bool) -> Confidence:
    """High for a path from outside, or from a parameter to between quotes; medium for any other
    parameter, and for a local or an item of unknown origin between quotes."""
    if not sure:
        return Confidence.LOW
    kinds = {hole.piece.kind for hole in holes}
    is_quoted = any(h.is_quoted and not _CATALOGUE.search(h.piece.source) for h in holes)
    if any(hole.is_sent for hole in holes) or (is_quoted and Kind.PARAMETER in kinds):
        return Confidence.HIGH
    is_doubtful = any(h.is_quoted and _is_handed_around(h.piece) for h in holes)
    return Confidence.MEDIUM if is_doubtful or Kind.PARAMETER in kinds else Confidence.LOW


def _is_handed_around(piece: Piece) -> bool:
    is_catalogue = _CATALOGUE.search(piece.source) or _SETTING.match(piece.source)
    return not is_catalogue and _HANDED_AROUND.match(piece.source) is not None


def names_of(holes: Sequence[Hole]) -> str:
    """The holes as they are written, each once: `` `name`, `row[...]` ``."""
    return ", ".join(f"`{name}`" for name in dict.fromkeys(hole.piece.source for hole in holes))
