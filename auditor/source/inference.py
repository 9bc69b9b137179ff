"""Light types: what an expression is, followed through binds, attributes, calls and modules.

    inference.py   the machine: one rule for each type of expression, answers kept, cycles cut
    lookups.py     names: binds, parameters (followed to callers), closures, modules
    attributes.py  attributes of modules, classes, instances, rows and kinds of the tables
    results.py     what calls give: rows of the tables, constructors, returns, contexts
    infer.py       the rules put together

Nothing is guessed: what cannot be told is `UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from auditor.model.knowledge import ContextRow
from auditor.source.facts import Call, Expr
from auditor.source.models import Models
from auditor.source.program import Program, Scope
from auditor.source.value import UNKNOWN, Value

_DEPTH = 120
"""Questions asked inside each other at most."""
_NEAR = 4
"""Bits in which the `id`s of two objects that both live do not differ alone: none is smaller than
16 bytes. Without them a key stays an `int` of two digits, a third of what a tuple takes."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A program with what was inferred about it so far."""

    program: Program
    models: Models
    rules: Mapping[type, Callable[[Inference, Scope, int, Any], Value]]
    """By type of expression."""
    enter: Callable[[Inference, Scope, int, Expr | None], Value]
    """What `as` binds for a context expression."""
    answers: dict[object, Value] = field(default_factory=dict)
    """By scope and `id` of an expression, as one number, or by question (see `kept`)."""
    values: dict[Value, Value] = field(default_factory=dict)
    """All values found: equal ones are kept once."""
    alive: list[Expr] = field(default_factory=list)
    """Expressions with an answer: kept, so that no other one gets the same `id`."""
    asked: dict[object, None] = field(default_factory=dict)
    """Questions being answered now, outermost first."""
    contexts: dict[tuple[int, int], ContextRow | None] = field(default_factory=dict)
    """By scope and `id` of an expression: the transaction context it opens."""
    uses: dict[int, Mapping[str, tuple[tuple[int, Call], ...]]] = field(default_factory=dict)
    """By scope: the calls on its names that tell what the names are."""
    users: dict[tuple[str, str], dict[str, list[Scope]]] = field(default_factory=dict)
    """By module and class: its functions with such calls, by name."""

    def value(self, scope: Scope, position: int, expr: Expr | None) -> Value:
        """What `expr` is, evaluated in `scope` just before event number `position`."""
        rule = self.rules.get(type(expr))
        if rule is None or expr is None:
            return UNKNOWN
        key = (id(expr) >> _NEAR) * len(self.program.scopes) + scope.key
        found = self.answers.get(key)
        if found is not None:
            return found
        asked = self.asked
        if len(asked) > _DEPTH or key in asked:
            return UNKNOWN
        self.alive.append(expr)
        asked[key] = None
        try:
            found = rule(self, scope, position, expr)
        finally:
            del asked[key]
        found = self.answers[key] = self.values.setdefault(found, found)
        return found

    def kept(self, key: object, answer: Callable[[], Value]) -> Value:
        """The answer to the question `key`, found once; unknown inside itself."""
        found = self.answers.get(key)
        if found is not None:
            return found
        if len(self.asked) > _DEPTH or key in self.asked:
            return UNKNOWN
        self.asked[key] = None
        try:
            found = answer()
        finally:
            del self.asked[key]
        self.answers[key] = found
        return found
