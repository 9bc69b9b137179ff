"""Which relations a statement loads, read from its compiled form.

SQLAlchemy 1.4 to 2.1 note each relation that a statement joins under a key
`("eager_row_processor", (mapper, relationship, mapper, ...))` of the attributes of its compile
state; a loader that runs a statement of its own leaves the path in `current_path`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NESTED = " > "
"""Between the steps of a joined path: `Router.ports[] > Port.addresses[]`."""
MANY = "[]"
"""After the name of a relation to many."""


_EAGER = frozenset({"joined", "selectin", "subquery", "immediate", False})
_EAGER_KEYS = frozenset({("eager_row_processor",), ("loader",)})


def name_of(relation: Any) -> str:
    """`Router.ports`: the class that has the relation, and its name there."""
    return f"{relation.parent.class_.__name__}.{relation.key}"


def joined_relations(compiled: Any) -> tuple[str, ...]:
    """The relations that a statement loads by join, as paths, in fixed order:
    `Router.gateway`, `Router.ports[]`, `Router.ports[] > Port.addresses[]`."""
    return tuple(sorted(NESTED.join(map(_step, path)) for path in _joined_paths(compiled)))


def eager_relations(compiled: Any) -> list[Any]:
    """The relationship properties that a statement loads: those it joins, and the one it is for."""
    joined = [path[-1] for path in _joined_paths(compiled)]
    path: Any = getattr(getattr(compiled, "compile_state", None), "current_path", None)
    steps: Any = getattr(path, "path", None) or ()
    return joined + [part for part in steps if _is_relation(part)][-1:]


def may_load_eagerly(compiled: Any) -> bool:
    """Says whether a statement, or what follows from it, may load relations that nobody has read
    yet: by an option, or because the mapping says so."""
    state = getattr(compiled, "compile_state", None)
    attributes: Any = getattr(state, "attributes", None) or {}
    if any(isinstance(key, tuple) and key[:1] in _EAGER_KEYS for key in attributes):
        return True
    entities: Any = getattr(state, "_entities", None) or ()
    mappers = (getattr(entity, "mapper", None) for entity in entities)
    return any(
        relation.lazy in _EAGER
        for mapper in mappers
        if mapper is not None
        for relation in mapper.relationships
    )


def names_in(joined: tuple[str, ...]) -> set[str]:
    """The names of the relations at the ends of joined paths."""
    return {path.rpartition(NESTED)[2].removesuffix(MANY) for path in joined}


def _step(relation: Any) -> str:
    return f"{name_of(relation)}{MANY if relation.uselist else ''}"


def _joined_paths(compiled: Any) -> Iterator[list[Any]]:
    state = getattr(compiled, "compile_state", None)
    attributes: Any = getattr(state, "attributes", None) or {}
    for key in attributes:
        if isinstance(key, tuple) and key[:1] == ("eager_row_processor",):
            steps: Any = getattr(key[1], "path", key[1])
            path = [part for part in steps if _is_relation(part)]
            if path:
                yield path


def _is_relation(part: Any) -> bool:
    return hasattr(part, "uselist") and hasattr(part, "key") and hasattr(part, "parent")
