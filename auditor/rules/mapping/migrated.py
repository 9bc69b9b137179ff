"""Tables and columns that Alembic scripts make, as far as their source shows.

    op.create_table("labels", sa.Column("id", ...))           a table with a column
    op.add_column("labels", sa.Column("name", ...))           a column more
    with op.batch_alter_table("labels") as batch:             the same in a batch
        batch.add_column(sa.Column("shared", ...))
    op.rename_table("labels", "metering_labels")              one table under two names

Order does not matter here: what some script once made counts as made, and so does a name that a
script keeps in a constant or hands to a function of the project. `downgrade` is left out. A table
that is changed in a way that cannot be read (SQL text, columns from a list), or dropped, is *open*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from auditor.rules.mapping.keys import is_migration
from auditor.source.facts import (
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Items,
    ModuleFacts,
    Name,
    Starred,
    walk,
)
from auditor.source.program import CallSite, last_step
from auditor.source.project import Project

_MADE_OTHERWISE = ("create_all", "create")
_BATCH = "batch_alter_table"
_WORD = re.compile(r"\w+")
_CONSTRAINTS = ("Constraint", "Index")


@dataclass(frozen=True, slots=True)
class Migrated:
    """By table: the columns that scripts make. `is_whole` is False where a script makes a table
    whose name cannot be read, or the program makes its tables without scripts."""

    columns: dict[str, set[str]] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    loose: set[str] = field(default_factory=set)
    """Columns that scripts make in a table that does not show."""
    placed: set[int] = field(default_factory=set)
    """`id` of the columns, as facts, whose table does show."""
    same: dict[str, str] = field(default_factory=dict)
    """New names of tables, by old name."""
    is_whole: bool = True

    def columns_of(self, table: str) -> frozenset[str] | None:
        """The columns of a table under all its names, None if nobody makes it or it is open."""
        names = {table} | {old for old in self.same if self.named_at_last(old) == table}
        if names & self.open or not names & self.created:
            return None
        made = {column for name in names for column in self.columns.get(name, ())}
        return frozenset(made | self.loose)

    def named_at_last(self, table: str) -> str:
        """The name that a table has after all renames; a circle ends where it began."""
        seen: set[str] = set()
        while table in self.same and table not in seen:
            seen.add(table)
            table = self.same[table]
        return table


def migrated(project: Project) -> Migrated:
    """What the scripts of a project make; found once."""
    if "migrated" not in project.shared:
        project.shared["migrated"] = _read(project)
    found: Migrated = project.shared["migrated"]
    return found


def lengths(project: Project) -> Mapping[tuple[str, str], bool]:
    """By table and column: whether the last script that makes the column, in the order in which
    scripts are read, gives its type a length. Found once."""
    if "migrated lengths" not in project.shared:
        project.shared["migrated lengths"] = {
            (table, name): _has_length(part)
            for maker in ("create_table", "add_column")
            for site in _in_scripts(project, maker)
            if (table := _table_of(site))
            for part in site.call.args
            if isinstance(part, Call) and (name := _column_of(site, part))
        }
    found: Mapping[tuple[str, str], bool] = project.shared["migrated lengths"]
    return found


def _has_length(column: Call) -> bool:
    """`sa.Column("name", sa.String(36))`, `sa.String(length=36)`."""
    return any(
        isinstance(kind, Call) and bool(kind.args or kind.keyword("length"))
        for kind in column.args[1:2]
    )


def _read(project: Project) -> Migrated:
    found = Migrated()
    text: set[str] = set()
    is_whole = True
    for name, record in _RECORDERS.items():
        for site in _in_scripts(project, name):
            is_whole = record(found, site) and is_whole
    for site in _in_scripts(project, "Column"):
        if id(site.call) not in found.placed:
            found.loose.add(_column_of(site, site.call))
    found.loose.update(_named_aside(project))
    for site in _in_scripts(project, "execute"):
        for part in (p for arg in site.call.args for p in walk(arg)):
            if isinstance(part, Const) and isinstance(part.value, str):
                text.update(_WORD.findall(part.value))
    is_made_otherwise = any(
        last_step(getattr(site.call.func, "base", site.call.func)) in {"__table__", "metadata"}
        for name in _MADE_OTHERWISE
        for site in project.program.calls.get(name, ())
    )
    found.open.update(text & set(found.columns))
    return replace(found, is_whole=is_whole and not is_made_otherwise)


def _named_aside(project: Project) -> Iterator[str]:
    """Words that scripts keep in constants and loops, or hand to functions of the project: names
    of columns that are made there, perhaps."""
    for module in (body.module for body in project.program.bodies.values()):
        for function in module.functions if _is_script(project, module) else ():
            if function.name != "downgrade":
                yield from (
                    part.value
                    for expr in _asides(project, module, function)
                    for part in walk(expr)
                    if isinstance(part, Const) and isinstance(part.value, str)
                )


def _asides(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Expr]:
    for region in function.regions:
        if region.kind == "for" and region.expr is not None:
            yield region.expr
    for event in function.events:
        if isinstance(event, Bind) and isinstance(event.value, (Const, Items)):
            yield event.value
        elif isinstance(event, Call) and _is_own(project, module, event):
            yield from (*event.args, *(keyword.value for keyword in event.keywords))


def _is_own(project: Project, module: ModuleFacts, call: Call) -> bool:
    """Whether a call is of a function of the project, and so not of Alembic or SQLAlchemy."""
    origin = project.resolve(module, call.func)
    return origin.partition(".")[0] == module.name.partition(".")[0]


def _in_scripts(project: Project, name: str) -> Iterator[CallSite]:
    for site in project.program.calls.get(name, ()):
        if _is_script(project, site.scope.module) and site.scope.function.name != "downgrade":
            yield site


def _is_script(project: Project, module: ModuleFacts) -> bool:
    """Whether a module imports Alembic, or calls itself a revision and leaves that to helpers."""
    body = project.program.bodies[module.name]
    return is_migration(module) or "down_revision" in project.program.binds[body.key]


def _text(site: CallSite, expr: Expr | None) -> str:
    """A string, also one that is kept in a constant of the module; empty for anything else."""
    if isinstance(expr, Const) and isinstance(expr.value, str):
        return expr.value
    if isinstance(expr, Name):
        for event in (*site.scope.function.events, *site.scope.module.body.events):
            if getattr(event, "target", "") == expr.name:
                value = getattr(event, "value", None)
                return str(value.value) if isinstance(value, Const) else ""
    return ""


def _table_of(site: CallSite) -> str:
    """The table a call changes: its first argument, or what the batch around it was opened with."""
    base = getattr(site.call.func, "base", None)
    around = site.scope.function.ancestors(site.call.region)
    for item in (item for region in around for item in region.items):
        opened = item.expr
        is_own = isinstance(base, Name) and base.name == item.name
        if is_own and isinstance(opened, Call) and last_step(opened.func) == _BATCH:
            return _text(site, opened.args[0] if opened.args else opened.keyword("table_name"))
    return _text(site, site.call.args[0] if site.call.args else None)


def _created(found: Migrated, site: CallSite) -> bool:
    table = _text(site, site.call.args[0] if site.call.args else site.call.keyword("table_name"))
    if not table:
        return False
    columns = found.columns.setdefault(table, set())
    found.created.add(table)
    if site.call.keyword("schema") is not None:
        found.open.add(table)
    for part in site.call.args[1:]:
        if isinstance(part, Call) and last_step(part.func).endswith(_CONSTRAINTS):
            continue
        name = _column_of(site, part)
        columns.add(name) if name else found.open.add(table)
        found.placed.add(id(part))
    return True


def _column_of(site: CallSite, expr: Expr | None) -> str:
    if isinstance(expr, (Starred, Items)) or not isinstance(expr, Call):
        return ""
    name = expr.args[0] if expr.args else expr.keyword("name")
    return _text(site, name) if last_step(expr.func) == "Column" else ""


def _added(found: Migrated, site: CallSite) -> bool:
    table = _table_of(site)
    parts = (*site.call.args, *(k.value for k in site.call.keywords))
    names = {name for part in parts if (name := _column_of(site, part))}
    if table:
        found.columns.setdefault(table, set()).update(names)
        found.placed.update(id(part) for part in parts)
        if not names:
            found.open.add(table)
    return bool(table)


def _altered(found: Migrated, site: CallSite) -> bool:
    renamed = site.call.keyword("new_column_name") or site.call.keyword("name")
    table = _table_of(site)
    if renamed is not None:
        name = _text(site, renamed)
        (found.columns.setdefault(table, set()) if table else found.loose).add(name)
        if not name:
            found.open.add(table)
    return bool(table) or renamed is None


def _renamed(found: Migrated, site: CallSite) -> bool:
    old, new = (_text(site, arg) for arg in (*site.call.args, None, None)[:2])
    if old and new:
        found.same[old] = new
    return bool(old and new)


def _dropped(found: Migrated, site: CallSite) -> bool:
    found.open.add(_table_of(site))
    return True


_RECORDERS = {
    "create_table": _created,
    "add_column": _added,
    "alter_column": _altered,
    "rename_table": _renamed,
    "drop_table": _dropped,
}
