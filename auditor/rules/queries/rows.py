"""Loops over rows, and where the rows come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import QUERY, ROW, ROWS, SCALARS
from auditor.source.attributes import relationship_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Comprehension,
    Const,
    Expr,
    FunctionFacts,
    Keyword,
    Name,
    Region,
    Starred,
    path_of,
    walk,
)
from auditor.source.lookups import argument
from auditor.source.models import Relationship
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.value import NUMBERED, Value

MANY = frozenset((ROWS, QUERY, SCALARS))
"""Kinds of what gives rows when it is iterated."""
_WRAPPERS = frozenset(("enumerate", "list", "sorted", "reversed", "tuple", "iter", "set"))
_EAGER = frozenset(
    ("joinedload", "selectinload", "subqueryload", "immediateload", "contains_eager", "eagerload",
     "joinedload_all", "subqueryload_all", "selectin_polymorphic", "defaultload")
)  # fmt: skip
_DEPTH = 4
"""Functions followed from a loop to where its rows are loaded."""


class RowLoop(NamedTuple):
    """A loop over rows: `name` is the variable of the row, `rows` what is iterated."""

    region: Region
    name: str
    rows: Value


def row_loops(project: Project, function: FunctionFacts) -> Iterator[RowLoop]:
    """The loops of a function whose variable is a row of a known class and nothing else."""
    scope = project.program.scope_of(function)
    for region in function.regions:
        if region.kind not in {"for", "comprehension"} or not region.target:
            continue
        rows = project.inference.value(scope, max(region.first - 1, 0), region.expr)
        numbered = rows.kind == NUMBERED and len(region.target) > 1
        if not rows.name or not (numbered or (rows.kind in MANY and len(region.target) == 1)):
            continue
        name = region.target[-1]
        if not _is_rebound(function, region, name):
            yield RowLoop(region, name, rows._replace(kind=ROW))


def _is_rebound(function: FunctionFacts, region: Region, name: str) -> bool:
    return any(
        isinstance(event, Bind) and event.target == name and event.region != region.index
        for event in function.inside(region)
    )


def sources_of(
    project: Project, scope: Scope, position: int, expr: Expr | None, *, depth: int = _DEPTH
) -> Iterator[tuple[Scope, int, Expr]]:
    """The expressions that make the rows, with the functions they stand in: names are followed to
    their binds and parameters to their callers; calls of the project to what they return."""
    if depth == 0 or expr is None:
        return
    if isinstance(expr, Call) and last_step(expr.func) in _WRAPPERS and expr.args:
        yield from sources_of(project, scope, position, expr.args[0], depth=depth)
    elif isinstance(expr, Name):
        yield from _of_name(project, scope, position, expr, depth=depth)
    elif isinstance(expr, Comprehension) and isinstance(expr.element, Name):
        region = scope.function.regions[expr.region]
        if region.target == (expr.element.name,):  # some of the rows
            yield from sources_of(project, scope, region.first - 1, region.expr, depth=depth)
        else:
            yield scope, position, expr
    else:
        yield scope, position, expr
        if isinstance(expr, Call):
            yield from _of_function(project, scope, position, expr, depth=depth)


def _of_name(
    project: Project, scope: Scope, position: int, expr: Name, *, depth: int
) -> Iterator[tuple[Scope, int, Expr]]:
    indices = project.program.binds[scope.key].get(expr.name, ())
    for index in indices:
        bind = scope.function.events[index]
        if isinstance(bind, Bind) and index < position and bind.value is not None:
            yield from sources_of(project, scope, index, bind.value, depth=depth)
    if not indices and any(p.name == expr.name for p in scope.function.parameters):
        for site in project.program.calls.get(scope.function.name, ()):
            passed = argument(scope, expr.name, site.call)
            yield from sources_of(project, site.scope, site.position, passed, depth=depth - 1)


def _of_function(
    project: Project, scope: Scope, position: int, call: Call, *, depth: int
) -> Iterator[tuple[Scope, int, Expr]]:
    for target in project.targets(scope.function, position, call):
        if target.function is None or target.row is not None:
            continue
        for index, event in enumerate(target.function.function.events):
            if type(event).__name__ == "Return":
                value = getattr(event, "value", None)
                yield from sources_of(project, target.function, index, value, depth=depth - 1)


def are_queried(project: Project, function: FunctionFacts, loop: RowLoop) -> bool:
    """Whether all expressions that make the rows are in sight, and are calls."""
    scope = project.program.scope_of(function)
    position = max(loop.region.first - 1, 0)
    sources = [e for _, _, e in sources_of(project, scope, position, loop.region.expr)]
    made = [e for e in sources if not isinstance(e, Const)]
    return bool(made) and all(isinstance(e, Call) for e in made)


def is_of_one_parent(
    project: Project, function: FunctionFacts, loop: RowLoop, relation: Relationship
) -> bool:
    """Whether the rows were chosen by the key that a relationship to one row follows: the session
    then loads that row once, and finds it again for the others."""
    model = project.models.model_of(loop.rows.name)
    target = project.models.model_of(relation.target)
    if model is None or target is None:
        return False
    keys = {k.column for k in model.foreign_keys if k.target.split(".")[0] == target.table}
    scope = project.program.scope_of(function)
    sources = sources_of(project, scope, max(loop.region.first - 1, 0), loop.region.expr)
    return any(
        _is_fixed(part, keys) or _is_parent(part, relation.name)
        for _, _, expr in sources
        for part in walk(expr)
    )


def _is_parent(part: Expr, name: str) -> bool:
    """`Talk.query.with_parent(self.event)` for relationship `event`."""
    return (
        isinstance(part, Call)
        and isinstance(part.func, Attribute)
        and part.func.name == "with_parent"
        and bool(part.args)
        and path_of(part.args[0])[-1:] == (name,)
    )


def _is_fixed(part: Expr, columns: set[str]) -> bool:
    """`Pet.owner_id == owner.id`, `filter_by(owner_id=1)`; no join, `Pet.owner_id == Owner.id`."""
    match part:
        case Compare(left=left, operators=("==",), rights=(right,)):
            ends = [(one, path_of(other)[:1]) for one, other in ((left, right), (right, left))]
            return any(
                isinstance(one, Attribute)
                and one.name in columns
                and not "".join(root)[:1].isupper()
                for one, root in ends
            )
        case Call(func=Attribute(name="filter_by"), keywords=keywords):
            return any(keyword.name in columns for keyword in keywords)
    return False


def is_loaded_eagerly(project: Project, function: FunctionFacts, loop: RowLoop, name: str) -> bool:
    """Whether an option where the rows are loaded may load relationship `name` with them; options
    that cannot be read count as such."""
    scope = project.program.scope_of(function)
    position = max(loop.region.first - 1, 0)
    scopes = {scope.key: scope}
    for found, at, expr in sources_of(project, scope, position, loop.region.expr):
        scopes[found.key] = found
        for target in _made_by(project, found, at, expr):
            scopes[target.key] = target
    return any(_has_option(found.function, name) for found in scopes.values())


def _made_by(project: Project, scope: Scope, position: int, expr: Expr) -> Iterator[Scope]:
    """The functions of the project that make the query which an expression runs."""
    for call in (part for part in walk(expr) if isinstance(part, Call)):
        for target in project.targets(scope.function, position, call):
            if target.function is not None and target.row is None:
                yield target.function


def _has_option(function: FunctionFacts, name: str) -> bool:
    for event in function.events:
        if not isinstance(event, Call):
            continue
        step = last_step(event.func)
        if step in _EAGER and any(mentions(arg, name) or _is_star(arg) for arg in event.args):
            return True
        if step == "options" and any(isinstance(a, (Name, Starred)) for a in event.args):
            return True
    return False


def _is_star(expr: Expr) -> bool:
    return isinstance(expr, (Starred, Name)) or (isinstance(expr, Const) and expr.value == "*")


def is_column(project: Project, rows: Value, name: str) -> bool:
    """Whether an attribute of rows is a column: by the model when it was read, else when nothing of
    the kind is known."""
    model = project.models.model_of(rows.name)
    if model is None:
        return rows.name not in project.program.classes and not name.startswith("_")
    relation = relationship_of(project.inference, rows._replace(kind=ROW), name)
    return name in model.columns and relation is None


def mentions(expr: Expr | None, name: str) -> bool:
    """Whether an attribute, keyword or string inside an expression is `name`."""
    for found in walk(expr):
        match found:
            case Attribute(name=written) if written == name:
                return True
            case Const(value=str() as text) if name in text.split("."):
                return True
            case Call(keywords=keywords) if any(_is_named(k, name) for k in keywords):
                return True
            case _:
                pass
    return False


def _is_named(keyword: Keyword, name: str) -> bool:
    return keyword.name == name
