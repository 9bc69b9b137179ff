"""What stands before a hole tells what belongs into it: a value, or (elsewhere) an identifier."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.source.pieces import Piece

_BEFORE_VALUE = re.compile(
    r"(?:[=<>]|\b(?:like|ilike|in|values|between|limit|offset|interval|is|regexp|rlike|similar\s+to"
    r"|then|else|return))\s*(?:\(\s*)?$",
    re.IGNORECASE,
)
_LIKE_TABLE = re.compile(r"\bcreate\s+(?:temporary\s+)?table\s+\S+\s+\(?like\s*$", re.IGNORECASE)
_IN_VALUES = re.compile(r"\b(?:values|in)\s*\([^()]*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hole:
    """A hole that is not safe, and whether a value or an identifier is put into it."""

    piece: Piece
    is_value: bool
    is_quoted: bool


def open_holes(pieces: Sequence[Piece]) -> Iterator[Hole]:
    """The holes through which something not known to be harmless enters the text."""
    before = ""
    for piece in pieces:
        if not piece.kind.is_safe:
            quoted = _inside_quotes(before)
            yield Hole(piece, quoted or _wants_value(before), quoted)
        before += piece.text if piece.kind.is_safe and piece.text else "x"


def _inside_quotes(before: str) -> bool:
    return before.count("'") % 2 == 1


def _wants_value(before: str) -> bool:
    if _LIKE_TABLE.search(before):
        return False
    return bool(_BEFORE_VALUE.search(before) or _IN_VALUES.search(before))
