"""Audits the database layer of Python programs built on SQLAlchemy and oslo.db.

Four witnesses of one truth: the source (`scan`), a live session (`record`), growth at several
sizes (`profile`) and faults injected at every statement (`sweep`), joined in one `Report`.

The names below are the stable interface. They are loaded on first use, so that `import auditor`
is cheap and SQLAlchemy is imported only by the live functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditor.engine import join as join
    from auditor.engine import judge as judge
    from auditor.engine import scan as scan
    from auditor.faults.sweep.run import sweep as sweep
    from auditor.growth.run import profile as profile
    from auditor.growth.scenario import scenario as scenario
    from auditor.growth.seeding.seed import seed as seed
    from auditor.model.errors import AuditorError as AuditorError
    from auditor.runtime.recorder import record as record

_HOME = {
    "AuditorError": "auditor.model.errors",
    "join": "auditor.engine",
    "judge": "auditor.engine",
    "profile": "auditor.growth.run",
    "record": "auditor.runtime.recorder",
    "scan": "auditor.engine",
    "scenario": "auditor.growth.scenario",
    "seed": "auditor.growth.seeding.seed",
    "sweep": "auditor.faults.sweep.run",
}

__all__ = [
    "AuditorError",
    "join",
    "judge",
    "profile",
    "record",
    "scan",
    "scenario",
    "seed",
    "sweep",
]


def __getattr__(name: str) -> Any:
    import importlib  # lazy: keeps `import auditor` cheap

    if name not in _HOME:
        raise AttributeError(f"module `auditor` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOME[name]), name)
