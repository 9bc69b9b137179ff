"""Which foreign keys a write can violate: of the row that is added, or of rows left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from auditor.model.knowledge import QUERY, Effect
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Pairs,
    Read,
    Subscript,
    path_of,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

_WRITES = frozenset((Effect.WRITE, Effect.PENDING))
_ADDS = frozenset(("add", "create", "save"))
_DELETES = frozenset(("delete",))
_KEEPS_CHILDREN = frozenset(("", "RESTRICT", "NO ACTION"))
_ASKS = frozenset(
    ("get", "ensure", "check", "validate", "find", "exist", "load", "fetch", "require", "use",
     "query", "show", "count", "delete", "remove", "clear", "confirm", "verify", "assert", "purge")
)  # fmt: skip
_NAMES = 4
"""Names for the same thing followed at most."""
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")


class Violation(NamedTuple):
    """A write at `site` of a row of `model` that key `column` -> `other` can refuse."""

    site: Site
    model: Model
    column: str
    other: Model
    is_delete: bool


def violations_of(project: Project, function: FunctionFacts) -> Iterator[Violation]:
    """The writes that a function itself makes and foreign keys of the project can refuse, with
    every such key."""
    for site in project.sites(function):
        if site.callee >= 0 or _WRITES.isdisjoint(site.effects):
            continue
        call = function.events[site.position]
        name = last_step(call.func) if isinstance(call, Call) else ""
        model = _model_at(project, site) if name in _ADDS | _DELETES else None
        is_delete = name in _DELETES
        if model is None or (is_delete and not model.table):
            continue
        of_query = _is_of_query(project, site)
        found = _left_behind(project, model, of_query) if is_delete else _needed(project, model)
        for column, other in found:
            yield Violation(site, model, column, other, is_delete)


def _model_at(project: Project, site: Site) -> Model | None:
    """The model of the row that a call writes: its receiver's (`label.create()`) or that of its
    first argument (`session.add(label)`)."""
    scope = project.program.scopes[site.scope]
    call = scope.function.events[site.position]
    if not isinstance(call, Call):
        return None
    places = [call.func.base] if isinstance(call.func, Attribute) else []
    for expr in (*places, *call.args[:1]):
        value = project.inference.value(scope, site.position, expr)
        model = project.models.model_of(value.name)
        if model is not None:
            return model
    return None


def _is_of_query(project: Project, site: Site) -> bool:
    scope = project.program.scopes[site.scope]
    call = scope.function.events[site.position]
    base = call.func.base if isinstance(call, Call) and isinstance(call.func, Attribute) else None
    return project.inference.value(scope, site.position, base).kind == QUERY


def _needed(project: Project, model: Model) -> Iterator[tuple[str, Model]]:
    """The keys of a row that is added, and the models that they lead to."""
    for key in model.foreign_keys:
        other = _by_table(project).get(_table_of(project, key.target))
        if other is not None and other.table != model.table:
            yield key.column, other


def _left_behind(project: Project, model: Model, of_query: bool) -> Iterator[tuple[str, Model]]:  # noqa: FBT001 - a fact of the site
    """The keys of other models that refuse that a row goes. Rows that the ORM knows as related are
    deleted or let go by it when it deletes a row of the session."""
    related = {relation.target for relation in model.relationships.values()}
    for other in _by_table(project).values():
        if other.table == model.table or (not of_query and other.dotted in related):
            continue
        for key in other.foreign_keys:
            is_kept = key.ondelete.upper() in _KEEPS_CHILDREN
            if is_kept and _table_of(project, key.target) == model.table:
                yield key.column, other


def _by_table(project: Project) -> dict[str, Model]:
    known: dict[str, Model] = project.shared.setdefault("models by table", {})
    if not known:
        for model in project.models.by_name.values():
            if model.table:
                known.setdefault(model.table, model)
    return known


def _table_of(project: Project, target: str) -> str:
    """`labels` of `labels.id` and of `models.Label.id`."""
    owner = target.rpartition(".")[0]
    last = owner.rpartition(".")[2]
    if last in _by_table(project):
        return last
    found = (m for m in project.models.by_name.values() if m.dotted.rpartition(".")[2] == last)
    return next((model.table for model in found), "")


def is_asked_about(function: FunctionFacts, model: Model, added: Model | None = None) -> bool:
    """Whether a function reads, checks or removes rows of a model, as its words tell: the class, or
    the words of class or table in a call that asks (`get_label`, `_ensure_label_exists`).
    `get_label_rules` asks about the rows that are `added`, whose name begins with the other's."""
    name = model.dotted.rpartition(".")[2]
    meant = [_words(name), _words(model.table)]
    own = _words(added.dotted.rpartition(".")[2]) if added is not None else frozenset()
    own = own if any(words < own for words in meant if words) else frozenset()
    for event in function.events:
        if isinstance(event, Read) and name in event.path:
            return True
        if isinstance(event, Call):
            said = _words(last_step(event.func))
            if own and own <= said:
                continue
            if said & _ASKS and any(words and words <= said for words in meant):
                return True
    return False


def _words(name: str) -> frozenset[str]:
    """`MeteringLabels` and `metering_label` have the same words."""
    return frozenset(word.lower().removesuffix("s") for word in _WORDS.findall(name))


def given_for(
    project: Project, module: ModuleFacts, function: FunctionFacts, found: Violation
) -> str:
    """What a row that is added has in the column of a key: `outside` for a value that the caller
    gave, `inside` for one that the function made or loaded, empty if that does not show."""
    names = {p.name for p in function.parameters} - {"self", "cls"}
    for event in function.events:
        if not isinstance(event, Call) or not _makes(project, module, event, found.model):
            continue
        value = event.keyword(found.column)
        if value is None and (spread := event.keyword("")) is not None:
            value = _in_display(function, spread, found.column)
            if value is None:
                return ""
        return "inside" if value is None else _origin(function, value, names)
    return ""


def _origin(function: FunctionFacts, value: Expr, names: set[str]) -> str:
    """Where a value comes from: a parameter, or what is under a key of one, also by other names
    that are bound once."""
    for _ in range(_NAMES):
        path = path_of(value)
        if len(path) == 1 and path[0] in names:
            return "outside"
        if not path or path[0] in names:
            break
        bound = _bound_once(function, path[0])
        if not path_of(bound):
            break
        value = _under(bound, path[1:]) if bound is not None else value
    return _of(value, names)


def _bound_once(function: FunctionFacts, name: str) -> Expr | None:
    binds = [e for e in function.events if isinstance(e, Bind) and e.target == name]
    return binds[0].value if len(binds) == 1 and binds[0].kind == "assign" else None


def _under(expr: Expr, steps: tuple[str, ...]) -> Expr:
    """The expression with the steps of a path after it."""
    for step in steps:
        keyed = step.startswith("[")
        expr = Subscript(expr, Const(step[1:-1])) if keyed else Attribute(expr, step)
    return expr


def _in_display(function: FunctionFacts, spread: Expr, column: str) -> Expr | None:
    """The value of a column in `**values`, where `values = {...}` is all that is known of it."""
    binds = [
        event
        for event in function.events
        if isinstance(event, Bind)
        and isinstance(spread, Name)
        and event.target.removesuffix("[]") == spread.name
    ]
    display = binds[0].value if len(binds) == 1 else None
    if not isinstance(display, Pairs):
        return None
    pairs = zip(display.keys, display.values, strict=True)
    return next((v for k, v in pairs if getattr(k, "value", None) == column), None)


def _of(value: Expr, names: set[str]) -> str:
    """`body["label_id"]` comes from outside; `label.id` was read from a row, and so was what is
    under a key of an object's attribute, `event.row["id"]`."""
    path = path_of(value)
    steps = path[1:]
    keyed = bool(steps) and path[0] in names and all(step.startswith("[") for step in steps)
    return "outside" if keyed else "inside"


def _makes(project: Project, module: ModuleFacts, call: Call, model: Model) -> bool:
    name = project.resolve(module, call.func)
    made = project.models.model_of(name) if name else None
    return made is not None and made.dotted == model.dotted
