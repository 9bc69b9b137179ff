"""What one place of a function costs by itself: statements, eager and lazy loads, and calls that
nothing is known of although a session goes into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import (
    CONNECTION,
    CONTEXT,
    QUERY,
    ROW,
    ROW_OR_NONE,
    ROWS,
    SCALARS,
    SESSION,
    Effect,
)
from auditor.source import costs
from auditor.source.attributes import attribute_of, relationship_of
from auditor.source.callees import targets_of
from auditor.source.costs import Cost, Place
from auditor.source.eager import Eager, eager_of
from auditor.source.facts import Call, Expr, FunctionFacts, Name, Read, Region, dotted, walk
from auditor.source.models import Relationship
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.results import context_of
from auditor.source.sites import Site
from auditor.source.value import CLASS, FUNCTION, METHOD

STATEMENTS = frozenset((Effect.READ, Effect.WRITE, Effect.STATEMENT, Effect.REFRESH))
"""Effects that are a statement each."""
_LOADING = frozenset((ROWS, ROW, ROW_OR_NONE, QUERY, SCALARS))
_APPLYING = frozenset(("map", "filter", "reduce", "starmap", "partial"))
_SPEAKING = frozenset(("query", "execute", "scalars", "scalar"))
"""Methods that a session has, and hardly anything else."""
_ENDING = frozenset(("all", "first", "one", "one_or_none"))
"""Methods that a query has; called without arguments, hardly anything else has them."""
_OPTIONS = frozenset(("selectinload", "subqueryload", "immediateload"))
_EAGER_OPTIONS = _OPTIONS | {"joinedload", "contains_eager", "eagerload", "defaultload"}
_CARRIERS = frozenset((SESSION, CONTEXT, CONNECTION))
_SHOWN = 4
"""Names in one line at most."""

EAGER = "eager loads: "
"""How a place of eager loads begins; the relationships follow."""

Costly = tuple[int, int, Cost]
"""Region, position and cost."""


class Loads(NamedTuple):
    """A function that is asked about."""

    project: Project
    scope: Scope


def own_cost(asked: Loads, site: Site) -> Cost:
    """The statement of a site, and the eager loads that come with the rows it reads."""
    place = Place(asked.scope.module.path, site.at.line, site.what)
    if any(effect in STATEMENTS for effect in site.effects):
        statement = costs.at_place(place)
        if Effect.READ not in site.effects:
            return statement
        return costs.together(statement, _eager_cost(asked, site))
    if Effect.PENDING in site.effects:
        return costs.at_place(place, certain=False, why="written by a flush, perhaps with others")
    if Effect.FLUSH in site.effects and not _has_pending(asked):
        return costs.at_place(place, certain=False, why="writes what is pending")
    return costs.FREE


def _has_pending(asked: Loads) -> bool:
    sites = asked.project.effects.sites[asked.scope.key]
    return any(Effect.PENDING in site.effects for site in sites)


def _eager_cost(asked: Loads, site: Site) -> Cost:
    name = _loaded_class(asked, site)
    return _eager(asked, name, site.at.line) if name else costs.FREE


def _eager(asked: Loads, name: str, line: int) -> Cost:
    eager = eager_of(asked.project.models, name)
    found = costs.said(_behind(eager)) if eager.behind else costs.FREE
    if not eager.batches:
        return found
    place = Place(asked.scope.module.path, line, f"{EAGER}{', '.join(eager.batches)}")
    why = "each for up to 500 rows, if there are rows"
    number = len(eager.batches)
    return costs.together(costs.at_place(place, certain=False, number=number, why=why), found)


def _behind(eager: Eager) -> str:
    most = sorted(eager.behind, key=lambda one: (-one[1], one[0]))
    names = _listed(tuple(f"{name} (up to {number})" for name, number in most))
    return f"not counted, comes only with joined rows that have eager loads of their own: {names}"


def _loaded_class(asked: Loads, site: Site) -> str:
    """The class of the rows that a site loads, empty if it loads none or the class is unknown."""
    inference, scope = asked.project.inference, asked.scope
    event = scope.function.events[site.position] if scope.function.events else None
    if site.what == "iteration over a query":
        region = _loop_at(asked, site)
        value = inference.value(scope, site.position, region.expr if region else None)
    elif isinstance(event, Call):
        is_builtin = site.what.endswith("over a query") and event.args
        value = inference.value(scope, site.position, event.args[0] if is_builtin else event)
    else:
        return ""
    return value.name if value.kind in _LOADING else ""


def class_of(asked: Loads, site: Site) -> str:
    """The class that a site reads or writes: of the rows it loads, of what it is called on, or of
    its first argument that has one; empty if it is not known."""
    found = _loaded_class(asked, site)
    inference, scope = asked.project.inference, asked.scope
    event = scope.function.events[site.position] if scope.function.events else None
    if found or not isinstance(event, Call):
        return found
    receiver = inference.value(scope, site.position, event.func).receiver
    values = [receiver] if receiver is not None else []
    values += [inference.value(scope, site.position, arg) for arg in event.args]
    models = asked.project.models
    return next((v.name for v in values if v.name and models.model_of(v.name) is not None), "")


def _loop_at(asked: Loads, site: Site) -> Region | None:
    for region in asked.scope.function.regions:
        if region.kind in {"for", "comprehension"} and max(region.first - 1, 0) == site.position:
            return region
    return None


def lazy_loads(asked: Loads) -> Iterator[Costly]:
    """Reads of lazy relationships on rows, the first of each on one variable."""
    function = asked.scope.function
    seen: set[tuple[str, ...]] = set()
    for position, event in enumerate(function.events):
        if not isinstance(event, Read) or len(event.path) == 1:
            continue
        steps = _lazy(asked, position, event)
        if steps is None or steps[0] in seen:
            continue
        seen.add(steps[0])
        if not _is_chosen_eagerly(asked, steps[1].name):
            yield event.region, position, _lazy_cost(asked, event, steps)


def _lazy(asked: Loads, position: int, read: Read) -> tuple[tuple[str, ...], Relationship] | None:
    """The first lazy relationship on a chain of attributes, with the path to it."""
    inference = asked.project.inference
    value = inference.value(asked.scope, position, Name(read.path[0]))
    for number, step in enumerate(read.path[1:], 2):
        name = step.strip("[]")
        relation = relationship_of(inference, value, name)
        if relation is not None and relation.is_lazy:
            return read.path[:number], relation
        value = attribute_of(inference, value, name)
        if not value.kind:
            return None
    return None


def _lazy_cost(asked: Loads, read: Read, steps: tuple[tuple[str, ...], Relationship]) -> Cost:
    path, relation = steps
    place = Place(asked.scope.module.path, read.at.line, f"lazy load of {'.'.join(path)}")
    load = costs.at_place(place, certain=False, why="unless it is loaded already")
    return costs.together(load, _eager(asked, relation.target, read.at.line))


def _is_chosen_eagerly(asked: Loads, relation: str) -> bool:
    """Whether an option in the function loads the relationship with its rows."""
    return any(
        isinstance(event, Call)
        and last_step(event.func) in _EAGER_OPTIONS
        and any(getattr(found, "name", "") == relation for arg in event.args for found in walk(arg))
        for event in asked.scope.function.events
    )


def option_loads(asked: Loads) -> Iterator[Costly]:
    """Options that load a relationship by a statement of its own."""
    for position, event in enumerate(asked.scope.function.events):
        if isinstance(event, Call) and last_step(event.func) in _OPTIONS and event.args:
            written = f"{last_step(event.func)}({dotted(event.args[-1])})"
            place = Place(asked.scope.module.path, event.at.line, written)
            why = "each for up to 500 rows, if there are rows"
            yield event.region, position, costs.at_place(place, certain=False, why=why)


def unknown_calls(asked: Loads) -> Iterator[str]:
    """Calls that get a session or context and whose target is not known, and functions with
    statements that are handed to somebody who may call them."""
    scope = asked.scope
    for position, event in enumerate(scope.function.events):
        if not isinstance(event, Call):
            continue
        where = f"{scope.module.path}:{event.at.line}"
        if _is_unknown(asked, position, event):
            name = dotted(event.func) or f"...{last_step(event.func)}"
            yield f"`{name}()` at {where} is given a session or context and is not known"
        elif _speaks(event) and not _is_known(asked, position, event):
            yield f"whether `{dotted(event.func) or last_step(event.func)}()` at {where} is a query"
        if last_step(event.func) not in _APPLYING:
            for name in _handed_on(asked, position, event):
                yield f"`{name}()` is handed on at {where}: its statements are not counted"


def unknown_partners(project: Project, function: FunctionFacts) -> tuple[str, ...]:
    """Calls of what an object was given and the source does not name (`self.driver.get()`), in the
    function and all that it calls. What they do to a database cannot be told."""
    scopes = project.program.scopes
    waiting = [project.program.scope_of(function)]
    seen = {waiting[0].key}
    found: dict[str, str] = {}
    while waiting:
        scope = waiting.pop(0)
        asked = Loads(project, scope)
        for position, event in enumerate(scope.function.events):
            if isinstance(event, Call) and _is_of_partner(asked, position, event):
                name = dotted(event.func)
                found.setdefault(name, f"`{name}()` at {scope.module.path}:{event.at.line}")
        below = [s.callee for s in project.sites(scope.function) if s.callee >= 0]
        waiting += [scopes[key] for key in dict.fromkeys(below) if key not in seen]
        seen.update(below)
    return tuple(found.values())


def _is_of_partner(asked: Loads, position: int, call: Call) -> bool:
    steps = dotted(call.func).split(".")
    is_given = len(steps) > 2 and steps[0] in {"self", "cls"}  # noqa: PLR2004 - self, what, method
    return is_given and not _is_known(asked, position, call)


def _speaks(call: Call) -> bool:
    """Whether a call has the name of one that issues a statement."""
    last = last_step(call.func)
    return last in _SPEAKING or (last in _ENDING and not call.args and not call.keywords)


def _is_unknown(asked: Loads, position: int, call: Call) -> bool:
    """Whether a session or context goes into a call of which nothing is known. A call of a name
    that is written like a class makes an object."""
    func = asked.project.inference.value(asked.scope, position, call.func)
    last = last_step(call.func)
    if func.kind in {CLASS, FUNCTION} or last[:1].isupper() or last == "partial":
        return False
    if targets_of(asked.project.program, func) or _is_context(asked, position, call):
        return False
    return any(_carries(asked, position, arg) for arg in _arguments(call))


def _is_known(asked: Loads, position: int, call: Call) -> bool:
    """Whether it is known what a call runs, or its receiver is a library's or the program's."""
    func = asked.project.inference.value(asked.scope, position, call.func)
    receiver = func.receiver
    if targets_of(asked.project.program, func) or func.kind != METHOD or receiver is None:
        return True
    return bool(receiver.kind) and receiver.kind != METHOD


def _is_context(asked: Loads, position: int, call: Call) -> bool:
    return context_of(asked.project.inference, asked.scope, position, call) is not None


def _handed_on(asked: Loads, position: int, call: Call) -> Iterator[str]:
    """Names of functions with statements among the arguments."""
    project = asked.project
    for arg in _arguments(call):
        value = project.inference.value(asked.scope, position, arg)
        if value.kind not in {FUNCTION, METHOD}:
            continue
        for target in targets_of(project.program, value):
            found = target.function
            if found is not None and not STATEMENTS.isdisjoint(
                project.effects.summaries[found.key]
            ):
                yield found.function.name


def _arguments(call: Call) -> Iterator[Expr]:
    yield from call.args
    yield from (keyword.value for keyword in call.keywords)


def _carries(asked: Loads, position: int, expr: Expr) -> bool:
    if not isinstance(expr, Name):
        return False
    return asked.project.inference.value(asked.scope, position, expr).kind in _CARRIERS


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
