"""Calls that load rows, and how often what they gave is read."""

from __future__ import annotations

from typing import NamedTuple

from auditor.model.knowledge import QUERY, ROWS, Effect
from auditor.source.facts import Bind, Call, Expr, FunctionFacts, ModuleFacts, Name, Read
from auditor.source.program import last_step
from auditor.source.project import Project, position_of


class Loaded(NamedTuple):
    """A load of rows by a call of the tables: `what` as it is written, shortly, and how often the
    name it is bound to is read; 0 for a load that is used where it stands."""

    call: Call
    what: str
    reads: int


def loaded_once(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, expr: Expr
) -> Loaded | None:
    """The load of many rows that an expression is, directly or through a name with one bind."""
    if isinstance(expr, Call):
        return _load(project, module, function, expr, reads=0)
    if not isinstance(expr, Name):
        return None
    binds = [e for e in function.events if isinstance(e, Bind) and _of(e, expr.name)]
    if len(binds) != 1 or binds[0].kind != "assign" or not isinstance(binds[0].value, Call):
        return None
    reads = sum(isinstance(e, Read) and e.path[0] == expr.name for e in function.events)
    if any(p.name == expr.name for p in function.parameters):
        return None
    return _load(project, module, function, binds[0].value, reads=reads)


def _of(bind: Bind, name: str) -> bool:
    return bind.target == name or bind.target.startswith((f"{name}.", f"{name}["))


def _load(
    project: Project, module: ModuleFacts, function: FunctionFacts, call: Call, *, reads: int
) -> Loaded | None:
    position = position_of(function, call)
    if position < 0:
        return None
    targets = project.targets(function, position, call)
    reads_now = targets and all(t.row and Effect.READ in t.row.effects for t in targets)
    if not reads_now and not _ends_a_result(call):
        return None
    value = project.value(module, function, position, call)
    if value.kind not in (ROWS, QUERY):
        return None
    return Loaded(call, f"{last_step(call.func)}()", reads)


def _ends_a_result(call: Call) -> bool:
    """`session.scalars(...).all()`: the statement was issued before, the rows are built here."""
    base = getattr(call.func, "base", None)
    return isinstance(base, Call) and last_step(call.func) in ("all", "fetchall")
