"""The databases that a project supports, as far as its own tests of the dialect tell.

Those that it does something for count as named: an import of the dialect, an argument, a variant of
a type, the URL of a driver.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.knowledge.dialects import MSSQL, MYSQL, ORACLE, POSTGRESQL, SQLITE
from auditor.source.facts import Bind, Call, Compare, Const, Event, Expr, Test, outside_calls, walk
from auditor.source.program import last_step
from auditor.source.project import Project

_NAMES = {
    "postgresql": POSTGRESQL, "postgres": POSTGRESQL, "mysql": MYSQL, "mariadb": MYSQL,
    "sqlite": SQLITE, "oracle": ORACLE, "mssql": MSSQL,
}  # fmt: skip
_KEPT = "auditor.rules.raw_sql.dialects_compared"
_KEPT_NAMED = "auditor.rules.raw_sql.dialects_compared: named"
_PACKAGE = "sqlalchemy.dialects."
_URL = re.compile(r"(\w+)(?:\+\w+)?:///?")
_ARGUMENT = re.compile(r"([a-z]+)_\w+")


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


def named_dialects(project: Project) -> frozenset[str]:
    """The databases that the project compares the dialect with, or does something for."""
    if _KEPT_NAMED not in project.shared:
        bodies = project.program.bodies.values()
        imported = (name for body in bodies for name in body.module.imports.values())
        words = {
            name.removeprefix(_PACKAGE).partition(".")[0]
            for name in imported
            if name.startswith(_PACKAGE)
        }
        for _, function in project.functions():
            for event in function.events:
                words.update(_named(event))
        named = {_NAMES[word] for word in words if word in _NAMES}
        project.shared[_KEPT_NAMED] = supported_dialects(project) | named
    kept: frozenset[str] = project.shared[_KEPT_NAMED]
    return kept


def _named(event: Event) -> Iterator[str]:
    """Dialects in `Index(..., mysql_length=64)`, `{"mysql_engine": "InnoDB"}`,
    `.with_variant(LONGTEXT, "mysql")`, `"mysql+pymysql://"`."""
    if isinstance(event, Call):
        expressions = (*event.args, *(keyword.value for keyword in event.keywords))
        for keyword in event.keywords:
            yield from _ARGUMENT.findall(keyword.name)
    elif isinstance(event, Bind) and event.value is not None:
        expressions = (event.value,)
    else:
        return
    is_variant = isinstance(event, Call) and last_step(event.func) == "with_variant"
    for part in outside_calls(*expressions):
        if isinstance(part, Const) and isinstance(part.value, str):
            if is_variant:
                yield part.value
            found = _ARGUMENT.fullmatch(part.value) or _URL.match(part.value)
            if found is not None:
                yield found[1]
