"""What a value holds, flat: a text for each place in it, so that two readings can be compared.

    {"labels": [{"name": "a"}]}   ->   {"labels": "1 item", "labels[0]": "1 key",
                                        "labels[0]['name']": "'a'"}

Dicts, lists, sets, records and plain objects are looked into; sessions, engines, clients, modules
and functions are taken for what they are. Nothing of the program is called, and no lazy attribute
is loaded.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from operator import length_hint
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm.state import InstanceState

Contents = Mapping[str, str]

_DEEPEST = 5
_MOST = 400
"""Places in one value; what has more is a service, and no request."""
_LONGEST = 60  # characters
_KEYS = (" key", " keys")
_PLAIN = (
    str,
    bytes,
    int,
    float,
    complex,
    decimal.Decimal,
    dt.date,
    dt.time,
    dt.timedelta,
    uuid.UUID,
    enum.Enum,
    type(None),
)
_ITERATORS: tuple[type, ...] = (
    type(iter([])),
    type(iter(())),
    type(iter({})),
    type(iter({}.items())),
    type(iter({}.values())),
    type(iter(set())),
    type(iter("")),
)


def contents_of(name: str, value: Any) -> Contents:
    """The places of a value and what is there; empty if it has too many. Never raises."""
    found: dict[str, str] = {}
    try:
        for place, text in _places(name, value, 0):
            if len(found) >= _MOST:
                return {}
            found[place] = text
    except Exception:  # noqa: BLE001 - a value of the program's may refuse anything
        return {}
    return found


def _places(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, _PLAIN):
        yield name, repr(value)
    elif isinstance(value, (set, frozenset)):
        yield name, "{" + ", ".join(sorted(repr(one) for one in value)) + "}"
    elif isinstance(value, _ITERATORS):
        yield name, f"{_counted(length_hint(value), 'item')} to come"
    elif inspect.isgenerator(value):
        yield name, "a generator, " + inspect.getgeneratorstate(value).removeprefix("GEN_").lower()
    elif depth < _DEEPEST:
        size, parts = _parts(value)
        if size:
            yield name, size
        for place, one in parts:
            yield from _places(f"{name}{place}", one, depth + 1)


def _parts(value: Any) -> tuple[str, Iterator[tuple[str, Any]]]:
    """How many parts a value has, empty for an object, and each with what leads to it."""
    if isinstance(value, Mapping):
        return _counted(len(value), "key"), ((f"[{key!r}]", one) for key, one in value.items())
    if isinstance(value, (list, tuple, deque)):
        return _counted(len(value), "item"), ((f"[{at}]", one) for at, one in enumerate(value))
    return "", ((f".{attribute}", one) for attribute, one in _attributes(value))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    state = sa.inspect(value, raiseerr=False)
    if isinstance(state, InstanceState):
        columns = state.mapper.column_attrs.keys()
        yield from ((name, state.dict[name]) for name in columns if name in state.dict)
    elif callable(getattr(type(value), "obj_attr_is_set", None)):  # oslo.versionedobjects
        yield from ((n, getattr(value, n)) for n in value.fields if value.obj_attr_is_set(n))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((one.name, getattr(value, one.name)) for one in dataclasses.fields(value))
    elif _is_plain_object(value):
        yield from ((n, one) for n, one in vars(value).items() if not n.startswith("_"))


def _is_plain_object(value: Any) -> bool:
    if isinstance(value, type) or inspect.isroutine(value) or inspect.ismodule(value):
        return False
    package = type(value).__module__.partition(".")[0]
    return package not in ("sqlalchemy", "oslo_db", "unittest", "logging", "threading") and (
        hasattr(value, "__dict__")
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def changed(first: Contents, later: Contents) -> tuple[str, ...]:
    """Places whose contents are not what they were, in words. What only came to be there is left
    out: attributes are loaded and defaults are filled in."""
    if not first or not later:
        return ()
    places = [
        place
        for place, text in first.items()
        if later.get(place) != text and not _is_expected(place, text, later)
    ]
    inner = tuple(f"{place}[" for place in places if first[place].endswith(_KEYS))
    told_inside = {own[:-1] for own in inner if any(one.startswith(own) for one in places)}
    return tuple(
        f"`{place}` was {_short(first[place])}, then {_short(later.get(place, 'gone'))}"
        for place in places
        if place not in told_inside
    )


def grown(first: Contents, later: Contents) -> bool:
    """Whether something came to be there."""
    return bool(first and later and set(later) - set(first))


def _is_expected(place: str, text: str, later: Contents) -> bool:
    """Whether an attribute is not loaded any more, or a number of keys only grew."""
    now = later.get(place, "")
    if text.endswith(_KEYS) and now.endswith(_KEYS):
        return _size(now) >= _size(text)
    return not now and _is_attribute(place)


def _is_attribute(place: str) -> bool:
    """Whether a place is an attribute: a rollback takes loaded ones away."""
    return not place.endswith("]") and "." in place


def _size(text: str) -> int:
    return int(text.partition(" ")[0])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
