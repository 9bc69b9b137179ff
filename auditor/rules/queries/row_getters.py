"""Functions of the program that give rows, or a list with something made of each row.

def in_use(session, network):                     def addresses(session, network):
    return len(addresses(session, network)) > 0       data = []
                                                      for row in session.query(...):
           rows loaded, and only counted                  data.append({"address": row.address})
                                                      return data
"""

from __future__ import annotations

from auditor.model.knowledge import QUERY, RESULT, ROWS, SCALARS, TUPLES, Effect
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    FunctionFacts,
    Items,
    Name,
    Region,
    Return,
)
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.value import Target

_MANY = frozenset((ROWS, QUERY, RESULT, SCALARS, TUPLES))
_CHANGING = frozenset((Effect.WRITE, Effect.PENDING, Effect.FLUSH, Effect.COMMIT))
"""What is not asked for an answer alone: `len(inserted(session, rows))`."""
_LIMITS = frozenset(("limit", "slice", "fetch", "first", "one", "one_or_none"))


def getter_of(project: Project, targets: tuple[Target, ...]) -> Scope | None:
    """The one function that a call runs, if it loads rows whenever it runs, gives all of them and
    changes nothing."""
    if len(targets) != 1 or targets[0].function is None or targets[0].row is not None:
        return None
    scope = targets[0].function
    done = project.effects.summaries[scope.key]
    origin = done.get(Effect.READ)
    if origin is None or not origin.certain or not _CHANGING.isdisjoint(done):
        return None
    calls = [e for e in scope.function.events if isinstance(e, Call)]
    if scope.function.is_generator or any(last_step(call.func) in _LIMITS for call in calls):
        return None
    return scope if _gives_rows(project, scope) else None


def _gives_rows(project: Project, scope: Scope) -> bool:
    returns = [
        (position, event.value)
        for position, event in enumerate(scope.function.events)
        if isinstance(event, Return) and not _is_nothing(event)
    ]
    for position, value in returns:
        found = project.inference.value(scope, position, value)
        is_list = isinstance(value, Name) and _is_filled(project, scope, value.name)
        if found.kind != ROWS and not is_list:
            return False
    return bool(returns)


def _is_nothing(event: Return) -> bool:
    value = event.value
    return value is None or isinstance(value, Const) or getattr(value, "items", None) == ()


def _is_filled(project: Project, scope: Scope, name: str) -> bool:
    """`data = []`, and once in each turn of a loop over rows `data.append(...)`."""
    function = scope.function
    binds = [e for e in function.events if isinstance(e, Bind) and e.target == name]
    if len(binds) != 1 or not isinstance(binds[0].value, Items) or binds[0].value.items:
        return False
    adding = [
        event
        for event in function.events
        if isinstance(event, Call)
        and isinstance(event.func, Attribute)
        and isinstance(event.func.base, Name)
        and event.func.base.name == name
    ]
    return len(adding) == 1 and _is_of_rows(project, scope, function, adding[0])


def _is_of_rows(project: Project, scope: Scope, function: FunctionFacts, call: Call) -> bool:
    region: Region = function.regions[call.region]
    if last_step(call.func) != "append" or region.kind != "for":
        return False
    return project.inference.value(scope, max(region.first - 1, 0), region.expr).kind in _MANY
