"""Values as the driver stores them: the type's own processing, and types that wrap another.

What a TypeDecorator takes is not known from its metadata. It is given texts, numbers and
addresses of many forms; the first form that it both binds and reads back is its domain.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from auditor.growth.seeding.domains import Domain, Wanted, domain_of

Stored = Callable[[Sequence[Any]], Sequence[Any]]


def stored_domain(wanted: Wanted) -> Domain | None:
    """The values of a column, ready for the driver; None if its type is not known."""
    type_ = wanted.column.type
    if isinstance(type_, sa.types.TypeDecorator) and not isinstance(
        type_, (sa.Interval, sa.PickleType)
    ):
        return _decorated(wanted, type_)
    # PostgreSQL has a type of its own for some; the others are asked as they were declared.
    plain = type_ if isinstance(type_, (sa.Interval, sa.PickleType)) else _plain(type_, wanted)
    domain = domain_of(wanted, plain)
    return domain if domain is None else _bound(domain, processed(wanted.column, wanted.dialect))


def processed(column: sa.Column[Any], dialect: Dialect) -> Stored:
    """What the column's type makes of Python values for the driver."""
    type_: Any = column.type.dialect_impl(dialect)
    if isinstance(type_, sa.JSON) or isinstance(column.type, sa.JSON):
        return lambda values: [_json(column, dialect, value) for value in values]
    bind = type_.bind_processor(dialect)
    return (lambda values: values) if bind is None else lambda values: [bind(v) for v in values]


def _json(column: sa.Column[Any], dialect: Dialect, value: Any) -> Any:
    """As text: drivers of PostgreSQL want objects of their own, which COPY cannot take."""
    if value is None or (isinstance(value, str) and dialect.name == "postgresql"):
        return value
    serializer = getattr(dialect, "_json_serializer", None)
    return serializer(value) if serializer else json.dumps(value)


def _plain(type_: Any, wanted: Wanted) -> Any:
    """The type that a dialect uses; for a wrapper without processing, the wrapped one."""
    found = type_.dialect_impl(wanted.dialect)
    while isinstance(found, sa.types.TypeDecorator):
        found = found.load_dialect_impl(wanted.dialect)
    return type_ if isinstance(type_, (sa.Enum, sa.Boolean)) else found


def _bound(domain: Domain, store: Stored) -> Domain:
    if domain.stored:
        return domain
    return replace(domain, values=lambda numbers: store(domain.values(numbers)), stored=True)


def _decorated(wanted: Wanted, type_: Any) -> Domain | None:
    inner = _innermost(type_, wanted.dialect)
    own = domain_of(wanted, inner)
    impl: Any = type_.dialect_impl(wanted.dialect)
    store = processed(wanted.column, wanted.dialect)
    if own is not None and isinstance(inner, sa.Enum):
        own = replace(own, stored=False)
    length = getattr(inner, "length", None)
    for candidate in _candidates(own):
        if _goes_round(candidate, store, impl.result_processor(wanted.dialect, None), length):
            return _bound(candidate, store)
    return None


def _innermost(type_: Any, dialect: Dialect) -> Any:
    while isinstance(type_, sa.types.TypeDecorator):
        type_ = type_.load_dialect_impl(dialect)
    return type_


def _candidates(own: Domain | None) -> Iterator[Domain]:
    """The domains to try on a type that does its own processing; the plainest first."""
    if own is not None:
        yield replace(own, stored=False)
    for make, capacity in _FORMS:
        yield Domain(capacity, partial(_mapped, make))
    netaddr = sys.modules.get("netaddr")
    if netaddr is not None:  # the program under audit uses it, so its types may
        yield Domain(2**24, lambda ns: [netaddr.IPAddress(_FORMS[0][0](n)) for n in ns])
        yield Domain(2**24, lambda ns: [netaddr.IPNetwork(_FORMS[1][0](n)) for n in ns])
        yield Domain(2**24, lambda ns: [netaddr.EUI(_FORMS[2][0](n)) for n in ns])
    values: tuple[Any, ...] = ({}, [], b"", True)
    for value in values:
        yield Domain(1, partial(_all, value), varied=False)


def _all(value: Any, numbers: Sequence[int]) -> Sequence[Any]:
    return [value] * len(numbers)


def _mapped(make: Callable[[int], Any], numbers: Sequence[int]) -> Sequence[Any]:
    return [make(number) for number in numbers]


_FORMS: tuple[tuple[Callable[[int], Any], int], ...] = (
    (lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}", 2**24),
    (lambda n: f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}/32", 2**24),
    (lambda n: "fa:16:3e:" + ":".join(f"{n >> s & 255:02x}" for s in (16, 8, 0)), 2**24),
    (lambda n: str(uuid.UUID(int=n + 2**96)), 2**62),
    (lambda n: uuid.UUID(int=n + 2**96), 2**62),
    (lambda n: f"name-{n}@example.com", 2**62),
    (lambda n: f"https://example.com/{n}", 2**62),
    (lambda n: n + 1, 2**31 - 2),
    (lambda n: datetime(2000, 1, 1) + timedelta(seconds=n), 2**31 - 2),  # noqa: DTZ001  no zone
    (lambda n: datetime(2000, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=n), 2**31 - 2),
)


def _goes_round(domain: Domain, store: Stored, read: Any, length: int | None) -> bool:
    if domain.capacity < 1:
        return False
    try:
        stored = list(store(domain.values(range(min(2, domain.capacity)))))
        if read is not None:
            for value in stored:
                read(unwrapped(value))
    except Exception:  # noqa: BLE001  a type's own code refuses a form: the next one is tried
        return False
    return not any(
        isinstance(value, (str, bytes)) and length and len(value) > length for value in stored
    )


def unwrapped(value: Any) -> Any:
    """What a driver's own wrapper (`Binary`, `Json`) holds; another value as it is."""
    return getattr(value, "obj", getattr(value, "adapted", value))
