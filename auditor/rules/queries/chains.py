"""Queries as they are put together: the links of a chain of calls, across the binds of a name.

query = session.query(Label)            links: query(Label)
query = query.filter(Label.shared)             filter(Label.shared)
return query.all()                             all()
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    children_of,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.value import CLASS, NAME

STARTS = frozenset(("query", "select"))
_LENGTH = 60
"""Links of a chain that are looked at."""


class Chain(NamedTuple):
    """A query: its links in order of evaluation, the first of which names what is selected.
    `is_whole` tells that every expression it grows from is in sight."""

    links: tuple[Call, ...]
    is_whole: bool

    def named(self, *names: str) -> tuple[Call, ...]:
        """The links with one of the names."""
        return tuple(link for link in self.links if last_step(link.func) in names)

    @property
    def start(self) -> Call:
        """`session.query(...)` or `select(...)`."""
        return self.links[0]


class _Index(NamedTuple):
    """What a function does with its queries, found in one pass so that many queries stay cheap."""

    grown: dict[int, Call]
    """Calls by the identity of the expression they are a method of."""
    on_name: dict[str, list[Call]]
    """Calls that are a method of a name."""
    bound: dict[int, str]
    """Names by the identity of the value assigned to them."""
    roots: dict[str, int]
    """How many assignments of a name do not grow from the name itself."""
    handed_on: frozenset[int | str]
    """Arguments of other functions: names, and identities of calls."""


def chains_of(function: FunctionFacts) -> Iterator[Chain]:
    """The queries that a function begins and puts together: one for each `query()` or `select()`
    call, with every link that its chain, or the name it is bound to, receives."""
    starts = [
        e for e in function.events if isinstance(e, Call) and last_step(e.func) in STARTS and e.args
    ]
    index = _index_of(function) if starts else None
    for start in starts:
        found = _follow(start, index) if index is not None else None
        if found is not None:
            yield found


def _index_of(function: FunctionFacts) -> _Index:
    index = _Index({}, {}, {}, {}, frozenset())
    handed_on: set[int | str] = set()
    for event in function.events:
        if isinstance(event, Bind):
            if event.kind == "assign":
                index.bound[id(event.value)] = event.target
            if _root(event.value) != event.target:
                index.roots[event.target] = index.roots.get(event.target, 0) + 1
        elif isinstance(event, Call):
            base = getattr(event.func, "base", None)
            index.grown[id(base)] = event
            if isinstance(base, Name):
                index.on_name.setdefault(base.name, []).append(event)
            if last_step(event.func) not in _RUNNING:
                handed_on.update(a.name if isinstance(a, Name) else id(a) for a in event.args)
    return index._replace(handed_on=frozenset(handed_on))


def _follow(start: Call, index: _Index) -> Chain | None:
    links = _links(start, index.grown)
    name = index.bound.get(id(links[-1]), "")
    if not name:
        return Chain(tuple(links), is_whole=id(links[-1]) not in index.handed_on)
    if index.roots.get(name) != 1:
        return None
    for event in index.on_name.get(name, ())[:_LENGTH]:
        links.extend(_links(event, index.grown))
    return Chain(tuple(links), is_whole=name not in index.handed_on)


_RUNNING = frozenset(("execute", "scalars", "scalar", "list", "stream", "exec", "first"))
"""What a query is given to in order to be run."""


def _links(start: Call, grown: dict[int, Call]) -> list[Call]:
    links = [start]
    while id(links[-1]) in grown and len(links) < _LENGTH:
        links.append(grown[id(links[-1])])
    return links


def _root(expr: Expr | None) -> str:
    """The name a chain of calls grows from."""
    for _ in range(_LENGTH):
        if isinstance(expr, Call):
            expr = expr.func
        elif isinstance(expr, Attribute):
            expr = expr.base
        else:
            break
    return expr.name if isinstance(expr, Name) else ""


def _is_handed_on(function: FunctionFacts, last: Call) -> bool:
    """Whether the unfinished query is an argument of a function that may add to it."""
    return any(
        isinstance(e, Call) and any(a is last for a in e.args) and last_step(e.func) not in _RUNNING
        for e in function.events
    )


class Option(NamedTuple):
    """A loader option: `how` it loads (`joinedload`), and the steps from the class selected, each
    as the dotted name of the class it is written on, empty for a string, and the relationship."""

    how: str
    steps: tuple[tuple[str, str], ...]
    call: Call


def options_of(
    project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain
) -> Iterator[Option]:
    """The loader options of a query that name their relationships."""
    for link in chain.named("options"):
        for arg in link.args:
            found = _option(project, module, function, arg)
            if found is not None:
                yield found


def _option(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr | None
) -> Option | None:
    steps: list[tuple[str, str]] = []
    hows: list[str] = []
    first: Call | None = None
    while isinstance(expr, Call) and last_step(expr.func).endswith("load"):
        hows.append(last_step(expr.func))
        first = expr
        for arg in reversed(expr.args):
            step = _step(project, module, function, arg)
            if step is None:
                return None
            steps.append(step)
        expr = getattr(expr.func, "base", None)
    if first is None:
        return None
    how = hows[-1] if len(set(hows)) == 1 else "several"
    return Option(how, tuple(reversed(steps)), first)


def _step(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> tuple[str, str] | None:
    match expr:
        case Const(value=str() as name):
            return "", name
        case Attribute(base=base, name=name):
            return class_named(project, module, function, base), name
        case _:
            return None


def is_given(function: FunctionFacts, expr: Expr) -> bool:
    """Whether a name stands for what a call of the function gave: `model = models.get(kind)` is one
    class now and another the next time."""
    return isinstance(expr, Name) and any(
        isinstance(e, Bind) and e.target == expr.name and isinstance(e.value, Call)
        for e in function.events
    )


def class_named(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr | None
) -> str:
    """The dotted name of the class an expression names, read or not; empty for anything else."""
    value = project.value(module, function, len(function.events), expr)
    looks = value.name.rpartition(".")[2][:1].isupper()
    return value.name if value.kind == CLASS or (value.kind == NAME and looks) else ""


_NESTED = frozenset(
    ("select", "exists", "query", "any", "has", "subquery", "of_type", "in_", "not_in", "notin_",
     "contains", "scalar_subquery", "cte", "lateral", "text")
)  # fmt: skip
"""Calls whose arguments are another query, or may be."""


def classes_in(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> Iterator[tuple[str, str]]:
    """The classes whose columns an expression names, and these names; what is inside another query
    is left out."""
    waiting: list[Expr] = [expr]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Call) and last_step(found.func) in _NESTED:
            waiting.extend([found.func.base] if isinstance(found.func, Attribute) else [])
        elif isinstance(found, Attribute) and isinstance(found.base, (Name, Attribute)):
            name = class_named(project, module, function, found.base)
            if name:
                yield name, found.name
            else:
                waiting.append(found.base)
        else:
            waiting.extend(children_of(found))
