"""Queries of a function that looks things up for one item, and that loops call for each of many.

for port in ports:               def binding_of(context, port):
    binding_of(context, port)        return context.session.query(Binding).get(port.id)   <- here

The finding at the loop says what repeats; this one stands where the function would have to take
many keys instead of one, and is there for whoever reads that function alone: at low confidence, as
it tells once more what the first tells, or of a loop that stands for a few.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.knowledge import Effect, Mode
from auditor.rule import Hit
from auditor.rules.places import span_of
from auditor.rules.queries.loops import LOOPS, loops_of, repeating_loop
from auditor.source.callees import targets_of
from auditor.source.facts import At, Call, FunctionFacts, ModuleFacts, Name, Return, walk
from auditor.source.program import CallSite, Scope
from auditor.source.project import Project
from auditor.source.sites import Site

_CALLERS = 60
"""Calls of one name that are looked at; a name with more of them is called from everywhere."""
_DOING = frozenset(
    (Effect.WRITE, Effect.PENDING, Effect.FLUSH, Effect.COMMIT, Effect.MESSAGE, Effect.SLEEP,
     Effect.LOCK, Mode.WRITER, Mode.INDEPENDENT_WRITER, Mode.SAVEPOINT)
)  # fmt: skip
"""What is done item by item for good reasons; only functions that look things up are meant."""
_DEEDS = frozenset(
    ("add", "allocate", "assign", "attach", "clone", "complete", "confirm", "copy", "create",
     "delete", "deny", "destroy", "detach", "insert", "kill", "notify", "populate", "process",
     "purge", "register", "release", "remove", "reset", "restore", "revoke", "save", "send", "set",
     "sync", "unset", "update", "validate", "validator")
)  # fmt: skip
"""Words in the name of a function that does something with each item."""
_LOOKUPS = frozenset(
    ("get", "find", "fetch", "list", "load", "lookup", "query", "is", "has", "count")
)
"""Words in the name of a function whose task is one answer."""


class CalledInLoop(NamedTuple):
    """A call that a loop repeats: the call, and the line of the loop."""

    site: CallSite
    line: int


def per_turn_hits(
    project: Project, module: ModuleFacts, function: FunctionFacts, effects: tuple[Effect, ...]
) -> Iterator[Hit]:
    """The first query that a function makes whenever it runs, if only loops call it."""
    scope = project.program.scope_of(function)
    if _does_things(function.name):
        return
    if not _DOING.isdisjoint(project.effects.summaries[scope.key]):
        return
    site = _first_query(project, function, effects)
    if site is None:
        return
    callers = _loops_calling(project, scope)
    if callers:
        yield _hit(project, module, function, site, callers[0])


def _does_things(name: str) -> bool:
    return not _DEEDS.isdisjoint(name.lower().strip("_").split("_"))


def _asks(name: str) -> bool:
    return not _LOOKUPS.isdisjoint(name.lower().strip("_").split("_"))


def _first_query(
    project: Project, function: FunctionFacts, effects: tuple[Effect, ...]
) -> Site | None:
    """The first site outside of loops that certainly has one of the effects and is asked for
    something that the caller hands in."""
    names = {p.name for p in function.parameters[1 if function.class_name else 0 :]}
    if not names:
        return None
    for site in project.sites(function):
        if any(region.kind in LOOPS for region in function.ancestors(site.region)):
            continue
        done = project.effects.of_site(site)
        if site.sure and any(done.get(effect) for effect in effects):
            event = function.events[site.position]
            if not isinstance(event, Call) or _is_answer(function, event):
                return None
            given = {found.name for found in walk(event) if isinstance(found, Name)}
            return site if given & names and not _does_things(site.what) else None
    return None


def _is_answer(function: FunctionFacts, call: Call) -> bool:
    """Whether the function just gives the query another name: `return session.get(Router, key)`."""
    returned = (e.value for e in function.events if isinstance(e, Return))
    return any(found is call for value in returned for found in walk(value))


def _loops_calling(project: Project, scope: Scope) -> list[CalledInLoop]:
    """The calls of a function that a loop repeats which data makes long. Of a function whose name
    says that it looks one thing up, none when more of its calls stand elsewhere."""
    sites = project.program.calls.get(scope.function.name, ())
    found: list[CalledInLoop] = []
    elsewhere = 0
    if not any(_is_in_loop(site) for site in sites[:_CALLERS]):
        return []
    for site in sites[:_CALLERS]:
        func = project.inference.value(site.scope, site.position, site.call.func)
        targets = targets_of(project.program, func)
        if targets and not any(t.function and t.function.key == scope.key for t in targets):
            continue
        loops = loops_of(project, site.scope.module, site.scope.function)
        loop = repeating_loop(loops, region=site.call.region, position=site.position)
        if loop is not None and targets:
            found.append(CalledInLoop(site, loop.at.line))
        else:
            elsewhere += 1
    enough = elsewhere if _asks(scope.function.name) else 1
    return found if len(found) >= max(enough, 1) else []


def _is_in_loop(site: CallSite) -> bool:
    return any(r.kind in LOOPS for r in site.scope.function.ancestors(site.call.region))


def _hit(
    project: Project, module: ModuleFacts, function: FunctionFacts, site: Site, caller: CalledInLoop
) -> Hit:
    around = caller.site.scope
    line = At(caller.line, 1, caller.line, 1)
    steps = (
        Step(span_of(around.module, line), "the loop"),
        Step(span_of(around.module, caller.site.call.at), f"calls `{function.name}()`"),
        Step(span_of(module, site.at), site.what),
    )
    fields = {
        "what": f"{site.what}()" if site.callee >= 0 else site.what,
        "function": function.name,
        "place": f"{around.module.path}:{caller.line}",
    }
    return Hit(
        span_of(module, site.at),
        function.qualname,
        fields,
        (SourcePath(steps),),
        confidence=Confidence.LOW,
        message=_MESSAGE,
    )


_MESSAGE = (
    "`{what}` asks for one item, and the loop at {place} calls `{function}()` in every turn:"
    " read what all items need before the loop, and hand it in"
)
