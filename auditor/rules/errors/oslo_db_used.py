"""Whether a project works with oslo.db at all."""

from __future__ import annotations

from auditor.source.project import Project

_KEPT = "uses oslo.db"


def uses_oslo_db(project: Project) -> bool:
    """Whether a module of the project imports something of oslo.db, under its older name too."""
    if _KEPT not in project.shared:
        project.shared[_KEPT] = any(
            project.program.names.follow(f"{target}.").startswith("oslo_db.")
            for module in project.modules.values()
            for target in module.imports.values()
        )
    return bool(project.shared[_KEPT])
