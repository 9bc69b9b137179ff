"""What the calls on a name or an attribute say that it is, where nothing else does.

    subnets = query.filter(Subnet.id == key).all()      `query` is a query
    for row in conn.execute(select(Builder)):           `conn` is a connection
    request.db.query(Release).all()                     `request.db` is a session
    self.store.add(Release(name=name))                  `self.store` is one, in the whole class

No other library has these forms: a filter that is handed a condition and ended by `all()`, an
`execute()` of a statement that is built from SQLAlchemy's constructs, a query of mapped classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auditor.model.knowledge import CONNECTION, MAPPED_CLASS, QUERY, ROW, SESSION, STATEMENT
from auditor.source.facts import (
    Attribute,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Not,
    chain_of,
    path_of,
)
from auditor.source.inference import Inference
from auditor.source.program import Scope, last_step
from auditor.source.value import CLASS, COLUMN, INSTANCE, UNKNOWN, Value

Calls = tuple[tuple[int, Call], ...]
"""Calls and their positions."""

_ENDS = frozenset(("all", "one", "one_or_none", "scalar"))
_OWN_LINKS = frozenset(("filter_by", "outerjoin", "with_entities", "with_for_update"))
"""Links of a query that no other library's has."""
_RUNS = frozenset(("execute", "scalar", "scalars", "stream"))
_ASKS = frozenset(("query", "get"))
"""Methods of a session whose first argument is a mapped class."""
_KEEPS = frozenset(("add", "delete", "merge"))
"""Methods of a session whose argument is a row."""
_OF_SESSIONS = frozenset(("query", "add", "flush", "scalars", "merge", "get", "expunge", "refresh"))
_BUILDS = frozenset(("insert", "update", "delete", "select"))
"""Methods of a table that give a statement."""
_CONDITIONS = frozenset(("in_", "notin_", "not_in", "is_", "is_not", "isnot", "like", "ilike",
                         "between", "any", "has", "and_", "or_", "not_", "exists"))  # fmt: skip
_OF_SELF = ("self.", "cls.")
_TELLING = _ENDS | _OWN_LINKS | _RUNS | _ASKS | _KEEPS | {"filter"}


def used_as(inference: Inference, scope: Scope, name: str) -> Value:
    """What the calls on a name of a function say that it is (`query`, `request.db`); never sure."""
    calls = _calls_in(inference, scope).get(name)
    if not calls:
        return UNKNOWN
    return inference.kept(("used", scope.key, name), lambda: _told(inference, scope, calls))


def used_nearby(inference: Inference, scope: Scope, written: str) -> Value:
    """What the calls on an attribute say that it is: those of the function, else of the other
    functions of its module, for `self.x` of its class. `written` is empty for what has no name."""
    if not written:
        return UNKNOWN
    found = used_as(inference, scope, written)
    if found.kind or scope.function is scope.module.body:
        return found
    owner = scope.function.class_name if written.startswith(_OF_SELF) else ""
    key = ("used nearby", scope.module.name, owner, written)
    return inference.kept(key, lambda: _told_nearby(inference, scope, owner, written))


def _told_nearby(inference: Inference, scope: Scope, owner: str, written: str) -> Value:
    for user in _users(inference, scope.module, owner).get(written, ()):
        found = used_as(inference, user, written)
        if found.kind:
            return found
    return UNKNOWN


def _users(inference: Inference, module: ModuleFacts, owner: str) -> Mapping[str, list[Scope]]:
    """The functions of a module, or of one class of it, by the names on which they have calls that
    tell something."""
    key = (module.name, owner)
    if key not in inference.users:
        found = inference.users[key] = {}
        functions = (f for f in module.functions if owner in {"", f.class_name})
        for user in map(inference.program.scope_of, functions):
            for name in _calls_in(inference, user):
                found.setdefault(name, []).append(user)
    return inference.users[key]


def _calls_in(inference: Inference, scope: Scope) -> Mapping[str, Calls]:
    """What `_calls_on_names` finds in a function, found once."""
    found = inference.uses.get(scope.key)
    if found is None:
        found = inference.uses[scope.key] = _calls_on_names(scope.function)
    return found


def _calls_on_names(function: FunctionFacts) -> Mapping[str, Calls]:
    """The calls that tell something, by the name or attribute that their chain starts from."""
    found: dict[str, list[tuple[int, Call]]] = {}
    for position, event in enumerate(function.events):
        if type(event) is Call and last_step(event.func) in _TELLING:
            name = _root(event)
            if name:
                found.setdefault(name, []).append((position, event))
    return {name: tuple(calls) for name, calls in found.items()}


def _root(call: Call) -> str:
    """`query` of `query.filter(...).all()`, `request.db` of `request.db.query(...).all()`; empty if
    the chain starts from anything else."""
    return ".".join(path_of(chain_of(call)[0]))


def _told(inference: Inference, scope: Scope, calls: Calls) -> Value:
    asked: list[Call] = []
    others: list[Call] = []
    for _, call in calls:
        (asked if chain_of(call)[1][-1] == "query" else others).append(call)
    if _is_queried(asked):
        return Value(SESSION, sure=False)
    if _is_queried(others):
        return Value(QUERY, sure=False)
    direct = [(position, call) for position, call in calls if _is_direct(call)]
    if any(_runs_statement(inference, scope, position, call) for position, call in direct):
        return Value(_runner(scope.function, _root(calls[0][1])), sure=False)
    if any(_works_on_rows(inference, scope, position, call) for position, call in direct):
        return Value(SESSION, sure=False)
    return UNKNOWN


def _is_queried(calls: Iterable[Call]) -> bool:
    """Whether rows are asked of a name, and conditions are put to it."""
    named = [(last_step(call.func), call) for call in calls]
    is_ended = any(name in _ENDS and not call.args for name, call in named)
    return is_ended and any(
        name in _OWN_LINKS
        or (name == "filter" and any(_is_condition(arg, _root(call)) for arg in call.args))
        for name, call in named
    )


def _is_condition(expr: Expr, filtered: str) -> bool:
    """`Subnet.id == key`, `Subnet.id.in_(keys)`, `or_(...)`; no `frame.id == key` for `frame`."""
    match expr:
        case Not(operand=operand):
            return _is_condition(operand, filtered)
        case Compare(left=left):
            return isinstance(left, Attribute) and path_of(left)[:1] != (filtered,)
        case Call(func=func):
            return last_step(func) in _CONDITIONS
        case _:
            return False


def _is_direct(call: Call) -> bool:
    """Whether the method is that of the root itself, and is handed something."""
    is_link = isinstance(call.func, Attribute) and isinstance(call.func.base, Call)
    return bool(call.args) and not is_link


def _runs_statement(inference: Inference, scope: Scope, position: int, call: Call) -> bool:
    """`conn.execute(select(...))`."""
    if last_step(call.func) not in _RUNS:
        return False
    statement = call.args[0]
    return _is_built(statement) or inference.value(scope, position, statement).kind == STATEMENT


def _works_on_rows(inference: Inference, scope: Scope, position: int, call: Call) -> bool:
    """`db.query(Release)`, `db.get(Release, key)`, `db.add(Release(...))`."""
    method = last_step(call.func)
    if method not in _ASKS and method not in _KEEPS:
        return False
    if method == "get" and len(call.args) == 1:
        return False
    handed = inference.value(scope, position, call.args[0])
    if method in _KEEPS:
        return handed.kind == ROW or (handed.kind == INSTANCE and _is_mapped(inference, handed))
    return handed.kind in {COLUMN, MAPPED_CLASS} or (
        handed.kind == CLASS and _is_mapped(inference, handed)
    )


def _is_mapped(inference: Inference, value: Value) -> bool:
    return inference.models.model_of(value.name) is not None


def _is_built(expr: Expr) -> bool:
    """`table.insert()`, with or without links after it."""
    while isinstance(expr, Call) and isinstance(expr.func, Attribute):
        if expr.func.name in _BUILDS and not isinstance(expr.func.base, Call):
            return True
        expr = expr.func.base
    return False


def _runner(function: FunctionFacts, name: str) -> str:
    """A session has methods that a connection lacks."""
    for event in function.events:
        if type(event) is Call and last_step(event.func) in _OF_SESSIONS and _root(event) == name:
            return SESSION
    return CONNECTION
