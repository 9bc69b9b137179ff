"""The values of a type: so many distinct ones, each a pure function of a number from 0.

Texts are the column's name and the number, or in the form of a UUID where a column of 36 (32)
characters looks like an identifier. Numbers count from 1, times from the year 2000.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from auditor.growth.seeding.limits import Limits

ENDLESS = 2**62
_EPOCH = dt.datetime(2000, 1, 1)  # noqa: DTZ001  zones are given where the column has one
_DAYS = 36_500
_SECONDS = 2_000_000_000 - 946_684_800  # a TIMESTAMP of MariaDB ends in 2038
_BARE_UUID, _WHOLE_UUID = 32, 36  # characters without and with hyphens
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_HIGHEST = {
    "TINYINT": 127, "small_integer": 32_767, "SMALLINT": 32_767, "MEDIUMINT": 8_388_607,
    "big_integer": 2**63 - 1, "BIGINT": 2**63 - 1, "YEAR": 155,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Domain:
    """`capacity` distinct values, by numbers below it. `stored` values are as the driver takes
    them, others pass through the type's bind processor. Those of a domain that is not `varied`
    (a flag, an enumeration) are all the first one, unless they must be unique."""

    capacity: int
    values: Callable[[Sequence[int]], Sequence[Any]]
    stored: bool = False
    varied: bool = True


@dataclass(frozen=True, slots=True)
class Wanted:
    """What values are for: a column, as many rows, on a dialect, within limits."""

    column: sa.Column[Any]
    rows: int
    dialect: Dialect
    limits: Limits
    is_key: bool = False


def domain_of(wanted: Wanted, type_: sa.types.TypeEngine[Any]) -> Domain | None:
    """The values of a type that is no TypeDecorator; None for one that is not known."""
    special = _SPECIAL.get(type_.__visit_name__)
    if special is not None:
        return special(wanted, type_)
    if wanted.limits.allowed is not None and not isinstance(type_, (sa.Boolean, sa.Enum)):
        return _listed(wanted, type_)
    for kind, make in _KINDS:
        if isinstance(type_, kind):
            return make(wanted, type_)
    return None


def _chosen(values: Sequence[Any], *, stored: bool = False) -> Domain:
    found = tuple(values)
    return Domain(
        len(found), lambda numbers: [found[n] for n in numbers], stored=stored, varied=False
    )


def _listed(wanted: Wanted, type_: Any) -> Domain:
    allowed = wanted.limits.allowed or ()
    kept = [one for one in allowed if one not in wanted.limits.refused]
    if isinstance(type_, sa.Integer):
        kept = [int(one) for one in kept]
    elif isinstance(type_, sa.String):
        kept = [str(one) for one in kept]
    elif isinstance(type_, sa.Float):
        kept = [float(one) for one in kept]
    return _chosen(kept)


def _enumeration(wanted: Wanted, type_: Any) -> Domain:
    allowed = wanted.limits.allowed
    kept = [one for one in type_.enums if allowed is None or one in allowed]
    return _chosen([one for one in kept if one not in wanted.limits.refused], stored=True)


def _flags(wanted: Wanted, type_: Any) -> Domain:
    return _chosen((False, True))


def _whole_numbers(wanted: Wanted, type_: Any) -> Domain:
    limits = wanted.limits
    highest = _HIGHEST.get(type_.__visit_name__, 2**31 - 1)
    high = min(highest, math.floor(limits.high.value) if limits.high else highest)
    if limits.high and limits.high.open and high == limits.high.value:
        high -= 1
    low = min(1, high - wanted.rows + 1)
    if limits.low:
        low = math.ceil(limits.low.value) + (limits.low.open and limits.low.value % 1 == 0)
        low = max(low, 1) if max(low, 1) <= high else low
    refused = [int(one) for one in limits.refused if isinstance(one, Decimal)]
    low = max([low, *(one + 1 for one in refused if one >= low)])
    first = low + limits.shift
    return Domain(max(high - first + 1, 0), lambda numbers: range_or_list(numbers, first))


def range_or_list(numbers: Sequence[int], first: int) -> Sequence[int]:
    """Each number plus `first`, as a range where the numbers are one."""
    if isinstance(numbers, range) and numbers.step == 1:
        return range(numbers.start + first, numbers.stop + first)
    return [number + first for number in numbers]


def _decimals(wanted: Wanted, type_: Any) -> Domain:
    places = type_.scale if type_.precision is not None and type_.scale is not None else 0
    digits = (type_.precision or 15) - places
    step = Decimal(1) if places == 0 else Decimal(1).scaleb(-places)
    limits, whole = wanted.limits, Decimal(10) ** digits
    low = limits.low.value + (step if limits.low.open else 0) if limits.low else Decimal(0)
    high = limits.high.value - (step if limits.high.open else 0) if limits.high else whole - step
    first = max(low, Decimal(1)) if max(low, Decimal(1)) <= high else max(low, step)
    first = first if first <= high else low
    if int(high - first) + 1 >= wanted.rows:
        step = Decimal(1)
    first += limits.shift * step
    return Domain(max(int((high - first) / step) + 1, 0), lambda ns: [first + n * step for n in ns])


def _floats(wanted: Wanted, type_: Any) -> Domain:
    limits = wanted.limits
    low = float(limits.low.value) if limits.low else 0.0
    high = float(limits.high.value) if limits.high else low + 2.0**24
    step = min(1.0, (high - low) / (wanted.rows + limits.shift + 2))
    first = low + step * (1 + limits.shift)
    return Domain(2**24, lambda numbers: [first + number * step for number in numbers])


def _texts(wanted: Wanted, type_: Any) -> Domain:
    length = min(one for one in (getattr(type_, "length", None), wanted.limits.longest, 255) if one)
    if _looks_like_identifier(wanted.column, length, is_key=wanted.is_key):
        return _identifiers(wanted.column, hyphens=length != _BARE_UUID)
    digits = len(str(max(wanted.rows + wanted.limits.shift, 1)))
    shift, shortest = wanted.limits.shift, wanted.limits.shortest
    capacity = min(len(_DIGITS) ** min(length, 12), ENDLESS)
    if digits > length:
        return Domain(capacity, lambda numbers: [_short(n).zfill(shortest) for n in numbers])
    name = wanted.column.name.lower()[: max(length - digits - 1, 0)]
    prefix = f"{name}-" if name else ""
    width = max(shortest - len(prefix), 0)
    if width:
        return Domain(capacity, lambda ns: [f"{prefix}{n + shift:0{width}d}" for n in ns])
    return Domain(capacity, lambda ns: [f"{prefix}{n + shift}" for n in ns])


def _short(number: int) -> str:
    """A number in base 36."""
    found = ""
    while number or not found:
        number, digit = divmod(number, len(_DIGITS))
        found = _DIGITS[digit] + found
    return found


def _looks_like_identifier(column: sa.Column[Any], length: int, *, is_key: bool) -> bool:
    name = column.name.lower()
    return length in (_BARE_UUID, _WHOLE_UUID) and (is_key or name.endswith(("id", "uuid")))


def _identifiers(column: sa.Column[Any], *, hyphens: bool) -> Domain:
    known = hashlib.sha256(str(column).encode()).hexdigest()[:8]
    if hyphens:
        before = f"{known}-0000-4000-8000-"
        return Domain(16**12, lambda numbers: [f"{before}{n:012x}" for n in numbers])
    return Domain(16**12, lambda numbers: [f"{known}000040008000{n:012x}" for n in numbers])


def _uuids(wanted: Wanted, type_: Any) -> Domain:
    texts = _identifiers(wanted.column, hyphens=True)
    if wanted.dialect.name == "postgresql":
        return Domain(texts.capacity, texts.values, stored=True)
    if not getattr(type_, "as_uuid", True):
        return texts
    return Domain(texts.capacity, lambda ns: [uuid.UUID(one) for one in texts.values(ns)])


def _moments(wanted: Wanted, type_: Any) -> Domain:
    zone = dt.timezone.utc if getattr(type_, "timezone", False) else None
    first = _EPOCH.replace(tzinfo=zone) + dt.timedelta(seconds=wanted.limits.shift)
    second = dt.timedelta(seconds=1)
    return Domain(_SECONDS, lambda numbers: [first + n * second for n in numbers])


def _days(wanted: Wanted, type_: Any) -> Domain:
    first = _EPOCH.date().toordinal() + wanted.limits.shift
    make = dt.date.fromordinal
    return Domain(
        _DAYS - wanted.limits.shift, lambda ns: [make(first + n % (_DAYS - 1)) for n in ns]
    )


def _hours(wanted: Wanted, type_: Any) -> Domain:
    shift = wanted.limits.shift
    return Domain(
        86_400 - shift, lambda ns: [(_EPOCH + dt.timedelta(0, n + shift)).time() for n in ns]
    )


def _spans(wanted: Wanted, type_: Any) -> Domain:
    shift = 1 + wanted.limits.shift
    return Domain(_SECONDS, lambda ns: [dt.timedelta(seconds=n + shift) for n in ns])


def _binary(wanted: Wanted, type_: Any) -> Domain:
    length = min(getattr(type_, "length", None) or 20, 20)
    least = wanted.limits.shortest
    return Domain(
        len(_DIGITS) ** min(length, 12),
        lambda ns: [_short(n).zfill(least).encode() for n in ns],
    )


def _constant(value: Any, *, stored: bool = False) -> Callable[[Wanted, Any], Domain]:
    return lambda *_: _chosen((value,), stored=stored)


def _arrays(wanted: Wanted, type_: Any) -> Domain:
    return _chosen((() if type_.as_tuple else [],))


def _formatted(capacity: int, text: Callable[[int], str]) -> Callable[[Wanted, Any], Domain]:
    return lambda *_: Domain(
        capacity, lambda numbers: [text(number) for number in numbers], stored=True
    )


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _mac(number: int) -> str:
    pairs = f"{number & 0xFFFFFFFF:08x}"
    return "fa:16:" + ":".join(pairs[place : place + 2] for place in (0, 2, 4, 6))


_SPECIAL: dict[str, Callable[[Wanted, Any], Domain]] = {
    "INET": _formatted(2**24, _address),
    "CIDR": _formatted(2**24, lambda n: f"{_address(n)}/32"),
    "MACADDR": _formatted(2**32, _mac),
    "MACADDR8": _formatted(2**32, lambda n: f"fa:16:3e:ff:{_mac(n)[6:]}"),
    "UUID": _uuids,
    "TSVECTOR": _constant("", stored=True),
    "HSTORE": _constant({}),
    "BIT": lambda _, type_: _chosen(("0" * (type_.length or 1),), stored=True),
    "MONEY": _formatted(10**9, str),
    "OID": _formatted(2**31, str),
    "SET": lambda _, type_: _chosen(sorted(type_.values)),
    **dict.fromkeys(
        ("INT4RANGE", "INT8RANGE", "NUMRANGE", "DATERANGE", "TSRANGE", "TSTZRANGE"),
        _constant("empty", stored=True),
    ),
}
_KINDS: tuple[tuple[type, Callable[[Wanted, Any], Domain]], ...] = (
    (sa.Enum, _enumeration),
    (sa.Boolean, _flags),
    (sa.Integer, _whole_numbers),
    (sa.Float, _floats),
    (sa.Numeric, _decimals),
    (getattr(sa, "Uuid", sa.Boolean), _uuids),
    (sa.DateTime, _moments),
    (sa.Date, _days),
    (sa.Time, _hours),
    (sa.Interval, _spans),
    (sa.JSON, _constant({})),
    (sa.ARRAY, _arrays),
    (sa.PickleType, _constant({})),
    (sa.types._Binary, _binary),  # noqa: SLF001  the only parent of BLOB, BINARY and LargeBinary
    (sa.String, _texts),
)
