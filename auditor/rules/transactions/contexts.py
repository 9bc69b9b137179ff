"""Which contexts are open at a place, and whose: what the rules of family 4xx share.

A context is known by its row, and by *whose* transaction it opens: the request context it is given
(`context` in `writer.using(context)`, the first parameter below `@writer`), by which enginefacade
finds the transaction that is already open.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.knowledge import ContextRow, Mode
from auditor.source.facts import (
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Region,
    dotted,
    walk,
)
from auditor.source.project import Project, position_of
from auditor.source.results import context_of
from auditor.source.sites import Site

FACADE = frozenset(
    (Mode.READER, Mode.WRITER, Mode.INDEPENDENT_READER, Mode.INDEPENDENT_WRITER, Mode.SAVEPOINT)
)
"""Contexts of enginefacade, and savepoints."""
INDEPENDENT = frozenset((Mode.INDEPENDENT_READER, Mode.INDEPENDENT_WRITER))
_SELF = ("self", "cls")
_LINKS = 4
"""Assignments followed backwards at most."""


@dataclass(frozen=True, slots=True)
class Open:
    """An open context: its row, the part of the function that runs in it, and whose it is, as
    written (empty if that does not show). `name` is what `as` binds."""

    row: ContextRow
    region: Region
    whose: str
    name: str = ""

    @property
    def is_decorator(self) -> bool:
        """Whether it is open around the whole function."""
        return self.region.kind == "function"

    @property
    def mode(self) -> Mode:
        """How it takes part in transactions."""
        return self.row.mode

    @property
    def words(self) -> str:
        """`the writer of line 12`, `the writer around the function`."""
        kind = "transaction" if self.mode is Mode.PLAIN else self.mode.value
        if self.is_decorator:
            return f"the {kind} around the function"
        return f"the {kind} of line {self.region.at.line}"


def contexts_around(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int
) -> tuple[Open, ...]:
    """The contexts open at a region, innermost first; none in a lambda, which runs later."""
    found: list[Open] = []
    for around in function.ancestors(region):
        if around.kind == "lambda":
            return ()
        if around.kind == "with":
            found.extend(reversed(entered(project, function, around)))
    found.extend(decorating(project, module, function))
    return tuple(found)


def began_as(project: Project, module: ModuleFacts, function: FunctionFacts, found: Open) -> Mode:
    """How the transaction of a context began, as far as the function shows: a reader inside a
    writer is part of the writer's transaction, an independent one is not."""
    around = decorating(project, module, function)
    if found.is_decorator:
        around = around[around.index(found) + 1 :]
    else:
        around = contexts_around(project, module, function, found.region.parent)
    mode = found.mode
    for outer in around:
        if mode in INDEPENDENT or outer.mode not in FACADE or outer.whose != found.whose:
            break
        mode = outer.mode
    return mode


def entered(project: Project, function: FunctionFacts, region: Region) -> tuple[Open, ...]:
    """The contexts a with statement opens, in order."""
    scope = project.program.scope_of(function)
    found: list[Open] = []
    for item in region.items:
        row = context_of(project.inference, scope, region.first, item.expr)
        if row is not None and row.block:
            found.append(Open(row, region, _given(item.expr), name=item.name))
    return tuple(found)


def decorating(project: Project, module: ModuleFacts, function: FunctionFacts) -> tuple[Open, ...]:
    """The contexts that decorate a function, innermost first."""
    rows = reversed(tuple(project.decorating_contexts(module, function)))
    names = [p.name for p in function.parameters if p.kind == "positional"]
    whose = next((name for name in names if name not in _SELF), "")
    return tuple(Open(row, function.regions[0], whose) for row in rows)


def _given(expr: Expr) -> str:
    """What a context is opened with: the argument, or what it is a method of."""
    if not isinstance(expr, Call):
        return dotted(expr)
    if expr.args:
        return dotted(expr.args[0])
    return dotted(expr.func).rpartition(".")[0]


def works_on(function: FunctionFacts, position: int, names: frozenset[str]) -> bool:
    """Whether the call at an event is made on one of the names or what was made of them in the
    function (`context.session.add(row)`, `query.update(...)`)."""
    call = function.events[position]
    return isinstance(call, Call) and comes_from(function, position, call.func, names)


def is_handed(function: FunctionFacts, position: int, names: frozenset[str]) -> bool:
    """Whether the call at an event gets one of the names or what was made of them as an argument:
    `store(context)`, `session = context.session; store(session)`."""
    call = function.events[position]
    given = (*call.args, *(k.value for k in call.keywords)) if isinstance(call, Call) else ()
    return any(comes_from(function, position, part, names) for part in given)


def comes_from(
    function: FunctionFacts,
    position: int,
    expr: Expr,
    names: frozenset[str],
    links: int = _LINKS,
) -> bool:
    """Whether an expression is one of the names or was made of one in the function."""
    for part in walk(expr):
        if not isinstance(part, Name):
            continue
        if part.name in names:
            return True
        bound = last_bind(function, position, part.name)
        if links and bound is not None and bound.value is not None:
            at = position_of(function, bound)
            if comes_from(function, at, bound.value, names, links - 1):
                return True
    return False


def last_bind(function: FunctionFacts, position: int, name: str) -> Bind | None:
    """The bind that a name has just before an event, as the source is read; None for none."""
    for event in reversed(function.events[:position]):
        if isinstance(event, Bind) and event.target == name:
            return event
    return None


def stays_in(project: Project, opened: Open, way: tuple[Site, ...]) -> bool:
    """Whether what a way of calls ends in is done on the session of a context: each call hands on
    what the context gave or was given, and no function on the way opens one of its own."""
    for number, step in enumerate(way):
        scope = project.program.scopes[step.scope]
        function = scope.function
        names = names_of(opened) if number == 0 else _handed_names(opened, function)
        carried = is_handed if step.callee >= 0 else works_on
        if not carried(function, step.position, names):
            return False
        if number and contexts_around(project, scope.module, function, step.region):
            return False
    return True


def names_of(opened: Open) -> frozenset[str]:
    """The names in the function that lead to the session of a context."""
    return frozenset(name for name in (opened.whose.partition(".")[0], opened.name) if name)


def _handed_names(opened: Open, function: FunctionFacts) -> frozenset[str]:
    """The parameters of a function on the way, `self` only if the context is kept there."""
    is_kept = opened.whose.startswith("self.")
    return frozenset(
        p.name for p in function.parameters if is_kept or p.name not in {"self", "cls"}
    )
