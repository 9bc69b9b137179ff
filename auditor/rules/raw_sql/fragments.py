"""Conditions of SQL made of text and handed back, to be put into a statement somewhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence
from auditor.rule import Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.raw_sql.holes import Hole, Role, names_of, open_holes
from auditor.rules.raw_sql.sinks import path_to, pieces_given, texts_given, uses_sqlalchemy
from auditor.source.facts import Bind, Call, Event, Expr, FunctionFacts, ModuleFacts, Return, Text
from auditor.source.pieces import Place
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.provenance import pieces_of

_OPENS_LITERAL = re.compile(
    r"(?:\b(?:I?LIKE|REGEXP|RLIKE)|->>?|\bWHERE\s+[\w.\"`]+\s*[=<>]|\bIN\s*\()\s*'%?$"
)
"""What stands before a quoted value in SQL and, in capitals, in nothing else."""
_KEEPS = frozenset(("append", "add", "extend"))


def fragments(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Conditions with a value formatted between their quotes, in functions that give no text to
    the database themselves and whose callers are not told of it."""
    found = tuple(_conditions(function))
    if not found or not uses_sqlalchemy(module) or texts_given(project, module, function):
        return
    place = Place(project, module, function)
    for text in found:
        pieces = pieces_of(place, text)
        holes = [h for h in open_holes(pieces) if h.is_quoted]
        if holes and not _is_told_above(project, function):
            yield Hit(
                span_of(module, text.at),
                function.qualname,
                {"holes": names_of(holes)},
                (_way(module, text, holes),),
                confidence=Confidence.MEDIUM,
                message=_MESSAGE,
            )


_MESSAGE = (
    "{holes} is formatted between the quotes of a condition instead of bound (taking it that the"
    " text becomes part of a statement elsewhere)"
)


def _way(module: ModuleFacts, text: Text, holes: list[Hole]) -> SourcePath:
    return path_to(module, text.at, [hole.piece for hole in holes], "it is between quotes here")


def _conditions(function: FunctionFacts) -> Iterator[Text]:
    """Texts that are kept or handed back and in which SQL opens a literal before a hole."""
    for event in function.events:
        for value in _kept(event):
            if isinstance(value, Text) and any(
                isinstance(part, str)
                and not isinstance(after, str)
                and _OPENS_LITERAL.search(part.upper() if "->" in part else part)
                for part, after in zip(value.parts, value.parts[1:], strict=False)
            ):
                yield value


def _kept(event: Event) -> tuple[Expr | None, ...]:
    match event:
        case Bind(value=value) | Return(value=value):
            return (value,)
        case Call(args=args) if last_step(event.func) in _KEEPS:
            return args
        case _:
            return ()


def _is_told_above(project: Project, function: FunctionFacts) -> bool:
    """Whether a caller, by the name of the function, is told of a value in its own text."""
    for site in project.program.calls.get(function.name, ()):
        scope = site.scope
        for given in texts_given(project, scope.module, scope.function):
            holes = open_holes(pieces_given(project, scope.module, scope.function, given))
            if any(hole.role is Role.VALUE for hole in holes):
                return True
    return False
