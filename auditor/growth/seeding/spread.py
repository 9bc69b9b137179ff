"""Which parent, or which value, each row takes: exact functions of the row's number, from 0.

Own(0)            0 1 2 3 4 5    a value or parent of its own for each row
First()           0 0 0 0 0 0
Cycle(3)          0 1 2 0 1 2    evenly over three
Lapped(2, 4)      0 1 1 0        evenly over two; no pair twice beside a Cycle(2) of four pairs
Blocks(2, 3)      0 0 1 1 2 2    the next after two rows
Within(2, ...)    0 1 - - - -    nothing (NULL) from the third row on
Tree(root)        - 0 0 1 1 2    the parent in a binary tree; the root has none, or itself
Chain(root)       - 0 1 2 3 4    the row before
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Numbers = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Own:
    """A number of its own for each row, from `first` on."""

    first: int = 0

    def at(self, rows: Sequence[int]) -> Numbers:
        return [row + self.first for row in rows] if self.first else rows


@dataclass(frozen=True, slots=True)
class First:
    """The first for every row."""

    def at(self, rows: Sequence[int]) -> Numbers:
        return [0] * len(rows)


@dataclass(frozen=True, slots=True)
class Cycle:
    """Row i takes i mod `choices`."""

    choices: int

    def at(self, rows: Sequence[int]) -> Numbers:
        choices = self.choices
        return [row % choices for row in rows]


@dataclass(frozen=True, slots=True)
class Lapped:
    """Like a Cycle, moved on by one where the pairs with the axes before would repeat: rows
    number 0 to `before * choices - 1` form distinct pairs, `before` being the number of
    combinations of those axes."""

    choices: int
    before: int

    def at(self, rows: Sequence[int]) -> Numbers:
        choices, period = self.choices, self.before * self.choices
        lap = math.lcm(self.before, choices)
        return [(row % period + row % period // lap) % choices for row in rows]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The next choice after every `size` rows."""

    size: int
    choices: int

    def at(self, rows: Sequence[int]) -> Numbers:
        size, choices = self.size, self.choices
        return [row // size % choices for row in rows]


@dataclass(frozen=True, slots=True)
class Within:
    """A number of its own for the first `count` rows, none after."""

    count: int

    def at(self, rows: Sequence[int]) -> Numbers:
        count = self.count
        return [row if row < count else None for row in rows]


@dataclass(frozen=True, slots=True)
class Tree:
    """The parent in a binary tree that is filled from the root down."""

    root: int | None = None

    def at(self, rows: Sequence[int]) -> Numbers:
        root = self.root
        return [(row - 1) // 2 if row else root for row in rows]


@dataclass(frozen=True, slots=True)
class Chain:
    """The row before; each row is followed by at most one."""

    root: int | None = None

    def at(self, rows: Sequence[int]) -> Numbers:
        root = self.root
        return [row - 1 if row else root for row in rows]


Spread = Own | First | Cycle | Lapped | Blocks | Within | Tree | Chain
