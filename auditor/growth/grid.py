"""Which sizes to measure: few points, chosen so that they pin a law down and put it to a test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from auditor.growth.basis import Sizes

Grid = tuple[tuple[int, ...], ...]
"""For each variable its sizes, ascending."""

_LEAST_OUTSIDE = 9
_DENSE = 12
_LARGEST_DENSE = 64


def corners(grid: Grid) -> tuple[Sizes, Sizes]:
    """All variables at their least, and all at their most."""
    return tuple(values[0] for values in grid), tuple(values[-1] for values in grid)


def corner_lines(grid: Grid) -> tuple[Sizes, ...]:
    """Along each variable, once with all others at their least and once with all at their most."""
    low, high = corners(grid)
    along = (line(grid, index, corner) for corner in (low, high) for index in range(len(grid)))
    return tuple(dict.fromkeys((low, *itertools.chain(*along))))


def line(grid: Grid, index: int, through: Sizes) -> tuple[Sizes, ...]:
    """The points along variable `index` through the given one."""
    return tuple(replaced(through, index, value) for value in grid[index])


def replaced(sizes: Sizes, index: int, value: int) -> Sizes:
    """The sizes with one of them changed."""
    return (*sizes[:index], value, *sizes[index + 1 :])


def product_of(grid: Grid, active: Sequence[int]) -> tuple[Sizes, ...]:
    """Every combination of the active variables, the others at their least."""
    return tuple(
        itertools.product(
            *(values if index in active else values[:1] for index, values in enumerate(grid))
        )
    )


def outside(grid: Grid, farther: int = 0) -> Sizes:
    """A point well outside the grid in every variable that varies: `2 * most + 1`, at least 9, so
    that what begins at a handful shows; then farther."""
    return tuple(
        max((farther + 2) * values[-1] + farther + 1, _LEAST_OUTSIDE)
        if len(values) > 1
        else values[0]
        for values in grid
    )


def outside_alone(grid: Grid) -> tuple[Sizes, ...]:
    """Points well outside the grid in one variable each, the others at their most."""
    far, (_, high) = outside(grid), corners(grid)
    varying = [index for index, values in enumerate(grid) if len(values) > 1]
    return tuple(replaced(high, index, far[index]) for index in varying)


def inside(grid: Grid, measured: Sequence[Sizes]) -> Sizes | None:
    """A point between those of the grid, not measured yet; None if there is none."""
    known = set(measured)
    between = (_between(values) for values in grid)
    return next((sizes for sizes in itertools.product(*between) if sizes not in known), None)


def denser(grid: Grid, along: Sequence[int]) -> Grid:
    """The grid with every size from the least upwards on the axes `along`, as far as is cheap."""
    return tuple(
        tuple(sorted({*values, *range(values[0], min(values[0] + _DENSE, _LARGEST_DENSE) + 1)}))
        if index in along
        else values
        for index, values in enumerate(grid)
    )


def thinned(grid: Grid, lengths: Sequence[int]) -> Grid:
    """Each axis with so many of its sizes: the least ones and the greatest."""
    return tuple(
        values if len(values) <= length else (*values[: length - 1], values[-1])
        for values, length in zip(grid, lengths, strict=True)
    )


def _between(values: Sequence[int]) -> tuple[int, ...]:
    """The least sizes between two of the grid, then those of the grid itself."""
    gaps = [v for v in range(values[0], min(values[-1], values[0] + 64)) if v not in values]
    return (*gaps[:2], *values[len(values) // 2 :])
