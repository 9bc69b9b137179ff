"""Loops as the rules of family 3xx see them: which ones repeat their body without a bound."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import QUERY, ROWS, SCALARS, Effect
from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Bind,
    Call,
    Compare,
    Comprehension,
    Const,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    Logic,
    ModuleFacts,
    Name,
    Not,
    Pairs,
    Raise,
    Region,
    Return,
    Subscript,
    Text,
    dotted,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.value import CLASS

_KEPT = "auditor.rules.queries.loops"
LOOPS = frozenset(("for", "comprehension", "while"))
_STRAIGHT = frozenset(("with", "try", "try-else", "finally"))
_WRAPPERS = frozenset(
    ("enumerate", "reversed", "sorted", "list", "tuple", "set", "iter", "items", "keys", "values",
     "product", "zip", "chain", "dict", "fromkeys")
)  # fmt: skip
PIECES = ("chunk", "batch", "partition", "page", "grouper", "slice", "window", "bulk")
"""Words by which iterables of pieces are named: a query for each piece is the cure, not the ill."""
_SCHEMA = frozenset(
    ("sorted_tables", "get_table_names", "tables", "columns", "foreign_keys",
     "foreign_key_constraints", "__subclasses__", "__members__")
)  # fmt: skip
"""What the schema or the source bounds, not the data."""
_OF_SCHEMA = ("_tables", "_columns")
_MANY = frozenset((ROWS, QUERY, SCALARS))
_TAKING = frozenset(("pop", "popleft", "popitem", "get_nowait"))


class Turned(NamedTuple):
    """A loop in its function, and how many names may still be followed."""

    project: Project
    module: ModuleFacts
    function: FunctionFacts
    loop: Region
    depth: int = 5

    def deeper(self) -> Turned:
        return self._replace(depth=self.depth - 1)


class Loops(NamedTuple):
    """The loops of a function. `exits` are the positions of events that leave one; `repeats` keeps
    what was found about a loop, by region."""

    project: Project
    module: ModuleFacts
    function: FunctionFacts
    exits: tuple[int, ...]
    repeats: dict[int, bool]


def loops_of(project: Project, module: ModuleFacts, function: FunctionFacts) -> Loops:
    """The loops of a function, for any number of questions."""
    kept: dict[int, Loops] = project.shared.setdefault(_KEPT, {})
    found = kept.get(id(function))
    if found is None or found.function is not function:
        exits = tuple(
            position
            for position, event in enumerate(function.events)
            if isinstance(event, (Return, Raise))
            or (isinstance(event, Jump) and event.kind == "break")
        )
        found = kept[id(function)] = Loops(project, module, function, exits, {})
    return found


def repeating_loop(loops: Loops, *, region: int, position: int) -> Region | None:
    """The innermost loop around an event that runs it again and again, as often as data says; None
    if there is none, or the event is in a handler or behind a test that lets it run once."""
    function = loops.function
    single: set[str] = set()
    for around in function.ancestors(region):
        if around.kind in {"handler", "lambda", "class"} or _is_cached(function, around):
            return None
        single |= _equal_to_constant(around)
        if (
            around.kind in LOOPS
            and around.first <= position < around.last
            and not _is_one_key(around, single)
            and _repeats(loops, around)
            and not leaves(loops, around, region, position)
        ):
            chosen = chooses_database(function, around, region, position)
            return None if chosen and not _is_of_rows(loops, around) else around
    return None


def _equal_to_constant(around: Region) -> set[str]:
    """`if key == "events": ...`: the names that have one value in a region."""
    match around.expr:
        case Compare(left=Name(name=name), operators=("==",), rights=(Const(),)):
            return {name} if around.kind == "if" else set()
    return set()


def _is_one_key(loop: Region, single: set[str]) -> bool:
    """Whether the turns are those of one key of a dict, which is there once at most."""
    return (
        loop.target[:1] != ()
        and loop.target[0] in single
        and isinstance(loop.expr, Call)
        and last_step(loop.expr.func) in {"items", "keys"}
    )


def chooses_database(function: FunctionFacts, loop: Region, region: int, position: int) -> bool:
    """`for cell in cells: with session_of(cell) as session: ...`: each turn asks another database,
    so one statement cannot answer for all."""
    event = function.events[position]
    if not isinstance(event, Call):
        return False
    names = {found.name for found in walk(event) if isinstance(found, Name)}
    turned = set(loop.target)
    for around in function.ancestors(region):
        if around.index == loop.index:
            break
        for item in around.items:
            inside = {found.name for found in walk(item.expr) if isinstance(found, Name)}
            if item.name in names and not turned.isdisjoint(inside):
                return True
    return bool(turned) and path_of(event.func)[:1] == (loop.target[0],)


def _is_of_rows(loops: Loops, loop: Region) -> bool:
    """Whether the turns are rows of one query, whose methods ask the database they came from."""
    scope = loops.project.program.scope_of(loops.function)
    value = loops.project.inference.value(scope, max(loop.first - 1, 0), loop.expr)
    return value.kind in _MANY


def is_conditional(function: FunctionFacts, loop: Region, region: int) -> bool:
    """Whether a test inside the loop decides if the event is reached."""
    for around in function.ancestors(region):
        if around.index == loop.index:
            return False
        if around.kind in {"if", "else", "case", "while", "loop-else"}:
            return True
    return False


def _repeats(loops: Loops, loop: Region) -> bool:
    found = loops.repeats.get(loop.index)
    if found is None:
        found = loops.repeats[loop.index] = _is_long(loops, loop)
    return found


def _is_long(loops: Loops, loop: Region) -> bool:
    """Whether data says how often the loop turns, and each turn does the same work anew."""
    if sleeps(loops.project, loops.function, loop) or is_attempts(loops.function, loop):
        return False
    if loop.kind == "while":
        return consumes(loops.function, loop)
    words = " ".join((*loop.target, *names_in(loop.expr))).lower()
    if any(piece in words for piece in PIECES):
        return False
    place = Turned(loops.project, loops.module, loops.function, loop)
    return not is_bounded(place, loop.expr)


def names_in(expr: Expr | None) -> Iterator[str]:
    """What the iterable is called: the name itself, or the function that makes it."""
    if isinstance(expr, Call):
        yield last_step(expr.func)
        if last_step(expr.func) in _WRAPPERS:
            for arg in expr.args:
                yield from names_in(arg)
            yield from names_in(getattr(expr.func, "base", None))
    elif isinstance(expr, (Name, Attribute)):
        yield expr.name


def is_attempts(function: FunctionFacts, loop: Region) -> bool:
    """`for attempt in retries(): with attempt: ...`: the next turn comes only after an error."""
    return loop.kind == "for" and any(
        region.parent == loop.index
        and any(
            isinstance(item.expr, Name) and item.expr.name in loop.target for item in region.items
        )
        for region in function.regions
    )


def sleeps(project: Project, function: FunctionFacts, loop: Region) -> bool:
    """A loop that waits in between polls for something."""
    return any(
        Effect.SLEEP in site.effects
        for site in project.sites(function)
        if loop.first <= site.position < loop.last
    )


def consumes(function: FunctionFacts, loop: Region) -> bool:
    """`while waiting: ... waiting.pop()`: one turn for each item."""
    tested = path_of(loop.expr)
    if not tested and isinstance(loop.expr, Call) and last_step(loop.expr.func) == "len":
        tested = path_of(loop.expr.args[0]) if loop.expr.args else ()
    return bool(tested) and any(
        isinstance(event, Call)
        and isinstance(event.func, Attribute)
        and event.func.name in _TAKING
        and path_of(event.func.base) == tested
        for event in function.inside(loop)
    )


def is_bounded(place: Turned, expr: Expr | None) -> bool:
    """Whether the source, not the data, says how often the loop turns."""
    if isinstance(expr, Comprehension) and place.depth > 0:
        return is_bounded(place.deeper(), place.function.regions[expr.region].expr)
    if expr is None or isinstance(expr, (Items, Pairs, Const, Text)):
        return not any(type(e).__name__ in {"Starred", "Comprehension"} for e in walk(expr))
    if isinstance(expr, Call):
        return _is_bounded_call(place, expr)
    name = dotted(expr)
    if not name or place.depth == 0:
        return False
    last = name.rpartition(".")[2]
    if last in _SCHEMA or last.endswith(_OF_SCHEMA) or (last.isupper() and len(last) > 1):
        return True
    if place.project.value(place.module, place.function, place.loop.first, expr).kind == CLASS:
        return True  # the members of an enumeration
    value = _constant(place, name)
    return value is not None and is_bounded(place.deeper(), value)


def _is_bounded_call(place: Turned, call: Call) -> bool:
    name = last_step(call.func)
    if name == "range":
        return _is_bounded_range(place.function, place.loop, call)
    if name in _SCHEMA or name in {"count", "repeat", "cycle"}:
        return True
    if name not in _WRAPPERS:
        return _gives_constants(place, call)
    inner = call.args or (getattr(call.func, "base", None),)
    return any(is_bounded(place, i) for i in inner if i is not None)


def _gives_constants(place: Turned, call: Call) -> bool:
    """Whether a function of the project returns nothing but lists written in the source."""
    found = place.project.callee(place.module, place.function, call)
    if found is None or found[1].is_generator:
        return False
    values = [e.value for e in found[1].events if isinstance(e, Return)]
    return bool(values) and all(
        isinstance(value, (Items, Pairs)) and is_bounded(place, value) for value in values
    )


def _is_bounded_range(function: FunctionFacts, loop: Region, call: Call) -> bool:
    """`range(3)`, a range with a step (pieces), or attempts: a loop that is left on success."""
    if len(call.args) == 3:  # noqa: PLR2004 - start, stop, step
        return True
    if any(isinstance(e, Call) for e in walk(call.args[-1] if call.args else None)):
        return False
    if all(isinstance(a, (Const, Arithmetic)) for a in call.args):
        return True
    return any(
        isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")
        for event in function.inside(loop)
    )


def _constant(place: Turned, name: str) -> Expr | None:
    """What a name is bound to when it is bound once, in the function, its class or its module."""
    function, module = place.function, place.module
    scopes = [function] if function is module.body else [function, module.body]
    for scope in scopes:
        binds = [e for e in scope.events if isinstance(e, Bind) and e.target == name]
        if binds:
            value = binds[0].value if len(binds) == 1 and binds[0].kind == "assign" else None
            return None if scope is not function and isinstance(value, Comprehension) else value
    head, _, last = name.rpartition(".")
    if head in {"self", "cls"} and function.class_name:
        entry = place.project.program.classes.get(f"{module.name}.{function.class_name}")
        bound = entry.own.get(last) if entry is not None else None
        return bound.bind.value if bound is not None else None
    return None


def leaves(loops: Loops, loop: Region, region: int, position: int) -> bool:
    """Whether the loop ends for certain once the event has run: a return, break or raise follows
    in the same straight line."""
    straight = set()
    for around in loops.function.ancestors(region):
        straight.add(around.index)
        if around.index == loop.index:
            break
        if around.kind in LOOPS:
            straight.clear()
        elif around.kind not in _STRAIGHT:
            break
    return _ends(loops, loop, position, straight)


def _ends(loops: Loops, loop: Region, position: int, regions: set[int]) -> bool:
    after = bisect.bisect_left(loops.exits, position)
    for exit_position in loops.exits[after:]:
        if exit_position >= loop.last:
            return False
        region = loops.function.events[exit_position].region
        if region in regions or _is_else_of_try(loops.function, region, regions):
            return not _goes_on(loops.function, loop, position, exit_position)
    return False


def _goes_on(function: FunctionFacts, loop: Region, first: int, last: int) -> bool:
    """Whether a `continue` between two events may begin the next turn."""
    for event in function.events[first:last]:
        if isinstance(event, Jump) and event.kind == "continue":
            around = next(r for r in function.ancestors(event.region) if r.kind in LOOPS)
            kinds = {r.kind for r in function.ancestors(event.region)}
            if around.index == loop.index and "handler" not in kinds:
                return True
    return False


def _is_else_of_try(function: FunctionFacts, region: int, regions: set[int]) -> bool:
    found = function.regions[region]
    return found.kind == "try-else" and found.partner in regions


def _is_cached(function: FunctionFacts, around: Region) -> bool:
    """`if x is None: x = load()` and `if key not in known: known[key] = load()`: what is loaded is
    kept, so it is not loaded in every turn."""
    if around.kind not in {"if", "else"} or around.expr is None or _is_of_change(around.expr):
        return False
    kept = {e.target.removesuffix("[]") for e in function.inside(around) if isinstance(e, Bind)}
    return any(name in kept for name in _asked_about(around.expr, negated=around.kind == "else"))


def _is_of_change(test: Expr) -> bool:
    """`not last or row.id != last.id`: each group of rows is another, so what is kept of one is of
    no use to the next."""
    match test:
        case Logic(operator="or", items=items):
            return any(isinstance(i, Compare) and i.operators == ("!=",) for i in items)
        case _:
            return False


def _asked_about(test: Expr, *, negated: bool) -> Iterator[str]:
    """The names whose absence the test asks about."""
    match test:
        case Not(operand=operand) if not negated:
            yield dotted(operand)
            yield from _asked_about(operand, negated=True)
        case Compare(left=left, operators=("is",), rights=(Const(value=None),)) if not negated:
            yield dotted(left)
            if isinstance(left, Subscript):
                yield dotted(left.base)
        case Compare(operators=("not in",), rights=(right,)) if not negated:
            yield dotted(right)
        case Compare(operators=("in",), rights=(right,)) if negated:
            yield dotted(right)
        case Compare(left=left, operators=("is not",), rights=(Const(value=None),)) if negated:
            yield dotted(left)
        case Name() | Attribute() if negated:
            yield dotted(test)
        case _:
            for item in getattr(test, "items", ()) if not isinstance(test, Items) else ():
                yield from _asked_about(item, negated=negated)
