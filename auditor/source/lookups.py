"""What a name is: its nearest binds before the use, parameters, closures, the module, imports."""

from __future__ import annotations

from auditor.model.knowledge import QUERY, ROW, ROWS, SCALARS, How
from auditor.source.callees import targets_of
from auditor.source.facts import (
    Arithmetic,
    Bind,
    Call,
    Const,
    Expr,
    Items,
    Opaque,
    Parameter,
    Subscript,
    dotted,
)
from auditor.source.inference import Inference
from auditor.source.program import Scope, last_step
from auditor.source.used import used_as
from auditor.source.value import (
    CLASS,
    FUNCTION,
    INSTANCE,
    METHOD,
    NAME,
    NUMBERED,
    UNKNOWN,
    Value,
    joined,
)

_CALLERS = 12
"""Callers a parameter is followed to; with more of them it is unknown."""
_REACHING = 40
"""Binds that may reach a use; with more of them the name is unknown."""
_STRAIGHT = frozenset(("function", "with", "try", "class", "finally", "try-else"))
"""Regions whose events run whenever the region around them does."""
_ANYTHING = frozenset(("typing.Any", "object"))
"""Annotations that say nothing."""
_ONE = frozenset((ROWS, QUERY, SCALARS))


def name_value(inference: Inference, scope: Scope, position: int, name: str) -> Value:
    """What the name is at a place of a function."""
    found = _local(inference, scope, position, name)
    if found is not None:
        return found
    outer, _, inner = scope.function.qualname.rpartition(".<locals>.")
    if inner:
        around = inference.program.functions.get(f"{scope.module.name}.{outer}")
        if around is not None:
            return name_value(inference, around, len(around.function.events), name)
    if scope.function is not scope.module.body:
        body = inference.program.bodies[scope.module.name]
        found = _local(inference, body, len(body.function.events), name)
        if found is not None:
            return found
    return dotted_value(inference, inference.program.names.resolve(scope.module, name))


def dotted_value(inference: Inference, name: str) -> Value:
    """What an absolute dotted name is."""
    return inference.kept(("dotted", name), lambda: _dotted_value(inference, name))


def element_of(value: Value) -> Value:
    """What iterating a value gives."""
    return value._replace(kind=ROW) if value.kind in _ONE and value.name else UNKNOWN


def annotated(inference: Inference, scope: Scope, annotation: Expr | None) -> Value:
    """What an annotation says; containers other than sequences of rows are unknown."""
    if isinstance(annotation, Const) and isinstance(annotation.value, str):
        return _instance(inference, inference.program.names.resolve(scope.module, annotation.value))
    if isinstance(annotation, Subscript):
        return _annotated_generic(inference, scope, annotation)
    if isinstance(annotation, Opaque):
        return UNKNOWN
    left = getattr(annotation, "left", None)
    if left is not None:
        sides = (left, getattr(annotation, "right", None))
        return joined([annotated(inference, scope, s) for s in sides if not _is_none(s)])
    name = inference.program.names.resolve(scope.module, annotation)
    alias = _alias(inference, name)
    return alias if alias.kind else _instance(inference, name)


def _alias(inference: Inference, name: str) -> Value:
    """What `Session_ = Annotated[Session, Depends(make)]` in a module of the program stands for."""
    program = inference.program
    module, rest = program.names.split(name)
    if module is None or not rest or name in program.classes:
        return UNKNOWN
    body = program.bodies[module.name]
    indices = program.binds[body.key].get(rest, ())
    bind = body.function.events[indices[0]] if len(indices) == 1 else None
    if not isinstance(bind, Bind) or not isinstance(bind.value, (Subscript, Arithmetic)):
        return UNKNOWN
    return inference.kept(("alias", name), lambda: annotated(inference, body, bind.value))


def _annotated_generic(inference: Inference, scope: Scope, annotation: Subscript) -> Value:
    outer = last_step(annotation.base)
    if outer in {"Optional", "Annotated", "Final"}:
        inner = annotation.index
        if isinstance(inner, Items) and inner.items:
            inner = inner.items[0]
        return annotated(inference, scope, inner)
    if outer in {"list", "List", "Sequence", "Iterable", "Collection", "Iterator", "set"}:
        item = annotated(inference, scope, annotation.index)
        mapped = item.kind == INSTANCE and inference.models.model_of(item.name) is not None
        return Value(ROWS, item.name) if mapped else UNKNOWN
    return annotated(inference, scope, annotation.base)


def _is_none(expr: Expr | None) -> bool:
    return isinstance(expr, Const) and expr.value is None


def _instance(inference: Inference, name: str) -> Value:
    """An instance of a class: of the kind its nearest known ancestor is, or just of the class."""
    if name in _ANYTHING:
        return UNKNOWN
    for ancestor in inference.program.mro(name):
        row = inference.program.knowledge.receivers.get((How.CLASS, "", ancestor))
        if row is not None:
            return Value(row.kind)
    known = name in inference.program.classes or name.rpartition(".")[2][:1].isupper()
    return Value(INSTANCE, name) if known else UNKNOWN


def constructed(inference: Inference, name: str) -> Value:
    """What calling the class `name` makes; its class is certain, so no subclass can be meant."""
    return _instance(inference, name)


def _dotted_value(inference: Inference, name: str) -> Value:
    program = inference.program
    name = program.names.follow(name)
    known = program.knowledge.receivers.get((How.OBJECT, "", name))
    if known is not None:
        return Value(known.kind)
    if name in program.classes:
        return Value(CLASS, name)
    if name in program.functions:
        return Value(FUNCTION, name)
    module, rest = program.names.split(name)
    if module is None or not rest:
        return Value(NAME, name)
    head, _, tail = rest.partition(".")
    body = program.bodies[module.name]
    found = _local(inference, body, len(body.function.events), head)
    if found is None:  # a submodule that is not among those read
        return Value(NAME, name)
    return _member(inference, found, tail) if tail and found.kind != CLASS else found


def _member(inference: Inference, value: Value, tail: str) -> Value:
    for step in tail.split("."):
        row = inference.program.knowledge.receivers.get((How.ATTRIBUTE, value.kind, step))
        value = Value(row.kind, value.name) if row else Value(METHOD, method=step, receiver=value)
    return value


def _local(inference: Inference, scope: Scope, position: int, name: str) -> Value | None:
    """What the function's own binds and parameters make of a name, None if it has none."""
    indices = inference.program.binds[scope.key].get(name, ())
    parameter: Parameter | None = None
    for each in scope.function.parameters:
        if each.name == name:
            parameter = each
            break
    if parameter is None and not indices:
        return None
    reaching, covered = _reaching(scope, position, indices)
    if not reaching and parameter is None:
        return UNKNOWN if indices and scope.function is not scope.module.body else None
    values = [_bound(inference, scope, i) for i in reversed(reaching)]
    if parameter is not None and not covered:
        found = _parameter(inference, scope, parameter)
        if found.kind or not values:
            values.append(found)
    value = joined(values)
    if not value.kind:
        value = _by_convention(inference, name)
    if not is_foreign(inference, value):
        return value
    told = used_as(inference, scope, name)
    return told if told.kind else value


def is_foreign(inference: Inference, value: Value) -> bool:
    """Whether neither the program nor the tables say what a value is: no value at all, or an object
    of a class that is elsewhere (`galaxy.model.scoped_session`, of another package)."""
    owner = value.receiver
    if value.kind == METHOD and owner is not None:
        return is_foreign(inference, owner)
    return not value.kind or (
        value.kind == INSTANCE and value.name not in inference.program.classes
    )


def _reaching(scope: Scope, position: int, indices: tuple[int, ...]) -> tuple[list[int], bool]:
    """The binds that may reach a place, latest first, and whether one of them surely runs."""
    function = scope.function
    if not indices:
        return [], False
    use = function.events[position].region if position < len(function.events) else 0
    around = {region.index for region in function.ancestors(use)}
    reaching: list[int] = []
    for index in reversed(indices):
        if len(reaching) > _REACHING:
            return [], False
        if index >= position or not _is_visible(scope, index, position):
            continue
        reaching.append(index)
        if _surely_runs(scope, index, around):
            return reaching, True
    return reaching, False


def _is_visible(scope: Scope, index: int, position: int) -> bool:
    """Names of a comprehension are seen only inside it, those of a class body only there."""
    event = scope.function.events[index]
    for region in scope.function.ancestors(event.region):
        if region.kind in {"comprehension", "lambda", "class"}:
            return region.first <= position < region.last
        if region.kind == "function":
            break
    return True


def _surely_runs(scope: Scope, index: int, around: set[int]) -> bool:
    event = scope.function.events[index]
    for region in scope.function.ancestors(event.region):
        if region.index in around:
            return True
        if region.kind not in _STRAIGHT:
            return False
    return True


def _bound(inference: Inference, scope: Scope, index: int) -> Value:
    bind = scope.function.events[index]
    if not isinstance(bind, Bind):
        return UNKNOWN
    if bind.kind == "define":
        return _defined(inference, scope, bind.target)
    if bind.annotation is not None:
        found = annotated(inference, scope, bind.annotation)
        if found.kind and bind.kind == "assign" and is_foreign(inference, found):
            made = inference.value(scope, index, bind.value)
            return made if made.kind else found
        if found.kind:
            return found
    if bind.kind == "assign":
        return inference.value(scope, index, bind.value)
    if bind.kind == "loop":
        return _looped(inference, scope, index, bind)
    if bind.kind == "with":
        return inference.kept(
            ("with", scope.key, index), lambda: inference.enter(inference, scope, index, bind.value)
        )
    return UNKNOWN


def _looped(inference: Inference, scope: Scope, index: int, bind: Bind) -> Value:
    iterated = inference.value(scope, index, bind.value)
    target = scope.function.regions[bind.region].target
    if len(target) <= 1:
        return element_of(iterated)
    if iterated.kind == NUMBERED and target[1:] == (bind.target,):
        return iterated._replace(kind=ROW)
    return UNKNOWN


def _defined(inference: Inference, scope: Scope, name: str) -> Value:
    prefix = scope.module.name
    if scope.function is not scope.module.body:
        prefix = f"{scope.dotted}.<locals>"
    return dotted_value(inference, f"{prefix}.{name}")


def _by_convention(inference: Inference, name: str) -> Value:
    row = inference.program.knowledge.receivers.get((How.NAME, "", name))
    return UNKNOWN if row is None else Value(row.kind, sure=False)


def _parameter(inference: Inference, scope: Scope, parameter: Parameter) -> Value:
    key = ("parameter", scope.key, parameter.name)
    return inference.kept(key, lambda: _parameter_value(inference, scope, parameter))


def _parameter_value(inference: Inference, scope: Scope, parameter: Parameter) -> Value:
    function = scope.function
    if parameter.kind not in {"positional", "keyword"}:
        return UNKNOWN
    owner = f"{scope.module.name}.{function.class_name}"
    if function.class_name and parameter is function.parameters[0] and not _is_static(scope):
        kind = CLASS if _is_of_class(scope) else INSTANCE
        return Value(kind, owner, sure=False)
    found = annotated(inference, scope, parameter.annotation) if parameter.annotation else UNKNOWN
    if found.kind:
        return found
    found = _by_convention(inference, parameter.name)
    return found if found.kind else _from_callers(inference, scope, parameter)


def _is_static(scope: Scope) -> bool:
    return any(dotted(d) == "staticmethod" for d in scope.function.decorators)


def _is_of_class(scope: Scope) -> bool:
    return (
        scope.function.name in {"__new__", "__init_subclass__"}
        or any(dotted(d) == "classmethod" for d in scope.function.decorators)
        or scope.function.parameters[0].name == "cls"
    )


def _from_callers(inference: Inference, scope: Scope, parameter: Parameter) -> Value:
    """What all callers that are known pass; unknown if they do not agree."""
    sites = inference.program.calls.get(scope.function.name, ())
    if not 0 < len(sites) <= _CALLERS:
        return UNKNOWN
    values: list[Value] = []
    for site in sites:
        targets = targets_of(
            inference.program, inference.value(site.scope, site.position, site.call.func)
        )
        if any(t.function is not None and t.function.key == scope.key for t in targets):
            passed = argument(scope, parameter.name, site.call)
            values.append(inference.value(site.scope, site.position, passed))
    return joined(values)._replace(sure=False) if values else UNKNOWN


def argument(scope: Scope, name: str, call: Call) -> Expr | None:
    """The expression a call passes for a parameter, None when it cannot be told."""
    written = call.keyword(name)
    if written is not None:
        return written
    names = [p.name for p in scope.function.parameters if p.kind == "positional"]
    if scope.function.class_name and not _is_static(scope):
        names = names[1:]
    if name not in names or len(call.args) <= names.index(name):
        return None
    before = call.args[: names.index(name) + 1]
    return None if any(type(a).__name__ == "Starred" for a in before) else before[-1]
