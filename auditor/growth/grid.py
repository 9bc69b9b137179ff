"""Which sizes to measure: few points, chosen so that they pin a law down and put it to a test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from auditor.growth.basis import Sizes

Grid = tuple[tuple[int, ...], ...]
"""For each variable its sizes, ascending."""

_LEAST_OUTSIDE = 9
_LEAST_FAR = 25
_FILLERS = 6
_BEGUN = (11, 13, 17, 19, 23)
DENSE = (12, 24)
"""How many sizes above the least are counted to see steps: first few, then more."""
PERIOD = 12
"""How many sizes farther a law with steps is put to the test at every size."""


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


def outside(grid: Grid) -> Sizes:
    """A point well outside the grid in every variable that varies: `2 * most + 1`, at least 9."""
    return tuple(
        max(2 * values[-1] + 1, _LEAST_OUTSIDE) if len(values) > 1 else values[0] for values in grid
    )


def between(grid: Grid) -> tuple[Sizes, ...]:
    """Points at the least sizes that the grid leaves out, each size of each variable once: 3, 5,
    6, 7, 8, 9 for the grid 1, 2, 4. The variables are out of step, so that what two of them add
    and take away at the same place of their axes does not cancel."""
    fillers = [_left_out(values) for values in grid]
    return tuple(
        tuple(values[(turn + shift) % len(values)] for shift, values in enumerate(fillers))
        for turn in range(_FILLERS)
    )


def far_alone(grid: Grid, index: int) -> tuple[Sizes, Sizes]:
    """Two neighbouring sizes of one variable far outside, the others at their most."""
    values, high = grid[index], corners(grid)[1]
    last = max(2 * values[-1] + 1, _LEAST_FAR)
    return replaced(high, index, last - 1), replaced(high, index, last)


def varying(grid: Grid) -> tuple[int, ...]:
    """The variables that have more than one size."""
    return tuple(index for index, values in enumerate(grid) if len(values) > 1)


def inner_corner(grid: Grid) -> Sizes:
    """A point where most that begins at some size has begun in all variables at once. Primes: no
    remainder by which a program may tell sizes apart is 0."""
    return tuple(
        max(2 * values[-1] + 1, _BEGUN[index % len(_BEGUN)]) if len(values) > 1 else values[0]
        for index, values in enumerate(grid)
    )


def every_size(grid: Grid, index: int, most: int) -> tuple[Sizes, ...]:
    """Every size of one variable from its least to `most` above it, the others where most has
    begun."""
    least, corner = grid[index][0], inner_corner(grid)
    return tuple(replaced(corner, index, value) for value in range(least, least + most + 1))


def denser(grid: Grid, along: Sequence[int], most: int) -> Grid:
    """The grid with every size from the least to `most` above it on the axes `along`."""
    return tuple(
        tuple(sorted({*values, *range(values[0], values[0] + most + 1)}))
        if index in along
        else values
        for index, values in enumerate(grid)
    )


def _left_out(values: Sequence[int]) -> tuple[int, ...]:
    """The least sizes that the axis leaves out; its only one where it does not vary."""
    if len(values) == 1:
        return tuple(values)
    known = set(values)
    missing = (size for size in itertools.count(values[0]) if size not in known)
    return tuple(itertools.islice(missing, _FILLERS))
