"""Where a law is put to the test: at points that take no part in finding it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from auditor.growth import grid as grids
from auditor.growth.basis import Sizes
from auditor.growth.grid import Grid
from auditor.growth.steps import BATCHES
from auditor.model.law import Law


@dataclass(frozen=True, slots=True)
class Checked:
    """A point that took no part in a fit: what the law said and what was counted."""

    sizes: Sizes
    predicted: Fraction
    measured: int

    @property
    def holds(self) -> bool:
        return self.predicted == self.measured


def holdout_sizes(grid: Grid, reach: Sizes) -> tuple[Sizes, ...]:
    """The hold-outs for a grid, the one well outside first; `reach` has for each variable the
    size up to which more are wanted, or 0."""
    varying = grids.varying(grid)
    if not varying:
        return ()
    alone = itertools.chain(*(grids.far_alone(grid, index) for index in varying))
    reached = itertools.chain(*(_reached(grid, index, reach[index]) for index in varying))
    together = (grids.outside(grid), *grids.between(grid), grids.inner_corner(grid))
    return tuple(dict.fromkeys((*together, *alone, *reached)))


def telling_point(
    laws: Sequence[Law], variables: Sequence[str], grid: Grid, held: Sequence[Sizes]
) -> Sizes | None:
    """A point along an axis, no farther than the farthest hold-out, where laws differ; None if
    there is none: within what is measured they are the same."""
    if len(set(laws)) <= 1:
        return None
    for sizes in _along_axes(grid, held):
        named = dict(zip(variables, sizes, strict=True))
        if len({law.at(named) for law in laws}) > 1:
            return sizes
    return None


def _along_axes(grid: Grid, held: Sequence[Sizes]) -> Iterator[Sizes]:
    for index in grids.varying(grid):
        farthest = max(sizes[index] for sizes in held)
        for corner in grids.corners(grid):
            for value in range(grid[index][0], farthest + 1):
                yield grids.replaced(corner, index, value)


def _reached(grid: Grid, index: int, most: int) -> tuple[Sizes, ...]:
    """Both sides of the usual batches, half-way, and the last two sizes, others at their least."""
    low = grids.corners(grid)[0]
    edges = [size for batch in BATCHES for size in (batch, batch + 1)]
    wanted = sorted({size for size in (*edges, most // 2 + 1, most - 1, most) if size <= most})
    return tuple(grids.replaced(low, index, size) for size in wanted if size > grid[index][-1])
