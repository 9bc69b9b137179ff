"""Exact linear equations over the rationals, computed with whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction


def solution(rows: Sequence[Sequence[int]], values: Sequence[int]) -> tuple[Fraction, ...] | None:
    """The one `x` with `rows @ x == values` exactly; None if there is none, or more than one."""
    width = len(rows[0]) if rows else 0
    reduced: list[list[int]] = []
    for row, value in zip(rows, values, strict=True):
        if len(reduced) == width:
            break
        rest = _reduced([*row, value], reduced)
        lead = _lead(rest)
        if lead == width:
            return None  # 0 == something: no solution
        if lead < width:
            reduced.append(rest)
    if len(reduced) < width:
        return None
    found = _back_substituted(reduced, width)
    return found if _holds(found, rows, values) else None


def raises_rank(rows: list[list[int]], row: Sequence[int]) -> bool:
    """Whether `row` is no sum of multiples of `rows`, which are those this function accepted so
    far; what is new of it is then added to them."""
    rest = _reduced(list(row), rows)
    if any(rest):
        rows.append(rest)
    return any(rest)


def _holds(found: Sequence[Fraction], rows: Sequence[Sequence[int]], values: Sequence[int]) -> bool:
    scale = math.lcm(*(cell.denominator for cell in found))
    whole = [int(cell * scale) for cell in found]
    return all(
        sum(map(int.__mul__, row, whole)) == scale * value
        for row, value in zip(rows, values, strict=True)
    )


def _reduced(row: list[int], reduced: Sequence[Sequence[int]]) -> list[int]:
    """The row less what the others have of it, times some whole number."""
    for known in reduced:
        lead = _lead(known)
        if row[lead]:
            mine, theirs = row[lead], known[lead]
            row = [cell * theirs - other * mine for cell, other in zip(row, known, strict=True)]
            shared = math.gcd(*row)
            row = [cell // shared for cell in row] if shared > 1 else row
    return row


def _lead(row: Sequence[int]) -> int:
    return next((index for index, cell in enumerate(row) if cell), len(row))


def _back_substituted(reduced: Sequence[Sequence[int]], width: int) -> tuple[Fraction, ...]:
    found = [Fraction(0)] * width
    for row in sorted(reduced, key=_lead, reverse=True):
        lead = _lead(row)
        known = sum((row[i] * found[i] for i in range(lead + 1, width)), Fraction(0))
        found[lead] = (row[width] - known) / row[lead]
    return tuple(found)
