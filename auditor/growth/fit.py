"""Infers an exact law from an oracle that counts, or refuses.

Counts are whole numbers and repeat, so nothing is estimated: a law is solved for exactly, and
believed only when points that took no part in it (one inside the grid where there is room, one
well outside it) come out as it says. `docs/adr/0004-exact-laws.md` tells why, and what the
method cannot see.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from auditor.growth import grid as grids
from auditor.growth.basis import (
    Basis,
    Sizes,
    VariableBasis,
    bases_by_plainness,
    degree_of,
    has_steps,
    law_of,
    powers,
    product,
)
from auditor.growth.grid import Grid
from auditor.model.law import Law

Measure = Callable[[Sizes], int]

_LONGEST_AXIS = 7
_LARGEST_PRODUCT = 150
_MOST_CANDIDATES = 64
_SPARE_POINTS = 2
_MOST_TESTS = 3
NO_LAW = (
    "the counts follow no polynomial of low degree, and no such law with steps `ceil(n/k)` or"
    " `min(n, k)`"
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A point that took no part in a fit: what the law said and what was counted."""

    sizes: Sizes
    predicted: Fraction
    measured: int

    @property
    def holds(self) -> bool:
        return self.predicted == self.measured


@dataclass(frozen=True, slots=True)
class Fit:
    """A law that every point and every hold-out confirms, and the basis it was solved in."""

    law: Law
    basis: Basis
    points: Mapping[Sizes, int]
    holdouts: tuple[Checked, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no law is given, with all that was counted. `holdouts` are those that failed last."""

    reason: str
    points: Mapping[Sizes, int]
    holdouts: tuple[Checked, ...] = ()


def infer(measure: Measure, variables: Sequence[str], grid: Grid) -> Fit | Refusal:
    """The law of `measure` over `variables`, whose sizes `grid` gives; asks for few points, each
    once. The grid is extended where its points would fit any law."""
    return _Inference(measure, tuple(variables)).run(grid)


def law_without_more_points(variables: Sequence[str], points: Mapping[Sizes, int]) -> Law | None:
    """The polynomial through points that were chosen for another law, if they pin one down and
    confirm it with some to spare; None otherwise."""
    for degrees in itertools.product((0, 1, 2), repeat=len(variables)):
        bases = [powers(name, degree) for name, degree in zip(variables, degrees, strict=True)]
        basis = product(bases)
        if len(points) >= len(basis) + _SPARE_POINTS:
            law = law_of(variables, basis, points)
            if law is not None:
                return law
    return None


class _Inference:
    """One run of `infer`: the points counted so far, and why no law was believed yet."""

    def __init__(self, measure: Measure, variables: tuple[str, ...]) -> None:
        self._measure = measure
        self._variables = variables
        self._points: dict[Sizes, int] = {}
        self._failed: tuple[Checked, ...] = ()
        self._reason = NO_LAW

    def run(self, grid: Grid) -> Fit | Refusal:
        self._count_all(grids.corner_lines(grid))
        fit = self._polynomial(grid) or self._stepped(grid)
        return fit or Refusal(self._reason, dict(self._points), self._failed)

    # Polynomials: the degree in each variable is read off lines of the grid.

    def _polynomial(self, grid: Grid) -> Fit | None:
        found = self._with_room(grid)
        if found is None:
            return None
        longer, degrees = found
        bases = tuple(powers(v, d) for v, d in zip(self._variables, degrees, strict=True))
        active = [index for index, degree in enumerate(degrees) if degree]
        return self._over_product(longer, active, [bases])

    def _with_room(self, grid: Grid) -> tuple[Grid, tuple[int, ...]] | None:
        """The grid with each axis at least one size longer than its degree needs, and the degrees;
        None where no degree is low enough: not a polynomial."""
        degrees = []
        for index in range(len(grid)):
            degree = self._degree(grid, index)
            while len(grid[index]) > 1 and degree >= len(grid[index]) - 1:
                if len(grid[index]) >= _LONGEST_AXIS:
                    return None
                longer = (*grid[index], grid[index][-1] + 1)
                grid = (*grid[:index], longer, *grid[index + 1 :])
                degree = self._degree(grid, index)
            degrees.append(degree)
        return grid, tuple(degrees)

    def _degree(self, grid: Grid, index: int) -> int:
        """The highest degree along variable `index`, over the line through each corner."""
        return max(
            degree_of(grid[index], [self._count(s) for s in grids.line(grid, index, corner)])
            for corner in grids.corners(grid)
        )

    # Steps: a denser line along each variable shows where the count jumps or stops growing.

    def _stepped(self, grid: Grid) -> Fit | None:
        changing = [i for i in range(len(grid)) if self._degree(grid, i)] or range(len(grid))
        dense = grids.denser(grid, changing)
        choices = [self._choices(dense, grids.corners(grid), index) for index in range(len(grid))]
        if not all(choices):
            return None
        active = [index for index, found in enumerate(choices) if len(found[0]) > 1]
        combined = tuple(itertools.islice(itertools.product(*choices), _MOST_CANDIDATES))
        return self._over_product(dense, active, combined)

    def _choices(
        self, dense: Grid, corners: Sequence[Sizes], index: int
    ) -> tuple[VariableBasis, ...]:
        """The plainest bases that fit both corner lines along variable `index`; none if none do."""
        if len(dense[index]) == 1:
            return (((),),)
        variable = self._variables[index]
        counted: list[dict[Sizes, int]] = [
            {(value,): self._count(grids.replaced(corner, index, value)) for value in dense[index]}
            for corner in corners
        ]
        found: list[VariableBasis] = []
        for tried in bases_by_plainness(variable, dense[index]):
            if found and len(tried) > len(found[0]):
                break
            spare = _SPARE_POINTS if len(tried) > 1 else 1
            has_room = len(dense[index]) >= len(tried) + spare
            if has_room and all(law_of([variable], tried, line) is not None for line in counted):
                found.append(tried)
        return tuple(found)

    # Belief: a law must hold where it was not fitted.

    def _over_product(
        self, grid: Grid, active: Sequence[int], candidates: Sequence[tuple[VariableBasis, ...]]
    ) -> Fit | None:
        """Count every combination of the active variables, solve for each candidate, and put what
        is left to the test."""
        if not self._count_product(grid, active, candidates):
            return None
        bases = [product(candidate) for candidate in candidates]
        solved = [(basis, law_of(self._variables, basis, self._points)) for basis in bases]
        return self._tested(grid, [(basis, law) for basis, law in solved if law is not None])

    def _count_product(
        self, grid: Grid, active: Sequence[int], candidates: Sequence[tuple[VariableBasis, ...]]
    ) -> bool:
        widths = [max(map(len, bases)) for bases in zip(*candidates, strict=True)]
        spares = (4, 1, 0) if len(active) > 1 else (_LARGEST_PRODUCT,)
        for spare in spares:
            wanted = grids.product_of(grids.thinned(grid, [w + spare for w in widths]), active)
            if len(wanted) <= _LARGEST_PRODUCT:
                self._count_all(wanted)
                return True
        self._reason = f"{len(active)} variables act on each other: too many to measure together"
        return False

    def _tested(self, grid: Grid, solved: Sequence[tuple[Basis, Law]]) -> Fit | None:
        """The one law that holds at points which took no part; refuses if several do."""
        points, fits = dict(self._points), [Fit(law, basis, {}, ()) for basis, law in solved]
        for farther in range(_MOST_TESTS):
            if not fits:
                return None
            where = self._holdout_sizes(grid, farther, fits)
            tested = [
                replace(fit, holdouts=fit.holdouts + self._checks(fit, where)) for fit in fits
            ]
            fits = [fit for fit in tested if all(check.holds for check in fit.holdouts)]
            if not fits:
                self._note_failure(tested[0])
            if len({fit.law for fit in fits}) == 1:
                return replace(fits[0], points=points)
        self._reason = "the points allow more than one law: " + " and ".join(
            f"`{fit.law}`" for fit in fits[:2]
        )
        return None

    def _checks(self, fit: Fit, where: Sequence[Sizes]) -> tuple[Checked, ...]:
        return tuple(Checked(s, fit.law.at(self._named(s)), self._count(s)) for s in where)

    def _note_failure(self, fit: Fit) -> None:
        self._failed = tuple(check for check in fit.holdouts if not check.holds)
        worst = self._failed[0]
        at = ", ".join(f"{name}={size}" for name, size in self._named(worst.sizes).items())
        self._reason = (
            f"the points fit `{fit.law}`, but at {at} that predicts {worst.predicted} and"
            f" {worst.measured} was measured"
        )

    def _holdout_sizes(self, grid: Grid, farther: int, fits: Sequence[Fit]) -> tuple[Sizes, ...]:
        """One point outside, one inside; for a law with steps also one outside in each variable,
        because steps of several variables can make up for each other at one point."""
        outer = grids.outside(grid, farther)
        inner = grids.inside(grid, tuple(self._points))
        alone = grids.outside_alone(grid) if any(has_steps(fit.law) for fit in fits) else ()
        wanted = dict.fromkeys((outer, *alone, *(() if inner is None else (inner,))))
        return tuple(sizes for sizes in wanted if sizes not in self._points)

    def _count_all(self, wanted: Sequence[Sizes]) -> None:
        for sizes in wanted:
            self._count(sizes)

    def _count(self, sizes: Sizes) -> int:
        if sizes not in self._points:
            self._points[sizes] = self._measure(sizes)
        return self._points[sizes]

    def _named(self, sizes: Sizes) -> dict[str, int]:
        return dict(zip(self._variables, sizes, strict=True))
