"""The databases that a project supports, as far as its own tests of the dialect tell."""

from __future__ import annotations

from auditor.knowledge.dialects import MSSQL, MYSQL, ORACLE, POSTGRESQL, SQLITE
from auditor.source.facts import Compare, Const, Expr, Test, walk
from auditor.source.project import Project

_NAMES = {
    "postgresql": POSTGRESQL, "postgres": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL,
    "sqlite": SQLITE, "oracle": ORACLE, "mssql": MSSQL,
}  # fmt: skip
_KEPT = "auditor.rules.raw_sql.dialects_compared"


def supported_dialects(project: Project) -> frozenset[str]:
    """The databases that the project compares the name of its dialect with."""
    if _KEPT not in project.shared:
        project.shared[_KEPT] = frozenset(
            name
            for _, function in project.functions()
            for event in function.events
            if isinstance(event, Test)
            for name in _compared(event.expr)
        )
    kept: frozenset[str] = project.shared[_KEPT]
    return kept


def _compared(test: Expr) -> frozenset[str]:
    """Dialects in `bind.dialect.name == "mysql"`, `name in ("mysql", "sqlite")`."""
    found = set()
    for part in walk(test):
        if isinstance(part, Compare):
            words = (w.value for side in (part.left, *part.rights) for w in walk(side)
                     if isinstance(w, Const) and isinstance(w.value, str))  # fmt: skip
            found |= {_NAMES[word.lower()] for word in words if word.lower() in _NAMES}
    return frozenset(found)
