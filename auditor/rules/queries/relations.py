"""Relationships as the rules see them: what they lead to, and whether to many rows."""

from __future__ import annotations

from auditor.source.facts import Call, Const, Expr, Lambda
from auditor.source.models import Model, Models, Relationship
from auditor.source.project import Project


def target_of(project: Project, relation: Relationship) -> str:
    """The dotted name of the class a relationship leads to, also of one that was not read; of a
    class named by a string that was not read, the string; empty if nothing is written."""
    if relation.target or relation.bound is None:
        return relation.target
    call = relation.bound.bind.value
    written: Expr | None = None
    if isinstance(call, Call):
        written = call.args[0] if call.args else call.keyword("argument")
    if isinstance(written, Lambda):
        written = written.body
    if isinstance(written, Const):
        return str(written.value)
    return project.resolve(relation.bound.scope.module, written)


def is_many(models: Models, owner: Model, relation: Relationship) -> bool | None:
    """Whether a relationship gives a collection: as written, else by the side on which the foreign
    key stands; None when neither tells."""
    if relation.many is not None:
        return relation.many
    other = models.by_name.get(relation.target)
    if other is None or not owner.table or not other.table:
        return None
    if _refers(models, owner, other):
        return None if _refers(models, other, owner) else False
    call = relation.bound.bind.value if relation.bound is not None else None
    secondary = isinstance(call, Call) and call.keyword("secondary") is not None
    return True if secondary or _refers(models, other, owner) else None


def collection(models: Models, owner: str, name: str) -> Relationship | None:
    """The relationship of a class, by its dotted name, that is known to give many rows; None for
    any other."""
    model = models.by_name.get(owner)
    found = model.relationships.get(name) if model is not None else None
    many = model is not None and found is not None and is_many(models, model, found)
    return found if many else None


def _refers(models: Models, one: Model, other: Model) -> bool:
    """Whether a foreign key of one model names the other's table or class."""
    last = other.dotted.rpartition(".")[2]
    for key in one.foreign_keys:
        parts = key.target.split(".")
        if other.table in parts[:-1] or last in parts[:-1]:
            return True
    return False
