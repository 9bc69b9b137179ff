"""The built-in knowledge tables; `TABLES` is what the entry point `auditor.knowledge` gives."""

from __future__ import annotations

from auditor.knowledge import core, errors, frameworks, orm, oslo_db, sinks, world
from auditor.model.knowledge import Table

TABLES: tuple[Table, ...] = (
    *errors.TABLES,
    *core.TABLES,
    *orm.TABLES,
    *sinks.TABLES,
    *oslo_db.TABLES,
    *frameworks.TABLES,
    *world.TABLES,
)
