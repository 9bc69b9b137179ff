"""What an expression is, as far as it can be told: a `Value`.

`kind` is a kind of the knowledge tables (`session`, `rows`, ...; `name` is then the mapped or
wrapping class, if known) or one of those below.
"""

from __future__ import annotations

from typing import NamedTuple

from auditor.model import knowledge
from auditor.model.knowledge import CallableRow
from auditor.source.program import Scope

UNKNOWN_KIND = ""
NONE = "none"
NAME = "name"
"""Something outside the program, `name` is its dotted name."""
CLASS = "class"
INSTANCE = "instance"
FUNCTION = "function"
METHOD = "method"
"""Method `method` looked up on `receiver`."""
SUPER = "super"
"""`super()` inside class `name`."""
LITERAL = "literal"
COLUMN = knowledge.COLUMN
NUMBERED = "numbered rows"
"""`enumerate(rows)`."""


class Value(NamedTuple):
    """What an expression is. `sure` is False when it rests on a naming convention."""

    kind: str
    name: str = ""
    method: str = ""
    receiver: Value | None = None
    sure: bool = True


UNKNOWN = Value(UNKNOWN_KIND)
NONE_VALUE = Value(NONE)
LITERAL_VALUE = Value(LITERAL)


class Target(NamedTuple):
    """What a call may run: a function of the program or a row of the tables. `override` tells a
    method of a subclass, which runs only for some receivers. `owner` is what `of` in the row and
    `cls` or `self` in the function stand for."""

    function: Scope | None
    row: CallableRow | None
    owner: Value
    override: bool = False
    sure: bool = True


def joined(values: list[Value]) -> Value:
    """The one value several paths agree on, None left out; unknown if they do not."""
    known = [v for v in dict.fromkeys(values) if v.kind != NONE]
    if not known:
        return NONE_VALUE if values else UNKNOWN
    first = known[0]
    if all(v[:4] == first[:4] for v in known):
        return first._replace(sure=all(v.sure for v in known))
    return UNKNOWN
