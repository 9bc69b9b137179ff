"""Queries that go through a function and come back narrowed.

query = session.query(Chart)
query = self._visible_only(query)       `return query.filter(...)` in there
query = plugin.narrow(query)            nothing in the program says what runs there
return query.all()                      still a query of Chart
"""

from __future__ import annotations

from auditor.model.knowledge import QUERY, STATEMENT
from auditor.source.facts import Bind, Call, Expr, FunctionFacts, Name, Return, chain_of
from auditor.source.inference import Inference
from auditor.source.lookups import argument
from auditor.source.program import Program, Scope
from auditor.source.value import NAME, UNKNOWN, Value

_NARROWED = frozenset((QUERY, STATEMENT))


def handed_on(inference: Inference, scope: Scope, position: int, call: Call, runs: Scope) -> Value:
    """The query that a call of a function of the program is given and gives back, never sure: the
    parameter that each `return` begins with."""
    name = _returned_parameter(inference, runs)
    passed = argument(runs, name, call) if name else None
    value = inference.value(scope, position, passed)
    if value.kind in _NARROWED and _stays(inference.program, runs.function, name, value.kind):
        return value._replace(sure=False)
    return UNKNOWN


def kept_on(inference: Inference, scope: Scope, position: int, call: Call) -> Value:
    """The query that a call which cannot be followed is given, if the result takes the name of that
    argument (`query = narrow(query)`), never sure: the name says that it is the same."""
    events = scope.function.events
    bind = events[position] if position < len(events) else None
    if not isinstance(bind, Bind) or bind.kind != "assign" or bind.value is not call:
        return UNKNOWN
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    passed = next((a for a in given if isinstance(a, Name) and a.name == bind.target), None)
    value = inference.value(scope, position, passed)
    return value._replace(sure=False) if value.kind in _NARROWED else UNKNOWN


def _returned_parameter(inference: Inference, runs: Scope) -> str:
    """The parameter that every value returned begins with, empty if there is none; found once."""
    found = inference.kept(("handed on", runs.key), lambda: _returned(runs.function))
    return found.name


def _returned(function: FunctionFacts) -> Value:
    roots = {_root(event.value) for event in function.events if isinstance(event, Return)}
    name = roots.pop() if len(roots) == 1 else ""
    is_passed = any(parameter.name == name for parameter in function.parameters)
    return Value(NAME, name) if is_passed else UNKNOWN


def _stays(program: Program, function: FunctionFacts, name: str, kind: str) -> bool:
    """Whether nothing that the function returns, or gives the returned name, ends the query."""
    given = (
        event.value
        for event in function.events
        if isinstance(event, Return) or (isinstance(event, Bind) and event.target == name)
    )
    return all(
        _is_narrowing(program, kind, link)
        for expr in given
        if _root(expr) == name
        for link in chain_of(expr)[1]
    )


def _is_narrowing(program: Program, kind: str, link: str) -> bool:
    row = program.knowledge.methods.get((kind, link))
    return row is not None and row.returns in _NARROWED


def _root(expr: Expr | None) -> str:
    root, _ = chain_of(expr)
    return root.name if isinstance(root, Name) else ""
