"""What judges of tapes share: the facts of each line of a call path, and which work is set-up.

    Entry.site.stack   (save:12, sync:40, main:7)      innermost first
    path_of_entry      (Standing, Standing, Standing)  each with its function's facts and the event
                                                       that runs the next inner line, or emits

A line of a file that could not be read, or that has changed since, is a `Standing` without facts:
a judge then says less. `auditor.rules.turns` finds the loops of such a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from auditor.engine.recorded_source import OPENED
from auditor.model.span import Frame
from auditor.model.tape import CauseKind, Entry
from auditor.rules.outside import below_test, inside_recording
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Comprehension,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Lambda,
    ModuleFacts,
    Name,
    Read,
    Return,
    Test,
    Yield,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

INLINE = ("<genexpr>", "<lambda>")
"""Code that has a frame of its own, and whose facts are those of the function around it."""
BY_ATTRIBUTE = frozenset(
    (CauseKind.LAZY_LOAD, CauseKind.DEFERRED, CauseKind.REFRESH, CauseKind.POLYMORPHIC)
)
"""Causes that begin with the read of an attribute."""
GETTERS = frozenset(("attrgetter", "methodcaller"))
"""What makes a function that reads attributes by name."""
_FLUSHING = frozenset(("flush", "commit", "begin", "begin_nested", "using"))
EMITTING = frozenset(
    ("execute", "scalar", "scalars", "stream", "stream_scalars", "exec_driver_sql", "all", "first",
     "one", "one_or_none", "get", "get_one", "count", "update", "delete", "refresh", "merge",
     "scalar_one", "scalar_one_or_none", "flush", "commit", "connection", "bulk_save_objects",
     "bulk_insert_mappings", "bulk_update_mappings", "execute_sync", "run_sync")
)  # fmt: skip
_SET_UP = frozenset(
    ("setUp", "setUpClass", "setUpModule", "asyncSetUp", "setUpTestData", "setup_method",
     "setup_class", "setup_module", "setup_function", "setup", "tearDown", "tearDownClass",
     "asyncTearDown", "teardown_method")
)  # fmt: skip


class Standing(NamedTuple):
    """A line of a call path. `position` is the event of the function that runs the next inner line,
    -1 if none is found; `module` and `function` are None where the source is not read. `opened` is
    the line of this call of the function on which the recording began, 0 if it did not begin here:
    what repeats that line too is outside of the recording."""

    frame: Frame
    module: ModuleFacts | None = None
    function: FunctionFacts | None = None
    position: int = -1
    opened: int = 0

    @property
    def event(self) -> Event | None:
        """The event at `position`."""
        if self.function is None or self.position < 0:
            return None
        return self.function.events[self.position]

    @property
    def is_read(self) -> bool:
        """Whether the source of the line is known."""
        return self.function is not None


def path_of_entry(project: Project, entry: Entry) -> tuple[Standing, ...]:
    """The call path of an entry with its facts, innermost first. Kept in the project: several
    judges ask."""
    kept = project.shared.setdefault("recorded paths", {})
    key = (entry.site, entry.cause, entry.test)
    if key not in kept:
        stack = below_test(entry.site.stack, entry.test)
        stack, line = inside_recording(stack, project.shared.get(OPENED, ()))
        path = standings(project, stack, wanted_of(entry))
        kept[key] = (*path[:-1], path[-1]._replace(opened=line)) if line else path
    found: tuple[Standing, ...] = kept[key]
    return found


def standings(
    project: Project, stack: Sequence[Frame], emits: frozenset[str] = EMITTING
) -> tuple[Standing, ...]:
    """The facts of each line of a stack. `emits` are the names of what the innermost line calls or
    reads to make the statement."""
    found: list[Standing] = []
    inner: Standing | None = None
    for frame in stack:
        wanted = emits if inner is None else names_of(inner)
        inner = _standing(project, frame, wanted, inner)
        found.append(inner)
    return tuple(found)


def wanted_of(entry: Entry) -> frozenset[str]:
    """What the innermost line reads or calls, by the cause of the statement."""
    kind, relation = entry.cause.kind, entry.cause.relation
    attribute = relation.partition(".")[2]
    if kind in BY_ATTRIBUTE:
        return frozenset((attribute,)) if attribute else frozenset()
    return _FLUSHING if kind is CauseKind.FLUSH else EMITTING


def function_of(project: Project, frame: Frame) -> tuple[ModuleFacts, FunctionFacts] | None:
    """The facts of the function that a line of a call path belongs to; None if the file was not
    read, or holds no such function on this line any more."""
    module = _modules(project).get(frame.path)
    if module is None:
        return None
    name = _outside_inline(frame.function)
    if name in {"", "<module>"}:
        is_inside = frame.line <= max(module.lines, module.body.at.end_line)
        return (module, module.body) if is_inside else None
    last = name.rpartition(".")[2]  # Python 3.10 may know no more
    found = [
        function
        for function in module.functions
        if function.name == last
        and function.at.line <= frame.line <= function.at.end_line
        and function.qualname.replace(".<locals>", "").endswith(name)
    ]
    return (module, max(found, key=lambda f: f.at.line)) if found else None


def is_set_up(path: Sequence[Standing]) -> bool:
    """Whether the work prepares a test: in a fixture or a `setUp`."""
    return any(_prepares(standing) for standing in path)


def _prepares(standing: Standing) -> bool:
    if _outside_inline(standing.frame.function).rpartition(".")[2] in _SET_UP:
        return True
    decorators = standing.function.decorators if standing.function is not None else ()
    funcs = (d.func if isinstance(d, Call) else d for d in decorators)
    return any(last_step(func) == "fixture" for func in funcs)


def _modules(project: Project) -> dict[str, ModuleFacts]:
    kept = project.shared.get("modules by path")
    if kept is None:
        kept = {module.path: module for module in project.modules.values()}
        project.shared["modules by path"] = kept
    found: dict[str, ModuleFacts] = kept
    return found


def _outside_inline(name: str) -> str:
    """`C.method` of `C.method.<lambda>.<genexpr>`."""
    while name.endswith(INLINE):
        name = name.rpartition(".")[0]
    return name


def names_of(inner: Standing) -> frozenset[str]:
    """How the line outside may write what runs the inner line."""
    owner, _, last = inner.frame.function.rpartition(".")
    if last == "<lambda>" and inner.function is not None:
        return names_of_lambdas(inner.function) | {last}
    if last in {"__init__", "__new__", "__post_init__"}:
        return frozenset((owner.rpartition(".")[2], "cls", "__init__"))
    return frozenset((last,))


def _standing(
    project: Project, frame: Frame, wanted: frozenset[str], inner: Standing | None
) -> Standing:
    found = function_of(project, frame)
    if found is None:
        return Standing(frame)
    module, function = found
    hidden = inline_region(inner) if inner is not None else -1
    events = [
        position
        for position, event in enumerate(function.events)
        if isinstance(event, (Call, Read, Test))
        and event.at.line <= frame.line <= event.at.end_line
        and _is_inside(function, event.region, frame, hidden)
    ]
    chosen = [p for p in events if _is_named(function.events[p], wanted)]
    chosen = chosen or [p for p in events if _hands_over(function.events[p], wanted, hidden)]
    if not chosen and inner is None:
        chosen = _emitting(project, function, events)
    if not chosen:
        chosen = [p for p in events if isinstance(function.events[p], Call)] or events
    position = max(chosen, key=lambda p: _closeness(function, p), default=-1)
    return Standing(frame, module, function, position)


def inline_region(standing: Standing) -> int:
    """The region of the generator expression or lambda whose frame this is; -1 for any other."""
    inline = standing.frame.function.rpartition(".")[2]
    function, event = standing.function, standing.event
    if inline not in INLINE or function is None or event is None:
        return -1
    regions = _generators(function) if inline == "<genexpr>" else None
    for around in function.ancestors(event.region):
        if around.kind == "lambda" if regions is None else around.index in regions:
            return around.index
    return -1


def _generators(function: FunctionFacts) -> set[int]:
    """The regions of the generator expressions of a function."""
    held = (expr for event in function.events for expr in _exprs_of(event))
    return {
        found.region
        for expr in held
        for found in walk(expr)
        if isinstance(found, Comprehension) and found.kind == "generator"
    }


def _exprs_of(event: Event) -> Iterator[Expr | None]:
    if isinstance(event, Call):
        yield event
    elif isinstance(event, (Bind, Return, Yield)):
        yield event.value
    elif isinstance(event, Test):
        yield event.expr


def _is_inside(function: FunctionFacts, region: int, frame: Frame, hidden: int) -> bool:
    """Whether an event runs in the frame: a lambda, or a generator expression, has its own."""
    inline = frame.function.rpartition(".")[2]
    around = tuple(function.ancestors(region))
    if any(one.index == hidden for one in around):
        return False
    kinds = {one.kind for one in around}
    if inline == "<lambda>":
        return "lambda" in kinds
    if inline == "<genexpr>":
        return "comprehension" in kinds
    return "lambda" not in kinds


def _is_named(event: Event, wanted: frozenset[str]) -> bool:
    """Whether the event calls or reads one of the names. Reading the function of a call is not it:
    the call is."""
    if isinstance(event, Call):
        if last_step(event.func) in wanted:
            return True
        if any(not wanted.isdisjoint(getter) for getter in getters_of(event)):
            return True
        return any(
            isinstance(part, Attribute) and part.name in wanted
            for part in (event.func, *event.args)
        )
    return isinstance(event, Read) and any(step.strip("[]") in wanted for step in event.path[1:])


def getters_of(call: Call) -> Iterator[tuple[str, ...]]:
    """What `attrgetter("product.name")` reads, for each one that a call is given."""
    for given in (*call.args, *(keyword.value for keyword in call.keywords)):
        if isinstance(given, Call) and last_step(given.func) in GETTERS:
            texts = (a.value for a in given.args if isinstance(a, Const))
            yield tuple(n for text in texts if isinstance(text, str) for n in text.split("."))


def _hands_over(event: Event, wanted: frozenset[str], hidden: int) -> bool:
    """Whether the event hands the inner code to something that runs it."""
    if not isinstance(event, Call):
        return False
    is_given = any(isinstance(a, Comprehension) and a.region == hidden for a in event.args)
    return is_given or handed_over(event, wanted)


def handed_over(call: Call, names: frozenset[str]) -> bool:
    """Whether a call is given one of these functions, or a lambda where that is asked for; also by
    `partial(...)`."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    for one in tuple(given):
        if isinstance(one, Call) and last_step(one.func) in {"partial", "partialmethod"}:
            given.extend(one.args[:1])
    return any(
        dotted(one).rpartition(".")[2] in names or ("<lambda>" in names and isinstance(one, Lambda))
        for one in given
        if isinstance(one, (Name, Attribute, Lambda))
    )


def names_of_lambdas(function: FunctionFacts) -> frozenset[str]:
    """The names that hold lambdas in a function."""
    binds = (event for event in function.events if isinstance(event, Bind))
    return frozenset(bind.target for bind in binds if isinstance(bind.value, Lambda))


def _emitting(project: Project, function: FunctionFacts, events: list[int]) -> list[int]:
    """The events at which the scan too sees database work."""
    sites = {site.position for site in project.sites(function) if site.effects}
    return [position for position in events if position in sites]


def _closeness(function: FunctionFacts, position: int) -> tuple[int, int, int]:
    """The innermost of several events on a line, the whole call before its parts."""
    event = function.events[position]
    depth = sum(1 for _ in function.ancestors(event.region))
    at: At = event.at
    return depth, isinstance(event, Call), (at.end_line - at.line) * 1000 + at.end_column


def unread(path: Sequence[Standing]) -> Iterator[Frame]:
    """The lines of a path whose source is not known."""
    return (standing.frame for standing in path if not standing.is_read)


__all__ = [
    "BY_ATTRIBUTE",
    "EMITTING",
    "GETTERS",
    "INLINE",
    "Standing",
    "function_of",
    "getters_of",
    "handed_over",
    "inline_region",
    "is_set_up",
    "names_of",
    "path_of_entry",
    "standings",
    "unread",
    "wanted_of",
]
