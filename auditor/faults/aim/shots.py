"""What a workload executes, and a fault aimed at it: values, made in one process, used in others.

Executed × Fault -> Shot      see `plan`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from auditor.faults.catalogue.fault import Fault, FaultRow, Target
from auditor.model.tape import Site

COMMIT = "COMMIT"
CHECKOUT = "CHECKOUT"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the workload had come: whether it had committed rows, and whether its transaction
    had written some. A fault after a commit may leave half of the work, one before cannot."""

    committed: bool
    wrote: bool


@dataclass(frozen=True, slots=True)
class Executed:
    """One statement or COMMIT of a call. `ordinal` counts from 1, statements and COMMITs apart.
    `signature` is equal for a repetition of the same work: shape, site and values, generated
    ids and times left out. `filtered`: the engine has oslo.db's error filters.

    `isolation` is the level in capitals, `nulls` are columns that it sets to NULL in every row,
    `generated` those that get values of which there is only one; `locks`: it reads, and locks what
    it reads. `checkout` is the number of the checkout, if this is the first statement on a
    connection that had been idle in the pool. `pool` is the class of the pool that a checkout
    asks. `spared`: a test sends it itself, so that it is failed only if it is
    asked for."""

    ordinal: int
    sql: str
    shape: str
    verb: str
    table: str
    site: Site
    progress: Progress
    signature: int
    dialect: str
    driver: str
    filtered: bool
    isolation: str = ""
    nulls: frozenset[str] = frozenset()
    generated: frozenset[str] = frozenset()
    locks: bool = False
    checkout: int = 0
    pool: str = ""
    spared: bool = False


class Rival(Protocol):
    """A second session, as a value that can be pickled. What it raises is a defect of ours."""

    def act(self, context: Any, executed: Executed) -> None:
        """Interfere. `context` is SQLAlchemy's execution context of the statement to come."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A fault aimed at one statement, COMMIT or checkout. `persistent`: every later execution of
    the same shape from the same call path fails too. `rival` acts right before the statement, which
    then runs: no error is made. `selector` tells it from others of the same fault there; the first
    has none."""

    fault: Fault
    row: FaultRow
    target: Target
    point: Executed
    persistent: bool = False
    rival: Rival | None = None
    selector: str = ""

    @property
    def asked(self) -> str:
        """The fault as a command line names it: `reference`, or `reference:router_id`."""
        return f"{self.fault.name}:{self.selector}" if self.selector else self.fault.name

    def hits(self, executed: Executed, fired: int) -> bool:
        """Whether this execution fails, when `fired` have failed before."""
        if not fired:
            return executed.ordinal == self.point.ordinal
        same = (executed.shape, executed.site) == (self.point.shape, self.point.site)
        return self.persistent and same
