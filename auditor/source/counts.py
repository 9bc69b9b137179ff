"""Symbolic counts: sums of products of named lengths, `1 + 2*|labels| + |labels|*|label.rules|`.

    Count   {(): 1, ("labels",): 2, ("label.rules", "labels"): 1}

A product is the sorted tuple of its names, a name twice for a square; the empty product is the
constant. Coefficients and lengths are never negative, so the larger of two counts is at most the
larger coefficient of each product. Counts are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Count = Mapping[tuple[str, ...], int]

NOTHING: Count = {}
ONE: Count = {(): 1}
_PRODUCTS = 40
"""Products of one sum at most; beyond, the rarest are folded into one named `more`."""
_DEGREE = 6
MORE = "more"
_LARGEST = 10**12


def constant(number: int) -> Count:
    """A plain number."""
    return {(): number} if number else NOTHING


def length(name: str) -> Count:
    """The length of what is called `name`."""
    return {(name,): 1}


def plus(*counts: Count) -> Count:
    """The sum."""
    found: dict[tuple[str, ...], int] = {}
    for count in counts:
        for product, coefficient in count.items():
            found[product] = min(found.get(product, 0) + coefficient, _LARGEST)
    return _folded(found)


def times(one: Count, other: Count) -> Count:
    """The product."""
    found: dict[tuple[str, ...], int] = {}
    for left, a in one.items():
        for right, b in other.items():
            product = tuple(sorted((*left, *right)))
            product = product if len(product) <= _DEGREE else (MORE,)
            found[product] = min(found.get(product, 0) + a * b, _LARGEST)
    return _folded(found)


def larger(one: Count, other: Count) -> Count:
    """A count that is at least each of the two: the larger coefficient of each product."""
    return {
        product: max(one.get(product, 0), other.get(product, 0))
        for product in dict.fromkeys((*one, *other))
    }


def smaller(one: Count, other: Count) -> Count:
    """A count that is at most each of the two: the smaller coefficient of each product."""
    found = {p: min(coefficient, other.get(p, 0)) for p, coefficient in one.items()}
    return {product: coefficient for product, coefficient in found.items() if coefficient}


def renamed(count: Count, name_of: Callable[[str], str]) -> Count:
    """The count with other names for its lengths."""
    found: dict[tuple[str, ...], int] = {}
    for product, coefficient in count.items():
        key = tuple(sorted(name_of(name) for name in product))
        found[key] = found.get(key, 0) + coefficient
    return found


def names_of(count: Count) -> tuple[str, ...]:
    """The names of all lengths, sorted."""
    return tuple(sorted({name for product in count for name in product}))


def as_text(count: Count) -> str:
    """`1 + 2*|labels|`, the constant first, then by degree and name."""
    ordered = sorted(count.items(), key=lambda item: (len(item[0]), item[0]))
    return " + ".join(_term(product, coefficient) for product, coefficient in ordered) or "0"


def _term(product: tuple[str, ...], coefficient: int) -> str:
    if not product:
        return str(coefficient)
    factors = "*".join(
        f"|{name}|" if product.count(name) == 1 else f"|{name}|^{product.count(name)}"
        for name in dict.fromkeys(product)
    )
    return factors if coefficient == 1 else f"{coefficient}*{factors}"


def _folded(found: dict[tuple[str, ...], int]) -> Count:
    if len(found) <= _PRODUCTS:
        return found
    ordered = sorted(found.items(), key=lambda item: (len(item[0]), item[0]))
    kept = dict(ordered[:_PRODUCTS])
    kept[(MORE,)] = kept.get((MORE,), 0) + sum(number for _, number in ordered[_PRODUCTS:])
    return kept
