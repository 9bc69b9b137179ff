"""What a law may be made of: products of one function of each variable.

VariableBasis   ((), (Power("n", 1),), (Power("n", 2),))     1, n, n^2   or   1, n, ceil(n/2)
Basis           every product of one element of each variable's basis
Points          {(labels, routers): count}, sizes in the order of the variables
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from auditor.growth.solve import solution
from auditor.model.law import AtMost, Factor, Law, Power, Step, Term

Sizes = tuple[int, ...]
Points = Mapping[Sizes, int]
Product = tuple[Factor, ...]
VariableBasis = tuple[Product, ...]
Basis = tuple[Product, ...]


def powers(variable: str, degree: int) -> VariableBasis:
    """1, n, ..., n^degree."""
    return ((), *((Power(variable, exponent),) for exponent in range(1, degree + 1)))


def with_steps(variable: str, steps: Sequence[Factor], *, linear: bool) -> VariableBasis:
    """1, n if `linear`, and each of the steps."""
    first = ((Power(variable),),) if linear else ()
    return ((), *first, *((step,) for step in steps))


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


def step_candidates(variable: str, values: Sequence[int]) -> tuple[Factor, ...]:
    """`ceil(n/k)` and `min(n, k)` for every `k` that the measured values can tell apart."""
    ordered = sorted(values)
    least, most = ordered[0], ordered[-1]
    near = {v + shift for v in ordered for shift in (-1, 0)}
    batches = {k for k in near | {100, 500, 1000} if 1 < k < most}
    caps = {k for k in near if max(least, 0) < k < most}
    return (
        *(Step(variable, k) for k in sorted(batches)),
        *(AtMost(variable, k) for k in sorted(caps)),
    )


def bases_by_plainness(variable: str, values: Sequence[int]) -> Iterator[VariableBasis]:
    """Constant, linear, one step, line and step, two steps, line and two steps."""
    yield powers(variable, 0)
    yield powers(variable, 1)
    steps = step_candidates(variable, values)
    choices: list[tuple[tuple[Factor, ...], bool]] = [((step,), False) for step in steps]
    yield from (with_steps(variable, chosen, linear=linear) for chosen, linear in choices)
    yield powers(variable, 2)
    yield from (with_steps(variable, (step,), linear=True) for step in steps)
    pairs = tuple(itertools.combinations(steps, 2))
    yield from (with_steps(variable, pair, linear=False) for pair in pairs)
    yield from (with_steps(variable, pair, linear=True) for pair in pairs)


def has_steps(law: Law) -> bool:
    """Whether the law is more than a polynomial."""
    return any(not isinstance(factor, Power) for term in law.terms for factor in term.factors)


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
