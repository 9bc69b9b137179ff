"""Modules linked into one project: what names, expressions and functions mean across modules.

    names.py, program.py          tables read off the facts: definitions, inheritance, binds, calls
    models.py                     mapped classes
    inference.py and its rules    what an expression is
    callees.py                    what a call may run
    sites.py, effects.py          what a function does, with the shortest way to where it is done

Rules ask `Project`; it is cheap to make and finds most answers when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.model.knowledge import ContextRow, Knowledge
from auditor.source.callees import targets_of
from auditor.source.effects import Effects, effects_of
from auditor.source.facts import Call, ClassFacts, Event, Expr, FunctionFacts, ModuleFacts, Region
from auditor.source.infer import inference_of
from auditor.source.inference import Inference
from auditor.source.models import Models, models_of
from auditor.source.program import Program, Scope, program_of
from auditor.source.results import context_of
from auditor.source.sites import Site
from auditor.source.traits import Traits, traits_of
from auditor.source.value import Target, Value


@dataclass(frozen=True, slots=True)
class Project:
    """All modules of a scan, by dotted name, and what was found about them."""

    modules: Mapping[str, ModuleFacts]
    program: Program
    inference: Inference
    found: dict[str, Effects] = field(default_factory=dict)
    shared: dict[str, Any] = field(default_factory=dict)
    """What several rules ask for and one of them found first, by the name of who keeps it."""

    @property
    def knowledge(self) -> Knowledge:
        """The tables the project was linked with."""
        return self.program.knowledge

    @property
    def models(self) -> Models:
        """The mapped classes."""
        return self.inference.models

    @property
    def effects(self) -> Effects:
        """Sites and effects of all functions; found when first asked for."""
        if "effects" not in self.found:
            self.found["effects"] = effects_of(self.inference)
        return self.found["effects"]

    def functions(self) -> Iterator[tuple[ModuleFacts, FunctionFacts]]:
        """Every function of every module, in order of path and line."""
        for scope in self.program.scopes:
            yield scope.module, scope.function

    def traits(self, scope: Scope) -> Traits:
        """What a function has that checks may look for."""
        effects = self.effects
        return traits_of(
            scope.function,
            has_site=bool(effects.sites[scope.key]),
            does=bool(effects.summaries[scope.key]),
        )

    def resolve(self, module: ModuleFacts, expr: Expr | str | None) -> str:
        """The absolute dotted name that an expression or dotted name means in `module`: imports and
        re-exports followed, names of the module itself prefixed; empty if it is not such a name.

        `db_exc.DBError` -> `oslo_db.exception.DBError`; a builtin stays as it is (`ValueError`).
        """
        return self.program.names.resolve(module, expr)

    def value(
        self, module: ModuleFacts, function: FunctionFacts, position: int, expr: Expr | None
    ) -> Value:
        """What an expression is, evaluated just before event number `position` of the function."""
        return self.inference.value(self.program.scope_of(function), position, expr)

    def targets(self, function: FunctionFacts, position: int, call: Call) -> tuple[Target, ...]:
        """What a call may run: functions of the project and rows of the tables."""
        scope = self.program.scope_of(function)
        return targets_of(self.program, self.inference.value(scope, position, call.func))

    def callee(
        self, module: ModuleFacts, function: FunctionFacts, call: Call
    ) -> tuple[ModuleFacts, FunctionFacts] | None:
        """The function of the project that a call runs, None if there is none or it is not clear
        which; overrides in subclasses left out."""
        targets = self.targets(function, position_of(function, call), call)
        found = [t.function for t in targets if t.function is not None and not t.override]
        return (found[0].module, found[0].function) if len(found) == 1 else None

    def sites(self, function: FunctionFacts) -> tuple[Site, ...]:
        """The places in a function that do something or call a function of the project."""
        return self.effects.sites[self.program.scope_of(function).key]

    def decorating_contexts(
        self, module: ModuleFacts, function: FunctionFacts
    ) -> Iterator[ContextRow]:
        """The transaction contexts that decorate a function, outermost first."""
        body = self.program.bodies[module.name]
        end = len(body.function.events)
        for decorator in function.decorators:
            found = context_of(self.inference, body, end, decorator)
            if found is not None and found.decorator:
                yield found

    def block_contexts(
        self, module: ModuleFacts, function: FunctionFacts, region: Region
    ) -> tuple[ContextRow, ...]:
        """The transaction contexts that a with statement enters, in order."""
        scope = self.program.scope_of(function)
        found = (
            context_of(self.inference, scope, region.first, item.expr) for item in region.items
        )
        return tuple(row for row in found if row is not None and row.block)


def position_of(function: FunctionFacts, event: Event) -> int:
    """The number of an event in its function, by identity; -1 if it is not one of its events."""
    return next((i for i, found in enumerate(function.events) if found is event), -1)


def link(modules: Iterable[ModuleFacts], knowledge: Knowledge | None = None) -> Project:
    """The project of the given modules; of two with the same name, the first by path counts."""
    linked: dict[str, ModuleFacts] = {}
    for module in sorted(modules, key=lambda m: m.path):
        linked.setdefault(module.name, module)
    program = program_of(linked, knowledge or Knowledge())
    return Project(linked, program, inference_of(program, models_of(program)))


__all__ = ["ClassFacts", "Project", "Scope", "link", "position_of"]
