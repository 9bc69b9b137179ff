"""The loops of a recorded call path: which line turns, and whether data says how often.

    for label in labels:              a Turn of kind `for` over `labels`
        save(label)                     at any depth of calls below it
    sorted(rows, key=lambda r: ...)   a Turn of kind `call`: sorted() calls the lambda for each row
    return [n] + up(n.parent)         a Turn of kind `recursion`

A loop that turns as often as the source says, that goes through pages or pieces, that waits or
tries again, has an `excuse`; the one that repeats a statement is the innermost without one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from auditor.model.knowledge import QUERY
from auditor.model.span import Frame
from auditor.model.tape import CauseKind, Entry
from auditor.rules.excuses import excuse_of
from auditor.rules.queries.loops import LOOPS
from auditor.rules.recorded import (
    EMITTING,
    GETTERS,
    Standing,
    getters_of,
    handed_over,
    inline_region,
    names_of,
)
from auditor.source.facts import Call, Const, Expr, FunctionFacts, Lambda, Name, Region, dotted
from auditor.source.program import last_step
from auditor.source.project import Project

_APPLYING = frozenset(
    ("map", "filter", "sorted", "min", "max", "reduce", "starmap", "groupby", "sort", "filterfalse",
     "takewhile", "dropwhile", "accumulate", "imap", "imap_unordered", "map_async", "partition")
)  # fmt: skip
"""What calls a function that it is given once for each element."""
_STARTING = frozenset(("gather", "create_task", "ensure_future", "wait", "as_completed"))
_ONCE = frozenset(
    ("run", "iter", "run_sync", "run_until_complete", "run_in_executor", "to_thread", "submit",
     "Thread", "Process", "partial", "wraps", "retry", "call", "apply_async", "run_in_transaction")
)  # fmt: skip
"""What calls a function that it is given once, or again only after an error."""


class Turn(NamedTuple):
    """What repeats a line of a call path. `frame` is the line that loops; `depth` is the place in
    the path of the line inside it, `region` the loop in that line's function (-1: no loop
    statement). `over` is what it goes through, as written, empty if that has no short name."""

    kind: str
    frame: Frame
    depth: int
    region: int
    over: str
    excuse: str = ""

    def __str__(self) -> str:
        """`the loop at app/db.py:12 over `labels``."""
        where = f"{self.frame.path}:{self.frame.line}"
        over = f" over `{self.over}`" if self.over else ""
        match self.kind:
            case "recursion":
                return f"the recursion of `{self.over}()` at {where}"
            case "call":
                return f"`{self.over}` at {where}, which calls it for each element"
            case "task":
                return f"the tasks started at {where}"
            case "comprehension":
                return f"the comprehension at {where}{over}"
            case _:
                return f"the loop at {where}{over}"


def repeated_by(project: Project, entry: Entry, path: Sequence[Standing]) -> Turn | None:
    """The innermost loop around a line of the path that data makes long; else what runs it again
    and again without a loop statement; None if nothing does."""
    turns = tuple(turns_of(project, entry, path))
    found = next((turn for turn in turns if not turn.excuse), None)
    if found is not None or turns:
        return found
    return next(_without_loops(project, path), None)


def turns_of(project: Project, entry: Entry, path: Sequence[Standing]) -> Iterator[Turn]:
    """All loops around the lines of a path, innermost first, each with its excuse if it has one."""
    for depth, standing in enumerate(path):
        if standing.function is None or standing.position < 0:
            continue
        inner = path[depth - 1] if depth else None
        applied = _applied(standing, depth, inner)
        if applied is not None:
            yield applied
        around = _loops_around(standing)
        is_resumed = inner is not None and _is_resumed(standing, inner)
        if is_resumed or (inner is None and _is_of_iterable(project, entry, standing)):
            around = itertools.islice(around, 1, None)
        for region in around:
            excuse = excuse_of(project, entry, path, depth=depth, loop=region)
            yield _turn(standing, depth, region, excuse)


def _is_resumed(standing: Standing, inner: Standing) -> bool:
    """Whether the line does not call the inner function but goes on with it: the loop that consumes
    a generator turns as often as the generator's own loop does."""
    if inner.function is None or not inner.function.is_generator or inline_region(inner) >= 0:
        return False
    call = standing.event
    return not isinstance(call, Call) or last_step(call.func) not in names_of(inner)


def _is_of_iterable(project: Project, entry: Entry, standing: Standing) -> bool:
    """Whether it is going through a query that emits, and nothing inside the loop: no call there
    does, or what is gone through is a query that nobody has executed yet."""
    function, event = standing.function, standing.event
    if entry.cause.kind is not CauseKind.EXPLICIT or function is None or event is None:
        return False
    if not isinstance(event, Call):
        return True
    if last_step(event.func) in EMITTING:
        return False
    loop = next((r for r in function.ancestors(event.region) if r.kind in LOOPS), None)
    if loop is None or loop.kind == "while":
        return False
    scope = project.program.scope_of(function)
    return project.inference.value(scope, max(loop.first - 1, 0), loop.expr).kind == QUERY


def _turn(standing: Standing, depth: int, region: Region, excuse: str) -> Turn:
    frame = standing.frame
    line = Frame(frame.path, region.at.line, frame.function)
    return Turn(region.kind, line, depth, region.index, written(region.expr), excuse)


def _loops_around(standing: Standing) -> Iterator[Region]:
    """The loops of the function around the event; of a lambda or generator expression, those that
    belong to its own frame."""
    function, event = standing.function, standing.event
    if function is None or event is None:
        return
    own = inline_region(standing)
    for around in function.ancestors(event.region):
        if around.index == own and around.kind == "lambda":
            return
        is_around = around.first <= standing.position < around.last
        if around.kind in LOOPS and is_around and not _is_outside(standing, around):
            yield around
        if around.index == own:
            return


def _is_outside(standing: Standing, loop: Region) -> bool:
    """Whether a loop repeats the recording too, and not only what was recorded."""
    function, line = standing.function, standing.opened
    if function is None or not line:
        return False
    calls = [
        event
        for event in function.events
        if isinstance(event, Call) and event.at.line <= line <= event.at.end_line
    ]
    around = [{region.index for region in function.ancestors(call.region)} for call in calls]
    return bool(around) and all(loop.index in regions for regions in around)


def _applied(standing: Standing, depth: int, inner: Standing | None) -> Turn | None:
    """`map(load, keys)` and `sorted(rows, key=lambda row: row.owner.name)`."""
    call = standing.event
    if not isinstance(call, Call) or last_step(call.func) not in _APPLYING:
        return None
    names = names_of(inner) if inner is not None else frozenset[str]()
    if not (handed_over(call, names) if inner is not None else any(getters_of(call))):
        return None
    given = [a for a in call.args if not _is_function(a, names)]
    base = getattr(call.func, "base", None)
    over = written(given[0] if given else base)
    line = Frame(standing.frame.path, call.at.line, standing.frame.function)
    return Turn("call", line, depth, -1, f"{last_step(call.func)}({over or '...'})")


def _is_function(expr: Expr, names: frozenset[str]) -> bool:
    is_part = isinstance(expr, Call) and last_step(expr.func) in {"partial", *GETTERS}
    return is_part or isinstance(expr, Lambda) or dotted(expr).rpartition(".")[2] in names


def _without_loops(project: Project, path: Sequence[Standing]) -> Iterator[Turn]:
    """What repeats without a loop statement, the likeliest first."""
    for depth, standing in enumerate(path):
        turn = _recursion(standing, depth) or _callback(standing, depth, path)
        if turn is not None:
            yield turn
    turn = _tasks(project, path)
    if turn is not None:
        yield turn


def _recursion(standing: Standing, depth: int) -> Turn | None:
    function = standing.function
    if function is None or function.name == "<module>":
        return None
    own = (e for e in function.events if isinstance(e, Call) and last_step(e.func) == function.name)
    call = next((e for e in own if _calls_itself(function, e)), None)
    if call is None:
        return None
    line = Frame(standing.frame.path, call.at.line, standing.frame.function)
    return Turn("recursion", line, depth, -1, function.name)


def _calls_itself(function: FunctionFacts, call: Call) -> bool:
    """A plain name, or a method of `self` or `cls`; `super().load()` is another function."""
    if isinstance(call.func, Name):
        return not function.class_name
    return dotted(call.func) in {f"self.{function.name}", f"cls.{function.name}"}


def _callback(standing: Standing, depth: int, path: Sequence[Standing]) -> Turn | None:
    """A function that is handed to a library, which calls it again and again."""
    call = standing.event
    if depth == 0 or not isinstance(call, Call) or last_step(call.func) in _ONCE:
        return None
    names = names_of(path[depth - 1])
    if last_step(call.func) in names or not handed_over(call, names):
        return None
    line = Frame(standing.frame.path, call.at.line, standing.frame.function)
    return Turn("call", line, depth, -1, f"{last_step(call.func)}()")


def _tasks(project: Project, path: Sequence[Standing]) -> Turn | None:
    """`gather(*(load(key) for key in keys))`: a coroutine that no line of the path awaits, because
    something started it in a loop."""
    for depth, standing in enumerate(path):
        function = standing.function
        outside = path[depth + 1].event if depth + 1 < len(path) else None
        if function is None or not function.is_async:
            continue
        is_awaited = isinstance(outside, Call) and last_step(outside.func) == function.name
        turn = None if is_awaited else _started(project, function, depth)
        if turn is not None:
            return turn
    return None


def _started(project: Project, coroutine: FunctionFacts, depth: int) -> Turn | None:
    """The loop that starts a coroutine as a task."""
    for site in project.program.calls.get(coroutine.name, ()):
        function = site.scope.function
        region = next((r for r in function.ancestors(site.call.region) if r.kind in LOOPS), None)
        if region is None or site.call.awaited or not _starts_tasks(function):
            continue
        line = Frame(site.scope.module.path, region.at.line, function.qualname)
        return Turn("task", line, depth, -1, written(region.expr))
    return None


def _starts_tasks(function: FunctionFacts) -> bool:
    return any(isinstance(e, Call) and last_step(e.func) in _STARTING for e in function.events)


def written(expr: Expr | None) -> str:
    """A short name for an expression: `self.labels`, `labels.items()`, `range(20)`; empty if it has
    none, as a chain of calls."""
    if isinstance(expr, Const):
        return repr(expr.value)
    if isinstance(expr, Call):
        base = dotted(expr.func)
        inner = written(expr.args[0]) if len(expr.args) == 1 and "." not in base else ""
        return f"{base}({inner})" if base else ""
    return dotted(expr)
