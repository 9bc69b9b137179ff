"""Exact linear equations over the rationals."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def solution(rows: Sequence[Sequence[int]], values: Sequence[int]) -> tuple[Fraction, ...] | None:
    """The one `x` with `rows @ x == values` exactly; None if there is none, or more than one."""
    width = len(rows[0]) if rows else 0
    reduced: list[list[Fraction]] = []
    for row, value in zip(rows, values, strict=True):
        rest = _reduce([Fraction(cell) for cell in (*row, value)], reduced)
        lead = _lead(rest)
        if lead == width:
            return None  # 0 == something: no solution
        if lead < width:
            reduced.append([cell / rest[lead] for cell in rest])
    return _back_substituted(reduced, width) if len(reduced) == width else None


def _reduce(row: list[Fraction], reduced: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    for known in reduced:
        factor = row[_lead(known)]
        if factor:
            row = [cell - factor * other for cell, other in zip(row, known, strict=True)]
    return row


def _lead(row: Sequence[Fraction]) -> int:
    return next((index for index, cell in enumerate(row) if cell), len(row))


def _back_substituted(reduced: Sequence[Sequence[Fraction]], width: int) -> tuple[Fraction, ...]:
    found = [Fraction(0)] * width
    for row in sorted(reduced, key=_lead, reverse=True):
        lead = _lead(row)
        known = sum((row[i] * found[i] for i in range(lead + 1, width)), Fraction(0))
        found[lead] = row[width] - known
    return tuple(found)
