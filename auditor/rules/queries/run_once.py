"""What a step of a schema migration does runs once, with nobody waiting, and so does most of what
a command does: what it costs is told at low confidence.

    def upgrade():
        for row in connection.execute(labels.select()):
            connection.execute(labels.update().where(...).values(key=hashed(row.key)))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor.model.finding import Confidence
from auditor.rule import Hit
from auditor.source.facts import ModuleFacts
from auditor.source.project import Project

_STEPS = frozenset(("alembic.op", "alembic.context"))
"""What a module imports that changes a schema; one that imports no more of Alembic than
`alembic.command` only starts the change."""


_FOLDER = re.compile(r"(?:^|/)(?:migrations|alembic|alembic_migrations|cmd|cli)/")
"""Where steps of migrations stand, and what they share, by the habit of Alembic and its kin; and
commands."""


def _runs_once(project: Project, module: ModuleFacts) -> bool:
    """Whether a module is a step of a migration, holds what such steps share, or is a command."""
    if _FOLDER.search(module.path):
        return True
    body = project.program.bodies[module.name]
    return not _STEPS.isdisjoint(module.imports.values()) or bool(
        project.program.binds[body.key].get("down_revision")
    )


def lowered(project: Project, module: ModuleFacts, hits: Iterable[Hit]) -> Iterator[Hit]:
    """The hits of a module, at low confidence if what it does runs once."""
    for hit in hits:
        once = _runs_once(project, module)
        yield replace(hit, confidence=Confidence.LOW) if once else hit
