"""Why a finding is believed: what each of the four witnesses saw. A tagged union of values.

`kind` is the tag in JSON output; it is a class constant, never a field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from auditor.model.span import Frame, Span


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path through the source: a place and what happens there."""

    span: Span
    note: str


@dataclass(frozen=True, slots=True)
class SourcePath:
    """Seen by scan: the steps from where something starts to where it does harm, in order."""

    kind: ClassVar[str] = "source-path"
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Executions:
    """Seen by record: a statement shape was executed so many times from one site, for one cause."""

    kind: ClassVar[str] = "executions"
    shape: str
    cause: str
    executions: int
    rows: int
    seconds: float
    stack: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class Growth:
    """Seen by profile: a term of an exact law, and the database it was measured on."""

    kind: ClassVar[str] = "growth"
    scenario: str
    database: str
    law: str
    term: str


@dataclass(frozen=True, slots=True)
class SchemaFact:
    """Read from models or from a live schema: a table and what is true of it."""

    kind: ClassVar[str] = "schema"
    table: str
    fact: str


@dataclass(frozen=True, slots=True)
class FaultSeen:
    """Seen by faults: what the code did when one statement failed."""

    kind: ClassVar[str] = "fault"
    scenario: str
    fault: str
    statement: str
    verdict: str
    replay: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A database's own plan for a statement shape, as it printed it."""

    kind: ClassVar[str] = "plan"
    database: str
    shape: str
    plan: str


@dataclass(frozen=True, slots=True)
class Estimated:
    """Read from the source by scan: how many statements a call of the whole function issues, such
    as `1 + 2*|labels|`, and the lengths that they grow with, for sure and at most. `notes` say
    what is not counted. `measured` is what laws of the same function say of that, a sentence each,
    put in when results are joined."""

    kind: ClassVar[str] = "estimate"
    function: str
    statements: str
    sure: tuple[str, ...]
    possible: tuple[str, ...]
    notes: tuple[str, ...] = ()
    measured: tuple[str, ...] = ()


Evidence = SourcePath | Executions | Growth | SchemaFact | FaultSeen | Plan | Estimated
