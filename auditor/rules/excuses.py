"""Why a loop on a recorded call path is no offence: the source bounds it, it goes through pages or
pieces, waits for something, tries again, or ends after its first statement."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from auditor.model.tape import CauseKind, Entry
from auditor.rules.queries import loops as static
from auditor.rules.recorded import Standing
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Comprehension,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    Name,
    Opaque,
    Pairs,
    Read,
    Region,
    Return,
    Subscript,
    Yield,
    path_of,
    walk,
)
from auditor.source.lookups import argument
from auditor.source.program import last_step
from auditor.source.project import Project

MANY_FOR_A_CONSTANT = 3
"""Executions in one transaction up to which a loop that the source bounds is no offence."""
LEAST = 3
"""Executions in one transaction from which repetition is no chance."""
_ENDLESS = frozenset(("count", "repeat", "cycle"))
_PAGING = (" LIMIT ", " OFFSET ", " FETCH FIRST ", " FETCH NEXT ", "SELECT TOP ", " IN (")
_PASSING_ON = frozenset(("enumerate", "list", "tuple", "sorted", "set", "reversed", "iter"))
_LISTING = frozenset(("in_", "any_", "not_in"))
_DEPTH = 4
_OF_ONE_ROW = frozenset((CauseKind.LAZY_LOAD, CauseKind.DEFERRED, CauseKind.POLYMORPHIC))
"""Causes that one row has once."""


def excuse_of(
    project: Project, entry: Entry, path: Sequence[Standing], *, depth: int, loop: Region
) -> str:
    """Why the loop around line `depth` of the path may repeat the statement; empty if nothing
    excuses it."""
    standing = path[depth]
    function, module = standing.function, standing.module
    if function is None or module is None:
        return "source not read"
    found = static.loops_of(project, module, function)
    event = function.events[standing.position]
    if static.sleeps(project, function, loop):
        return "it waits"
    if static.is_attempts(function, loop):
        return "it tries again"
    if static.leaves(found, loop, event.region, standing.position):
        return "it ends at once"
    is_one = entry.most_in_unit >= LEAST  # a transaction has one
    if not is_one and static.chooses_database(function, loop, event.region, standing.position):
        return "another database each time"
    if loop.kind == "while" or _is_endless(loop):
        return _of_while(entry, function, loop, standing.position)
    if entry.cause.kind in _OF_ONE_ROW and not _is_of_turn(function, loop, standing.position):
        return "the same row each time"
    return _of_iterable(project, entry, path, depth=depth, loop=loop)


def _is_of_turn(function: FunctionFacts, loop: Region, position: int) -> bool:
    """Whether each turn reads another row: the line uses a name that the turn gives. A row loads a
    relation once, so another loop around must be what repeats it. `getattr(row, name)` and
    `row.get(name)` in a loop over names read one row."""
    given = set(loop.target)
    given |= {e.target.partition(".")[0] for e in function.inside(loop) if isinstance(e, Bind)}
    event = function.events[position]
    if isinstance(event, Read):
        return event.path[0] in given
    if isinstance(event, Call) and last_step(event.func) in {"getattr", "get"} and event.args:
        row = event.func.base if isinstance(event.func, Attribute) else event.args[0]
        return _mentions(row, None, given)
    return not isinstance(event, Call) or any(_mentions(e, None, given) for e in _rows_of(event))


def _rows_of(call: Call) -> Iterator[Expr | None]:
    """The expressions of a call that may be a row: not the name of the function."""
    yield from call.args
    yield from (keyword.value for keyword in call.keywords)
    if not isinstance(call.func, Name):
        yield call.func


def _is_endless(loop: Region) -> bool:
    return isinstance(loop.expr, Call) and last_step(loop.expr.func) in _ENDLESS


def _of_iterable(
    project: Project, entry: Entry, path: Sequence[Standing], *, depth: int, loop: Region
) -> str:
    if " OFFSET " in entry.shape and _asks_for_offset(entry, path[: depth + 1]):
        return "pages"
    if _is_of_pieces(project, entry, path[: depth + 1], loop):
        return "pieces"
    bound = bounded_by(project, path, depth=depth, loop=loop, expr=loop.expr)
    if bound is None:
        return ""
    if _may_end(path[depth].function, loop):
        return "it tries again"
    turns = bound or entry.most_in_unit
    return "the source bounds it" if turns <= MANY_FOR_A_CONSTANT else ""


def _asks_for_offset(entry: Entry, path: Sequence[Standing]) -> bool:
    """Whether the program wrote OFFSET: on SQLite, SQLAlchemy adds one to each LIMIT."""
    if entry.database != "sqlite":
        return True
    calls = (e for s in path if s.function is not None for e in s.function.events)
    return any(isinstance(e, Call) and _says_offset(e) for e in calls)


def _says_offset(call: Call) -> bool:
    if last_step(call.func) in {"offset", "slice", "paginate"}:
        return True
    texts = (found.value for found in walk(call) if isinstance(found, Const))
    return any(isinstance(text, str) and "OFFSET" in text.upper() for text in texts)


def _is_of_pieces(project: Project, entry: Entry, path: Sequence[Standing], loop: Region) -> bool:
    """Whether each turn asks for, or writes, a piece of a longer list."""
    if _has_steps(loop.expr) or _gives_slices(project, path[-1], loop.expr):
        return True
    takes_many = " IN (" in entry.shape or entry.sent > entry.executions
    words = " ".join((*loop.target, *static.names_in(loop.expr))).lower()
    if takes_many and any(piece in words for piece in static.PIECES):
        return True
    return " IN (" in entry.shape and _goes_whole_into_in(path, loop)


def _has_steps(expr: Expr | None) -> bool:
    """`range(0, len(ids), 500)`."""
    if not isinstance(expr, Call) or last_step(expr.func) != "range":
        return False
    step = expr.args[2] if len(expr.args) == 3 else None  # noqa: PLR2004 - start, stop, step
    return step is not None and not (isinstance(step, Const) and step.value in {1, -1})


def _may_end(function: FunctionFacts | None, loop: Region) -> bool:
    return function is not None and any(_leaves(event) for event in function.inside(loop))


def bounded_by(
    project: Project,
    path: Sequence[Standing],
    *,
    depth: int,
    loop: Region,
    expr: Expr | None,
    tries: int = _DEPTH,
) -> int | None:
    """How often a loop turns when the source says it, 0 if it only says that there is a bound, None
    if data decides. A parameter is what this very call passed."""
    function, module = path[depth].function, path[depth].module
    if function is None or module is None or tries == 0:
        return None
    if static.is_bounded(static.Turned(project, module, function, loop), expr):
        return _number_of(expr)
    if isinstance(expr, Call) and last_step(expr.func) in _PASSING_ON and expr.args:
        expr = expr.args[0]
    if not isinstance(expr, Name) or depth + 1 >= len(path) or _is_bound(function, expr.name):
        return None
    parameter = next((p for p in function.parameters if p.name == expr.name), None)
    outside = path[depth + 1]
    if parameter is None or outside.function is None or not isinstance(outside.event, Call):
        return None
    passed = argument(project.program.scope_of(function), expr.name, outside.event)
    if passed is None:
        is_display = isinstance(parameter.default, (Items, Pairs))
        return _number_of(parameter.default) if is_display else None
    around = outside.function.regions[0]._replace(first=outside.position)
    return bounded_by(project, path, depth=depth + 1, loop=around, expr=passed, tries=tries - 1)


def _number_of(expr: Expr | None) -> int:
    """The length of a display, a text or a range of numbers; 0 if it is not written."""
    match expr:
        case Items(items=items):
            return len(items)
        case Pairs(keys=keys):
            return len(keys)
        case Const(value=str() as text):
            return len(text)
        case Call(args=args) if last_step(expr.func) == "range":
            numbers = [a.value for a in args if isinstance(a, Const) and isinstance(a.value, int)]
            is_whole = 0 < len(numbers) == len(args) <= 2  # noqa: PLR2004 - start and stop
            return len(range(*numbers)) if is_whole else 0
        case Call(args=(inner,)):
            return _number_of(inner)
        case _:
            return 0


def _is_bound(function: FunctionFacts, name: str) -> bool:
    return any(isinstance(e, Bind) and e.target == name for e in function.events)


def _gives_slices(project: Project, standing: Standing, expr: Expr | None) -> bool:
    """Whether the iterable is made of slices: written here, or by a function of the project."""
    function, module = standing.function, standing.module
    if function is None or module is None:
        return False
    if isinstance(expr, Comprehension):
        return _is_slice(expr.element)
    if isinstance(expr, Name):
        values = (e.value for e in function.events if isinstance(e, Bind) and e.target == expr.name)
        return any(isinstance(v, Comprehension) and _is_slice(v.element) for v in values)
    found = project.callee(module, function, expr) if isinstance(expr, Call) else None
    if found is None:
        return False
    made = [e.value for e in found[1].events if isinstance(e, (Yield, Return))]
    return any(_is_slice(value) for value in made) or any(
        isinstance(v, Comprehension) and _is_slice(v.element) for v in made
    )


def _is_slice(expr: Expr | None) -> bool:
    """`ids[i : i + 500]`, `list(islice(ids, 500))`."""
    if isinstance(expr, Subscript):
        return isinstance(expr.index, Opaque)
    return any(isinstance(f, Call) and last_step(f.func) == "islice" for f in walk(expr))


def _goes_whole_into_in(path: Sequence[Standing], loop: Region) -> bool:
    """Whether the variable of the loop is what `.in_()` is given: each turn asks for many."""
    names = _given_to_in(path[0].function)
    for inner, outer in itertools.pairwise(path):
        call = outer.event
        if not isinstance(call, Call) or inner.function is None:
            return False
        parameters = [p.name for p in inner.function.parameters if p.name not in {"self", "cls"}]
        passed = dict(zip(parameters, call.args, strict=False))
        passed.update({k.name: k.value for k in call.keywords})
        names = {a.name for n, a in passed.items() if n in names and isinstance(a, Name)}
    return not names.isdisjoint(loop.target)


def _given_to_in(function: FunctionFacts | None) -> set[str]:
    """The names whose items `.in_()` is given: `ids` of `in_(ids)`, `in_(list(ids))` and of a list
    made of them."""
    if function is None:
        return set()
    calls = [e for e in function.events if isinstance(e, Call) and last_step(e.func) in _LISTING]
    items = (_items_of(function, arg) for call in calls for arg in call.args)
    return {expr.name for expr in items if isinstance(expr, Name)}


def _items_of(function: FunctionFacts, expr: Expr | None) -> Expr | None:
    """What is gone through to make a list."""
    if isinstance(expr, Comprehension):
        return _items_of(function, function.regions[expr.region].expr)
    if isinstance(expr, Call) and last_step(expr.func) in _PASSING_ON and len(expr.args) == 1:
        return _items_of(function, expr.args[0])
    return expr


def _of_while(entry: Entry, function: FunctionFacts, loop: Region, position: int) -> str:
    if static.consumes(function, loop):
        return ""
    if " IN (" in entry.shape and not _sliced(function, loop).isdisjoint(_given_to_in(function)):
        return "pieces"
    event = function.events[position]
    known = _derived(function, loop, event)
    if not any(_mentions(test, event, known) for test in _decisive(function, loop)):
        is_finite = entry.most_in_unit >= LEAST or _counts_up(function, loop)
        return "" if is_finite else "it runs as long as the program"
    if entry.cause.kind is not CauseKind.EXPLICIT:
        return ""
    if any(word in entry.shape for word in _PAGING):
        return "pages"
    given = event.args if isinstance(event, Call) else ()
    follows = any(_mentions(one, None, known) for one in given)
    return "" if follows else "it waits for what it reads"


def _counts_up(function: FunctionFacts, loop: Region) -> bool:
    """`while at < len(rows): ... at += 1`."""
    steps = {e.target for e in function.inside(loop) if isinstance(e, Bind) and e.kind == "augment"}
    return isinstance(loop.expr, Compare) and _mentions(loop.expr, None, steps)


def _sliced(function: FunctionFacts, loop: Region) -> set[str]:
    """The names that hold a slice in each turn."""
    binds = (e for e in function.inside(loop) if isinstance(e, Bind))
    return {b.target for b in binds if any(_is_slice(found) for found in walk(b.value))}


def depends_on_itself(function: FunctionFacts, loop: Region, position: int) -> bool:
    """Whether what a turn finds decides about the next one."""
    event = function.events[position]
    known = _derived(function, loop, event)
    return any(_mentions(test, event, known) for test in _decisive(function, loop))


def _derived(function: FunctionFacts, loop: Region, event: Event) -> set[str]:
    """The names that hold what the event gave, or what was made of it."""
    known: set[str] = set()
    binds = [e for e in function.inside(loop) if isinstance(e, Bind)]
    grows = True
    while grows:
        found = {b.target.partition("[")[0] for b in binds if _mentions(b.value, event, known)}
        grows = not found <= known
        known |= found
    return known


def _mentions(expr: Expr | None, event: Event | None, names: set[str]) -> bool:
    return any(_is_of(found, event, names) for found in walk(expr))


def _is_of(found: Expr, event: Event | None, names: set[str]) -> bool:
    if found is event or (isinstance(found, Name) and found.name in names):
        return True
    return isinstance(event, Read) and path_of(found) == event.path


def _decisive(function: FunctionFacts, loop: Region) -> Iterator[Expr | None]:
    """The tests that say whether the loop goes on: its own, and those around what leaves it."""
    yield loop.expr
    for event in function.inside(loop):
        if _leaves(event):
            around = function.ancestors(event.region)
            yield from (
                r.expr for r in itertools.takewhile(lambda r: r.index != loop.index, around)
            )


def _leaves(event: Event) -> bool:
    return isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")
