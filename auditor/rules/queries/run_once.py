"""What a step of a schema migration does runs once, with nobody waiting: what it costs is told at
low confidence.

    def upgrade():
        for row in connection.execute(labels.select()):
            connection.execute(labels.update().where(...).values(key=hashed(row.key)))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.model.finding import Confidence
from auditor.rule import Hit
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project

_STEPS = frozenset(("alembic.op", "alembic.context"))
"""What a module imports that changes a schema; one that imports no more of Alembic than
`alembic.command` only starts the change."""


def is_migration(project: Project, module: ModuleFacts) -> bool:
    """Whether a module is a step of a migration, or holds what such steps share."""
    body = project.program.bodies[module.name]
    return not _STEPS.isdisjoint(module.imports.values()) or bool(
        project.program.binds[body.key].get("down_revision")
    )


def lowered(project: Project, module: ModuleFacts, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits of a module, at low confidence if it is part of a migration."""
    for hit in hits:
        once = is_migration(project, module)
        yield replace(hit, confidence=Confidence.LOW) if once else hit
