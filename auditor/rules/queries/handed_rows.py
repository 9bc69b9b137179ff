"""Lazy relations that are read where a loop hands its rows to: functions, methods, properties.

def trials(session):                              def _built(trial):
    rows = session.query(Trial).all()                 return Built(trial.number, trial.params)
    return [_built(row) for row in rows]                                         a SELECT for each

The option that is missing belongs to the query, so that is where such a finding stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.model.knowledge import ROW, ROW_OR_NONE
from auditor.rule import Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.queries.loops import Loops, is_conditional, repeating_loop
from auditor.rules.queries.rows import (
    RowLoop,
    are_queried,
    is_loaded_eagerly,
    is_of_one_parent,
    sources_of,
)
from auditor.source.attributes import attribute_of, is_property, relationship_of
from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Const,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Not,
    Read,
    Region,
    Starred,
    Test,
    dotted,
    walk,
)
from auditor.source.lookups import argument
from auditor.source.models import Relationship
from auditor.source.program import Scope, last_step
from auditor.source.project import Project, position_of
from auditor.source.value import INSTANCE, Value

_STEPS = 3
"""Functions a row is followed into."""
_ALWAYS = frozenset(("function", "with", "try", "comprehension", "for", "finally", "try-else"))
_NEAR = 12
"""Events a statement is taken to reach back at most."""
_ONE = frozenset((INSTANCE, ROW, ROW_OR_NONE))
_QUERYING = frozenset(("query", "select", "find", "find_all"))


class LazyRead(NamedTuple):
    """A relationship that is read on a row in `scope`, whenever that function runs."""

    relation: Relationship
    scope: Scope
    at: At
    words: str


class _Row(NamedTuple):
    """A name that holds a row in a function, and how many functions may still be entered.
    `settled` are the parameters that the call leaves at a constant, and whether that is true."""

    scope: Scope
    name: str
    value: Value
    left: int
    settled: frozenset[tuple[str, bool]] = frozenset()


def read_elsewhere(
    project: Project, module: ModuleFacts, function: FunctionFacts, loop: RowLoop, loops: Loops
) -> Hits:
    """Lazy relationships that functions read which the loop hands each row to: one hit for each
    function, where the query begins."""
    found: dict[int, list[LazyRead]] = {}
    seen: set[str] = set()
    for event, read in _reads_per_row(project, function, loop):
        position = position_of(function, event)
        if read.relation.name in seen or is_conditional(function, loop.region, event.region):
            continue
        if repeating_loop(loops, region=event.region, position=position) is None:
            continue
        if is_of_one_parent(project, function, loop, read.relation):
            continue
        if _is_of_owner(project, function, loop, read.relation.target):
            continue
        if not is_loaded_eagerly(project, function, loop, read.relation.name):
            seen.add(read.relation.name)
            found.setdefault(read.scope.key, []).append(read)
    if not found or not are_queried(project, function, loop):
        return
    source = _source_of(project, function, loop)
    for reads in found.values():
        yield _hit_at_query(module, function, loop, reads, source)


def _hit_at_query(
    module: ModuleFacts,
    function: FunctionFacts,
    loop: RowLoop,
    reads: list[LazyRead],
    source: Source | None,
) -> Hit:
    line = loop.region.at.line
    reader = reads[0].scope
    names = list(dict.fromkeys(read.relation.name for read in reads))
    fields = {
        "relations": ", ".join(f"`{name}`" for name in names),
        "are": "are" if len(names) > 1 else "is",
        "reader": reader.function.qualname.replace(".<locals>", ""),
        "place": f"{reader.module.path}:{reads[0].at.line}",
        "loop": f"{module.path}:{line}",
    }
    steps = [Step(span_of(module, At(line, 1, line, 1)), "the loop over rows")]
    steps += [Step(span_of(reader.module, read.at), f"`{read.words}` is read") for read in reads]
    span, name = span_of(module, loop.region.at), function.qualname
    if source is not None:
        span = span_of(source.scope.module, source.call.at)
        name = source.scope.function.qualname
    return Hit(span, name, fields, (SourcePath(tuple(steps)),), message=_ELSEWHERE)


_ELSEWHERE = (
    "no option of the query loads {relations}, which {are} lazy and which `{reader}` ({place})"
    " reads on each row of the loop at {loop}; assumes not loaded before"
)


def _reads_per_row(
    project: Project, function: FunctionFacts, loop: RowLoop
) -> Iterator[tuple[Event, LazyRead]]:
    """What is read lazily on each row of a loop, outside of the function the loop stands in, and
    the event of the loop that leads there."""
    scope = project.program.scope_of(function)
    row = _Row(scope, loop.name, loop.rows, _STEPS)
    for position in range(loop.region.first, loop.region.last):
        event = function.events[position]
        for entered in _entered(project, row, position, event):
            for read in _reads(project, entered):
                yield event, read


def _reads(project: Project, row: _Row) -> tuple[LazyRead, ...]:
    """The lazy relations that a function reads on the row it is given, whenever it runs."""
    kept: dict[tuple[object, ...], tuple[LazyRead, ...]]
    kept = project.shared.setdefault("lazy reads of rows", {})
    key = (row.scope.key, row.name, row.value.name, row.left, row.settled)
    if key not in kept:
        kept[key] = ()  # for a function that calls itself
        kept[key] = tuple(
            {(r.relation.name, r.scope.key): r for r in _found(project, row)}.values()
        )
    return kept[key]


def _found(project: Project, row: _Row) -> Iterator[LazyRead]:
    function = row.scope.function
    for position, event in enumerate(function.events):
        if not isinstance(event, (Read, Call)) or not _always_runs(row, position):
            continue
        if isinstance(event, Read) and event.path[0] == row.name:
            relation = lazy_relation(project, row.value, event.path[1:])
            if relation is not None:
                yield LazyRead(relation, row.scope, event.at, ".".join(event.path))
        for entered in _entered(project, row, position, event):
            yield from _reads(project, entered)


def _always_runs(row: _Row, position: int) -> bool:
    """Whether no branch, and no `and`, `or` or `x if y else z` of its statement, decides; one that
    the arguments decide for every row does not count."""
    function = row.scope.function
    region = function.events[position].region
    if not all(
        around.kind in _ALWAYS or _is_settled(around, row.settled)
        for around in function.ancestors(region)
    ):
        return False
    for event in reversed(function.events[max(position - _NEAR, 0) : position]):
        if isinstance(event, Test):
            return event.kind not in {"logic", "choice"} or event.region != region
        if not isinstance(event, (Read, Call)):
            break
    return True


def _is_settled(around: Region, settled: frozenset[tuple[str, bool]]) -> bool:
    """`if full: ...` of a function that is called with `full=True`, or leaves it at that."""
    test, holds = around.expr, around.kind == "if"
    if around.kind not in {"if", "else"}:
        return False
    while isinstance(test, Not):
        test, holds = test.operand, not holds
    return isinstance(test, Name) and (test.name, holds) in settled


def lazy_relation(project: Project, row: Value, steps: tuple[str, ...]) -> Relationship | None:
    """The first lazy relationship on a chain of attributes from a row."""
    value = row
    for step in steps:
        name = step.strip("[]")
        relation = relationship_of(project.inference, value, name)
        if relation is not None and relation.is_lazy:
            return relation
        value = attribute_of(project.inference, value, name)
    return None


def _entered(project: Project, row: _Row, position: int, event: Event) -> Iterator[_Row]:
    """The functions that an event runs with the row: a method or property of it, or a function
    that gets it as an argument."""
    if row.left == 0:
        return
    if isinstance(event, Read) and event.path[0] == row.name and len(event.path) > 1:
        found = project.program.method(row.value.name, event.path[1])
        if found is not None and is_property(project.program, found):
            yield from _as_self(row, found)
    elif isinstance(event, Call):
        yield from _called(project, row, position, event)


def _called(project: Project, row: _Row, position: int, call: Call) -> Iterator[_Row]:
    if dotted(getattr(call.func, "base", None)) == row.name:
        found = project.program.method(row.value.name, last_step(call.func))
        if found is not None:
            settled = _settled(project, found, call)
            yield from (each._replace(settled=settled) for each in _as_self(row, found))
        return
    given = [k for k, arg in enumerate(call.args) if isinstance(arg, Name) and arg.name == row.name]
    named = [
        k.name for k in call.keywords if isinstance(k.value, Name) and k.value.name == row.name
    ]
    if not given and not named:
        return
    targets = [t for t in project.targets(row.scope.function, position, call) if not t.override]
    if len(targets) == 1 and targets[0].function is not None and targets[0].row is None:
        target = targets[0].function
        name = named[0] if named else _parameter(target, given[0])
        if name:
            yield _Row(target, name, row.value, row.left - 1, _settled(project, target, call))


def _settled(project: Project, scope: Scope, call: Call) -> frozenset[tuple[str, bool]]:
    """The parameters for which a call gives a constant, or leaves the one they have."""
    if any(isinstance(a, Starred) for a in call.args) or any(not k.name for k in call.keywords):
        return frozenset()
    binds = project.program.binds[scope.key]
    given = (
        (p.name, argument(scope, p.name, call) or p.default)
        for p in scope.function.parameters
        if p.name not in binds
    )
    return frozenset((name, bool(v.value)) for name, v in given if isinstance(v, Const))


def _parameter(scope: Scope, place: int) -> str:
    """The name of the parameter that the argument at a place is for."""
    names = [p.name for p in scope.function.parameters if p.kind == "positional"]
    is_static = any(dotted(d) == "staticmethod" for d in scope.function.decorators)
    if scope.function.class_name and not is_static:
        place += 1
    return names[place] if place < len(names) else ""


def _as_self(row: _Row, method: Scope) -> Iterator[_Row]:
    parameters = method.function.parameters
    if parameters:
        yield _Row(method, parameters[0].name, row.value, row.left - 1)


class Source(NamedTuple):
    """The call that makes the rows, and the function it stands in."""

    scope: Scope
    call: Call


def _source_of(project: Project, function: FunctionFacts, loop: RowLoop) -> Source | None:
    """Where the query of a loop's rows begins, if all of them come from one function."""
    scope = project.program.scope_of(function)
    position = max(loop.region.first - 1, 0)
    sources = sources_of(project, scope, position, loop.region.expr)
    found = [Source(w, e) for w, _, e in sources if isinstance(e, Call) and _begins_query(e)]
    if len({source.scope.key for source in found}) != 1:
        return None
    return min(found, key=lambda source: source.call.at)


def _is_of_owner(project: Project, function: FunctionFacts, loop: RowLoop, target: str) -> bool:
    """Whether the rows belong to one row of class `target`, so that the way back to it is known to
    the session: `self.occurrences.filter(...)`, and on each of them `occurrence.reservation`."""
    scope = project.program.scope_of(function)
    position = max(loop.region.first - 1, 0)
    owners = (
        project.inference.value(where, at, part)
        for where, at, expr in sources_of(project, scope, position, loop.region.expr)
        for part in walk(expr)
        if isinstance(part, (Name, Attribute))
    )
    return any(owner.kind in _ONE and owner.name == target for owner in owners)


def _begins_query(call: Call) -> bool:
    """Whether a chain of calls begins a query: `session.query(...)`, `Model.query.filter()`."""
    expr: Expr | None = call
    while expr is not None:
        if not isinstance(expr, Call) and last_step(expr) in _QUERYING:
            return True
        expr = expr.func if isinstance(expr, Call) else getattr(expr, "base", None)
    return any(_begins_query(arg) for arg in call.args if isinstance(arg, Call))
