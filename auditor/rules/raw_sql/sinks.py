"""Calls through which text becomes SQL, as the rules of family 1xx see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.evidence import SourcePath, Step
from auditor.model.knowledge import SinkRow
from auditor.model.span import Span
from auditor.source.facts import At, Attribute, Call, Expr, FunctionFacts, ModuleFacts
from auditor.source.pieces import Piece
from auditor.source.project import Project

_FAMILY = ("sqlalchemy", "oslo_db", "neutron_lib.db", "alembic", "flask_sqlalchemy", "sqlmodel")


@dataclass(frozen=True, slots=True)
class Given:
    """Text given to a sink: the call, its row, the argument, and whether the receiver is known for
    certain (`sure`) or taken for a session by its name."""

    call: Call
    row: SinkRow
    text: Expr
    sure: bool


def texts_given(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Given]:
    """Every argument of the function's calls that becomes SQL, in order."""
    for position, event in enumerate(function.events):
        if not isinstance(event, Call):
            continue
        rows, sure = _rows(project, module, function, position, event)
        for row in rows:
            for text in _arguments(event, row):
                yield Given(event, row, text, sure or uses_sqlalchemy(module))


def _rows(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, call: Call
) -> tuple[tuple[SinkRow, ...], bool]:
    sinks = project.knowledge.sinks
    rows = sinks.get(("", project.resolve(module, call.func)))
    if rows:
        return rows, True
    if not isinstance(call.func, Attribute):
        return (), False
    receiver = project.value(module, function, position, call.func.base)
    return sinks.get((receiver.kind, call.func.name), ()), receiver.sure


def _arguments(call: Call, row: SinkRow) -> tuple[Expr, ...]:
    if row.position == -1:
        return call.args
    if row.position < len(call.args):
        return (call.args[row.position],)
    named = call.keyword(row.keyword) if row.keyword else None
    return () if named is None else (named,)


def uses_sqlalchemy(module: ModuleFacts) -> bool:
    """Whether the module imports SQLAlchemy or what is built on it."""
    return any(
        target == family or target.startswith(f"{family}.")
        for target in module.imports.values()
        for family in _FAMILY
    )


def way_of(module: ModuleFacts, given: Given, pieces: tuple[Piece, ...]) -> SourcePath:
    """The path of the first pieces that have one, source first, ending at the sink."""
    steps: list[Step] = []
    for piece in pieces:
        for passage in piece.way:
            step = Step(_span(passage.path, passage.at), passage.note)
            if step not in steps:
                steps.append(step)
    steps.append(Step(_span(module.path, given.call.at), "it becomes SQL here"))
    return SourcePath(tuple(steps))


def _span(path: str, at: At) -> Span:
    return Span(path, at.line, at.column, at.end_line, at.end_column)
