"""Changes of things that outlive one try of a repeated body: a second try finds them made.

    payload.pop("tags")       a parameter       the second try raises KeyError
    self.seen.append(key)     an attribute      it is there twice
    TOTAL["rows"] += 1        a global          it is counted twice

A change that gives the same when it is made again (`self.done = True`, `found[key] = row`) is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import ROW, ROW_OR_NONE, SESSION
from auditor.rules.errors.repeated_bodies import Repeated
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Return,
    Test,
    path_of,
    walk,
)
from auditor.source.project import Project

_TWICE = {"append": 1, "extend": 1, "insert": 2, "appendleft": 1, "extendleft": 1}
"""Methods of containers, and how many arguments they take: `table.insert()` is a statement."""
_GONE = frozenset(("pop", "popleft", "popitem", "remove"))
_FRESH = frozenset(("args", "kwargs"))
"""Kinds of parameters that each call makes anew."""
_OF_A_SESSION = frozenset((ROW, ROW_OR_NONE, SESSION))
"""What a rollback puts back."""
_ANYWHERE = frozenset(("function", "with", "try", "for", "while", "finally", "try-else"))


@dataclass(frozen=True, slots=True)
class Change:
    """A change at event `position`, of `what` as written; `harm` says what a second try does."""

    position: int
    event: Bind | Call
    what: str
    harm: str


def kept_changes(
    project: Project, module: ModuleFacts, function: FunctionFacts, body: Repeated
) -> Iterator[Change]:
    """The changes in a repeated body that a second try finds made, in order."""
    for position in range(body.region.first, body.region.last):
        event = function.events[position]
        if not isinstance(event, (Bind, Call)):
            continue
        path, harm = _changed(function, event)
        if not path or any(r.kind == "lambda" for r in function.ancestors(event.region)):
            continue
        whole = _meant(project, function, path, position)
        if (
            _outlives(project, module, function, body, whole)
            and not _is_made_anew(function, body, whole, path, position)
            and not _is_asked_first(function, event, path)
        ):
            yield Change(position, event, ".".join(path).replace(".[", "["), harm)


def _changed(function: FunctionFacts, event: Bind | Call) -> tuple[tuple[str, ...], str]:
    """What an event changes for good, and what making the change again does; empty for none."""
    if isinstance(event, Bind):
        path = tuple(event.target.replace("[]", "").split("."))
        is_inside = "." in event.target or event.target.endswith("[]")
        if event.kind == "augment":
            return (path, "adds to it again") if is_inside else ((), "")
        if event.kind == "delete" and event.target.endswith("[]"):
            return path, "finds it deleted"
        return (), ""
    if not isinstance(event.func, Attribute):
        return (), ""
    path = path_of(event.func.base)
    if _TWICE.get(event.func.name) == len(event.args):
        return path, "adds it again"
    if event.func.name in _GONE and not _is_forgiving(function, event):
        return path, "finds it gone"
    return (), ""


def _is_forgiving(function: FunctionFacts, call: Call) -> bool:
    """`payload.pop("tags", None)` with nobody looking at the result."""
    return len(call.args) > 1 and not _is_looked_at(function, call)


def _is_looked_at(function: FunctionFacts, call: Call) -> bool:
    return any(
        part is call and event is not call
        for event in function.events
        for value in _values(event)
        for part in walk(value)
    )


def _values(event: Event) -> tuple[Expr | None, ...]:
    match event:
        case Bind(value=value) | Return(value=value):
            return (value,)
        case Test(expr=expr):
            return (expr,)
        case Call(func=func, args=args, keywords=keywords):
            return (func, *args, *(k.value for k in keywords))
        case _:
            return ()


def _meant(
    project: Project, function: FunctionFacts, path: tuple[str, ...], position: int
) -> tuple[str, ...]:
    """The path with a local name replaced by what it is another name of, followed once."""
    binds = _binds(project, function, path[0])
    if len(binds) != 1 or binds[0] > position:
        return path
    bind = function.events[binds[0]]
    source = path_of(bind.value) if isinstance(bind, Bind) and bind.kind == "assign" else ()
    return (*source, *path[1:]) if source else path


def _binds(project: Project, function: FunctionFacts, name: str) -> tuple[int, ...]:
    return project.program.binds[project.program.scope_of(function).key].get(name, ())


def _outlives(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    body: Repeated,
    path: tuple[str, ...],
) -> bool:
    """Whether what a path leads to is there before the try and after it."""
    root = path[0]
    if "session" in path or _is_of_session(project, function, body, root):
        return False
    binds = _binds(project, function, root)
    if any(body.region.first <= bind < body.region.last for bind in binds):
        return False
    parameter = next((p for p in function.parameters if p.name == root), None)
    if not body.is_function and (parameter is not None or binds):
        return True
    if parameter is None:
        return not binds and _is_of_module(module, root)
    is_copied = body.copies and all(step.startswith("[") for step in path[1:])
    return not binds and parameter.kind not in _FRESH and not is_copied


def _is_of_session(project: Project, function: FunctionFacts, body: Repeated, name: str) -> bool:
    """Whether a name is a session or a row, which a rollback puts back."""
    scope = project.program.scope_of(function)
    value = project.inference.value(scope, body.region.first, Name(name))
    is_row = name != "self" and project.models.model_of(value.name) is not None
    return value.kind in _OF_A_SESSION or is_row


def _is_of_module(module: ModuleFacts, name: str) -> bool:
    return any(
        isinstance(e, Bind) and e.target == name and e.kind == "assign" and e.region == 0
        for e in module.body.events
    )


def _is_made_anew(
    function: FunctionFacts,
    body: Repeated,
    whole: tuple[str, ...],
    path: tuple[str, ...],
    position: int,
) -> bool:
    """Whether the body begins with a new value, `self.found = []`, or by emptying the old one."""
    made = {".".join(one[:end]) for one in (whole, path) for end in range(1, len(one) + 1)}
    for event in function.events[body.region.first : position]:
        is_unconditional = function.regions[event.region].kind in _ANYWHERE
        if isinstance(event, Bind) and event.kind == "assign" and event.target in made:
            return True
        if isinstance(event, Call) and isinstance(event.func, Attribute) and is_unconditional:
            is_cleared = event.func.name == "clear" and path_of(event.func.base) in (whole, path)
            if is_cleared:
                return True
    return False


def _is_asked_first(function: FunctionFacts, event: Bind | Call, path: tuple[str, ...]) -> bool:
    """Whether a test of the same thing stands around the change: one with `in`, or, where
    something is taken away, any."""
    takes = isinstance(event, Bind) or getattr(event.func, "name", "") in _GONE
    if isinstance(event, Call) and takes and event.args and _is_looked_at(function, event):
        return False  # the second try does without the value
    for around in function.ancestors(event.region):
        if around.kind not in {"if", "else"}:
            continue
        for part in walk(around.expr):
            is_asked = isinstance(part, Compare) and {"in", "not in"} & set(part.operators)
            if takes and path_of(part) == path:
                return True
            if is_asked and any(path_of(one) == path for one in getattr(part, "rights", ())):
                return True
    return False
