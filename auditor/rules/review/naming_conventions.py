"""DBA601: two spellings of names in one module."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.database_functions import database_functions
from auditor.source.facts import At, Bind, FunctionFacts, ModuleFacts
from auditor.source.project import Project

_CAMEL = re.compile(r"_*[a-z]+[a-z0-9]*[A-Z]\w*")
_SNAKE = re.compile(r"_*[a-z][a-z0-9]*(_[a-z0-9]+)+_*")
_BOUND = frozenset(("assign", "loop", "with", "except", "unpack", "capture", "augment"))
_SHOWN = 5


def check(project: Project, module: ModuleFacts) -> Hits:
    """One hit for a module with database work: the first name of the rarer spelling."""
    camel: dict[str, tuple[At, str]] = {}
    snake: dict[str, tuple[At, str]] = {}
    for name, at, where in _names(project, module):
        if _CAMEL.fullmatch(name):
            camel.setdefault(name, (at, where))
        elif _SNAKE.fullmatch(name):
            snake.setdefault(name, (at, where))
    if not camel or not snake or not database_functions(project, module):
        return
    rare, usual = (camel, snake) if len(camel) <= len(snake) else (snake, camel)
    at, where = next(iter(rare.values()))
    shown = ", ".join(f"`{name}` (line {found.line})" for name, (found, _) in _first(rare))
    more = f" and {len(rare) - _SHOWN} more" if len(rare) > _SHOWN else ""
    fields = {
        "rare": f"{shown}{more}",
        "spelling": "camelCase" if rare is camel else "snake_case",
        "usual": "snake_case" if rare is camel else "camelCase",
        "number": len(usual),
        "names": "name" if len(usual) == 1 else "names",
    }
    yield Hit(Span(module.path, at.line, at.column), where, fields)


def _first(rare: dict[str, tuple[At, str]]) -> list[tuple[str, tuple[At, str]]]:
    return list(rare.items())[:_SHOWN]


def _names(project: Project, module: ModuleFacts) -> Iterator[tuple[str, At, str]]:
    """What the module names itself: functions, parameters and local variables, by line."""
    found: list[tuple[str, At, str]] = []
    for function in module.functions[:-1]:
        if _is_given(project, module, function):
            continue
        found.append((function.name, function.at, function.qualname))
        found.extend((p.name, function.at, function.qualname) for p in function.parameters)
        found.extend(
            (event.target, event.at, function.qualname)
            for event in function.events
            if isinstance(event, Bind) and event.kind in _BOUND
        )
    yield from sorted(found, key=lambda one: (one[1].line, one[1].column))


def _is_given(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether somebody else may have chosen the names: a method of a class with an ancestor outside
    of the program (`setUp`), or one that an ancestor has too."""
    if not function.class_name:
        return False
    program = project.program
    order = program.mro(f"{module.name}.{function.class_name}")[1:]
    return any(
        base != "object"
        and (base not in program.classes or function.name in program.classes[base].methods)
        for base in order
    ) and bool(_CAMEL.fullmatch(function.name))


RULE = Rule(
    code="DBA601",
    name="naming-conventions",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="{rare}: {spelling} beside {number} {names} in {usual} of the same module",
    why=(
        "Two spellings in one module make a reader ask what the difference means, and a search for"
        " `router_id` miss `routerId`. Usually one of them came with code from elsewhere."
    ),
    instead="one spelling for all names of a module; in Python snake_case.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "a variable",
            """
            def router_ids(session):
                foundRouters = session.query(Router).all()  # expect: DBA601
                return [router.id for router in foundRouters]
            """,
        ),
        Example(
            "a parameter and a function, told once",
            """
            def router_by_id(session, routerId):  # expect: DBA601
                return session.get(Router, routerId)

            def allRouters(session):
                return session.query(Router).all()
            """,
        ),
        Example(
            "snake_case in a camelCase module",
            """
            def allRouters(session):
                return session.query(Router).all()

            def routerById(session, routerId):
                return session.get(Router, routerId)

            def router_names(session):  # expect: DBA601
                return session.scalars(select(Router.name)).all()
            """,
        ),
    ),
    good=(
        Example(
            "one spelling, and classes in capitals",
            """
            class RouterStore:
                def router_ids(self, session):
                    found_routers = session.query(Router).all()
                    return [router.id for router in found_routers]
            """,
        ),
        Example(
            "camelCase throughout",
            """
            def allRouters(session):
                return session.query(Router).all()

            def routerById(session, routerId):
                return session.get(Router, routerId)
            """,
        ),
        Example(
            "a name that a base class outside dictates, and one of a column",
            """
            import logging
            from sqlalchemy import Column, String

            class Audit(logging.Handler):
                def handleError(self, record):
                    self.log_session.execute(record.statement)

            class Router(Base):
                createdAt = Column(String(20))

            def all_routers(session):
                return session.query(Router).all()
            """,
        ),
        Example(
            "no database work in the module",
            """
            def full_name(user):
                firstName = user.first
                return firstName + user.last
            """,
        ),
    ),
    known_gaps=(
        "attributes, columns and module constants: a schema or a library may have chosen them",
        "words run together (`routerlist` beside `router_list`) are not told apart",
    ),
)
