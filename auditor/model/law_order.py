"""Which of two laws is the larger one, at all sizes: decided where it can be, and said where not.

    gap(sizes) = upper - lower         is it ever below 0, for whole sizes from `least` on?

A point below 0 refutes. To prove, the gap is written in how far each size is above its least one:
with no negative coefficient it never is below 0. Otherwise one size is split off, at its least
value and above it, and both are looked at. Steps and caps are replaced by polynomials that are
never above the gap; caps that are low are gone through value by value.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from auditor.model.law import AtMost, Change, Factor, Law, Power, Step, Term
from auditor.model.law_expression import difference, ordered, sum_of, variables_of

Sizes = dict[str, int]
Monomial = tuple[tuple[str, int], ...]
Polynomial = dict[Monomial, Fraction]

_TRIED = (0, 1, 2, 3, 5, 8, 16, 50, 200, 501, 1_000, 10_000, 1_000_000)
_MOST_TRIED = 20_000
_MOST_SPLITS = 3_000
_MOST_CASES = 256


class Verdict(enum.Enum):
    """What is known of `lower <= upper`."""

    ALWAYS = "always"
    NOT_ALWAYS = "not always"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict; `at` are the smallest sizes found that refute it."""

    verdict: Verdict
    at: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """The change from one law to another, and the smallest sizes found where it is worse and where
    it is better."""

    change: Change
    worse_at: tuple[tuple[str, int], ...] = ()
    better_at: tuple[tuple[str, int], ...] = ()


def compared(before: Law, after: Law, least: Mapping[str, int]) -> Compared:
    """What became of `before`. A law that could not be proven never to be worse counts as one that
    is worse at some sizes."""
    if not difference(after, before).terms:
        return Compared(Change.SAME)
    up = never_above(after, before, least)
    down = never_above(before, after, least)
    if up.verdict is Verdict.ALWAYS:
        change = Change.SAME if down.verdict is Verdict.ALWAYS else Change.BETTER
        return Compared(change, better_at=down.at)
    change = Change.WORSE if down.verdict is Verdict.ALWAYS else Change.MIXED
    return Compared(change, worse_at=up.at, better_at=down.at)


def never_above(
    lower: Law,
    upper: Law,
    least: Mapping[str, int],
    points: Iterable[Mapping[str, int]] = (),
) -> Answer:
    """Whether `lower <= upper` at all whole sizes from `least` on (1 for a size not in it).

    `points` are tried first when it is to be refuted.
    """
    gap = difference(upper, lower)
    names = variables_of(gap)
    start = {name: least.get(name, 1) for name in names}
    for sizes in itertools.chain(points, _candidates(start, gap)):
        if gap.at(sizes) < 0:
            at = _shrunk(gap, {name: sizes[name] for name in names}, start)
            return Answer(Verdict.NOT_ALWAYS, tuple(at.items()))
    return _proven(gap, start)


def _candidates(start: Sizes, gap: Law) -> Iterator[Sizes]:
    """Sizes to try, small ones first, with both sides of every step and cap."""
    near: dict[str, set[int]] = {
        name: {low + more for more in _TRIED} for name, low in start.items()
    }
    for factor in (factor for term in gap.terms for factor in term.factors):
        at = _edge_of(factor)
        if at:
            near[factor.variable] |= {
                at + by for by in (-1, 0, 1) if at + by >= start[factor.variable]
            }
    while math.prod(map(len, near.values())) > _MOST_TRIED:
        near = {name: set(sorted(found)[::2]) for name, found in near.items()}
    axes = [sorted(found) for found in near.values()]
    for sizes in sorted(itertools.product(*axes), key=lambda one: (sum(one), one)):
        yield dict(zip(near, sizes, strict=True))


def _shrunk(gap: Law, sizes: Sizes, start: Sizes) -> Sizes:
    """Sizes as small as single steps down from these lead, the gap still below 0."""
    for name, low in start.items():
        step = 1 << max(sizes[name] - low, 0).bit_length()
        while step:
            smaller = {**sizes, name: sizes[name] - step}
            if smaller[name] >= low and gap.at(smaller) < 0:
                sizes = smaller
            else:
                step //= 2
    return sizes


def _edge_of(factor: Factor) -> int:
    """The last size before the factor changes its ways; 0 for one that never does."""
    if isinstance(factor, Step):
        return factor.per + factor.less
    return factor.cap if isinstance(factor, AtMost) else 0


def _proven(gap: Law, start: Sizes) -> Answer:
    """The answer for a gap that no candidate refutes."""
    for case, low in _cases(gap, start):
        polynomials = (p for one in _simpler(case) for p in _polynomials_below(one, low))
        answers = (_of_polynomial(case, below, low) for below in polynomials)
        answer = next((one for one in answers if one.verdict is not Verdict.UNDECIDED), None)
        if answer is None:
            return Answer(Verdict.UNDECIDED)
        if answer.verdict is Verdict.NOT_ALWAYS:
            fixed = {name: start[name] for name in start if name not in low}
            return Answer(answer.verdict, tuple({**fixed, **dict(answer.at)}.items()))
    return Answer(Verdict.ALWAYS)


def _cases(gap: Law, start: Sizes) -> Iterator[tuple[Law, Sizes]]:
    """The gap without caps that are low: one case for each value below the cap, one above all."""
    caps: dict[str, int] = {}
    for factor in (factor for term in gap.terms for factor in term.factors):
        if isinstance(factor, AtMost):
            caps[factor.variable] = max(caps.get(factor.variable, 0), factor.cap)
    ranges = {name: range(start[name], cap + 1) for name, cap in caps.items()}
    if math.prod(max(len(values), 1) for values in ranges.values()) > _MOST_CASES:
        yield gap, start
        return
    for values in itertools.product(*(values or (start[n],) for n, values in ranges.items())):
        low = dict(start)
        fixed: Sizes = {}
        for name, value in zip(ranges, values, strict=True):
            if value >= caps[name]:
                low[name] = value
            else:
                fixed[name] = value
                del low[name]
        yield _substituted(gap, fixed, low), low


def _substituted(gap: Law, fixed: Sizes, low: Sizes) -> Law:
    """The gap with some sizes given, and caps reached where the least size is above them."""
    terms = []
    for term in gap.terms:
        coefficient, rest = term.coefficient, []
        for factor in term.factors:
            if factor.variable in fixed:
                coefficient *= factor.at(fixed)
            elif isinstance(factor, AtMost) and low[factor.variable] >= factor.cap:
                coefficient *= factor.cap
            else:
                rest.append(factor)
        terms.append(Law((Term(coefficient, tuple(rest)),)))
    return _total(terms)


def _total(laws: Iterable[Law]) -> Law:
    return ordered(sum_of(Law(tuple(term for law in laws for term in law.terms))))


def _simpler(gap: Law) -> Iterator[Law]:
    """The gap, and one that is at most the gap: what is counted for steps is counted for longer
    steps of the same size, if there are any, so that they cancel."""
    yield gap
    longest: Sizes = {}
    for factor in (factor for term in gap.terms for factor in term.factors):
        if isinstance(factor, Step):
            longest[factor.variable] = max(longest.get(factor.variable, 0), factor.per)
    terms = (
        Term(term.coefficient, tuple(_lengthened(factor, longest) for factor in term.factors))
        if term.coefficient > 0
        else term
        for term in gap.terms
    )
    other = _total(Law((term,)) for term in terms)
    if difference(gap, other).terms:
        yield other


def _lengthened(factor: Factor, longest: Mapping[str, int]) -> Factor:
    if isinstance(factor, Step) and not factor.less:
        return Step(factor.variable, longest[factor.variable])
    return factor


def _polynomials_below(gap: Law, low: Sizes) -> Iterator[Polynomial]:
    """Polynomials that are at most the gap everywhere, by several ways to replace steps and caps;
    the gap itself if it has none."""
    special = [f for term in gap.terms for f in term.factors if not isinstance(f, Power)]
    for way in itertools.product((False, True), repeat=2 if special else 0):
        found: Polynomial = {}
        for term in gap.terms:
            part: Polynomial = {(): term.coefficient}
            for factor in term.factors:
                bound = _bound(factor, low, above=term.coefficient < 0, way=way)
                part = _times(part, bound)
            for monomial, coefficient in part.items():
                found[monomial] = found.get(monomial, Fraction(0)) + coefficient
        yield found


def _bound(factor: Factor, low: Sizes, *, above: bool, way: Sequence[bool]) -> Polynomial:
    """A polynomial never below the factor (`above`), or never above it."""
    name = factor.variable
    itself: Polynomial = {((name, 1),): Fraction(1)}
    if isinstance(factor, Power):
        return {((name, factor.exponent),): Fraction(1)}
    if isinstance(factor, AtMost):
        if not above:
            return {(): Fraction(min(low[name], factor.cap))}
        return {(): Fraction(factor.cap)} if way[0] else itself
    each: Polynomial = {((name, 1),): Fraction(1, factor.per)}
    if above:
        rest = Fraction(factor.per - 1 - factor.less, factor.per)
        return itself if way[0] else {**each, (): rest}
    return (
        {(): Fraction(factor.at(low))}
        if way[1]
        else {**each, (): Fraction(-factor.less, factor.per)}
    )


def _of_polynomial(gap: Law, below: Polynomial, low: Sizes) -> Answer:
    """Whether a polynomial below the gap is ever below 0; a point where it is refutes only if the
    gap is too."""
    waiting = [(_raised(below, low), dict(low))]
    for _ in range(_MOST_SPLITS):
        if not waiting:
            return Answer(Verdict.ALWAYS)
        polynomial, at = waiting.pop()
        if polynomial.get((), Fraction(0)) < 0:
            verdict = Verdict.NOT_ALWAYS if gap.at(at) < 0 else Verdict.UNDECIDED
            return Answer(verdict, tuple(at.items()))
        negative = [monomial for monomial, by in polynomial.items() if by < 0]
        if negative:
            name = max(negative, key=lambda monomial: sum(e for _, e in monomial))[0][0]
            higher = {**at, name: at[name] + 1}
            waiting.append((_raised(polynomial, {name: 1}), higher))
            waiting.append((_without(polynomial, name), at))
    return Answer(Verdict.UNDECIDED)


def _raised(polynomial: Polynomial, by: Mapping[str, int]) -> Polynomial:
    """The polynomial in how far the sizes are above `by`."""
    found: Polynomial = {}
    for monomial, coefficient in polynomial.items():
        part: Polynomial = {(): coefficient}
        for name, exponent in monomial:
            for _ in range(exponent):
                part = _times(part, {((name, 1),): Fraction(1), (): Fraction(by.get(name, 0))})
        for key, value in part.items():
            found[key] = found.get(key, Fraction(0)) + value
    return {monomial: coefficient for monomial, coefficient in found.items() if coefficient}


def _without(polynomial: Polynomial, name: str) -> Polynomial:
    return {m: by for m, by in polynomial.items() if all(name != one for one, _ in m)}


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    found: Polynomial = {}
    for one, first in left.items():
        for other, second in right.items():
            exponents: Sizes = {}
            for name, exponent in (*one, *other):
                exponents[name] = exponents.get(name, 0) + exponent
            key = tuple(sorted(exponents.items()))
            found[key] = found.get(key, Fraction(0)) + first * second
    return {monomial: coefficient for monomial, coefficient in found.items() if coefficient}
