"""What each place has of a measure at all sizes: what the laws of two revisions differ by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from auditor.growth.attribute import Part, PartCounts, frame_in, laws_by_part
from auditor.growth.basis import Basis, Sizes
from auditor.growth.count import Count
from auditor.growth.measures import fitted
from auditor.model.law import Law, PlaceLaw, TermSite

STATEMENTS = "statements"
ROWS = "rows"


def statements_by_place(own: Mapping[Part, Law | None], target: str) -> tuple[PlaceLaw, ...]:
    """The statements of each place that follows a law; `own` are the laws of `laws_by_part`."""
    return tuple(_placed(STATEMENTS, own, target))


def rows_by_place(
    variables: Sequence[str], basis: Basis, counts: Mapping[Sizes, Count], *, target: str
) -> tuple[PlaceLaw, ...]:
    """The rows that each place fetches, where those of all places together follow a law; `basis`
    is the one of the statements."""
    found = fitted(variables, {sizes: count.rows for sizes, count in counts.items()}, basis)
    if found is None:
        return ()
    by_part: PartCounts = {sizes: count.rows_of_parts for sizes, count in counts.items()}
    return tuple(_placed(ROWS, laws_by_part(variables, found[1], by_part), target))


def _placed(measure: str, own: Mapping[Part, Law | None], target: str) -> Iterator[PlaceLaw]:
    for part, law in own.items():
        if law is not None and law.terms:
            frame = frame_in(part.site, target)
            site = TermSite(frame, str(part.cause), part.shape, str(law), part.site.stack)
            yield PlaceLaw(measure, site, law)
