"""The models of the rows that a `try` writes, with the keys that the new rows are given."""

from __future__ import annotations

from auditor.model.knowledge import Effect
from auditor.rules.errors.caught import Handler
from auditor.rules.errors.open_transactions import does, work_within
from auditor.source.facts import Attribute, Call, Expr, FunctionFacts
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

_WRITES = frozenset((Effect.WRITE, Effect.PENDING))


def written(
    project: Project, function: FunctionFacts, handler: Handler
) -> tuple[tuple[Model, ...], bool]:
    """The models of the rows that the `try` writes, and whether all are known and none is
    deleted."""
    found: list[Model] = []
    sites = work_within(project, function, handler.tried, _WRITES)
    is_complete = bool(sites)
    for site in sites:
        effect = does(project, site, _WRITES)
        way = project.effects.way(site, effect) if effect is not None else ()
        model = _model_at(project, way[-1]) if way else None
        if model is None:
            is_complete = False
        elif model not in found:
            found.append(model)
    return tuple(found), is_complete


def _model_at(project: Project, site: Site) -> Model | None:
    """The model of the row that a call writes: its receiver's (`label.create()`) or that of its
    first argument (`session.add(label)`)."""
    scope = project.program.scopes[site.scope]
    call = scope.function.events[site.position]
    if not isinstance(call, Call) or last_step(call.func) == "delete":
        return None  # what refuses a delete are the keys of other rows
    places = [call.func.base] if isinstance(call.func, Attribute) else []
    for expr in (*places, *call.args[:1]):
        value = project.inference.value(scope, site.position, expr)
        model = project.models.model_of(value.name)
        if model is not None:
            return _with_given_keys(model, expr)
    return None


def _with_given_keys(model: Model, expr: Expr) -> Model:
    """The model with those foreign keys only that a new row, made in place, is given: the others
    are NULL, and refer to nothing."""
    if not isinstance(expr, Call) or expr.args:
        return model
    given = {keyword.name for keyword in expr.keywords}
    if not given or not given <= model.columns.keys():
        return model  # set elsewhere, a relationship, or `**values`
    return model._replace(
        foreign_keys=tuple(
            key
            for key in model.foreign_keys
            if key.column in given or key.column not in model.columns
        )
    )
