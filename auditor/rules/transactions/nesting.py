"""Contexts opened inside contexts of the same request, in one function or through calls.

A call is followed only when it hands the request context on, because enginefacade finds the open
transaction by that: `store(context)`, `self.store(context.elevated())`, or a row of Neutron's that
was made with it. It is followed to the first context each function opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.evidence import SourcePath, Step
from auditor.model.knowledge import Mode
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import (
    FACADE,
    Open,
    contexts_around,
    decorating,
    entered,
)
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Region,
    dotted,
)
from auditor.source.passing import arguments_of
from auditor.source.program import Scope
from auditor.source.project import Project
from auditor.source.sites import Site

_DEPTH = 4
"""Calls between two contexts looked at."""
_COPIES = frozenset(("elevated",))


@dataclass(frozen=True, slots=True)
class Nested:
    """A context `mode` opened inside `outer`: at event `position` of the function that opens the
    outer one, or `way` (calls) from there in the function `scope`, whose line `line` says so."""

    outer: Open
    mode: Mode
    at: At
    position: int
    way: tuple[Site, ...]
    scope: Scope
    line: int

    @property
    def words(self) -> str:
        """`the writer opened here`, or where the calls lead."""
        if not self.way:
            return f"the {self.mode.value} opened here"
        names = " -> ".join(f"`{site.what}`" for site in self.way)
        place = f"{self.scope.module.path}:{self.line}"
        return f"the {self.mode.value} that {names} opens ({place})"

    def evidence(self, project: Project, module: ModuleFacts) -> tuple[SourcePath]:
        """The path from the outer context to the inner one."""
        steps = [Step(span_of(module, self.outer.region.at), self.outer.words)]
        for site in self.way:
            home = project.program.scopes[site.scope].module
            steps.append(Step(span_of(home, site.at), site.what))
        place = At(self.line, 1, self.line, 1)
        steps.append(Step(span_of(self.scope.module, place), f"opens the {self.mode.value}"))
        return (SourcePath(tuple(steps)),)


def nested_contexts(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Nested]:
    """The contexts opened while the function holds another one open for the same request."""
    for region in function.regions:
        if region.kind == "with":
            yield from _blocks(project, module, function, region)
    for site in project.sites(function):
        outer = innermost(project, module, function, site.region)
        if outer is not None and outer.whose and site.certain:
            yield from _behind(project, outer, site)


def _blocks(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: Region
) -> Iterator[Nested]:
    scope = project.program.scope_of(function)
    outer = innermost(project, module, function, region.parent)
    line = region.at.line
    for inner in entered(project, function, region):
        if outer is not None and _is_same(inner.whose, outer.whose):
            yield Nested(outer, inner.mode, region.at, region.first, (), scope, line)
        outer = inner if inner.mode in FACADE else outer


def innermost(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int
) -> Open | None:
    """The innermost context of enginefacade at a region; None if another kind is inside it."""
    for found in contexts_around(project, module, function, region):
        if found.mode is not Mode.SESSION_ONLY:
            return found if found.mode in FACADE else None
    return None


def _behind(project: Project, outer: Open, site: Site) -> Iterator[Nested]:
    scope = project.program.scopes[site.scope]
    mode = _opened_by_row(project, scope.function, site, outer.whose)
    if mode is not None:
        yield Nested(outer, mode, site.at, site.position, (site,), scope, site.at.line)
    seen: set[tuple[int, str]] = set()
    waiting: list[tuple[tuple[Site, ...], str]] = [((site,), outer.whose)]
    while waiting:
        way, whose = waiting.pop(0)
        key = way[-1].callee
        given = _handed(project, way[-1], whose)
        if key < 0 or not given or (key, given) in seen:
            continue
        seen.add((key, given))
        yield from _opened(project, outer, way, given)
        if len(way) < _DEPTH:
            waiting.extend(((*way, inner), given) for inner in _calls_on(project, key))


def _opened(project: Project, outer: Open, way: tuple[Site, ...], whose: str) -> Iterator[Nested]:
    """The first contexts that the last function of a way opens for `whose`."""
    scope = project.program.scopes[way[-1].callee]
    function = scope.function
    for found in decorating(project, scope.module, function)[-1:]:
        if _is_same(found.whose, whose):
            yield _at_end(outer, found, way, scope, function.at.line)
        return
    blocks = (region for region in function.regions if region.kind == "with")
    for region in blocks:
        if contexts_around(project, scope.module, function, region.parent):
            continue
        for found in entered(project, function, region)[:1]:
            if _is_same(found.whose, whose):
                yield _at_end(outer, found, way, scope, region.at.line)


def _at_end(outer: Open, inner: Open, way: tuple[Site, ...], scope: Scope, line: int) -> Nested:
    return Nested(outer, inner.mode, way[0].at, way[0].position, way, scope, line)


def _calls_on(project: Project, key: int) -> Iterator[Site]:
    """The certain calls of a function that stand in no context of its own."""
    scope = project.program.scopes[key]
    for site in project.sites(scope.function):
        is_inside = contexts_around(project, scope.module, scope.function, site.region)
        if site.callee >= 0 and site.certain and not is_inside:
            yield site


def _handed(project: Project, site: Site, whose: str) -> str:
    """What a request context is called in the function that a site calls, empty if it is not
    handed on."""
    if site.callee < 0:
        return ""
    function = project.program.scopes[site.scope].function
    call = function.events[site.position]
    if not isinstance(call, Call):
        return ""
    target = project.program.scopes[site.callee].function
    for name, given in arguments_of(target, call).items():
        if _is_same(_written(given), whose):
            return name
    on_self = isinstance(call.func, Attribute) and dotted(call.func.base) == "self"
    return whose if on_self and whose.startswith("self.") else ""


def _opened_by_row(
    project: Project, function: FunctionFacts, site: Site, whose: str
) -> Mode | None:
    """The context that a callable of the tables opens for `whose`: it is handed it, or is a method
    of something that was made with it in this function."""
    call = function.events[site.position]
    if not isinstance(call, Call):
        return None
    for target in project.targets(function, site.position, call):
        if target.row is None or target.row.opens is None:
            continue
        receiver = call.func.base if isinstance(call.func, Attribute) else None
        if _gets(call, whose) or _is_made_with(function, site.position, receiver, whose):
            return target.row.opens
    return None


def _is_made_with(
    function: FunctionFacts, position: int, receiver: Expr | None, whose: str
) -> bool:
    if isinstance(receiver, Call):
        return _gets(receiver, whose)
    name = dotted(receiver)
    made = [
        event.value
        for event in function.events[:position]
        if isinstance(event, Bind) and event.target == name and event.kind in {"assign", "loop"}
    ]
    return bool(made) and isinstance(made[-1], Call) and _gets(made[-1], whose)


def _gets(call: Call, whose: str) -> bool:
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return any(_is_same(_written(value), whose) for value in given)


def _written(expr: Expr) -> str:
    """A name as it is written; of a copy that shares the transaction, the original's."""
    if isinstance(expr, Call) and isinstance(expr.func, Attribute):
        return dotted(expr.func.base) if expr.func.name in _COPIES else ""
    return dotted(expr)


def _is_same(one: str, other: str) -> bool:
    return bool(one) and one == other
