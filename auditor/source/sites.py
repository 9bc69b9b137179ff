"""Where functions touch the database or the world: calls with effects, queries that are iterated,
and transaction contexts. What a site calls inside the program is followed by `effects.py`."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import QUERY, ROW, ROW_OR_NONE, CallableRow, Effect, Mode, Of
from auditor.source.attributes import attribute_of, is_property
from auditor.source.callees import targets_of
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    Name,
    Read,
    Region,
    at_place,
    dotted,
    place_at,
)
from auditor.source.inference import Inference
from auditor.source.lookups import name_value
from auditor.source.program import Program, Scope, last_step
from auditor.source.results import context_of
from auditor.source.value import CLASS, FUNCTION, INSTANCE, METHOD, NAME, Target, Value

_ITERATING = frozenset(
    ("list", "tuple", "set", "frozenset", "sorted", "sum", "min", "max", "any", "all", "dict")
)
_APPLYING = {"map": 0, "filter": 0, "functools.reduce": 0, "itertools.starmap": 0}
"""Builtins that call an argument once for each element, and its place."""
_VERBS = {
    "select": Effect.READ, "insert": Effect.WRITE, "update": Effect.WRITE, "delete": Effect.WRITE,
}  # fmt: skip
_LINKS = 60
"""Links of a chain of calls looked at."""
_WRITES = frozenset((Effect.WRITE, Effect.PENDING))
_MEMORY = ("cache", "memo")


class Site(NamedTuple):
    """A place in a function that does something: by itself (`effects`), or through the function
    with key `callee`. `what` says it in words. `certain` is False when the target is one of several
    or its answer is cached; `sure` is False when a receiver is known by convention only.
    `per_element` tells a function that is handed to `map` and its like."""

    scope: int
    position: int
    region: int
    place: int
    what: str
    effects: tuple[Effect | Mode, ...]
    callee: int = -1
    certain: bool = True
    sure: bool = True
    per_element: bool = False

    @property
    def at(self) -> At:
        """Where it stands."""
        return at_place(self.place)


def sites_of(inference: Inference, scope: Scope) -> Iterator[Site]:
    """All sites of a function, in order; those in the body of a lambda are left out, because it
    runs some other time."""
    function = scope.function
    properties = inference.program.properties
    for position, event in enumerate(function.events):
        if isinstance(event, Call):
            if not _is_deferred(function, event):
                yield from _of_call(inference, scope, position, event)
        elif isinstance(event, Read) and not properties.isdisjoint(event.path[1:]):
            yield from _of_read(inference, scope, position, event)
    for region in function.regions:
        if region.kind in {"for", "comprehension"}:
            yield from _of_loop(inference, scope, region)
        elif region.kind == "with":
            yield from _of_with(inference, scope, region)


def _is_deferred(function: FunctionFacts, event: Call | Read) -> bool:
    return any(region.kind == "lambda" for region in function.ancestors(event.region))


def _of_read(inference: Inference, scope: Scope, position: int, read: Read) -> Iterator[Site]:
    """Properties of the program that a chain of attributes runs."""
    if _is_deferred(scope.function, read):
        return
    program = inference.program
    value = name_value(inference, scope, position, read.path[0])
    for step in read.path[1:]:
        found = program.method(value.name, step) if value.kind == INSTANCE else None
        if found is not None and is_property(program, found):
            remembered = is_remembered(found)
            yield Site(
                scope.key, position, read.region, read.place, step, (), found.key, not remembered
            )
        value = attribute_of(inference, value, step)


def _of_call(inference: Inference, scope: Scope, position: int, call: Call) -> Iterator[Site]:
    func = inference.value(scope, position, call.func)
    for target in targets_of(inference.program, func):
        yield from _of_target(inference, scope, position, call, target)
    if func.kind != NAME:
        return
    if func.name in _ITERATING and call.args:
        value = inference.value(scope, position, call.args[0])
        if value.kind == QUERY:
            what = f"{func.name}() over a query"
            yield Site(
                scope.key, position, call.region, call.place, what, (Effect.READ,), sure=value.sure
            )
    elif func.name in _APPLYING and len(call.args) > 1:
        yield from _applied(inference, scope, position, call, call.args[_APPLYING[func.name]])


def _of_target(
    inference: Inference, scope: Scope, position: int, call: Call, target: Target
) -> Iterator[Site]:
    if target.row is not None:
        if target.row.effects and not target.row.lazy and _is_meant(target, call):
            what = _words(target, call)
            effects = _row_effects(inference.program, scope, position, target.row, call=call)
            yield Site(
                scope.key, position, call.region, call.place, what, effects, sure=target.sure
            )
        return
    if target.function is None:
        return
    found = target.function
    certain = not target.override and not is_remembered(found)
    yield Site(
        scope.key, position, call.region, call.place, found.function.name, (), found.key, certain
    )


def _words(target: Target, call: Call) -> str:
    """`query.all()`, `Router.get_objects()`: the kind or the class, and the method."""
    if target.row is None:
        return ""
    if target.row.on:
        return f"{target.row.on}.{target.row.name}()"
    written = dotted(call.func) or target.row.name
    return f"{'.'.join(written.split('.')[-2:])}()"


def _is_meant(target: Target, call: Call) -> bool:
    """Whether a call is written as its row says it must be, if the row does."""
    only = target.row.only if target.row is not None else None
    if only is None:
        return _is_plausible(target, call)
    at = only.position
    given = call.args[at] if len(call.args) > at else call.keyword(only.keyword)
    return dotted(given).rpartition(".")[2].startswith(only.prefixes)


def _is_plausible(target: Target, call: Call) -> bool:
    """`session.get(url)` is no query: on something only named like a session, the first argument
    of a method that takes a mapped class has to look like a class."""
    row = target.row
    if row is None or target.sure or row.of is not Of.FIRST:
        return True
    if row.returns not in {ROW, ROW_OR_NONE} or Effect.READ not in row.effects:
        return True
    written = dotted(call.args[0]).rpartition(".")[2] if len(call.args) > 1 else ""
    return written[:1].isupper()


def _row_effects(
    program: Program, scope: Scope, position: int, row: CallableRow, *, call: Call
) -> tuple[Effect | Mode, ...]:
    """The effects of a row; a statement that is built in the function says whether it reads or
    writes. What reads in order to write counts as a write."""
    if not _WRITES.isdisjoint(row.effects):
        return tuple(e for e in row.effects if e is not Effect.READ)
    if row.effects != (Effect.STATEMENT,) or not call.args:
        return row.effects
    verb = _verb(program, scope, position, call.args[0])
    return row.effects if verb is None else (verb,)


def _verb(program: Program, scope: Scope, position: int, expr: Expr | None) -> Effect | None:
    """What the innermost call of a chain makes: `update(T).where(...)`, `table.delete()`."""
    found: Effect | None = None
    for _ in range(_LINKS):
        if isinstance(expr, Call):
            found = _VERBS.get(last_step(expr.func), found)
            expr = expr.func
        elif isinstance(expr, Attribute):
            expr = expr.base
        elif isinstance(expr, Name):
            indices = program.binds[scope.key].get(expr.name, ())
            before = bisect.bisect_left(indices, position)
            bind = scope.function.events[indices[before - 1]] if before else None
            if not isinstance(bind, Bind) or bind.kind != "assign":
                break
            position, expr = indices[before - 1], bind.value
        else:
            break
    return found


def is_remembered(scope: Scope) -> bool:
    """Whether a decorator keeps the answer of the function."""
    for decorator in scope.function.decorators:
        name = last_step(getattr(decorator, "func", decorator)).lower()
        if any(word in name for word in _MEMORY):
            return True
    return False


def _applied(
    inference: Inference, scope: Scope, position: int, call: Call, applied: Expr
) -> Iterator[Site]:
    value = inference.value(scope, position, applied)
    if value.kind not in {FUNCTION, METHOD, CLASS}:
        return
    for target in targets_of(inference.program, value):
        for site in _of_target(inference, scope, position, call, target):
            yield site._replace(per_element=True)


def _of_loop(inference: Inference, scope: Scope, region: Region) -> Iterator[Site]:
    position = max(region.first - 1, 0)
    value: Value = inference.value(scope, position, region.expr)
    if value.kind != QUERY:
        return
    at = region.expr.at if isinstance(region.expr, Call) else region.at
    at = At(at.line, at.column, at.line, at.column)
    yield Site(
        scope.key, position, region.parent, place_at(at), "iteration over a query", (Effect.READ,),
        sure=value.sure,
    )  # fmt: skip


def _of_with(inference: Inference, scope: Scope, region: Region) -> Iterator[Site]:
    position = max(region.first - 1, 0)
    for item in region.items:
        context = context_of(inference, scope, position, item.expr)
        if context is not None:
            what = f"{context.mode.value} block"
            yield Site(scope.key, position, region.parent, region.place, what, (context.mode,))
