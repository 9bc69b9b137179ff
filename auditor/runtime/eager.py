"""Relations that SQLAlchemy loads eagerly, and which of them the program reads afterwards.

The relations that a statement joins stand in its compiled form. Whether one of them is read is
seen by its attribute: the descriptors of relations that were loaded eagerly, and of no others, get
a class that looks who loaded the object before it hands out the value. SQLAlchemy numbers its
loads and writes the number on each object; here the number leads to the cells of the statement.

    owners   number of a load -> the cells of its statement      at most MOST_LOADS, then anew

All of this begins with the first statement that may load something eagerly; a program without such
a statement pays nothing.
Nothing of the program is kept alive: numbers, names and weak references to mappers only. All
descriptors get their class back when the last recording ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.orm import loading
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.orm.state import InstanceState

from auditor.runtime.cells import USED, Cell
from auditor.runtime.relations import eager_relations, name_of
from auditor.runtime.rows import CountedRows
from auditor.runtime.seam import Patches

MOST_LOADS = 4096
_Descriptor: Any = InstrumentedAttribute
_GET: Any = InstrumentedAttribute.__get__
_SET: Any = InstrumentedAttribute.__set__


class WatchedRelation(_Descriptor):  # type: ignore[misc]  # Any: not generic in SQLAlchemy 1.4
    """The descriptor of a relation that was loaded eagerly: notes who loaded what is read."""

    __slots__ = ()
    inherit_cache = True

    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is not None:
            loads.note(self, instance)
        return _GET(self, instance, owner)

    def __set__(self, instance: Any, value: Any) -> None:
        loads.note(self, instance)
        _SET(self, instance, value)


class Loads:
    """The loads of this process while it is recorded."""

    __slots__ = ("_patches", "_watched", "owners", "unknown")

    def __init__(self) -> None:
        self.owners: dict[int, Sequence[Cell]] = {}
        self.unknown: Callable[[str], None] | None = None
        self._patches = Patches()
        self._watched: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()

    def watch(self, compiled: Any) -> None:
        """Watches the relations that a statement loads eagerly. Called before its rows are read, so
        the objects made of them are known as its own."""
        if not self._patches:
            self._patches.put(loading, "instances", watch_instances(loading.instances))
            pickled = watch_pickling(InstanceState.__getstate__)
            self._patches.put(InstanceState, "__getstate__", pickled)
        for relation in eager_relations(compiled):
            for mapper in relation.parent.self_and_descendants:
                attribute = mapper.class_manager.get(relation.key)
                if type(attribute) is InstrumentedAttribute:
                    attribute.__class__ = WatchedRelation
                    self._watched.setdefault(mapper, set()).add(relation.key)

    def stop(self) -> None:
        """Gives all descriptors their class back and forgets the loads."""
        self._patches.undo()
        for mapper, keys in list(self._watched.items()):
            for key in keys:
                attribute = mapper.class_manager.get(key)
                if type(attribute) is WatchedRelation:
                    attribute.__class__ = _Descriptor
        self._watched.clear()
        self.owners.clear()

    def note(self, attribute: Any, instance: Any) -> None:
        """Notes that a relation is read that is loaded. Never raises."""
        try:
            state = instance._sa_instance_state  # noqa: SLF001 - SQLAlchemy's documented name
            if state.key is None or attribute.key not in state.dict:
                return
            relation = attribute.property
            name = name_of(relation)
            cells = self.owners.get(state.runid)
            if cells is None and self.unknown is not None:
                self.unknown(name)
            for cell in cells or ():
                cell[USED] = cell[USED] or set()
                cell[USED].add(name)
        except Exception:  # noqa: BLE001, S110 - a read of the program must not fail because of us
            pass


loads = Loads()


def watch_instances(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `loading.instances(cursor, context)`: knows which statement a load is of."""

    @functools.wraps(original)
    def instances(cursor: Any, context: Any) -> Any:
        given = original(cursor, context)
        strategy = getattr(cursor, "cursor_strategy", None)
        if type(strategy) is CountedRows:
            owners = loads.owners
            if len(owners) >= MOST_LOADS:
                owners.clear()
            owners[context.runid] = strategy.cells
        return given

    return instances


def watch_pickling(original: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapper for `InstanceState.__getstate__`: what is pickled or copied whole is read."""

    def getstate(state: Any) -> Any:
        instance = state.obj()
        if instance is not None:
            for key in tuple(state.dict):
                attribute = state.manager.get(key)
                if type(attribute) is WatchedRelation:
                    loads.note(attribute, instance)
        return original(state)

    return getstate
