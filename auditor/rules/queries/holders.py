"""Who holds an expression: the tree of a function's facts, read upwards.

return len(session.scalars(stmt).all())

holders of `session.scalars(stmt)`   the attribute `.all`, held by the call `.all()`, held by
                                     the call `len(...)`, held by the return
"""

from __future__ import annotations

from dataclasses import dataclass, field

from auditor.source.facts import (
    Bind,
    Call,
    Comprehension,
    Event,
    Expr,
    FunctionFacts,
    Name,
    Raise,
    Read,
    Region,
    Return,
    Test,
    Yield,
    children_of,
    walk,
)
from auditor.source.project import Project

Holder = Expr | Event | Region


@dataclass(frozen=True, slots=True)
class Holders:
    """The expressions of one function by identity: equal ones stand at several places."""

    function: FunctionFacts
    above: dict[int, list[Holder]] = field(default_factory=dict)
    names: dict[str, list[Name]] = field(default_factory=dict)
    made_by: dict[int, Comprehension] = field(default_factory=dict)
    """By region: the comprehension whose outermost loop it is."""

    def of(self, expr: Expr) -> tuple[Holder, ...]:
        """What holds the expression directly; nothing for a statement of its own."""
        return tuple(self.above.get(id(expr), ()))

    def mentions_of(self, name: str) -> tuple[Name, ...]:
        """The places where a name stands by itself or begins a chain."""
        return tuple(self.names.get(name, ()))

    def is_seen_whole(self, name: str) -> bool:
        """Whether each read of a name is one of its mentions: none is hidden in what is opaque."""
        reads = sum(isinstance(e, Read) and e.path[0] == name for e in self.function.events)
        return reads <= sum(len(self.of(mention)) for mention in self.mentions_of(name))


def holders_of(project: Project, function: FunctionFacts) -> Holders:
    """The holders of a function's expressions; found once and kept in the project."""
    kept = project.shared.setdefault("holders", {})
    if id(function) not in kept:
        kept[id(function)] = _read(function)
    found: Holders = kept[id(function)]
    return found


def _read(function: FunctionFacts) -> Holders:
    holders = Holders(function)
    seen: set[int] = set()
    for region in function.regions:
        if region.kind in {"for", "comprehension"} and region.expr is not None:
            _note(holders, region.expr, region, seen)
        for item in region.items:
            _note(holders, item.expr, region, seen)
    for event in function.events:
        if isinstance(event, Call):
            _enter(holders, event, seen)
        elif (root := _root(event)) is not None:
            _note(holders, root, event, seen)
    return holders


def _root(event: Event) -> Expr | None:
    match event:
        case Bind(value=expr, kind=kind) if kind not in {"loop", "with"}:
            return expr
        case Return(value=expr) | Yield(value=expr):
            return expr
        case Test(expr=expr) | Raise(error=expr):
            return expr
        case _:
            return None


def _note(holders: Holders, expr: Expr, holder: Holder, seen: set[int]) -> None:
    holders.above.setdefault(id(expr), []).append(holder)
    _enter(holders, expr, seen)


def _enter(holders: Holders, expr: Expr, seen: set[int]) -> None:
    for found in walk(expr):
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Name):
            holders.names.setdefault(found.name, []).append(found)
        elif isinstance(found, Comprehension):
            holders.made_by[found.region] = found
        for child in children_of(found):
            holders.above.setdefault(id(child), []).append(found)
