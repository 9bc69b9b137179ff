"""Ties each growing term of a law to the places that produce it.

Each place (call path, cause, statement shape) has counts of its own over the same points, and so
a law of its own in the same basis; its part of a term is its own term with the same factors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from auditor.growth.basis import Basis, Sizes, law_of
from auditor.model.law import ExplainedTerm, Law, Term, TermSite
from auditor.model.span import Frame
from auditor.model.tape import Cause, Site


@dataclass(frozen=True, slots=True)
class Part:
    """Who executed a statement: where, why, and which."""

    site: Site
    cause: Cause
    shape: str


PartCounts = Mapping[Sizes, Mapping[Part, int]]


def explained(
    law: Law, variables: Sequence[str], basis: Basis, counts: PartCounts, *, target: str = ""
) -> tuple[ExplainedTerm, ...]:
    """The growing terms of the law, each with its places, those of the largest share first.

    `target` (`module:qualname`) says in which module a place is looked for.
    """
    return explained_by(law, laws_by_part(variables, basis, counts), target=target)


def explained_by(
    law: Law, own: Mapping[Part, Law | None], *, target: str = ""
) -> tuple[ExplainedTerm, ...]:
    """The same, by the laws of all places, as `laws_by_part` gives them."""
    return tuple(ExplainedTerm(term, _sites(term, own, target)) for term in law.growing)


def laws_by_part(
    variables: Sequence[str], basis: Basis, counts: PartCounts
) -> dict[Part, Law | None]:
    """The law of each place; places that follow none by themselves are put together by site."""
    own = part_laws(variables, basis, counts)
    lawless = {part for part, part_law in own.items() if part_law is None}
    if lawless:
        own |= part_laws(variables, basis, _together(counts, lawless))
    return own


def part_laws(variables: Sequence[str], basis: Basis, counts: PartCounts) -> dict[Part, Law | None]:
    """The law of each place; None for one that follows none in this basis."""
    parts = dict.fromkeys(part for of_point in counts.values() for part in of_point)
    return {
        part: law_of(
            variables, basis, {sizes: of_point.get(part, 0) for sizes, of_point in counts.items()}
        )
        for part in parts
    }


def _together(counts: PartCounts, lawless: Collection[Part]) -> PartCounts:
    """The counts of what follows no law by itself, added up by place: `INSERT` of one row and of
    several are two shapes, and only both together grow evenly. The shape that stands for all is
    the one executed most."""
    most: dict[Site, tuple[int, Part]] = {}
    for of_point in counts.values():
        for part, count in of_point.items():
            if part in lawless and count > most.get(part.site, (0, part))[0]:
                most[part.site] = (count, part)
    added: dict[Sizes, Counter[Part]] = {}
    for sizes, of_point in counts.items():
        added[sizes] = Counter()
        for part, count in of_point.items():
            if part in lawless:
                added[sizes][most[part.site][1]] += count
    return added


def _sites(term: Term, own: Mapping[Part, Law | None], target: str) -> tuple[TermSite, ...]:
    shares = [
        (share, part)
        for part, law in own.items()
        if law is not None
        for share in law.terms
        if share.factors == term.factors
    ]
    shares.sort(key=lambda pair: (-abs(pair[0].coefficient), _order(pair[1])))
    return tuple(
        TermSite(
            frame=frame_in(part.site, target),
            cause=str(part.cause),
            shape=part.shape,
            share=str(share),
            stack=part.site.stack,
        )
        for share, part in shares
    )


def frame_in(site: Site, target: str) -> Frame:
    """The innermost frame in the module of `target`; the innermost of all if none is in it."""
    module = target.partition(":")[0].replace(".", "/")
    ends = (f"/{module}.py", f"/{module}/__init__.py")
    inside = (frame for frame in site.stack if f"/{frame.path}".endswith(ends))
    return next(inside, site.frame)


def _order(part: Part) -> tuple[object, ...]:
    return (part.site.stack, str(part.cause), part.shape)
