"""What a review looks at, in numbers: modules, functions, statements, handlers, names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.engine.context import Linked
from auditor.model.knowledge import ISSUES, Effect
from auditor.rules.errors.caught import Handler, handlers_of
from auditor.rules.raw_sql.sinks import texts_given
from auditor.source.database_functions import (
    database_functions,
    is_migration,
    is_public,
    is_work,
)
from auditor.source.facts import Bind, FunctionFacts, ModuleFacts
from auditor.source.loads import STATEMENTS, Loads, class_of
from auditor.source.project import Project

_WORK = ISSUES | {Effect.PENDING}
_LOOPS = frozenset(("for", "while", "comprehension"))


@dataclass(frozen=True, slots=True)
class Working:
    """A function that works on the database, and its module."""

    module: ModuleFacts
    function: FunctionFacts


@dataclass(frozen=True, slots=True)
class Caught:
    """A handler in a function that works on the database."""

    module: ModuleFacts
    function: FunctionFacts
    handler: Handler


@dataclass(frozen=True, slots=True)
class Subject:
    """The reviewed modules of a project. `working` functions are in order of path and line."""

    project: Project
    modules: tuple[ModuleFacts, ...]
    working: tuple[Working, ...]
    calling: tuple[Working, ...]
    """Functions that are none of these and call functions of other modules that are."""
    handlers: tuple[Caught, ...]
    tables: tuple[str, ...]
    statements: int
    """Places that issue a statement."""
    texts: int
    """Arguments that become SQL text."""
    loops: int
    names: int

    @property
    def public(self) -> tuple[Working, ...]:
        """The functions that others are meant to call."""
        return tuple(one for one in self.working if is_public(one.function))

    @property
    def class_name(self) -> str:
        """The class that all functions with database work are methods of, empty if none is."""
        found = {one.function.class_name for one in self.working}
        return found.pop() if len(found) == 1 and len(self.modules) == 1 else ""

    @property
    def functions(self) -> int:
        """All functions of the modules."""
        return sum(len(module.functions) - 1 for module in self.modules)


def subject_of(found: Linked) -> Subject:
    """The numbers of the named modules."""
    project = found.project
    working = tuple(
        Working(module, function)
        for module in found.named
        for function in database_functions(project, module)
    )
    every = [(module, f) for module in found.named for f in module.functions]
    return Subject(
        project=project,
        modules=found.named,
        working=working,
        calling=tuple(_calling(project, found.named, working)),
        handlers=tuple(
            Caught(one.module, one.function, handler)
            for one in working
            for handler in handlers_of(project, one.module, one.function)
        ),
        tables=tuple(dict.fromkeys(_tables(project, working))),
        statements=sum(_statements(project, function) for _, function in every),
        texts=sum(len(texts_given(project, module, f)) for module, f in every),
        loops=sum(region.kind in _LOOPS for one in working for region in one.function.regions),
        names=sum(len(_names(module)) for module in found.named),
    )


def _calling(
    project: Project, modules: tuple[ModuleFacts, ...], working: tuple[Working, ...]
) -> Iterator[Working]:
    own = {id(one.function) for one in working}
    for module in modules:
        for function in () if is_migration(module) else module.functions[:-1]:
            key = project.program.scope_of(function).key
            if id(function) not in own and not _WORK.isdisjoint(project.effects.summaries[key]):
                yield Working(module, function)


def _statements(project: Project, function: FunctionFacts) -> int:
    return sum(not STATEMENTS.isdisjoint(site.effects) for site in project.sites(function))


def _tables(project: Project, working: tuple[Working, ...]) -> Iterator[str]:
    for one in working:
        asked = Loads(project, project.program.scope_of(one.function))
        for site in project.sites(one.function):
            name = class_of(asked, site) if is_work(site) else ""
            if name:
                yield name.rpartition(".")[2]


def _names(module: ModuleFacts) -> set[str]:
    """What the module names itself: functions, parameters, local variables."""
    found: set[str] = set()
    for function in module.functions[:-1]:
        found.add(function.name)
        found.update(parameter.name for parameter in function.parameters)
        found.update(
            e.target for e in function.events if isinstance(e, Bind) and e.target.isidentifier()
        )
    return found
