"""Which mapped classes belong together: those that a foreign key or a relationship ties,
or a key to the same third table or of the same name."""

from __future__ import annotations

from collections.abc import Iterable

from auditor.source.models import Model, Models


def families_of(models: Models, names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Classes (mapped, or wrapping a mapped one) in groups that hang together by themselves, in
    order of first mention, each by the last step of its name. Unmapped ones are left out; none are
    told apart in a program whose keys cannot be seen."""
    if not any(model.foreign_keys for model in models.by_name.values()):
        return ()
    mapped: dict[str, Model] = {}
    for name in names:
        model = models.model_of(name)
        if model is not None:
            mapped.setdefault(model.dotted, model)
    groups: list[list[Model]] = []
    for model in mapped.values():
        tied = [group for group in groups if any(_is_tied(model, other) for other in group)]
        groups = [group for group in groups if group not in tied]
        groups.append([*(m for group in tied for m in group), model])
    order = list(mapped)
    return tuple(
        tuple(m.dotted.rpartition(".")[2] for m in group)
        for group in sorted(groups, key=lambda group: min(order.index(m.dotted) for m in group))
    )


def _is_tied(one: Model, other: Model) -> bool:
    shared = {n for n in one.columns if n.endswith("_id")} & set(other.columns)
    targets = {k.target for k in one.foreign_keys} & {k.target for k in other.foreign_keys}
    return bool(shared or targets) or _points(one, other) or _points(other, one)


def _points(one: Model, other: Model) -> bool:
    keys = {key.target.rpartition(".")[0] for key in one.foreign_keys}
    named = {other.table, other.dotted.rpartition(".")[2], other.dotted} - {""}
    if not named.isdisjoint(keys):
        return True
    return any(relation.target == other.dotted for relation in one.relationships.values())
