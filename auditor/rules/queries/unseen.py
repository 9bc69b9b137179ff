"""Calls in loops whose function the scan cannot follow, where something else tells that it works
with the database: all functions of that name do, or it is handed a session.

    for key in keys:
        self.db.owner_get(context, key)          every `owner_get` of the project queries
        models.Trial.where_study(key, session)   no source: a reading name, and a session given
        self.trials_of(key)                      its own body has such a call
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from auditor.knowledge import layers
from auditor.model.finding import Confidence
from auditor.model.knowledge import CONNECTION, SESSION, Effect
from auditor.rule import Hit
from auditor.rules.places import span_of
from auditor.rules.queries.loops import LOOPS, is_conditional, loops_of, repeating_loop
from auditor.rules.raw_sql.sinks import uses_sqlalchemy
from auditor.source.facts import Attribute, Call, FunctionFacts, ModuleFacts, Raise, Return, path_of
from auditor.source.pieces import written
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.sites import is_remembered
from auditor.source.value import METHOD, NAME

READ = (Effect.READ, Effect.STATEMENT)
WRITE = (Effect.WRITE, Effect.FLUSH)
_HOMES = 6
"""Functions of one name that are looked at; a name that more of them have tells nothing."""
_STEPS = 2
"""Calls below the loop that are followed."""
_IN_TESTS = re.compile(r"(?:^|/)(?:tests?|testing|conftest|fakes?|test_\w+|\w+_test)(?:/|\.py$)")


class Unseen(NamedTuple):
    """A call that a loop repeats. `why` says, as the end of a sentence, what tells that it works
    with the database; `line` is the loop's, `sometimes` that a test inside decides."""

    call: Call
    line: int
    sometimes: bool
    why: str
    confidence: Confidence


def unseen_calls(
    project: Project, module: ModuleFacts, function: FunctionFacts, effects: tuple[Effect, ...]
) -> Iterator[Unseen]:
    """The calls of a function, one for each line, that a loop repeats and that the scan does not
    follow, with one of the effects as far as anything tells."""
    if not any(region.kind in LOOPS for region in function.regions):
        return
    known = {site.at.line for site in project.sites(function) if project.effects.of_site(site)}
    loops = loops_of(project, module, function)
    scope = project.program.scope_of(function)
    for position, event in enumerate(function.events):
        if not isinstance(event, Call) or "_" not in last_step(event.func).strip("_"):
            continue
        if event.at.line in known or not _is_in_loop(function, event):
            continue
        why = _why(project, scope, position, effects, _STEPS)
        loop = repeating_loop(loops, region=event.region, position=position) if why else None
        if loop is not None:
            known.add(event.at.line)
            sometimes = is_conditional(function, loop, event.region)
            is_sure = _is_sure(event, effects, sometimes=sometimes)
            confidence = Confidence.MEDIUM if is_sure else Confidence.LOW
            yield Unseen(event, loop.at.line, sometimes, why, confidence)


def _is_sure(call: Call, effects: tuple[Effect, ...], *, sometimes: bool) -> bool:
    """Whether the call does in every turn what a batch could do. A function that looks for the row
    which it then changes is not one that could be asked for many."""
    if effects == READ:
        return not layers.WRITES.is_meant(last_step(call.func))
    return not sometimes and bool(_of_layer(call, effects))


def _is_in_loop(function: FunctionFacts, call: Call) -> bool:
    return any(around.kind in LOOPS for around in function.ancestors(call.region))


def unseen_hit(module: ModuleFacts, function: FunctionFacts, unseen: Unseen, *, does: str) -> Hit:
    """The finding of such a call, which says what it rests on."""
    fields = {
        "call": written(unseen.call.func),
        "does": does,
        "turns": "in some turns" if unseen.sometimes else "in every turn",
        "loop": unseen.line,
        "why": unseen.why,
    }
    return Hit(
        span_of(module, unseen.call.at),
        function.qualname,
        fields,
        confidence=unseen.confidence,
        message=_MESSAGE,
    )


_MESSAGE = (
    "`{call}()` {does} {turns} of the loop on line {loop}, taking it that {why}; the call itself"
    " cannot be followed"
)


def _why(
    project: Project, scope: Scope, position: int, effects: tuple[Effect, ...], steps: int
) -> str:
    """What tells that the call at an event has one of the effects, empty if nothing does."""
    call = scope.function.events[position]
    if not isinstance(call, Call) or "_" not in last_step(call.func).strip("_"):
        return ""
    targets = project.targets(scope.function, position, call)
    if not targets:
        return (
            _of_name(project, scope, call, effects)
            or _of_session(project, scope, position, call, effects)
            or _of_layer(call, effects)
        )
    if len(targets) > 1 or targets[0].function is None or steps == 0 or effects != READ:
        return ""
    return _of_body(project, targets[0].function, effects, steps - 1)


def _of_body(project: Project, scope: Scope, effects: tuple[Effect, ...], steps: int) -> str:
    """The same of the calls that a function makes whenever it runs. One that changes its item, and
    looks for it first, does not count: it could not be asked for many."""
    kept: dict[tuple[int, int], str] = project.shared.setdefault("unseen queries", {})
    key = (scope.key, steps)
    if key not in kept:
        kept[key] = ""  # for a function that calls itself
        found = (
            (event, _why(project, scope, position, effects, steps))
            for position, event in enumerate(scope.function.events)
            if isinstance(event, Call)
            and scope.function.regions[event.region].kind in _STRAIGHT
            and not layers.WRITES.is_meant(last_step(event.func))
        )
        kept[key] = next((_inside(event, why) for event, why in found if why), "")
    return kept[key]


def _inside(call: Call, why: str) -> str:
    return why if why.startswith("in ") else f"in `{written(call.func)}()`, which it calls, {why}"


_STRAIGHT = frozenset(("function", "with", "try", "comprehension", "for"))


def _of_name(project: Project, scope: Scope, call: Call, effects: tuple[Effect, ...]) -> str:
    """Whether all functions of that name in the project have the effect. Those that hand on to
    another of the same name, or are there to be overridden, say nothing."""
    if not isinstance(call.func, Attribute):
        return ""
    homes = _functions_named(project, call.func.name)
    if not 0 < len(homes) <= _HOMES or any(is_remembered(home) for home in homes):
        return ""
    silent = [home for home in homes if _hands_on(home.function)]
    telling = [home for home in homes if home not in silent and _takes(home.function, call)]
    having = [home for home in telling if _does(project, home, effects)]
    if not having or (having != telling and not _is_choice(project, silent, telling)):
        return ""
    first, verb = having[0], "queries" if effects == READ else "writes"
    of = "the one function" if len(having) == 1 else f"one of the {len(having)} functions"
    place = f"{first.module.path}:{first.function.at.line}"
    return f"it runs {of} of that name that {verb} ({place})"


def _does(project: Project, scope: Scope, effects: tuple[Effect, ...]) -> bool:
    """Whether a function has one of the effects whenever it runs, and, of writes, nothing else."""
    summary = project.effects.summaries[scope.key]
    if effects == WRITE and any(effect in summary for effect in READ):
        return False
    return any(effect in summary and summary[effect].certain for effect in effects)


def _is_choice(project: Project, silent: list[Scope], telling: list[Scope]) -> bool:
    """Whether the functions are back ends of one interface, of which the configuration picks."""
    owners = [f"{home.module.name}.{home.function.class_name}" for home in telling]
    interfaces = [f"{home.module.name}.{home.function.class_name}" for home in silent]
    return any(
        all(interface in project.program.mro(owner) for owner in owners) for interface in interfaces
    )


def _functions_named(project: Project, name: str) -> tuple[Scope, ...]:
    kept: dict[str, list[Scope]] = project.shared.setdefault("functions by name", {})
    if not kept:
        for scope in project.program.scopes:
            if not _IN_TESTS.search(scope.module.path):
                kept.setdefault(scope.function.name, []).append(scope)
    return tuple(kept.get(name, ()))


def _hands_on(function: FunctionFacts) -> bool:
    """`def owner_get(...): return IMPL.owner_get(...)`, or a body that only raises."""
    calls = [event for event in function.events if isinstance(event, Call)]
    if any(last_step(call.func) == function.name for call in calls):
        return True
    is_empty = all(isinstance(call.func, Attribute) is False for call in calls) and any(
        isinstance(event, Raise) for event in function.events
    )
    return not calls or (is_empty and not any(isinstance(e, Return) for e in function.events))


def _takes(function: FunctionFacts, call: Call) -> bool:
    """Whether the function can be called so, by the number and names of the arguments."""
    kinds = {parameter.kind for parameter in function.parameters}
    names = [p.name for p in function.parameters if p.kind == "positional"]
    least = sum(1 for p in function.parameters if p.kind == "positional" and p.default is None)
    given = len(call.args) + len(call.keywords) + bool(function.class_name)
    if any(type(arg).__name__ == "Starred" for arg in call.args):
        return True
    if any(keyword.name == "" for keyword in call.keywords):
        return True
    is_named = "kwargs" in kinds or {k.name for k in call.keywords} <= {
        p.name for p in function.parameters
    }
    fits = "args" in kinds or len(call.args) + bool(function.class_name) <= len(names)
    return is_named and fits and given >= least


def _of_session(
    project: Project, scope: Scope, position: int, call: Call, effects: tuple[Effect, ...]
) -> str:
    """Whether something outside of the scan, with a name for reading, is handed a session."""
    if effects != READ or not layers.READS.is_meant(last_step(call.func)):
        return ""
    func = project.value(scope.module, scope.function, position, call.func)
    if func.kind not in {"", NAME, METHOD} or func.name.partition(".")[0] == "sqlalchemy":
        return ""
    if func.kind == METHOD and func.receiver is not None and func.receiver.kind not in {"", NAME}:
        return ""
    for value in (*call.args, *(keyword.value for keyword in call.keywords)):
        found = project.value(scope.module, scope.function, position, value)
        if found.kind in {SESSION, CONNECTION} and (found.sure or uses_sqlalchemy(scope.module)):
            return f"it queries the {found.kind} that it is handed"
    return ""


def _of_layer(call: Call, effects: tuple[Effect, ...]) -> str:
    """`self.db.owner_get(context, key)`: what is called a database, given a request's context."""
    path = path_of(call.func)
    given = path_of(call.args[0]) if call.args else ()
    verb = layers.READS if effects == READ else layers.WRITES
    if not verb.is_meant(path[-1] if path else ""):
        return ""
    if not any(row.is_meant(path, given) for row in layers.LAYERS):
        return ""
    return f"`{'.'.join(path[:-1])}` is the layer that works with the database"
