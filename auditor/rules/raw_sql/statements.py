"""Statements written as text, as far as the source tells: one text for each way they are built.

What is not known stands as `{x}` in the text; a statement without it is `whole`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditor.model.knowledge import Takes
from auditor.rules.raw_sql.sinks import Given, is_looked_at_itself, texts_given
from auditor.source import constants
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Choice,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Text,
    walk,
)
from auditor.source.pieces import DEPTH, Place
from auditor.source.project import Project
from auditor.source.strings import formatted

HOLE = "{x}"
_WAYS = 8
"""Texts one expression is followed to; one that has more is a hole."""
_KEEPS = frozenset({"strip", "lstrip", "rstrip", "dedent", "cleandoc"})
_KEPT = "auditor.rules.raw_sql.statements"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that a call is given as text."""

    given: Given
    sql: str

    @property
    def is_whole(self) -> bool:
        return HOLE not in self.sql


def statements_of(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> tuple[Statement, ...]:
    """The statements that a function's calls are given as text, each call once for each text."""
    kept: dict[int, tuple[Statement, ...]] = project.shared.setdefault(_KEPT, {})
    key = project.program.scope_of(function).key
    if key not in kept:
        kept[key] = tuple(_statements(project, module, function))
    return kept[key]


def _statements(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Statement]:
    place = Place(project, module, function)
    for given in texts_given(project, module, function):
        if given.row.takes is Takes.STATEMENT and not is_looked_at_itself(project, module, given):
            texts = texts_of(place, given.text)
            yield from (Statement(given, sql) for sql in texts if sql.strip() != HOLE)


def texts_of(place: Place, expr: Expr | None) -> tuple[str, ...]:
    """The texts an expression may give, `{x}` for each part that is not known."""
    match expr:
        case Const(value=str(value)):
            return (value,)
        case Text(parts=parts, how=how) if how != "join":
            return _joined([(p,) if isinstance(p, str) else texts_of(place, p) for p in parts])
        case Choice(then=then, otherwise=otherwise):
            return _few((*texts_of(place, then), *texts_of(place, otherwise)))
        case Name(name=name):
            return _of_name(place, name)
        case Attribute() if place.depth < DEPTH:
            found = constants.of_attribute(place.project, place.module, place.function, expr)
            return _of_definitions(place.deeper(expr.name), found)
        case Call():
            return _of_call(place, expr)
        case _:
            return (HOLE,)


def _of_name(place: Place, name: str) -> tuple[str, ...]:
    if place.was_at(name):
        return (HOLE,)
    binds = [e for e in place.function.events if isinstance(e, Bind) and e.target == name]
    is_parameter = any(p.name == name for p in place.function.parameters)
    if not binds and not is_parameter:
        found = constants.of_name(place.project, place.module, name)
        return _of_definitions(place.deeper(name), found)
    if is_parameter or any(bind.kind != "assign" or _adds_to(bind, name) for bind in binds):
        return _in_steps(place, name, binds)
    return _few([text for b in binds for text in texts_of(place.deeper(name), b.value)])


def _adds_to(bind: Bind, name: str) -> bool:
    return any(isinstance(found, Name) and found.name == name for found in walk(bind.value))


def _in_steps(place: Place, name: str, binds: Sequence[Bind]) -> tuple[str, ...]:
    """A text built step by step: how it starts is known, what follows may be there or not."""
    starts = [b for b in binds if b.kind == "assign" and not _adds_to(b, name)]
    texts = [f"{text} {HOLE}" for b in starts for text in texts_of(place.deeper(name), b.value)]
    return _few(texts) or (HOLE,)


def _of_definitions(place: Place, found: Sequence[constants.Definition]) -> tuple[str, ...]:
    if len(found) != 1 or found[0].bind.kind != "assign":
        return (HOLE,)
    there = place.inside(found[0].module, found[0].function)
    return texts_of(there, found[0].value)


def _of_call(place: Place, call: Call) -> tuple[str, ...]:
    func = call.func
    name = func.name if isinstance(func, (Attribute, Name)) else ""
    if name in _KEEPS:
        kept = call.args[0] if call.args else getattr(func, "base", None)
        return texts_of(place, kept)
    if name == "format" and isinstance(func, Attribute):
        templates = texts_of(place, func.base)
        if len(templates) == 1 and HOLE not in templates[0]:
            return texts_of(place, formatted(templates[0], call))
    return (HOLE,)


def _joined(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    count = 1
    for part in parts:
        count *= len(part)
    if count > _WAYS:
        parts = [part if len(part) == 1 else (HOLE,) for part in parts]
    return tuple("".join(chosen) for chosen in itertools.product(*parts))


def _few(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts)) if len(texts) <= _WAYS else (HOLE,)
