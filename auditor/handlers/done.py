"""What one place does to the database: the verb, and the rows of which mapped class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import ISSUES, ROW, ROW_OR_NONE, Effect
from auditor.source.facts import Attribute, Bind, Call, Expr, Name
from auditor.source.models import Model
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.sites import Site

READ, INSERT, UPDATE, DELETE, WRITE, FLUSH = "read", "insert", "update", "delete", "write", "flush"
_VERBS = {
    INSERT: (
        "add", "add_all", "create", "insert", "merge", "bulk_save_objects", "save",
        "bulk_insert_mappings", "create_object",
    ),
    UPDATE: (
        "update", "update_object", "update_objects", "bulk_update_mappings", "update_fields",
    ),
    DELETE: ("delete", "delete_object", "delete_objects", "soft_delete", "remove"),
}  # fmt: skip
_VERB = {word: verb for verb, words in _VERBS.items() for word in words}
_STATEMENTS = (INSERT, UPDATE, DELETE)
_LINKS = 40
"""Links of a chain that makes a statement looked at."""
_LOADED = frozenset((ROW, ROW_OR_NONE))
"""Kinds of what a query gave: adding it to a session again inserts nothing."""
_WRITING = frozenset((Effect.WRITE, Effect.PENDING))
FLUSHING = ISSUES - {Effect.WRITE}
"""Effects that send what was noted in the session."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a body comes to a place: whenever it runs (`certain`), through which functions (`path`,
    scope keys), past which functions whose own retry takes the error first (`retried`)."""

    certain: bool = True
    path: tuple[int, ...] = ()
    retried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """One place that works on the database. `model` is what it writes, None if that is not known.
    `noted` tells that the change waits for a flush; `raises` are errors that the call raises by
    itself, some in place of those of the database."""

    verb: str
    model: Model | None
    site: Site
    way: Way
    noted: bool = False
    raises: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the body comes to it whenever it runs."""
        return self.way.certain


def done_at(project: Project, scope: Scope, site: Site, way: Way) -> Iterator[Done]:
    """What a site does by itself; nothing if that does not concern rows."""
    effects = set(site.effects)
    if effects & _WRITING:
        noted = Effect.WRITE not in effects
        yield Done(*_written(project, scope, site), site, way, noted, raised_at(project, site))
    elif effects & {Effect.FLUSH, Effect.COMMIT}:
        yield Done(FLUSH, None, site, way)
    elif Effect.STATEMENT in effects:
        yield Done(*_written(project, scope, site), site, way)
    elif effects & {Effect.READ, Effect.REFRESH}:
        yield Done(READ, None, site, way)


def raised_at(project: Project, site: Site) -> tuple[str, ...]:
    """The errors that the tables say the call at a site raises by itself."""
    function = project.program.scopes[site.scope].function
    call = function.events[site.position]
    if not isinstance(call, Call):
        return ()
    rows = (target.row for target in project.targets(function, site.position, call))
    return tuple(error for row in rows if row is not None for error in row.raises)


def _written(project: Project, scope: Scope, site: Site) -> tuple[str, Model | None]:
    """What a call that writes does, and to which model's rows."""
    call = scope.function.events[site.position]
    if not isinstance(call, Call):
        return WRITE, None
    verb = _VERB.get(last_step(call.func), WRITE)
    exprs: list[Expr] = [call.func.base] if isinstance(call.func, Attribute) else []
    exprs += call.args[:1]
    statement = _statement(project, scope, site, call)
    if verb == WRITE and statement is not None:
        verb = _VERB[last_step(statement.func)]
        exprs = [*statement.args[:1], *exprs]
    for expr in exprs:
        value = project.inference.value(scope, site.position, expr)
        model = project.models.model_of(value.name)
        if model is not None and model.columns:
            is_old = verb == INSERT and value.kind in _LOADED
            return (UPDATE if is_old else verb), model
    return verb, None


def _statement(project: Project, scope: Scope, site: Site, call: Call) -> Call | None:
    """The innermost call of the chain that makes the statement which is executed: `insert(T)` of
    `insert(T).values(1)`."""
    found: Call | None = None
    expr: Expr | None = call.args[0] if call.args else None
    position = site.position
    for _ in range(_LINKS):
        if isinstance(expr, Call):
            found = expr if last_step(expr.func) in _STATEMENTS else found
            expr = expr.func
        elif isinstance(expr, Attribute):
            expr = expr.base
        elif isinstance(expr, Name) and found is None:
            position, expr = _bound(project, scope, position, expr.name)
        else:
            break
    return found


def _bound(project: Project, scope: Scope, position: int, name: str) -> tuple[int, Expr | None]:
    """What was last assigned to a name before an event, and where; None if nothing was."""
    indices = project.program.binds[scope.key].get(name, ())
    before = [index for index in indices if index < position]
    bind = scope.function.events[before[-1]] if before else None
    if isinstance(bind, Bind) and bind.kind == "assign":
        return before[-1], bind.value
    return position, None
