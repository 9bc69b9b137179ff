"""What an attribute is: of modules, classes, instances, rows, and kinds of the tables."""

from __future__ import annotations

from auditor.model.knowledge import MAPPED_CLASS, QUERY, ROW, ROW_OR_NONE, ROWS, How
from auditor.source.callees import is_decorated
from auditor.source.facts import Attribute, Expr, dotted, path_of
from auditor.source.inference import Inference
from auditor.source.lookups import annotated, dotted_value, is_foreign
from auditor.source.models import Relationship
from auditor.source.program import PROPERTIES, Bound, Program, Scope
from auditor.source.results import returned
from auditor.source.used import used_nearby
from auditor.source.value import (
    CLASS,
    COLUMN,
    INSTANCE,
    METHOD,
    NAME,
    UNKNOWN,
    Value,
    joined,
)

_OF_ROWS = frozenset((ROW, ROW_OR_NONE))


def attribute_value(inference: Inference, scope: Scope, position: int, expr: Attribute) -> Value:
    """What `base.name` is at a place of a function."""
    base = inference.value(scope, position, expr.base)
    found = attribute_of(inference, base, expr.name)
    if _is_open(inference, found):
        return _by_convention(inference, expr) or _by_use(inference, scope, expr) or found
    return found


def _by_use(inference: Inference, scope: Scope, expr: Attribute) -> Value | None:
    found = used_nearby(inference, scope, ".".join(path_of(expr)))
    return found if found.kind else None


def _is_open(inference: Inference, found: Value) -> bool:
    """Whether nothing in the program says what an attribute is, so that a convention may."""
    owner = found.receiver
    if found.kind not in {"", NAME, METHOD} or owner is None or not owner.kind:
        return found.kind in {"", NAME, METHOD}
    if owner.kind == METHOD:
        return is_foreign(inference, owner)
    return owner.kind == INSTANCE and inference.program.method(owner.name, found.method) is None


def attribute_of(inference: Inference, value: Value, name: str) -> Value:
    """What attribute `name` of a value is; a method of it when nothing else is known."""
    method = Value(METHOD, method=name, receiver=value)
    if value.kind == NAME:
        return dotted_value(inference, f"{value.name}.{name}") if value.name else method
    if value.kind == CLASS:
        return _of_class(inference, value, name) or method
    if value.kind == INSTANCE:
        return _of_instance(inference, value, name) or method
    row = inference.program.knowledge.receivers.get((How.ATTRIBUTE, value.kind, name))
    if row is not None:
        return Value(row.kind, value.name, sure=value.sure)
    if value.kind in _OF_ROWS and value.name:
        return _of_row(inference, value, name) or method
    return method


def relationship_of(inference: Inference, value: Value, name: str) -> Relationship | None:
    """The relationship that attribute `name` of a row or mapped instance is, None if it is not."""
    if value.kind not in {ROW, ROW_OR_NONE, INSTANCE}:
        return None
    model = inference.models.by_name.get(value.name)
    return model.relationships.get(name) if model else None


def is_property(program: Program, method: Scope) -> bool:
    """Whether reading the method's name runs it."""
    return is_decorated(program, method, *PROPERTIES)


def _by_convention(inference: Inference, expr: Expr) -> Value | None:
    written = dotted(expr)
    receivers = inference.program.knowledge.receivers
    for key in (written, ".".join(written.split(".")[-2:])):
        row = receivers.get((How.NAME, "", key)) if "." in key else None
        if row is not None:
            return Value(row.kind, sure=False)
    last = written.rpartition(".")[2]
    row = receivers.get((How.ANY_ATTRIBUTE, "", last))
    return None if row is None else Value(row.kind, sure=False)


def _of_class(inference: Inference, value: Value, name: str) -> Value | None:
    program = inference.program
    if f"{value.name}.{name}" in program.classes:
        return Value(CLASS, f"{value.name}.{name}")
    if program.method(value.name, name) is not None:
        return None
    row = program.knowledge.receivers.get((How.ATTRIBUTE, MAPPED_CLASS, name))
    if row is not None and value.name in inference.models.by_name:
        return Value(row.kind, value.name)
    model = inference.models.by_name.get(value.name)
    if model is not None and (name in model.columns or name in model.relationships):
        return Value(COLUMN, value.name, name)
    return _assigned(inference, value, name)


def _of_instance(inference: Inference, value: Value, name: str) -> Value | None:
    program = inference.program
    method = program.method(value.name, name)
    if method is not None:
        if not is_property(program, method):
            return None
        return _of_row(inference, value, name) or returned(inference, method, value)
    return _of_row(inference, value, name) or _assigned(inference, value, name)


def _of_row(inference: Inference, value: Value, name: str) -> Value | None:
    wrapped = inference.models.wrapped.get(value.name)
    if wrapped is not None and name == wrapped[1].row:
        return Value(ROW, wrapped[0], sure=value.sure)
    relation = relationship_of(inference, value, name)
    if relation is not None:
        if not relation.target:
            return UNKNOWN
        if relation.lazy == "dynamic":
            return Value(QUERY, relation.target)
        if relation.many is None:
            return UNKNOWN
        return Value(ROWS if relation.many else ROW_OR_NONE, relation.target)
    model = inference.models.model_of(value.name)
    if model is not None and name in model.columns:
        return Value(COLUMN, value.name, name)
    return None


def _assigned(inference: Inference, value: Value, name: str) -> Value | None:
    """What the class body and the methods of a class and its ancestors assign to an attribute."""
    key = ("attribute", value.name, name)
    found = inference.kept(key, lambda: _assignments(inference, value.name, name))
    return found if found.kind else None


def _assignments(inference: Inference, owner: str, name: str) -> Value:
    for ancestor in inference.program.mro(owner):
        entry = inference.program.classes.get(ancestor)
        if entry is None:
            continue
        bounds = entry.instance.get(name, ())
        if name in entry.own:
            bounds = (entry.own[name], *bounds)
        if bounds:
            return joined([_bound(inference, b) for b in bounds])
    return UNKNOWN


def _bound(inference: Inference, bound: Bound) -> Value:
    if bound.bind.annotation is not None:
        found = annotated(inference, bound.scope, bound.bind.annotation)
        if found.kind:
            return found
    if bound.bind.kind != "assign":
        return UNKNOWN
    return inference.value(bound.scope, bound.position, bound.bind.value)
