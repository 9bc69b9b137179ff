"""What loading rows of a mapped class brings along: statements of its eager relationships.

`selectin` and `subquery` relationships cost one more statement for a load (`selectin` one for each
500 rows), and what they load brings its own. A `joined` one costs none by itself; what the joined
class loads eagerly comes only when rows are joined, which the source does not say.
"""

from __future__ import annotations

from typing import NamedTuple

from auditor.source.models import Models

_BATCHED = frozenset(("selectin", "subquery", "immediate"))
_JOINED = frozenset(("joined", "False"))
_DEEPEST = 6
_MOST = 60


class Eager(NamedTuple):
    """`batches` are relationships (`Router.route_list`) with a statement of their own, each once
    for each way it is reached; `behind` are joined ones with the number that may come with them."""

    batches: tuple[str, ...]
    behind: tuple[tuple[str, int], ...]


NO_EAGER = Eager((), ())


def eager_of(models: Models, name: str) -> Eager:
    """What loading rows of class `name` (mapped, or wrapping a mapped one) brings along."""
    model = models.model_of(name)
    if model is None:
        return NO_EAGER
    batches = _batches(models, model.dotted, (), _DEEPEST)
    owners = (model.dotted, *(target for _, target in batches))
    behind = tuple(one for owner in dict.fromkeys(owners) for one in _behind(models, owner))
    return Eager(tuple(label for label, _ in batches), behind)


def _batches(
    models: Models, name: str, around: tuple[str, ...], depth: int
) -> tuple[tuple[str, str], ...]:
    """Relationships with statements of their own, and their classes; a class inside itself ends."""
    model = models.by_name.get(name)
    if model is None or depth == 0 or name in around:
        return ()
    found: list[tuple[str, str]] = []
    for relation in model.relationships.values():
        if relation.lazy in _BATCHED:
            found.append((f"{_last(name)}.{relation.name}", relation.target))
            found.extend(_batches(models, relation.target, (*around, name), depth - 1))
    return tuple(found[:_MOST])


def _behind(models: Models, name: str) -> list[tuple[str, int]]:
    model = models.by_name.get(name)
    found: list[tuple[str, int]] = []
    for relation in model.relationships.values() if model else ():
        if relation.lazy in _JOINED and relation.target and relation.target != name:
            more = len(_batches(models, relation.target, (name,), _DEEPEST))
            if more:
                found.append((f"{_last(name)}.{relation.name}", more))
    return found


def _last(name: str) -> str:
    return name.rpartition(".")[2]
