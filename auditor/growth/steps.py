"""Which steps a line of counts shows: the fewest `ceil`, `min` and powers that give all of it.

Each line is the counts along one variable, all others fixed; a basis has to give every line.
Divided differences take the powers away, and leave of each step what stands at its jumps. So
the first jump that is not explained yet names the few steps that can explain it. Exact, modulo
a large prime: what is found here is solved for again with fractions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from auditor.growth.basis import VariableBasis, powers
from auditor.model.law import AtMost, Factor, Step

Line = Mapping[int, int]
"""Size of the variable: count."""

Candidate = tuple[Factor, ...]
"""One step, or two of which the first is taken away: `min(n, 6) - min(n, 5)` is `n > 5`."""

Vector = tuple[int, ...]
"""Differences along all lines, one line after the other."""

BATCHES = (100, 500, 1000)
"""Sizes of batches that libraries choose: SQLAlchemy loads 500 keys at a time, and inserts 1,000
rows at a time."""

_PRIME = (1 << 61) - 1
_LONGEST_SHIFTED = 12
_SPARE_POINTS = 2
_LEVELS = ((0, 0), (1, 0), (1, 1), (2, 0), (1, 2), (2, 1), (3, 0), (1, 3), (2, 2), (3, 1), (2, 3))
"""Degree of the powers and number of steps, the plainest first."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is still to be explained on each line, and the candidates, both less what is chosen."""

    rests: tuple[Vector, ...]
    columns: tuple[tuple[Vector, ...], ...]
    """For each candidate a vector for each line."""


def fitting_bases(variable: str, lines: Sequence[Line]) -> tuple[VariableBasis, ...]:
    """The bases of fewest elements that give every line; none if there are none."""
    values = sorted({value for line in lines for value in line})
    room = max(map(len, lines)) - _SPARE_POINTS
    candidates = step_candidates(variable, values)
    found: list[VariableBasis] = []
    plainest = 0
    for degree, count in _LEVELS:
        size = degree + count
        if size >= max(room, 1) or (found and size > plainest):
            break
        start = _State(
            tuple(_differences(line, list(line.values()), degree) for line in lines),
            tuple(_columns(variable, lines, candidate, degree) for candidate in candidates),
        )
        for indexes in _explaining(start, count):
            plainest = size
            steps = dict.fromkeys(step for i in sorted(indexes) for step in candidates[i])
            found.append((*powers(variable, degree), *((step,) for step in steps)))
    return tuple(dict.fromkeys(found))


def step_candidates(variable: str, values: Sequence[int]) -> tuple[Candidate, ...]:
    """`min(n, k)`, `n > k`, `ceil(n/k)` and for small `k` `ceil((n-r)/k)`, for every `k` that the
    sizes can tell apart; also batches of the usual sizes that something else has begun. Those that
    grow least come first: of laws that all points allow, the first is taken."""
    least, most = values[0], values[-1]
    known = set(values)
    edges = sorted({k for v in values for k in (v - 1, v) if {k, k + 1} & known})
    steps = [k for k in edges if 1 < k < most]
    caps = [k for k in edges if max(least, 0) < k < most]
    longest = min(_LONGEST_SHIFTED, sum(v < values[0] + len(values) for v in values) // 2)
    shifted = [Step(variable, per, less) for per in range(3, longest + 1) for less in range(1, per)]
    shifted += [
        Step(variable, batch, edge % batch)
        for batch in BATCHES
        for edge in edges
        if _LONGEST_SHIFTED < edge < most and edge % batch
    ]
    return (
        *((AtMost(variable, k),) for k in caps),
        *((AtMost(variable, k), AtMost(variable, k + 1)) for k in caps),
        *((Step(variable, k),) for k in steps),
        *((step,) for step in shifted),
    )


def _explaining(state: _State, count: int) -> Iterator[tuple[int, ...]]:
    """Every choice of `count` candidates, by index, that together give what is to be explained."""
    jump = next(((i, _lead(rest)) for i, rest in enumerate(state.rests) if any(rest)), None)
    if count == 0 or jump is None:
        if jump is None and count == 0:
            yield ()
        return
    line, place = jump
    for index, pivot in enumerate(state.columns):
        if not pivot[line][place]:
            continue
        if count == 1:
            if all(_is_multiple(r, p) for r, p in zip(state.rests, pivot, strict=True)):
                yield (index,)
            continue
        for later in _explaining(_without(state, pivot, (line, place)), count - 1):
            yield (index, *later)


def _without(state: _State, pivot: tuple[Vector, ...], jump: tuple[int, int]) -> _State:
    """What is left once `pivot` takes what it can, which on its line is all of the jump."""
    places = tuple(jump[1] if i == jump[0] else _lead(p) for i, p in enumerate(pivot))
    inverses = tuple(
        _inverse(p[place]) if p and p[place] else 0 for p, place in zip(pivot, places, strict=True)
    )

    def less(vectors: tuple[Vector, ...]) -> tuple[Vector, ...]:
        return tuple(
            _less(vector, p, place, inverse)
            for vector, p, place, inverse in zip(vectors, pivot, places, inverses, strict=True)
        )

    return _State(less(state.rests), tuple(less(column) for column in state.columns))


def _less(vector: Vector, pivot: Vector, place: int, inverse: int) -> Vector:
    if not inverse or not vector[place]:
        return vector
    times = vector[place] * inverse % _PRIME
    return tuple((v - times * p) % _PRIME for v, p in zip(vector, pivot, strict=True))


@lru_cache(maxsize=4096)
def _inverse(number: int) -> int:
    return pow(number, _PRIME - 2, _PRIME)


def _is_multiple(vector: Vector, pivot: Vector) -> bool:
    lead = _lead(pivot)
    if not any(pivot):
        return not any(vector)
    a, b = vector[lead], pivot[lead]
    return all((v * b - a * p) % _PRIME == 0 for v, p in zip(vector, pivot, strict=True))


def _lead(vector: Vector) -> int:
    """The first place that is not 0; 0 if all are."""
    return next((place for place, cell in enumerate(vector) if cell), 0)


def _columns(
    variable: str, lines: Sequence[Line], candidate: Candidate, degree: int
) -> tuple[Vector, ...]:
    return tuple(
        _differences(line, [_value(candidate, {variable: value}) for value in line], degree)
        for line in lines
    )


def _value(candidate: Candidate, sizes: Mapping[str, int]) -> int:
    *less, factor = candidate
    return factor.at(sizes) - sum(other.at(sizes) for other in less)


def _differences(line: Line, counts: Sequence[int], degree: int) -> Vector:
    """The divided differences that are 0 for every polynomial of the degree."""
    nodes = list(line)
    for order in range(1, degree + 2):
        counts = [
            (counts[i + 1] - counts[i]) * _inverse(nodes[i + order] - nodes[i])
            for i in range(len(counts) - 1)
        ]
    return tuple(count % _PRIME for count in counts)
