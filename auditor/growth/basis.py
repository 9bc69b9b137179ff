"""What a law may be made of: products of one function of each variable.

VariableBasis   ((), (Power("n", 1),), (Power("n", 2),))     1, n, n^2   or   1, n, ceil(n/2)
Basis           every product of one element of each variable's basis
Points          {(labels, routers): count}, sizes in the order of the variables
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction

from auditor.growth.solve import raises_rank, solution
from auditor.model.law import Factor, Law, Power, Term

Sizes = tuple[int, ...]
Points = Mapping[Sizes, int]
Product = tuple[Factor, ...]
VariableBasis = tuple[Product, ...]
Basis = tuple[Product, ...]


def powers(variable: str, degree: int) -> VariableBasis:
    """1, n, ..., n^degree."""
    return ((), *((Power(variable, exponent),) for exponent in range(1, degree + 1)))


def product(bases: Sequence[VariableBasis]) -> Basis:
    """Every product of one element of each; fewer factors first, then in variable order."""
    combined = (tuple(itertools.chain(*parts)) for parts in itertools.product(*bases))
    return tuple(sorted(combined, key=_plainness))


def law_of(variables: Sequence[str], basis: Basis, points: Points) -> Law | None:
    """The one law over `basis` that holds at every point exactly; None if there is none, or if
    the points allow more than one."""
    named = [dict(zip(variables, sizes, strict=True)) for sizes in points]
    rows = [[_value(element, sizes) for element in basis] for sizes in named]
    found = solution(rows, list(points.values()))
    if found is None:
        return None
    pairs = zip(found, basis, strict=True)
    return Law(tuple(Term(coefficient, element) for coefficient, element in pairs if coefficient))


def telling_values(
    variable: str, values: Sequence[int], bases: Sequence[VariableBasis], spare: int
) -> tuple[int, ...]:
    """The least of the values that tell the elements of each basis apart, and `spare` more."""
    chosen: set[int] = set()
    for basis in bases:
        rows: list[list[int]] = []
        for value in values:
            if raises_rank(rows, [_value(element, {variable: value}) for element in basis]):
                chosen.add(value)
    others = [value for value in (values[-1], *values) if value not in chosen]
    return tuple(sorted({*chosen, *others[:spare]}))


def degree_of(nodes: Sequence[int], counts: Sequence[int]) -> int:
    """The degree of the polynomial through the points, by divided differences; 0 if constant."""
    column = [Fraction(count) for count in counts]
    degree = 0
    for order in range(1, len(nodes)):
        column = [
            (after - before) / (nodes[i + order] - nodes[i])
            for i, (before, after) in enumerate(itertools.pairwise(column))
        ]
        if any(column):
            degree = order
    return degree


def _value(element: Product, sizes: Mapping[str, int]) -> int:
    value = 1
    for factor in element:
        value *= factor.at(sizes)
    return value


def _plainness(element: Product) -> tuple[int, int]:
    degree = sum(f.exponent if isinstance(f, Power) else 1 for f in element)
    return (len(element), degree)
