"""Lines of one function that ask the same query for one value each, as the source shows them.

    limit_of(session, "router")                              a function that queries, called thrice
    session.query(Quota).filter_by(resource="port").one()    the query itself, written out thrice

Siblings stand in one straight stretch of code, differ in values only, and one line never uses what
an earlier one found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.knowledge import Effect
from auditor.rule import Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.queries.estimated import estimated
from auditor.rules.queries.run_once import lowered
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

LEAST = 3
"""Lines that ask the same: two are a pair, three are a list."""
_MESSAGE = (
    "`{asks}` is asked on {count} lines ({lines}), for one value each: one query with `.in_(...)`"
    " answers all of them"
)
_OTHERWISE = frozenset(
    (Effect.WRITE, Effect.COMMIT, Effect.FLUSH, Effect.PENDING, Effect.STATEMENT)
)
_VALUE = "?"
_OF_TABLES = frozenset(
    ("select", "query", "select_from", "join", "outerjoin", "update", "table",
     "execute", "scalars", "scalar", "exec", "stream", "stream_scalars")
)  # fmt: skip
"""What is handed tables, columns or a statement: such a name is no value, and another makes another
query."""
_ASIDE = ("if", "else", "case", "handler", "try-else", "lambda", "for", "while", "comprehension")


class Sibling(NamedTuple):
    """A query of a list: its place, the call, what is asked and the values it asks for."""

    site: Site
    call: Call
    values: tuple[Expr, ...]


def in_source(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Lists of siblings, one hit each, at the first line."""
    groups: dict[tuple[int, str], list[Sibling]] = {}
    for site in project.sites(function):
        call = function.events[site.position]
        if isinstance(call, Call) and _is_straight(function, site) and _only_asks(project, site):
            values: list[Expr] = []
            key = (site.callee, _shape(call, values))
            if values:
                groups.setdefault(key, []).append(Sibling(site, call, tuple(values)))
    for siblings in groups.values():
        lines = sorted({one.site.at.line for one in siblings})
        if len(lines) >= LEAST and _differ_in_one(siblings) and not _builds(function, siblings):
            hit = _hit(project, module, function, siblings, lines=lines)
            yield from lowered(project, module, (hit,))


def _hit(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    siblings: list[Sibling],
    *,
    lines: list[int],
) -> Hit:
    first = siblings[0].site
    asks = f"{first.what}()" if first.callee >= 0 else first.what
    steps = tuple(Step(span_of(module, one.site.at), asks) for one in siblings)
    sure = all(s.sure for one in siblings for s in project.effects.way(one.site, Effect.READ))
    fields = {
        "asks": asks,
        "count": len(lines),
        "lines": ", ".join(str(line) for line in lines),
    }
    return Hit(
        span_of(module, first.at),
        function.qualname,
        fields,
        (SourcePath(steps), *estimated(project, function)),
        confidence=Confidence.MEDIUM if sure else Confidence.LOW,
        message=_MESSAGE,
    )


def _is_straight(function: FunctionFacts, site: Site) -> bool:
    return all(around.kind not in _ASIDE for around in function.ancestors(site.region))


def _only_asks(project: Project, site: Site) -> bool:
    """Whether a site certainly issues a query and does nothing else to the database."""
    done = project.effects.of_site(site)
    return bool(done.get(Effect.READ)) and _OTHERWISE.isdisjoint(done)


def _shape(expr: Expr | None, values: list[Expr], *, is_value: bool = False) -> str:
    """An expression with `?` for the literals and variables that it compares or passes, which are
    added to `values`."""
    match expr:
        case Call(func=func, args=args, keywords=keywords):
            holds = last_step(func) not in _OF_TABLES
            inner = [_shape(arg, values, is_value=holds) for arg in args]
            inner += [f"{k.name}={_shape(k.value, values, is_value=True)}" for k in keywords]
            return f"{_shape(func, values)}({', '.join(inner)})"
        case Compare(left=left, operators=operators, rights=rights):
            compared = [_shape(right, values, is_value=True) for right in rights]
            return f"{_shape(left, values)} {operators} {compared}"
        case Attribute(base=base, name=name):
            return f"{_shape(base, values)}.{name}"
        case Const() if is_value:
            values.append(expr)
            return _VALUE
        case Name(name=name) if is_value and name.islower():
            values.append(expr)
            return _VALUE
        case _:
            return dotted(expr) or repr(expr)


def _differ_in_one(siblings: list[Sibling]) -> bool:
    """Whether one value differs on every line, and the others on none."""
    columns = list(zip(*(one.values for one in siblings), strict=True))
    distinct = [len({repr(value) for value in column}) for column in columns]
    return sorted(distinct) == [1] * (len(distinct) - 1) + [len(siblings)]


def _builds(function: FunctionFacts, siblings: list[Sibling]) -> bool:
    """Whether a line uses what an earlier one found."""
    found = {
        event.target
        for event in function.events
        if isinstance(event, Bind) and any(event.value is one.call for one in siblings)
    }
    return any(name in found for one in siblings for name in _names(one.call))


def _names(call: Call) -> Iterator[str]:
    return (part.name for part in walk(call) if isinstance(part, Name))
