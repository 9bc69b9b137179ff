"""What calls give: by the tables, by constructors, by what functions return; and contexts."""

from __future__ import annotations

from auditor.model.knowledge import (
    QUERY,
    ROW,
    ROW_OR_NONE,
    ROWS,
    SCALARS,
    SESSION,
    SESSION_FACTORY,
    CallableRow,
    ContextRow,
    Of,
)
from auditor.source.callees import is_decorated, targets_of
from auditor.source.facts import Call, Const, Expr, Return, Yield
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
    if func.kind in {CLASS, NAME} and func.name:
        return constructed(inference, func.name)
    return UNKNOWN


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
    return returned(inference, target.function, target.owner)


def given_by_row(
    inference: Inference, scope: Scope, position: int, call: Call, target: Target
) -> Value:
    """What a call gives by a row of the tables, with the class the row says where to find."""
    row = target.row
    if row is None or not row.returns:
        return UNKNOWN
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
    if row.returns in {QUERY, "statement"} and len(call.args) > 1:
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
        yielded = _yielded(inference, inference.value(scope, position, expr.func))
        if yielded.kind:
            return yielded
    value = inference.value(scope, position, expr)
    return value if value.kind in _SELF_CONTEXTS else UNKNOWN


def context_of(
    inference: Inference, scope: Scope, position: int, expr: Expr | None
) -> ContextRow | None:
    """The transaction context that a with item or a decorator opens, None for any other."""
    contexts = inference.program.knowledge.contexts
    if isinstance(expr, Call):
        func = inference.value(scope, position, expr.func)
        if func.kind == METHOD and func.receiver is not None:
            found = contexts.get((func.receiver.kind, func.method))
            if found is not None:
                return found
            if func.receiver.kind in {CLASS, INSTANCE}:
                return _inherited_context(inference, func.receiver.name, func.method)
        if func.kind in {NAME, FUNCTION} and ("", func.name) in contexts:
            return contexts["", func.name]
    value = inference.value(scope, position, expr)
    if value.kind in {NAME, FUNCTION}:  # a decorator that is not called: `@pick_reader`
        return contexts.get(("", value.name))
    return contexts.get((value.kind, "")) if value.kind else None


def _inherited_context(inference: Inference, owner: str, method: str) -> ContextRow | None:
    for ancestor in inference.program.mro(owner):
        found = inference.program.knowledge.contexts.get(("", f"{ancestor}.{method}"))
        if found is not None:
            return found
    return None


def _yielded(inference: Inference, func: Value) -> Value:
    """What a function decorated as a context manager yields."""
    for target in targets_of(inference.program, func):
        scope = target.function
        if scope is None or not scope.function.is_generator:
            continue
        if not is_decorated(inference.program, scope, "contextmanager", "asynccontextmanager"):
            continue
        for index, event in enumerate(scope.function.events):
            if isinstance(event, Yield):
                return inference.value(scope, index, event.value)
    return UNKNOWN
