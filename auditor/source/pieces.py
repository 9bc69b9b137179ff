"""Pieces of a text and where they come from: the values that `auditor.source.provenance` gives."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Subscript,
)
from auditor.source.project import Project

DEPTH = 12
"""Steps a text is followed at most; what lies deeper is unknown."""


STEPS = 2_000
"""Steps spent on one text at most; what is not reached by then is unknown."""


class Kind(enum.Enum):
    """Where a piece of text comes from; `is_safe` kinds cannot carry what a user typed."""

    CONSTANT = "constant"
    NUMBER = "number"
    QUOTED = "quoted"
    BOUND = "bound"
    GUARDED = "guarded"
    PARAMETER = "parameter"
    INPUT = "input"
    UNKNOWN = "unknown"

    @property
    def is_safe(self) -> bool:
        return self in _SAFE


_SAFE = frozenset({Kind.CONSTANT, Kind.NUMBER, Kind.QUOTED, Kind.BOUND, Kind.GUARDED})


@dataclass(frozen=True, slots=True)
class Passage:
    """A place the text went through, and what happened there."""

    path: str
    at: At
    note: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the text: literal `text` when it is known, else the `source` of the hole as it is
    written, with the way it came, from where it starts to where it is used."""

    kind: Kind
    text: str = ""
    source: str = ""
    way: tuple[Passage, ...] = ()
    is_of_object: bool = False
    """Whether all callers in sight pass what an object or a setting has of itself."""

    @property
    def is_passed_as_such(self) -> bool:
        """Whether a caller passes this very thing, not an object or settings that have it."""
        is_plain = "." not in self.source.partition("(")[0]
        is_own = self.is_of_object or self.source.partition("[")[0] in _SETTINGS
        return self.kind is Kind.PARAMETER and is_plain and not is_own


_SETTINGS = frozenset({"context", "config", "conf", "settings", "options"})
"""Dicts of what the program, or who runs it, has chosen."""


class Budget:
    """The steps that are left for one text; all places on its way share it."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = STEPS

    def is_spent(self) -> bool:
        """Takes a step; whether there was none left."""
        self.left -= 1
        return self.left < 0


def _nothing(_: Place, __: Expr | None) -> Iterator[Piece]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: what names mean depends on it. `at` and `region` are those of
    the statement or call in the function, None and -1 for its end."""

    project: Project
    module: ModuleFacts
    function: FunctionFacts
    at: At | None = None
    region: int = -1
    depth: int = 0
    seen: frozenset[tuple[str, str, str]] = frozenset()
    budget: Budget = field(default_factory=Budget, compare=False)
    follow: Callable[[Place, Expr | None], Iterator[Piece]] = field(default=_nothing, compare=False)
    """How the pieces of an expression are found, set by `auditor.source.provenance`."""

    def pieces(self, expr: Expr | None) -> Iterator[Piece]:
        """The pieces of an expression that stands here."""
        return self.follow(self, expr)

    def used(self, at: At, region: int) -> Place:
        """The place of a statement or call of the same function."""
        return replace(self, at=at, region=region)

    def inside(self, module: ModuleFacts, function: FunctionFacts) -> Place:
        """The end of another function."""
        return replace(self, module=module, function=function, at=None, region=-1)

    def deeper(self, name: str) -> Place:
        """The same place, one step further from the sink."""
        key = (self.module.name, self.function.qualname, name)
        return replace(self, depth=self.depth + 1, seen=self.seen | {key})

    def was_at(self, name: str) -> bool:
        """Whether this name is being followed already, or the limit is reached."""
        key = (self.module.name, self.function.qualname, name)
        return key in self.seen or self.depth >= DEPTH


def kind_of_constant(value: object) -> Kind:
    """A number, or any other constant."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Kind.NUMBER if is_number else Kind.CONSTANT


def root_of(expr: Expr) -> str:
    """The name that a chain of attributes and items starts from; empty if it is none."""
    while isinstance(expr, (Attribute, Subscript)):
        expr = expr.base
    return expr.name if isinstance(expr, Name) else ""


def written(expr: Expr | None) -> str:
    """The expression roughly as it is written, short enough for a message."""
    match expr:
        case Const(value=value):
            return repr(value)
        case Name(name=name):
            return name
        case Attribute(base=base, name=name):
            return f"{written(base)}.{name}"
        case Subscript(base=base, index=index):
            return f"{written(base)}[{written(index)}]"
        case Call(func=func, args=args, keywords=keywords):
            return f"{written(func)}({'...' if args or keywords else ''})"
        case _:
            return "..."
