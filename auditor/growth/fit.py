"""Infers an exact law from an oracle that counts, or refuses.

Counts are whole numbers and repeat, so nothing is estimated: a law is solved for exactly, and
believed only when points that took no part in it (all small sizes that the grid leaves out, one
point well outside in all variables, two neighbouring sizes far outside in each) come out as it
says. `docs/adr/0004-exact-laws.md` tells why, and what the method cannot see.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from auditor.growth import grid as grids
from auditor.growth.basis import (
    Basis,
    Sizes,
    VariableBasis,
    degree_of,
    law_of,
    powers,
    product,
    telling_values,
)
from auditor.growth.grid import Grid
from auditor.growth.holdouts import Checked, holdout_sizes, telling_point
from auditor.growth.steps import Line, fitting_bases
from auditor.model.law import Law, Power

Measure = Callable[[Sizes], int]

_LONGEST_AXIS = 7
_LARGEST_PRODUCT = 150
_MOST_CANDIDATES = 64
_SPARES = (2, 1, 0)
_HIGHEST_DEGREE = 3
_TWO_POINTS = 2
NO_LAW = (
    "the counts follow no polynomial of low degree, and no such law with steps `ceil(n/k)` or"
    " `min(n, k)`"
)


@dataclass(frozen=True, slots=True)
class Fit:
    """A law that every point and every hold-out confirms, and the basis it was solved in."""

    law: Law
    basis: Basis
    points: Mapping[Sizes, int] = field(default_factory=dict)
    holdouts: tuple[Checked, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no law is given, with all that was counted. `holdouts` are those that failed last."""

    reason: str
    points: Mapping[Sizes, int]
    holdouts: tuple[Checked, ...] = ()


def infer(
    measure: Measure,
    variables: Sequence[str],
    grid: Grid,
    *,
    glance: Measure | None = None,
    reach: Mapping[str, int] | None = None,
) -> Fit | Refusal:
    """The law of `measure` over `variables`, whose sizes `grid` gives; asks for few points, each
    once. The grid is extended where its points would fit any law.

    `glance` may count more cheaply; `measure` is asked too at the ends of the grid, and wherever
    what was glanced at tells a law wrong.
    `reach` says to which size of a variable the law is put to the test, under the empty name that
    of all others.
    """
    wanted = reach or {}
    far = tuple(wanted.get(name, wanted.get("", 0)) for name in variables)
    return _Inference(tuple(variables), grid, measure, glance or measure, far).run()


class _Inference:
    """One run of `infer`: what was counted so far, and why no law was believed yet.

    `_points` are solved for; `_held` are kept out of that and only test.
    """

    def __init__(
        self,
        variables: tuple[str, ...],
        grid: Grid,
        measure: Measure,
        glance: Measure,
        reach: Sizes,
    ) -> None:
        self._variables = variables
        self._grid = grid
        self._corners = grids.corners(grid)
        self._measure = measure
        self._glance = glance
        self._holdout_sizes = holdout_sizes(grid, reach)
        self._points: dict[Sizes, int] = {}
        self._held: dict[Sizes, int] = {}
        self._failed: tuple[Checked, ...] = ()
        self._reason = NO_LAW

    def run(self) -> Fit | Refusal:
        self._count_all(grids.corner_lines(self._grid))
        fit = self._polynomial()
        if fit is None:
            self._count_again(tuple(self._points))
            fit = self._stepped()
        self._count_again(tuple(self._points) if fit is None else self._corners)
        return fit or Refusal(self._reason, {**self._points, **self._held}, self._failed)

    # Polynomials: the degree in each variable is read off lines of the grid.

    def _polynomial(self) -> Fit | None:
        found = self._with_room()
        if found is None:
            return None
        longer, degrees = found
        bases = tuple(powers(v, d) for v, d in zip(self._variables, degrees, strict=True))
        return self._tested(self._solved(longer, [bases]))

    def _with_room(self) -> tuple[Grid, tuple[int, ...]] | None:
        """The grid with each axis at least one size longer than its degree needs, and the degrees;
        None where no degree is low enough: not a polynomial."""
        grid, degrees = self._grid, []
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
            for corner in self._corners
        )

    # Steps: a denser line along each variable shows where the count jumps or stops growing.

    def _stepped(self) -> Fit | None:
        breaks = [self._breaks(index) for index in range(len(self._grid))]
        self._corners = (self._corners[0], grids.inner_corner(self._grid))
        changing = [i for i in grids.varying(self._grid) if self._changes(i) or breaks[i]]
        for most in grids.DENSE:
            dense = tuple(
                tuple(sorted({*values, *breaks[index], *self._tried(index)}))
                for index, values in enumerate(grids.denser(self._grid, changing, most))
            )
            choices = [self._choices(values, index) for index, values in enumerate(dense)]
            combined = tuple(itertools.islice(itertools.product(*choices), _MOST_CANDIDATES))
            fit = self._tested(self._solved(dense, combined), most) if combined else None
            if fit is not None:
                return fit
        return None

    def _tried(self, index: int) -> tuple[int, ...]:
        """Where a law with steps was put to the test: all are solved for if it failed."""
        return tuple(self._known_line(index, self._corners[1]))

    def _changes(self, index: int) -> bool:
        """Whether anything changes along a variable, by the sizes of the grid."""
        return any(
            self._count(sizes) != self._count(corner)
            for corner in self._corners
            for sizes in grids.line(self._grid, index, corner)
        )

    def _breaks(self, index: int) -> tuple[int, ...]:
        """The neighbouring sizes between which a line breaks off what its start says."""
        if len(self._grid[index]) == 1:
            return ()
        found = (self._break(index, corner) for corner in self._corners)
        return tuple(itertools.chain(*found))

    def _break(self, index: int, corner: Sizes) -> tuple[int, ...]:
        line = self._known_line(index, corner)
        values = sorted(line)
        starts = ((n, {v: line[v] for v in values[:n]}) for n in range(len(values), 1, -1))
        told = ((n, _polynomial_through(start)) for n, start in starts)
        length, law = next(((n, law) for n, law in told if law is not None), (0, None))
        if law is None or length == len(values):
            return ()
        low, high = values[length - 1], values[length]
        while high - low > 1:
            middle = (low + high) // 2
            holds = law.at({"": middle}) == self._count(grids.replaced(corner, index, middle))
            low, high = (middle, high) if holds else (low, middle)
        return low, high

    def _known_line(self, index: int, corner: Sizes) -> dict[int, int]:
        """All that was counted along variable `index` through the corner, hold-outs too."""
        return {
            sizes[index]: count
            for sizes, count in (*self._points.items(), *self._held.items())
            if grids.replaced(corner, index, sizes[index]) == sizes
        }

    def _choices(self, values: Sequence[int], index: int) -> tuple[VariableBasis, ...]:
        """The plainest bases that fit both corner lines along variable `index`; none if none do."""
        if len(values) == 1:
            return (((),),)
        lines: list[Line] = [
            {value: self._count(grids.replaced(corner, index, value)) for value in values}
            for corner in self._corners
        ]
        return fitting_bases(self._variables[index], lines)

    # Belief: a law must hold where it was not fitted.

    def _solved(self, grid: Grid, candidates: Sequence[tuple[VariableBasis, ...]]) -> list[Fit]:
        """Count the combinations of sizes that tell the candidates apart, and solve for each."""
        choices = [tuple(dict.fromkeys(bases)) for bases in zip(*candidates, strict=True)]
        wanted = self._crossed(grid, choices)
        if len(wanted) > _LARGEST_PRODUCT:
            active = sum(max(map(len, bases)) > 1 for bases in choices)
            self._reason = f"{active} variables act on each other: too many to measure together"
            return []
        self._count_all(wanted)
        bases = [product(candidate) for candidate in candidates]
        solved = [(law_of(self._variables, basis, self._points), basis) for basis in bases]
        return [Fit(law, basis) for law, basis in solved if law is not None]

    def _crossed(self, grid: Grid, choices: Sequence[Sequence[VariableBasis]]) -> tuple[Sizes, ...]:
        """The combinations of sizes that tell the bases apart, with as many to spare as there is
        room for."""
        crossed: tuple[Sizes, ...] = ()
        for spare in _SPARES:
            axes = zip(self._variables, grid, choices, strict=True)
            crossed = tuple(itertools.product(*(_axis(*axis, spare) for axis in axes)))
            if len(crossed) <= _LARGEST_PRODUCT:
                break
        return crossed

    def _tested(self, fits: list[Fit], dense_to: int = 0) -> Fit | None:
        """The plainest law that holds at all hold-outs, if all that hold say the same; with steps
        also at every size up to a period beyond those that were solved for."""
        for sizes in self._holdout_sizes:
            fits = self._holding(fits, sizes)
        for sizes in self._step_holdouts(fits, dense_to + grids.PERIOD):
            fits = self._holding(fits, sizes)
        while apart := self._telling_point(fits):
            fits = self._holding(fits, apart)
        return self._believed(fits[0]) if fits else None

    def _telling_point(self, fits: list[Fit]) -> Sizes | None:
        """A point at which the laws differ, so that at least one of them fails there."""
        laws = [fit.law for fit in fits]
        return telling_point(laws, self._variables, self._grid, self._holdout_sizes)

    def _step_holdouts(self, fits: list[Fit], dense_to: int) -> Iterator[Sizes]:
        """For each variable with steps every size to `dense_to`, and where they step again."""
        steps = {
            (self._variables.index(factor.variable), getattr(factor, "per", 0))
            for fit in fits
            for term in fit.law.terms
            for factor in term.factors
            if not isinstance(factor, Power)
        }
        for index in sorted({index for index, _ in steps}):
            yield from grids.every_size(self._grid, index, dense_to)
        for index, per in sorted(steps):
            most = max(2 * sizes[index] + 1 for sizes in self._holdout_sizes)
            corner = self._corners[0] if per > dense_to else grids.inner_corner(self._grid)
            for size in (2 * per, 2 * per + 1):
                if dense_to < size <= most:
                    yield grids.replaced(corner, index, size)

    def _holding(self, fits: list[Fit], sizes: Sizes) -> list[Fit]:
        """The laws that hold at a hold-out; the failure of the plainest is noted if none does."""
        if not fits or sizes in self._points:
            return fits
        checks = [self._check(fit, sizes) for fit in fits]
        holding = [fit for fit, check in zip(fits, checks, strict=True) if check.holds]
        if not holding:
            self._note_failure(fits[0], checks[0])
        return holding

    def _check(self, fit: Fit, sizes: Sizes) -> Checked:
        predicted = fit.law.at(self._named(sizes))
        if sizes not in self._held:
            self._held[sizes] = self._glance(sizes)
            if predicted != self._held[sizes]:
                self._held[sizes] = self._measure(sizes)
        return Checked(sizes, predicted, self._held[sizes])

    def _believed(self, fit: Fit) -> Fit:
        holdouts = tuple(self._check(fit, sizes) for sizes in self._held)
        return Fit(fit.law, fit.basis, dict(self._points), holdouts)

    def _note_failure(self, fit: Fit, check: Checked) -> None:
        """Of several laws that fail the plainest is told, which was tried first."""
        if self._failed:
            return
        self._failed = (check,)
        at = ", ".join(f"{name}={size}" for name, size in self._named(check.sizes).items())
        self._reason = (
            f"the points fit `{fit.law}`, but at {at} that predicts {check.predicted} and"
            f" {check.measured} was measured"
        )

    def _count_all(self, wanted: Sequence[Sizes]) -> None:
        for sizes in wanted:
            self._count(sizes)

    def _count(self, sizes: Sizes) -> int:
        if sizes not in self._points:
            self._points[sizes] = self._glance(sizes)
            self._held.pop(sizes, None)
        return self._points[sizes]

    def _count_again(self, wanted: Sequence[Sizes]) -> None:
        """Have points measured that were glanced at: where no law was found it may be that the
        counts do not repeat, and where one was found its ends show that they do."""
        if self._glance is not self._measure:
            for sizes in wanted:
                self._measure(sizes)

    def _named(self, sizes: Sizes) -> dict[str, int]:
        return dict(zip(self._variables, sizes, strict=True))


def _axis(
    name: str, values: tuple[int, ...], bases: Sequence[VariableBasis], spare: int
) -> tuple[int, ...]:
    """The sizes of one variable that are crossed with those of the others."""
    if max(map(len, bases)) == 1:
        return values[:1]
    return telling_values(name, values, bases, spare)


def _polynomial_through(line: Line) -> Law | None:
    """The polynomial of low degree in the variable `` that gives the line, with some to spare; two
    points give the line through them."""
    points: dict[Sizes, int] = {(value,): count for value, count in line.items()}
    spare = 1 if len(points) == _TWO_POINTS else 2
    for degree in range(min(_HIGHEST_DEGREE, len(points) - spare) + 1):
        law = law_of([""], powers("", degree), points)
        if law is not None:
            return law
    return None
