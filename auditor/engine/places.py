"""Whether a line of a running program stands at a place that a finding names.

Paths of two results may begin in different folders (`neutron/db/l3_db.py` and
`src/neutron/db/l3_db.py`): then the shorter must be the end of the longer and the functions agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.finding import Finding
from auditor.model.span import Frame, Span


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a program and the function it belongs to."""

    path: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Where:
    """The lines that a finding is about.

    What is executed through a call on these lines has them in its stack; where the call leads to is
    not asked, because others may call it too.
    """

    span: Span
    function: str


def where_of(finding: Finding) -> Where:
    """The lines of the offence."""
    return Where(finding.span, finding.function)


def place_of(frame: Frame) -> Place:
    """The place of a frame."""
    return Place(frame.path, frame.line, frame.function)


def stands_at(place: Place, where: Where) -> bool:
    """Whether the place is on the lines."""
    if not where.span.line <= place.line <= where.span.end_line:
        return False
    if place.path == where.span.path:
        return True
    return _is_end_of(place.path, where.span.path) and _same_function(place, where)


def is_in_function(place: Place, where: Where) -> bool:
    """Whether the place is in the function of the lines."""
    is_same = place.path == where.span.path or _is_end_of(place.path, where.span.path)
    return is_same and _same_function(place, where)


def _is_end_of(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return "/" in shorter and longer.endswith(f"/{shorter}")


def _same_function(place: Place, where: Where) -> bool:
    """Frames of Python 3.10 have only the last step of a qualified name."""
    return place.function.rpartition(".")[2] == where.function.rpartition(".")[2]
