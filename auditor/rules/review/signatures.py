"""DBA604: a database function whose signature is unlike that of its siblings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONNECTION, CONTEXT, SESSION
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.database_functions import (
    database_functions,
    is_public,
    is_work,
    own_parameters,
)
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, Name, Read, dotted
from auditor.source.project import Project

_CARRIERS = frozenset((SESSION, CONTEXT, CONNECTION))
_WORDS = ("session", "context", "conn", "engine", "ctxt", "ctx")
_ENOUGH = 3
_SHARE = 0.75
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh")


class _Carrier(NamedTuple):
    """The session, connection or context that a function is given: its name and place."""

    name: str
    place: int


def check(project: Project, module: ModuleFacts) -> Hits:
    """Per class, or per module for plain functions; one hit for each function."""
    working = database_functions(project, module)
    groups: dict[str, list[FunctionFacts]] = {}
    for function in working:
        if "<locals>" not in function.qualname:
            groups.setdefault(function.class_name, []).append(function)
    for siblings in groups.values():
        usual = _usual(project, module, siblings)
        for function in siblings:
            told = _told(project, module, function, usual)
            if told:
                at = function.at
                fields = {"function": function.name, "told": told}
                yield Hit(Span(module.path, at.line, at.column), function.qualname, fields)


def _told(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    usual: tuple[_Carrier, int] | None,
) -> str:
    """What is wrong with a signature, empty if nothing."""
    own = _carrier(project, module, function)
    if own is None:
        return _missing(project, function, usual)
    if usual is not None and _is_elsewhere(function, own, usual[0]):
        return (
            f"takes `{own.name}` {_place(own.place)};"
            f" {usual[1]} of its siblings take it {_place(usual[0].place)}"
        )
    if _is_unused(project, module, function, own):
        return f"takes `{own.name}` and never uses it"
    return _unlike_above(project, module, function)


def _is_elsewhere(function: FunctionFacts, own: _Carrier, usual: _Carrier) -> bool:
    """Whether a carrier could stand where its siblings have it, and does not."""
    has_room = len(own_parameters(function)) > usual.place
    return has_room and own.name == usual.name and own.place != usual.place


def _usual(
    project: Project, module: ModuleFacts, siblings: list[FunctionFacts]
) -> tuple[_Carrier, int] | None:
    """What most siblings take, and how many of them; None if there is no custom."""
    found = [c for f in siblings if (c := _carrier(project, module, f)) is not None]
    if not found:
        return None
    carrier, number = Counter(found).most_common(1)[0]
    return (carrier, number) if number >= max(_ENOUGH, _SHARE * len(siblings)) else None


def _carrier(project: Project, module: ModuleFacts, function: FunctionFacts) -> _Carrier | None:
    for place, name in enumerate(own_parameters(function)):
        if project.value(module, function, 0, Name(name)).kind in _CARRIERS:
            return _Carrier(name, place)
    return None


def _missing(project: Project, function: FunctionFacts, usual: tuple[_Carrier, int] | None) -> str:
    """A function that works on the database itself, with a session from nobody knows where."""
    if usual is None or function.name.startswith("__") or not is_public(function):
        return ""
    if not any(is_work(site) for site in project.sites(function)) or _has_its_own(function):
        return ""
    return f"takes no `{usual[0].name}`; {usual[1]} of its siblings take one"


def _has_its_own(function: FunctionFacts) -> bool:
    """Whether a session or context is reached through something else: `self.session`, `payload`."""
    named = {p.name for p in function.parameters}
    return any(p.kind != "positional" for p in function.parameters) or any(
        isinstance(event, Read)
        and event.path[0] in named
        and any(word in step.lower() for step in event.path for word in _WORDS)
        for event in function.events
    )


def _is_unused(
    project: Project, module: ModuleFacts, function: FunctionFacts, own: _Carrier
) -> bool:
    """Whether nothing in the function reads the carrier, and nobody but it chose the signature."""
    if (
        own.name.startswith("_")
        or function.decorators
        or _is_chosen_elsewhere(project, module, function)
    ):
        return False
    if not any(isinstance(event, Call) for event in function.events):
        return False
    inner = f"{function.qualname}.<locals>."
    bodies = [f for f in module.functions if f is function or f.qualname.startswith(inner)]
    return not any(
        (isinstance(event, Read) and event.path[0] == own.name)
        or (isinstance(event, Call) and dotted(event.func) in {"locals", "vars"})
        for body in bodies
        for event in body.events
    )


def _is_chosen_elsewhere(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a class above or below has the method too, or a class above is not known."""
    if not function.class_name:
        return False
    program, owner = project.program, f"{module.name}.{function.class_name}"
    above = program.mro(owner)[1:]
    if any(base not in program.classes and base != "object" for base in above):
        return True
    return any(function.name in program.classes[b].methods for b in above if b != "object") or any(
        program.overrides(owner, function.name)
    )


def _unlike_above(project: Project, module: ModuleFacts, function: FunctionFacts) -> str:
    """A method that cannot be called as the one it overrides: another order, or more is needed."""
    if not function.class_name or not is_public(function):
        return ""
    owner = f"{module.name}.{function.class_name}"
    above = project.program.method(owner, function.name, after=owner)
    if above is None or _takes_anything(function) or _takes_anything(above.function):
        return ""
    ours, theirs = own_parameters(function), own_parameters(above.function)
    where = f"`{above.function.qualname}` at {above.module.path}:{above.function.at.line}"
    shared = [name for name in ours if name in theirs]
    if shared != [name for name in theirs if name in ours]:
        return f"takes {_listed(shared)} in another order than {where}"
    needed = list(_needed(function))
    if len(needed) > len(theirs):
        return f"needs {len(needed)} arguments, and {where}, which it overrides, {len(theirs)}"
    return ""


def _takes_anything(function: FunctionFacts) -> bool:
    return any(p.kind in {"args", "kwargs"} for p in function.parameters)


def _needed(function: FunctionFacts) -> Iterator[str]:
    optional = {p.name for p in function.parameters if p.default is not None}
    yield from (name for name in own_parameters(function) if name not in optional)


def _place(place: int) -> str:
    return _PLACES[place] if place < len(_PLACES) else f"in place {place + 1}"


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


_STORE = """
            class Store:
                def users(self, context, name):
                    return context.session.query(User).filter_by(name=name).all()

                def groups(self, context, name):
                    return context.session.query(Group).filter_by(name=name).all()

                def roles(self, context, name):
                    return context.session.query(Role).filter_by(name=name).all()
"""
RULE = Rule(
    code="DBA604",
    name="signatures",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`{function}` {told}",
    why=(
        "Functions of one layer that take their session or context in different places are called"
        " wrongly sooner or later; one that takes none opens a transaction of its own, outside of"
        " the caller's; one that does not use what it is given hides that it does the same."
    ),
    instead="the session or context first in every function of the layer, and used.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "another place than in its siblings",
            _STORE
            + """
                def hosts(self, name, context):  # expect: DBA604
                    return context.session.query(Host).filter_by(name=name).all()
            """,
        ),
        Example(
            "given and not used",
            """
            from sqlalchemy.orm import Session
            from app.db import engine

            def users(session, name):  # expect: DBA604
                with Session(engine) as own:
                    return own.query(User).filter_by(name=name).all()
            """,
        ),
        Example(
            "none, where its siblings take one",
            _STORE
            + """
                def hosts(self, name):  # expect: DBA604
                    session = get_session()
                    return session.query(Host).filter_by(name=name).all()
            """,
        ),
        Example(
            "another order than the method it overrides",
            """
            class Plugin:
                def users(self, context, name, limit=None):
                    raise NotImplementedError

            class DbPlugin(Plugin):
                def users(self, context, limit, name):  # expect: DBA604
                    return context.session.query(User).filter_by(name=name).limit(limit).all()
            """,
        ),
    ),
    good=(
        Example("all alike", _STORE),
        Example(
            "last in all of them, and too short for the place of the others",
            """
            def users(name, limit, session):
                return session.query(User).filter_by(name=name).limit(limit).all()

            def groups(name, limit, session):
                return session.query(Group).filter_by(name=name).limit(limit).all()

            def roles(name, limit, session):
                return session.query(Role).filter_by(name=name).limit(limit).all()

            def hosts(session):
                return session.query(Host).all()
            """,
        ),
        Example(
            "with more that is optional",
            """
            class Plugin:
                def users(self, context, name):
                    raise NotImplementedError

            class DbPlugin(Plugin):
                def users(self, context, name, limit=None):
                    return context.session.query(User).filter_by(name=name).limit(limit).all()
            """,
        ),
        Example(
            "it has a session of its own",
            _STORE
            + """
                def hosts(self, name):
                    return self.session.query(Host).filter_by(name=name).all()

                def on_event(self, payload):
                    return payload.context.session.query(Host).all()
            """,
        ),
        Example(
            "a decorator uses it, or a base class dictates it",
            """
            from oslo_db.sqlalchemy import enginefacade
            from app import base
            from app.db import objects

            @enginefacade.reader
            def users(context, name):
                return objects.load(name)

            class Driver(base.Driver):
                def users(self, session, name):
                    with get_session() as own:
                        return own.query(User).filter_by(name=name).all()
            """,
        ),
    ),
    known_gaps=(
        "a custom is seen where three siblings, and three of four, follow it",
        "same-named functions of unrelated classes and modules are not compared",
        "parameters that are only renamed in an override are not reported",
    ),
)
