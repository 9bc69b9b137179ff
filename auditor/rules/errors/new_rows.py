"""Rows that a function makes and adds, and which of their columns hold what the caller gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import Effect
from auditor.rules.errors.open_transactions import does
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Items,
    Name,
    Pairs,
    dotted,
    path_of,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project

_WRITES = frozenset((Effect.WRITE, Effect.PENDING))
ADDING = frozenset({"add", "add_all", "save", "create"})
"""Calls that may add a row."""
_FILLS = frozenset({"update", "from_dict", "update_from_dict"})
"""Methods of a row that take the values of its columns."""
_READS = frozenset({"from_orm", "model_validate", "parse_obj"})
"""Methods of a class of SQLModel that make a row of a request's body."""
_KEEPS = frozenset({"str", "strip", "lower", "upper", "copy", "dict", "get", "model_dump", "pop"})
"""Calls whose result is still what the caller gave."""
_OWNERS = frozenset({"self", "cls"})
_DEPTH = 4
"""Names for the same value followed at most."""


class NewRow(NamedTuple):
    """A row that is added at `at`. `given` are the columns that hold what the caller gave; with
    `spread`, all but those in `own` may, because a mapping of the caller's fills the row."""

    at: At
    model: Model
    given: frozenset[str]
    own: frozenset[str]
    spread: bool

    def is_given(self, column: str) -> bool:
        """Whether the column holds, or may hold, what the caller gave."""
        return column in self.given or (self.spread and column not in self.own)


def new_rows(project: Project, function: FunctionFacts) -> Iterator[NewRow]:
    """The rows that a function makes itself and then adds, in order."""
    adding = {s.position for s in project.sites(function) if does(project, s, _WRITES)}
    for position, call in enumerate(function.events):
        if not isinstance(call, Call):
            continue
        if position not in adding and last_step(call.func) != "save":
            continue  # `save` may come from a base that `declarative_base(cls=...)` was given
        for expr in _added(call):
            found = _row(project, function, position, expr)
            if found is not None:
                yield found


def _added(call: Call) -> tuple[Expr, ...]:
    """`session.add(row)`, `session.add_all([row])`, `row.save()`, `row.create()`."""
    name = last_step(call.func)
    if name in {"add", "add_all"} and call.args:
        one = call.args[0]
        return one.items if isinstance(one, Items) else (one,)
    if name in {"save", "create"} and isinstance(call.func, Attribute):
        return (call.func.base,)
    return ()


def _row(project: Project, function: FunctionFacts, position: int, expr: Expr) -> NewRow | None:
    name = dotted(expr)
    before = function.events[:position] if name else ()
    made = _made(before, name) if name else expr
    model, reads = _model(project, function, position, made)
    if model is None or not isinstance(made, Call):
        return None
    filled = _Filled(_Origin(function, _names(function)), set(), set())
    spread = reads and any(filled.origin.is_outside(one) for one in made.args)
    for keyword in made.keywords if not reads else ():
        if keyword.name:
            filled.note(keyword.name, keyword.value)
        else:
            spread = filled.fill(keyword.value) or spread
    for event in before:
        if isinstance(event, Bind) and event.target.startswith(f"{name}."):
            filled.note(event.target.removeprefix(f"{name}."), event.value)
        elif isinstance(event, Call) and _fills(event, name):
            spread = filled.fill(event.args[0]) or spread
    own = frozenset(filled.own)
    return NewRow(function.events[position].at, model, frozenset(filled.given) - own, own, spread)


def _names(function: FunctionFacts) -> frozenset[str]:
    return frozenset(p.name for p in function.parameters) - _OWNERS


def _made(before: tuple[Event, ...], name: str) -> Expr | None:
    binds = [e for e in before if isinstance(e, Bind) and e.target == name]
    return binds[0].value if len(binds) == 1 else None


def _model(
    project: Project, function: FunctionFacts, position: int, made: Expr | None
) -> tuple[Model | None, bool]:
    """The model of a row that a call makes, and whether it reads the row from something."""
    func = made.func if isinstance(made, Call) else None
    reads = isinstance(func, Attribute) and func.name in _READS
    if reads and isinstance(func, Attribute):
        func = func.base
    scope = project.program.scope_of(function)
    name = project.inference.value(scope, position, func).name if func is not None else ""
    return project.models.model_of(name), reads


def _fills(call: Call, name: str) -> bool:
    return (
        isinstance(call.func, Attribute)
        and call.func.name in _FILLS
        and dotted(call.func.base) == name
        and bool(call.args)
    )


class _Origin(NamedTuple):
    """Where the values in a function come from, whose parameters have these names."""

    function: FunctionFacts
    names: frozenset[str]

    def is_outside(self, value: Expr | None, depth: int = _DEPTH) -> bool:
        """Whether the value is what the caller or the request gave: a parameter, what is under a
        key of one, a field of a form."""
        if isinstance(value, Call):
            return depth > 0 and self._is_kept(value, depth)
        path = path_of(value)
        if not path or depth == 0:
            return False
        if _is_of_request(path):
            return True
        bound = self.bound(path[0])
        if path[0] in self.names and (bound is None or _is_kept_call(bound)):
            return len(path) == 1 or path[1].startswith("[")
        is_keyed = all(step.startswith("[") for step in path[1:])
        return is_keyed and self.is_outside(bound, depth - 1)

    def _is_kept(self, call: Call, depth: int) -> bool:
        if not _is_kept_call(call):
            return False
        if isinstance(call.func, Attribute):
            return self.is_outside(call.func.base, depth - 1)
        return bool(call.args) and self.is_outside(call.args[0], depth - 1)

    def bound(self, name: str) -> Expr | None:
        """What a name is bound to if it is bound once, None otherwise."""
        binds = [
            e
            for e in self.function.events
            if isinstance(e, Bind) and e.target == name and e.kind == "assign"
        ]
        return binds[0].value if len(binds) == 1 else None


class _Filled(NamedTuple):
    """The columns of a row as they are filled, with what the caller gave or with something else."""

    origin: _Origin
    given: set[str]
    own: set[str]

    def note(self, column: str, value: Expr | None) -> None:
        """Take one column."""
        (self.given if self.origin.is_outside(value) else self.own).add(column)

    def fill(self, mapping: Expr) -> bool:
        """Take the columns of a mapping; whether it is one that the caller gave."""
        name = mapping.name if isinstance(mapping, Name) else ""
        display = self.origin.bound(name) if name else mapping
        if isinstance(display, Pairs):
            for key, value in zip(display.keys, display.values, strict=True):
                if isinstance(key, Const):
                    self.note(str(key.value), value)
            return False
        self.own.update(_stored(self.origin.function, name))
        return self.origin.is_outside(mapping)


def _stored(function: FunctionFacts, name: str) -> Iterator[str]:
    """The keys under which a function itself stores something in a mapping."""
    for event in function.events:
        if not isinstance(event, Call) or not isinstance(event.func, Attribute):
            continue
        is_own = dotted(event.func.base) == name and event.func.name in {"setdefault", "pop"}
        if is_own and event.args and isinstance(event.args[0], Const):
            yield str(event.args[0].value)


def _is_of_request(path: tuple[str, ...]) -> bool:
    """`request.form["name"]`, and `form.name.data` of WTForms."""
    if path[0] == "request" or path[:2] in {("flask", "request"), ("self", "request")}:
        return True
    return path[0].endswith("form") and path[2:] == ("data",)


def _is_kept_call(expr: Expr) -> bool:
    return isinstance(expr, Call) and last_step(expr.func) in _KEEPS
