"""Calls that get the session of an open transaction: what they do with it may well fail there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import SESSION
from auditor.rules.errors.open_transactions import SENDS, Opened, does, is_apart
from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    Name,
    Region,
    dotted,
)
from auditor.source.passing import arguments_of
from auditor.source.program import last_step
from auditor.source.project import Project

_NO_WORK = frozenset(
    {"isinstance", "hasattr", "getattr", "setattr", "id", "str", "repr", "print", "type", "partial",
     "debug", "info", "warning", "error", "exception", "object_session", "inspect", "bool",
     "append", "closing", "nullcontext", "expunge", "close", "rollback"}
)  # fmt: skip
_BEGINS = frozenset(("begin", "begin_nested", "transaction"))


class Handed(NamedTuple):
    """A call that gets the session, as rules speak of it."""

    what: str
    at: At
    position: int
    session: str


def handed_within(
    project: Project, function: FunctionFacts, region: Region, opened: Opened
) -> Iterator[Handed]:
    """The calls of a region that get the session of a transaction, and of which nothing says that
    they leave the database alone or work in a savepoint."""
    names = _names(opened)
    for position in range(region.first, region.last):
        call = function.events[position]
        if not isinstance(call, Call) or not _works(call):
            continue
        if any(r.kind == "lambda" for r in function.ancestors(call.region)):
            continue
        given = (
            dotted(value)
            for value in (*call.args, *(k.value for k in call.keywords))
            if _is_session(project, function, position, value, names)
        )
        found = Handed(last_step(call.func), call.at, position, next(given, ""))
        if found.session and _may_fail(project, function, found, call, region):
            yield found


def _names(opened: Opened) -> frozenset[str]:
    """How the session is written: what `as` binds, and what `begin()` is a method of."""
    found = set()
    for item in opened.region.items:
        found.add(item.name)
        func = item.expr.func if isinstance(item.expr, Call) else None
        if isinstance(func, Attribute) and func.name in _BEGINS:
            found.add(dotted(func.base))
    return frozenset(name for name in found if name)


def _works(call: Call) -> bool:
    """Whether a call may be more than setting something up: no constructor, no builtin."""
    name = last_step(call.func)
    return bool(name) and not name[0].isupper() and name not in _NO_WORK


def _is_session(
    project: Project, function: FunctionFacts, position: int, value: Expr, names: frozenset[str]
) -> bool:
    """Whether a value is that session: by its name, or as `context.session`."""
    if not isinstance(value, Attribute):
        return isinstance(value, Name) and value.name in names
    scope = project.program.scope_of(function)
    is_one = project.inference.value(scope, position, value).kind == SESSION
    return dotted(value) in names or is_one


def _may_fail(
    project: Project, function: FunctionFacts, found: Handed, call: Call, region: Region
) -> bool:
    """Whether the call sends something, not in a savepoint; or nobody can tell what it does."""
    targets = project.targets(function, found.position, call)
    if not targets:
        return True
    for site in project.sites(function):
        effect = does(project, site, SENDS) if site.position == found.position else None
        if effect is not None:
            return not is_apart(project, site, effect, region)
    return any(
        _hands_on(project, scope.function, _parameters(scope.function, call, found.session))
        for target in targets
        if (scope := target.function) is not None
    )


def _parameters(callee: FunctionFacts, call: Call, session: str) -> set[str]:
    return {name for name, value in arguments_of(callee, call).items() if dotted(value) == session}


def _hands_on(project: Project, callee: FunctionFacts, session: set[str]) -> bool:
    """Whether a function hands on the session it gets to something that is not in the program."""
    for position, event in enumerate(callee.events):
        if not isinstance(event, Call) or not _works(event):
            continue
        values = (*event.args, *(k.value for k in event.keywords))
        is_handed = any(isinstance(v, Name) and v.name in session for v in values)
        if is_handed and not project.targets(callee, position, event):
            return True
    return False
