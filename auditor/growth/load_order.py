"""One order of statements in every process, where SQLAlchemy leaves it to a set.

    eager loads of one object      the order in which its relations are defined
    a flush of rows in a cycle     table by table, in the order of the dependency sort
    the end of a session's         the order in which the session began to use the
    transactions                   databases

Any order is right; only the one of a set is another in each process. A statement's ordinal would
mean another one in a replay, and what one load brings another need not fetch, so that even counts
may differ. All three are private to SQLAlchemy: where one of them is not there, its order stays.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy.util import OrderedSet


def settle_load_order() -> None:
    """Settle the order of all three, for classes that are defined later too.

    What a statement loads is put in order when it is executed for the first time, and kept with its
    compiled form: this has to come before the program's first statement.
    """
    _settle_loads(sys.modules.get("sqlalchemy.orm.mapper"))
    _settle_flushes(sys.modules.get("sqlalchemy.orm.unitofwork"))
    session = sys.modules.get("sqlalchemy.orm.session")
    if session is not None:
        vars(session)["set"] = OrderedSet


def _settle_loads(mapper: Any) -> None:
    kept = vars(mapper.Mapper).get("_prop_set") if mapper is not None else None
    if kept is None:
        return
    kept.fget = _in_order
    registries = vars(mapper)["_all_registries"]()
    for one in (one for registry in registries for one in registry.mappers):
        vars(one).pop("_prop_set", None)


def _in_order(mapper: Any) -> Any:
    return OrderedSet(vars(mapper)["_props"].values())


def _settle_flushes(unit_of_work: Any) -> None:
    original = getattr(unit_of_work, "topological", None)
    if original is not None and not isinstance(original, _TableByTable):
        unit_of_work.topological = _TableByTable(original)


class _TableByTable:
    """SQLAlchemy's dependency sort, with its largest subsets split into what is flushed at once:
    of a larger one a flush takes whichever comes first out of a set."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def sort_as_subsets(
        self, tuples: Collection[Any], allitems: Collection[Any]
    ) -> Iterator[list[Any]]:
        """As SQLAlchemy's. Actions on the same table, in the same direction, stay together."""
        for subset in self._original.sort_as_subsets(tuples, allitems):
            parts: dict[Any, list[Any]] = {}
            for action in subset:
                key = (type(action), action.sort_key, getattr(action, "isdelete", None))
                parts.setdefault(key, []).append(action)
            yield from parts.values()
