"""Queries that go through a function and come back narrowed.

query = session.query(Chart)
query = self._visible_only(query)       `return query.filter(...)` in there
query = plugin.narrow(query)            nothing in the program says what runs there
return query.all()                      still a query of Chart
"""

from __future__ import annotations

from auditor.model.knowledge import QUERY, STATEMENT
from auditor.source.facts import Attribute, Bind, Call, Expr, FunctionFacts, Name, Return
from auditor.source.inference import Inference
from auditor.source.lookups import argument
from auditor.source.program import Program, Scope
from auditor.source.value import UNKNOWN, Value

_NARROWED = frozenset((QUERY, STATEMENT))


def handed_on(
    inference: Inference, scope: Scope, position: int, call: Call, runs: Scope | None
) -> Value:
    """The query that a call is given and gives back, never sure.

    Of a function of the program (`runs`) it is the parameter that each `return` begins with; of one
    that cannot be followed, what its only argument that is a query was, if the result takes the
    name of that argument.
    """
    passed = _kept_name(scope, position, call) if runs is None else _passed(runs, call)
    if passed is None:
        return UNKNOWN
    value = inference.value(scope, position, passed)
    if value.kind not in _NARROWED:
        return UNKNOWN
    if runs is not None and not _stays(inference.program, runs.function, value.kind):
        return UNKNOWN
    return value._replace(sure=False)


def _passed(runs: Scope, call: Call) -> Expr | None:
    name = _returned_name(runs.function)
    if not any(parameter.name == name for parameter in runs.function.parameters):
        return None
    return argument(runs, name, call)


def _kept_name(scope: Scope, position: int, call: Call) -> Expr | None:
    """`query` of `query = narrow(query)`: the name says that it is the same."""
    events = scope.function.events
    bind = events[position] if position < len(events) else None
    if not isinstance(bind, Bind) or bind.kind != "assign" or bind.value is not call:
        return None
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return next((a for a in given if isinstance(a, Name) and a.name == bind.target), None)


def _returned_name(function: FunctionFacts) -> str:
    """The name that every value returned begins with, empty if they differ."""
    roots = {_chain(event.value)[0] for event in function.events if isinstance(event, Return)}
    return roots.pop() if len(roots) == 1 else ""


def _stays(program: Program, function: FunctionFacts, kind: str) -> bool:
    """Whether nothing that the function returns, or gives the returned name, ends the query."""
    name = _returned_name(function)
    given = (
        _chain(event.value)
        for event in function.events
        if isinstance(event, Return) or (isinstance(event, Bind) and event.target == name)
    )
    return all(
        _is_narrowing(program, kind, link)
        for root, links in given
        if root == name
        for link in links
    )


def _is_narrowing(program: Program, kind: str, link: str) -> bool:
    row = program.knowledge.methods.get((kind, link))
    return row is not None and row.returns in _NARROWED


def _chain(expr: Expr | None) -> tuple[str, tuple[str, ...]]:
    """`("query", ("filter", "limit"))` for `query.filter(...).limit(...)`."""
    links: list[str] = []
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        links.append(expr.func.name)
        expr = expr.func.base
    return (expr.name, tuple(links)) if isinstance(expr, Name) else ("", ())
