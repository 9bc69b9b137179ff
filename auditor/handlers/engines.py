"""Whose engines a program works on: oslo.db's translate errors, SQLAlchemy's do not."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.knowledge import ErrorRow
from auditor.rules.errors.caught import short
from auditor.source.facts import ModuleFacts, Raise
from auditor.source.project import Project

_OSLO_DB = ("oslo_db.", "neutron_lib.db.")
_FACADES = ("oslo_db.sqlalchemy.", "neutron_lib.db.")
_PLAIN = (
    "sqlalchemy.create_engine",
    "sqlalchemy.engine.create_engine",
    "sqlalchemy.engine_from_config",
    "sqlalchemy.ext.asyncio.create_async_engine",
)
_KEPT = "handlers.engines"


@dataclass(frozen=True, slots=True)
class Engines:
    """What the modules of a program make or import: engines of oslo.db, plain ones."""

    oslo_db: bool
    plain: bool


def engines_of(project: Project) -> Engines:
    """The engines of a program, found once."""
    found = project.shared.get(_KEPT)
    if not isinstance(found, Engines):
        targets = {f"{t}." for module in project.modules.values() for t in module.imports.values()}
        called = {
            project.resolve(site.scope.module, site.call.func)
            for name in ("create_engine", "engine_from_config", "create_async_engine")
            for site in project.program.calls.get(name, ())
        }
        found = Engines(
            oslo_db=any(target.startswith(_FACADES) for target in targets),
            plain=not called.isdisjoint(_PLAIN),
        )
        project.shared[_KEPT] = found
    return found


def never_let_out(project: Project, module: ModuleFacts, row: ErrorRow) -> str:
    """Why the engine never lets an error of this class out, empty if it may; drivers' own classes
    are another matter.

    A module is taken to work on oslo.db's engines if it imports oslo.db and makes no engine, or if
    the program uses oslo.db's facade and makes no engine anywhere.
    """
    engines = engines_of(project)
    own = module.imports.values()
    is_oslo = any(f"{target}.".startswith(_OSLO_DB) for target in own)
    makes = any(target in _PLAIN for target in own)
    if row.library == "driver":
        return ""
    if not makes and (is_oslo or engines.oslo_db) and row.under_oslo_db == "never":
        if not is_oslo and engines.plain:
            return ""
        instead = " or ".join(f"`{short(name)}`" for name in row.becomes)
        return f"oslo.db turns it into {instead or 'a class of its own'}"
    is_plain = engines.plain and not engines.oslo_db
    if row.library == "oslo.db" and is_plain and not _is_raised(project, row.name):
        return "the program's engines are plain SQLAlchemy's, which never raise it"
    return ""


def _is_raised(project: Project, name: str) -> bool:
    """Whether the program raises an error of the class itself."""
    return any(
        project.resolve(module, getattr(event.error, "func", event.error)) == name
        for module, function in project.functions()
        for event in function.events
        if isinstance(event, Raise) and event.error is not None
    )
