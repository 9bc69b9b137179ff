"""What a step of a schema migration does runs once, with nobody waiting, and so does most of what
a command does: what it costs is told at low confidence.

    def upgrade():
        for row in connection.execute(labels.select()):
            connection.execute(labels.update().where(...).values(key=hashed(row.key)))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.knowledge.folders import RUN_ONCE
from auditor.model.finding import Confidence
from auditor.rule import Hit
from auditor.source.database_functions import is_migration
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project


def _runs_once(project: Project, module: ModuleFacts) -> bool:
    """Whether a module is a step of a migration, holds what such steps share, or is a command; one
    that imports no more of Alembic than `alembic.command` only starts the change."""
    if any(row.is_meant(module.path) for row in RUN_ONCE) or is_migration(module):
        return True
    body = project.program.bodies[module.name]
    has_revision = bool(project.program.binds[body.key].get("down_revision"))
    return has_revision or "alembic.context" in module.imports.values()


def lowered(project: Project, module: ModuleFacts, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits of a module, at low confidence if what it does runs once."""
    for hit in hits:
        once = _runs_once(project, module)
        yield replace(hit, confidence=Confidence.LOW) if once else hit
