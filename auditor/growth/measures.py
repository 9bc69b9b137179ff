"""Laws of what else was counted: rows, transactions, statements of each kind.

They come from the calls that the law of the statements was measured with; no point is added for
them. So they are given only where those points pin them down and confirm them, six to spare.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from auditor.growth.basis import Basis, Points, Sizes, law_of, powers, product
from auditor.growth.count import KINDS, OTHER_KIND, Count
from auditor.model.law import Law, MeasureLaw

MEASURES = ("rows", "transactions", "savepoints", *KINDS, OTHER_KIND)
NOT_PINNED_DOWN = "the points measured for the statements pin no law down"
_SPARE_POINTS = 6
_HIGHEST_DEGREE = 2


def measure_laws(
    variables: Sequence[str],
    counts: Mapping[Sizes, Count],
    unsteady: Mapping[str, str],
    basis: Basis | None,
) -> tuple[MeasureLaw, ...]:
    """The law of each measure that was ever more than 0, rows always; `basis` is the one of the
    law of the statements, `unsteady` says which measures did not repeat."""
    found = []
    for measure in MEASURES:
        points = {sizes: value_of(count, measure) for sizes, count in counts.items()}
        if measure == "rows" or any(points.values()):
            found.append(_law(measure, variables, points, unsteady.get(measure, ""), basis))
    return tuple(found)


def value_of(count: Count, measure: str) -> int:
    """What a call had of a measure."""
    return count.rows if measure == "rows" else count.others.get(measure, 0)


def _law(
    measure: str, variables: Sequence[str], points: Points, unsteady: str, basis: Basis | None
) -> MeasureLaw:
    if unsteady:
        return MeasureLaw(measure, None, unsteady)
    found = fitted(variables, points, basis)
    return MeasureLaw(measure, found[0] if found else None, "" if found else NOT_PINNED_DOWN)


def fitted(
    variables: Sequence[str], points: Points, basis: Basis | None
) -> tuple[Law, Basis] | None:
    """The plainest law that the points confirm, and its basis; None if there is none."""
    for one in _bases(variables, basis, points):
        law = _confirmed(variables, one, points)
        if law is not None:
            return law, one
    return None


def _bases(variables: Sequence[str], basis: Basis | None, points: Points) -> Iterator[Basis]:
    """Products of powers, the plainest first, then what the statements follow."""
    varying = [
        range(_HIGHEST_DEGREE + 1 if len({sizes[index] for sizes in points}) > 1 else 1)
        for index in range(len(variables))
    ]
    for degrees in sorted(itertools.product(*varying), key=lambda found: (sum(found), found)):
        yield product([powers(v, d) for v, d in zip(variables, degrees, strict=True)])
    if basis is not None:
        yield basis


def _confirmed(variables: Sequence[str], basis: Basis, points: Points) -> Law | None:
    spare = _SPARE_POINTS if len(points) > 1 else 0
    return law_of(variables, basis, points) if len(points) >= len(basis) + spare else None
