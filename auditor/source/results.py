"""What calls give: by the tables, by constructors, by what functions return; and contexts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from auditor.model.knowledge import (
    DELEGATE,
    QUERY,
    ROW,
    ROW_OR_NONE,
    ROWS,
    SCALARS,
    SESSION,
    SESSION_FACTORY,
    CallableRow,
    ContextRow,
    Mode,
    Of,
)
from auditor.source.callees import is_decorated, targets_of
from auditor.source.delegates import delegate_of
from auditor.source.facts import Attribute, Call, Const, Expr, Return, Yield, dotted
from auditor.source.handed_on import handed_on, kept_on
from auditor.source.inference import Inference
from auditor.source.lookups import annotated, constructed
from auditor.source.program import Scope
from auditor.source.value import (
    CLASS,
    FUNCTION,
    INSTANCE,
    METHOD,
    NAME,
    NUMBERED,
    SUPER,
    UNKNOWN,
    Target,
    Value,
    joined,
)

_SAME_ROWS = frozenset(("list", "sorted", "tuple", "set", "reversed", "iter", "frozenset"))
_ROWS_OR_LAZY = frozenset((ROWS, QUERY, SCALARS))
_ARGUMENT = {Of.FIRST: 0, Of.SECOND: 1, Of.THIRD: 2}
_MANAGED = "managed"
_OWN = "the program's own"
_SELF_CONTEXTS = frozenset((SESSION, "connection", INSTANCE))


def call_value(inference: Inference, scope: Scope, position: int, call: Call) -> Value:
    """What a call gives."""
    func = inference.value(scope, position, call.func)
    if func.kind == NAME and "." not in func.name:
        return _builtin(inference, scope, position, call, func.name)
    if func.kind == NAME and func.name == "functools.partial" and call.args:
        return inference.value(scope, position, call.args[0])
    if func.kind in {SESSION_FACTORY, SESSION}:
        return Value(SESSION, sure=func.sure)
    found = [_given(inference, scope, position, call, t) for t in _chosen(inference, func)]
    if found:
        return joined(found)
    made = UNKNOWN
    if func.kind in {CLASS, NAME} and func.name:
        made = constructed(inference, func.name)
    return made if made.kind else kept_on(inference, scope, position, call)


def _chosen(inference: Inference, func: Value) -> tuple[Target, ...]:
    targets = targets_of(inference.program, func)
    if func.kind == CLASS:
        return tuple(t for t in targets if t.row is not None and t.row.returns)
    return tuple(t for t in targets if not t.override)


def _builtin(inference: Inference, scope: Scope, position: int, call: Call, name: str) -> Value:
    if name == "super":
        owner = scope.function.class_name
        return Value(SUPER, f"{scope.module.name}.{owner}") if owner else UNKNOWN
    if not call.args:
        return constructed(inference, name)
    first = inference.value(scope, position, call.args[0])
    if name in _SAME_ROWS and first.kind in _ROWS_OR_LAZY:
        return first._replace(kind=ROWS)
    if name == "enumerate" and first.kind in _ROWS_OR_LAZY and first.name:
        return first._replace(kind=NUMBERED)
    if name == "next" and first.kind in _ROWS_OR_LAZY and first.name:
        return first._replace(kind=ROW if len(call.args) == 1 else ROW_OR_NONE)
    return constructed(inference, name)


def _given(inference: Inference, scope: Scope, position: int, call: Call, target: Target) -> Value:
    if target.row is not None:
        if target.row.returns:
            return given_by_row(inference, scope, position, call, target)
        if target.function is None:
            return UNKNOWN
    if target.function is None:
        return UNKNOWN
    found = returned(inference, target.function, target.owner)
    if found.name:
        return found
    given = handed_on(inference, scope, position, call, target.function)
    return given if given.kind else found


def given_by_row(
    inference: Inference, scope: Scope, position: int, call: Call, target: Target
) -> Value:
    """What a call gives by a row of the tables, with the class the row says where to find."""
    row = target.row
    if row is None or not row.returns:
        return UNKNOWN
    if row.returns == DELEGATE:
        return delegate_of(inference, scope, call)
    owner = target.owner
    if row.of is Of.RECEIVER:
        return Value(row.returns, owner.name, sure=owner.sure or owner.kind == CLASS)
    name = _class_in_argument(inference, scope, position, call, row)
    return Value(row.returns, name, sure=owner.sure)


def _class_in_argument(
    inference: Inference, scope: Scope, position: int, call: Call, row: CallableRow
) -> str:
    """The mapped class written in an argument; with several entities rows are tuples of them."""
    place = _ARGUMENT.get(row.of)
    if place is None or len(call.args) <= place:
        return ""
    if row.returns in {QUERY, "statement"} and len(call.args) > place + 1:
        return ""
    found = inference.value(scope, position, call.args[place])
    return found.name if found.kind in {CLASS, QUERY, "statement"} else ""


def returned(inference: Inference, scope: Scope, owner: Value) -> Value:
    """What a function gives: its annotation, else what its return statements agree on."""
    return inference.kept(("returned", scope.key), lambda: _returned(inference, scope))


def _returned(inference: Inference, scope: Scope) -> Value:
    function = scope.function
    if function.returns is not None:
        found = annotated(inference, scope, function.returns)
        if found.kind:
            return found
    if function.is_generator or function.is_async:
        return UNKNOWN
    values = [
        inference.value(scope, index, event.value) if event.value is not None else UNKNOWN
        for index, event in enumerate(function.events)
        if isinstance(event, Return)
        and not (isinstance(event.value, Const) and event.value.value is None)
    ]
    return joined(values)._replace(sure=False) if values else UNKNOWN


def entered_value(inference: Inference, scope: Scope, position: int, expr: Expr | None) -> Value:
    """What `with expr as name` binds."""
    context = context_of(inference, scope, position, expr)
    if context is not None and context.gives:
        return Value(context.gives)
    if isinstance(expr, Call):
        given = given_by_manager(inference, inference.value(scope, position, expr.func))
        if given.kind:
            return given
    value = inference.value(scope, position, expr)
    return value if value.kind in _SELF_CONTEXTS else UNKNOWN


def context_of(
    inference: Inference, scope: Scope, position: int, expr: Expr | None
) -> ContextRow | None:
    """The transaction context that a with item or a decorator opens, None for any other."""
    key = (scope.key, id(expr))
    if key not in inference.contexts:
        if expr is not None:
            inference.alive.append(expr)
        inference.contexts[key] = _context(inference, scope, position, expr)
    return inference.contexts[key]


def _context(
    inference: Inference, scope: Scope, position: int, expr: Expr | None
) -> ContextRow | None:
    contexts = inference.program.knowledge.contexts
    if isinstance(expr, Call):
        func = inference.value(scope, position, expr.func)
        if func.kind == METHOD and func.receiver is not None:
            found = contexts.get((func.receiver.kind, func.method))
            if found is None and func.receiver.kind in {CLASS, INSTANCE}:
                found = _inherited_context(inference, func.receiver.name, func.method)
            if found is not None:
                return found
        if func.kind in {NAME, FUNCTION} and ("", func.name) in contexts:
            return contexts["", func.name]
        managed = inference.kept(("managed", func), lambda: _managed(inference, func))
        if managed.kind == _MANAGED:
            return ContextRow("", Mode(managed.name), _OWN, gives=managed.method)
    value = inference.value(scope, position, expr)
    if value.kind in {NAME, FUNCTION}:  # a decorator that is not called: `@pick_reader`
        return contexts.get(("", value.name)) or _decorating(inference, value)
    return contexts.get((value.kind, "")) if value.kind else None


def _decorating(inference: Inference, func: Value) -> ContextRow | None:
    """The context that a decorator of the program opens around what it decorates: each call of its
    parameter, in the function that it makes, stands in a block of one."""
    if func.kind != FUNCTION:
        return None
    found = inference.kept(("decorating", func.name), lambda: _around_calls(inference, func.name))
    if found.kind != _MANAGED:
        return None
    return ContextRow("", Mode(found.name), _OWN, decorator=True, block=False, gives="")


def _around_calls(inference: Inference, name: str) -> Value:
    maker = inference.program.functions.get(name)
    if maker is None or len(maker.function.parameters) != 1:
        return UNKNOWN
    decorated = maker.function.parameters[0].name
    inside = f"{maker.function.qualname}.<locals>."
    found: list[Value] = []
    for function in maker.module.functions:
        if not function.qualname.startswith(inside):
            continue
        scope = inference.program.scope_of(function)
        for event in function.events:
            if isinstance(event, Call) and dotted(event.func) == decorated:
                row = _context_around(inference, scope, event.region)
                found.append(Value(_MANAGED, row.mode.value) if row is not None else UNKNOWN)
    return found[0] if found and len(set(found)) == 1 else UNKNOWN


def _inherited_context(inference: Inference, owner: str, method: str) -> ContextRow | None:
    for ancestor in inference.program.mro(owner):
        found = inference.program.knowledge.contexts.get(("", f"{ancestor}.{method}"))
        if found is not None:
            return found
    return None


def given_by_manager(inference: Inference, func: Value) -> Value:
    """What `as` binds for a context manager of the program: what a generator decorated as one
    yields, or what the `__enter__` of a class gives."""
    if func.kind == CLASS:
        enter = inference.program.method(func.name, "__enter__")
        return UNKNOWN if enter is None else returned(inference, enter, func)
    for scope, index, event in _yields(inference, func):
        return inference.value(scope, index, event.value)
    return UNKNOWN


def _managed(inference: Inference, func: Value) -> Value:
    """The mode of a context manager of the program, as a name: that of the context it yields in,
    or `SCOPE` if it commits a session when the block ends."""
    if func.kind == CLASS:
        leave = inference.program.method(func.name, "__exit__")
        commits = leave is not None and _commits(inference, leave, 0)
        return Value(_MANAGED, Mode.SCOPE.value) if commits else UNKNOWN
    for scope, index, event in _yields(inference, func):
        around = _context_around(inference, scope, event.region)
        if around is not None:
            return Value(_MANAGED, around.mode.value)
        if _commits(inference, scope, index):
            return Value(_MANAGED, Mode.SCOPE.value)
    return _handed_out(inference, func)


def _handed_out(inference: Inference, func: Value) -> Value:
    """The context that a function of the program gives to be entered: `return writer.using(c)`,
    or that in the hands of a second function, which may wrap it."""
    scope = inference.program.functions.get(func.name) if func.kind == FUNCTION else None
    returned_calls = (
        (index, event.value)
        for index, event in enumerate(scope.function.events if scope else ())
        if isinstance(event, Return) and isinstance(event.value, Call)
    )
    for index, call in returned_calls:
        for expr in (call, *call.args[:1]):
            row = context_of(inference, scope, index, expr) if scope is not None else None
            if row is not None and row.block and row.mode is not Mode.SESSION_ONLY:
                return Value(_MANAGED, row.mode.value, row.gives)
    return UNKNOWN


def _context_around(inference: Inference, scope: Scope, region: int) -> ContextRow | None:
    """The innermost transaction that is open at a region of a function."""
    items = (
        (around.first, item.expr)
        for around in scope.function.ancestors(region)
        if around.kind == "with"
        for item in around.items
    )
    rows = (context_of(inference, scope, position, expr) for position, expr in items)
    wanted = (row for row in rows if row is not None and row.block)
    return next((row for row in wanted if row.mode is not Mode.SESSION_ONLY), None)


def _yields(inference: Inference, func: Value) -> Iterator[tuple[Scope, int, Yield]]:
    """The first `yield` of each function a call may run that is decorated as a context manager."""
    for target in targets_of(inference.program, func):
        scope = target.function
        if scope is None or not scope.function.is_generator:
            continue
        if not is_decorated(inference.program, scope, "contextmanager", "asynccontextmanager"):
            continue
        yields = ((i, e) for i, e in enumerate(scope.function.events) if isinstance(e, Yield))
        for index, event in itertools.islice(yields, 1):
            yield scope, index, event


def _commits(inference: Inference, scope: Scope, first: int) -> bool:
    """Whether a function calls `commit` of a session from event number `first` on."""
    return any(
        isinstance(event, Call)
        and isinstance(event.func, Attribute)
        and event.func.name == "commit"
        and inference.value(scope, first + index, event.func.base).kind == SESSION
        for index, event in enumerate(scope.function.events[first:])
    )
