"""Writes of a loop that one statement cannot replace: each turn uses the key that its own flush
made, looks at the result or the error of its row, writes many rows or another table."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.knowledge import Effect
from auditor.rules.queries.repeated import Repeated, is_in_pieces
from auditor.rules.queries.rows import RowLoop, sources_of
from auditor.source.facts import (
    Bind,
    Call,
    Expr,
    FunctionFacts,
    Name,
    Read,
    Region,
    Test,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_DESCRIBING = frozenset(
    ("update", "delete", "insert", "query", "Table", "select_from", "get_class_by_name")
)
"""What a table or class is handed to."""
_CHOOSING = frozenset(("filter", "filter_by", "where"))


def is_needed(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether each turn writes many rows, or another table, or uses what its own flush made."""
    event = function.events[repeated.site.position]
    if isinstance(event, Call) and (
        _takes_many(event) or _names_table(function, repeated.loop, event)
    ):
        return True
    if repeated.effect is not Effect.FLUSH:
        return False
    return is_in_pieces(function, repeated) or reads_new_key(function, repeated)


def _takes_many(call: Call) -> bool:
    """`session.execute(statement, rows)`, `session.bulk_save_objects(rows)`."""
    name = last_step(call.func)
    return name.startswith("bulk_") or (name == "execute" and len(call.args) > 1)


def _names_table(function: FunctionFacts, loop: Region, call: Call) -> bool:
    """`for model in models: session.execute(delete(model))`."""
    turned = set(loop.target) | {
        e.target for e in function.inside(loop) if isinstance(e, Bind) and e.kind == "assign"
    }
    for found in walk(call):
        if isinstance(found, Call) and last_step(found.func) in _DESCRIBING:
            if any(_is_turned(arg, turned) for arg in found.args[:1]):
                return True
            if _is_turned(getattr(found.func, "base", None), turned):
                return True
    return False


def _is_turned(expr: Expr | None, turned: set[str]) -> bool:
    return isinstance(expr, Name) and expr.name in turned


def reads_new_key(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether something made in the loop is used after the flush, where its key is known."""
    loop, position = repeated.loop, repeated.site.position
    made = {
        e.target
        for e in function.events[loop.first : position]
        if isinstance(e, Bind) and isinstance(e.value, Call)
    }
    after = function.events[position : loop.last]
    return any(isinstance(e, Read) and e.path[0] in made for e in after)


def is_one_by_one(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether each row has its own fate: the result is looked at, or the error of one row is
    handled before the next."""
    if may_fail_alone(function, repeated):
        return True
    event = function.events[repeated.site.position]
    return any(_uses(found, event) for found in _statements(function, repeated.loop))


def may_fail_alone(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether the loop handles the error of one turn."""
    for around in function.ancestors(repeated.site.region):
        if around.index == repeated.loop.index:
            return False
        if around.kind == "try" or any(_suppresses(item.expr) for item in around.items):
            return True
    return False


def asks_tables(function: FunctionFacts, repeated: Repeated) -> bool:
    """`for model in models: session.scalars(select(model))`: each turn asks another table."""
    event = function.events[repeated.site.position]
    if repeated.site.callee >= 0 or not isinstance(event, Call):
        return False
    used = {found.name for found in walk(event) if isinstance(found, Name)}
    inside = [e for e in function.inside(repeated.loop) if isinstance(e, Bind)]
    turned = set(repeated.loop.target) | {e.target for e in inside if e.kind == "assign"}
    made = (e.value for e in inside if e.target in used)
    return any(
        isinstance(found, Call)
        and last_step(found.func) in {"select", "query"}
        and any(_is_turned(arg, turned) for arg in found.args[:1])
        for expr in (event, *made)
        for found in walk(expr)
    )


def _suppresses(expr: Expr | None) -> bool:
    """`with contextlib.suppress(IntegrityError): ...`."""
    return isinstance(expr, Call) and last_step(expr.func) == "suppress"


def are_chosen(project: Project, function: FunctionFacts, loop: RowLoop) -> bool:
    """Whether the query chose the rows of the loop, and so does not give all of a table."""
    scope = project.program.scope_of(function)
    sources = sources_of(project, scope, max(loop.region.first - 1, 0), loop.region.expr)
    return any(
        isinstance(found, Call) and last_step(found.func) in _CHOOSING
        for _, _, made in sources
        for found in walk(made)
    )


def _statements(function: FunctionFacts, loop: Region) -> Iterator[Expr | None]:
    for event in function.inside(loop):
        if isinstance(event, Bind):
            yield event.value
        elif isinstance(event, Test):
            yield event.expr


def _uses(expr: Expr | None, event: object) -> bool:
    return any(found is event for found in walk(expr))
