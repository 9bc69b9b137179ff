"""The rules of inference put together: one for each type of expression that says something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from auditor.model.knowledge import QUERY, ROW, ROWS, SCALARS
from auditor.source.attributes import attribute_value
from auditor.source.facts import (
    Attribute,
    Call,
    Choice,
    Comprehension,
    Const,
    Expr,
    Items,
    Logic,
    Name,
    Opaque,
    Pairs,
    Subscript,
    Text,
    path_of,
)
from auditor.source.inference import Inference
from auditor.source.lookups import name_value
from auditor.source.models import Models
from auditor.source.program import Program, Scope
from auditor.source.results import call_value, entered_value
from auditor.source.used import used_nearby
from auditor.source.value import INSTANCE, LITERAL_VALUE, NONE_VALUE, UNKNOWN, Value, joined

_ROWS_OR_LAZY = frozenset((ROWS, QUERY, SCALARS))


def inference_of(program: Program, models: Models) -> Inference:
    """The inference of a program, nothing inferred yet."""
    rules: dict[type, Callable[[Inference, Scope, int, Any], Value]] = {
        Name: _name,
        Attribute: attribute_value,
        Call: call_value,
        Const: _const,
        Items: _literal,
        Pairs: _literal,
        Text: _literal,
        Subscript: _subscript,
        Comprehension: _comprehension,
        Choice: _choice,
        Logic: _logic,
    }
    return Inference(program, models, rules, entered_value)


def _name(inference: Inference, scope: Scope, position: int, expr: Name) -> Value:
    return name_value(inference, scope, position, expr.name)


def _const(inference: Inference, scope: Scope, position: int, expr: Const) -> Value:
    return NONE_VALUE if expr.value is None else LITERAL_VALUE


def _literal(inference: Inference, scope: Scope, position: int, expr: Expr) -> Value:
    """A display; an empty one stands for "nothing yet" and agrees with whatever comes later."""
    is_empty = isinstance(expr, (Items, Pairs)) and not expr[-1]
    return NONE_VALUE if is_empty else LITERAL_VALUE


def _subscript(inference: Inference, scope: Scope, position: int, expr: Subscript) -> Value:
    base = inference.value(scope, position, expr.base)
    if base.kind not in _ROWS_OR_LAZY or not base.name:
        return used_nearby(inference, scope, ".".join(path_of(expr)))
    return base._replace(kind=ROWS if isinstance(expr.index, Opaque) else ROW)


def _comprehension(inference: Inference, scope: Scope, position: int, expr: Comprehension) -> Value:
    region = scope.function.regions[expr.region]
    element = inference.value(scope, region.last - 1, expr.element)
    is_row = element.kind == ROW or (
        element.kind == INSTANCE and inference.models.model_of(element.name) is not None
    )
    if expr.kind not in {"list", "set", "generator"} or not is_row or not element.name:
        return UNKNOWN
    return element._replace(kind=ROWS)


def _choice(inference: Inference, scope: Scope, position: int, expr: Choice) -> Value:
    sides = (expr.then, expr.otherwise)
    return joined([inference.value(scope, position, side) for side in sides])


def _logic(inference: Inference, scope: Scope, position: int, expr: Logic) -> Value:
    if expr.operator == "and":
        return inference.value(scope, position, expr.items[-1])
    values = [inference.value(scope, position, item) for item in expr.items]
    known = [value for value in values if value.kind]
    if len(known) < len(values):  # `self._manager or DEFAULT`: what can be told stands for the rest
        return joined([value._replace(sure=False) for value in known])
    return joined(values)
