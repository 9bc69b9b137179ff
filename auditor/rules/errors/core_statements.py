"""What a `try` sends: statements of Core on a connection, commands that store nothing."""

from __future__ import annotations

from auditor.model.knowledge import CONNECTION
from auditor.source.facts import Attribute, Call, Const, Expr, FunctionFacts, Region
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.sql.verbs import CONTROLS, READS, verb_of

_SENDS = frozenset({"execute", "scalar", "scalars", "exec_driver_sql"})
_COMMANDS = CONTROLS | READS | {"SET"}


def is_of_core(project: Project, function: FunctionFacts, region: Region) -> bool:
    """Whether all that a region sends by itself goes through a connection: no session notes that a
    statement failed there."""
    bases = [
        project.value(project.program.scope_of(function).module, function, position, base)
        for position in range(region.first, region.last)
        if (base := _sent_through(function, position)) is not None
    ]
    return bool(bases) and all(base.kind == CONNECTION for base in bases)


def _sent_through(function: FunctionFacts, position: int) -> Expr | None:
    event = function.events[position]
    if isinstance(event, Call) and isinstance(event.func, Attribute) and event.func.name in _SENDS:
        return event.func.base
    return None


def are_commands(function: FunctionFacts, region: Region) -> bool:
    """Whether all that a region sends as text stores nothing: `PRAGMA journal_mode=WAL`."""
    sent = [
        event.args[0]
        for event in function.inside(region)
        if isinstance(event, Call) and last_step(event.func) in _SENDS and event.args
    ]
    texts = [_text(expr) for expr in sent]
    return bool(texts) and all(text and verb_of(text) in _COMMANDS for text in texts)


def _text(expr: Expr) -> str:
    """The string that is sent, also in `text(...)`; empty if it does not stand there."""
    if isinstance(expr, Call) and expr.args:
        expr = expr.args[0]
    return expr.value if isinstance(expr, Const) and isinstance(expr.value, str) else ""
