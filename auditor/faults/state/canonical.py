"""Values as plain text that can be compared between runs, with what a run makes anew masked.

Ids that a call generates and the time it writes down differ between equal runs. A UUID that was
not in the database before the call reads `<new id>`, a time while the run lasted reads `<now>`;
whole-number keys that the database generated are masked where runs differ without it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm.state import InstanceState

NEW_ID = "<new id>"
NOW = "<now>"
_UUID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.IGNORECASE)
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)?")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+\b")
_DEEPEST = 12
_CLOCK_SLACK = 2.0  # seconds: columns that store whole seconds round


@dataclass(frozen=True, slots=True)
class Mask:
    """What to mask: UUIDs not in `known`, times from `began` to `ended` (seconds since 1970), the
    whole numbers `fresh`, and mapping keys in `volatile`."""

    known: frozenset[str]
    began: float
    ended: float
    fresh: frozenset[int] = frozenset()
    volatile: frozenset[str] = frozenset()


def ids_in(text: str) -> list[str]:
    """The UUIDs in a text, with or without hyphens."""
    return _UUID.findall(text)


def canonical(value: Any, mask: Mask, depth: int = 0) -> Any:
    """The value as nested tuples and strings; equal for values that a caller could not tell apart.

    Objects are compared by their public attributes, ORM objects by the columns they have loaded.
    Iterators and functions are compared by class only: reading them would change the run.
    """
    if depth > _DEEPEST:
        return "..."
    if isinstance(value, str):
        return _text(value, mask)
    if isinstance(value, datetime):
        return _time(value, mask)
    if value is None or isinstance(value, (bool, int, float, bytes, complex)):
        return _number(value, mask)
    return _compound(value, mask, depth + 1)


def told(error: BaseException, mask: Mask | None) -> str:
    """What an error says, in one line, without what is of this run only; `mask` if there is one."""
    said = _ADDRESS.sub("", " ".join(str(error).split()))
    return _text(said, mask) if mask is not None else said


def _compound(value: Any, mask: Mask, depth: int) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value, mask, depth)
    if isinstance(value, AbstractSet):
        return ("set", tuple(sorted(repr(canonical(one, mask, depth)) for one in value)))
    if isinstance(value, (Sequence, sa.engine.Row)):
        return ("list", tuple(canonical(one, mask, depth) for one in value))
    attributes = _attributes(value)
    if attributes is not None:
        return (type(value).__qualname__, _mapping(attributes, mask, depth))
    shown = repr(value)
    own = () if " at 0x" in shown else (_text(shown, mask),)  # an address is of this run only
    return (type(value).__qualname__, *own)


def _mapping(value: Mapping[Any, Any], mask: Mask, depth: int) -> Any:
    pairs = [
        (repr(canonical(key, mask, depth)), canonical(one, mask, depth))
        for key, one in value.items()
        if key not in mask.volatile
    ]
    return ("mapping", tuple(sorted(pairs, key=lambda pair: (pair[0], repr(pair[1])))))


def _attributes(value: Any) -> Mapping[str, Any] | None:
    """What an object is compared by; None if it has nothing of its own."""
    state = sa.inspect(value, raiseerr=False)
    if isinstance(state, InstanceState):
        columns = state.mapper.column_attrs.keys()
        return {name: state.dict[name] for name in columns if name in state.dict}
    if callable(getattr(value, "obj_attr_is_set", None)):  # oslo.versionedobjects
        return {name: getattr(value, name) for name in value.fields if value.obj_attr_is_set(name)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if hasattr(value, "__next__") or not hasattr(value, "__dict__") or callable(value):
        return None
    return {name: one for name, one in vars(value).items() if not name.startswith("_")}


def _text(value: str, mask: Mask) -> str:
    named = _UUID.sub(lambda found: found[0] if found[0] in mask.known else NEW_ID, value)
    return _TIME.sub(lambda found: _time_text(found[0], mask), named)


def _time_text(text: str, mask: Mask) -> str:
    try:
        return NOW if _is_now(datetime.fromisoformat(text.rstrip("Z")), mask) else text
    except ValueError:
        return text


def _time(value: datetime, mask: Mask) -> str:
    return NOW if _is_now(value, mask) else value.isoformat()


def _number(value: Any, mask: Mask) -> Any:
    if isinstance(value, float) and mask.began - _CLOCK_SLACK <= value <= mask.ended + _CLOCK_SLACK:
        return NOW
    if isinstance(value, int) and not isinstance(value, bool) and value in mask.fresh:
        return NEW_ID
    return (type(value).__name__, repr(value))


def _is_now(value: datetime, mask: Mask) -> bool:
    """Whether a time, in UTC or local if it does not say, is one of the run."""
    readings = (value,) if value.tzinfo else (value, value.replace(tzinfo=timezone.utc))
    return any(
        mask.began - _CLOCK_SLACK <= reading.timestamp() <= mask.ended + _CLOCK_SLACK
        for reading in readings
    )
