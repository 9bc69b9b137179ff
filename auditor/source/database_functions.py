"""Which functions of a module work on the database: they issue statements or open transactions,
themselves or through functions of the same module. Callers elsewhere are not meant."""

from __future__ import annotations

from auditor.model.knowledge import ISSUES, Effect, Mode
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.sites import Site

_KEPT = "auditor.source.database_functions"
_WORK = ISSUES | {Effect.PENDING}


def database_functions(project: Project, module: ModuleFacts) -> tuple[FunctionFacts, ...]:
    """The functions of the module that work on the database, in order; the module body left out.
    None of a migration: its functions are called by Alembic and have the form it wants."""
    kept: dict[str, tuple[FunctionFacts, ...]] = project.shared.setdefault(_KEPT, {})
    if module.path not in kept:
        kept[module.path] = () if is_migration(module) else _found(project, module)
    return kept[module.path]


def _found(project: Project, module: ModuleFacts) -> tuple[FunctionFacts, ...]:
    functions = module.functions[:-1]
    keys = {project.program.scope_of(function).key for function in functions}
    working: set[int] = set()
    callers: dict[int, set[int]] = {}
    for function in functions:
        key = project.program.scope_of(function).key
        if any(project.decorating_contexts(module, function)):
            working.add(key)
        for site in project.sites(function):
            if is_work(site):
                working.add(key)
            elif site.callee in keys:
                callers.setdefault(site.callee, set()).add(key)
    waiting = list(working)
    while waiting:
        above = callers.get(waiting.pop(), set()) - working
        working |= above
        waiting.extend(above)
    return tuple(f for f in functions if project.program.scope_of(f).key in working)


def is_work(site: Site) -> bool:
    """Whether a site itself issues a statement, notes a change or opens a transaction."""
    return any(isinstance(effect, Mode) or effect in _WORK for effect in site.effects)


def is_migration(module: ModuleFacts) -> bool:
    """Whether the module is a step of a schema migration."""
    return "alembic.op" in module.imports.values()


def is_public(function: FunctionFacts) -> bool:
    """Whether others are meant to call it: no step of its name is private, and it is not nested."""
    steps = function.qualname.split(".")
    return "<locals>" not in steps and not any(step.startswith("_") for step in steps)


def own_parameters(function: FunctionFacts) -> tuple[str, ...]:
    """The names of the positional parameters; `self` or `cls` of a method left out."""
    names = tuple(p.name for p in function.parameters if p.kind == "positional")
    return names[1:] if function.class_name and names[:1] in {("self",), ("cls",)} else names
