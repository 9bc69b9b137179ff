"""What a sweep needs of a workload: to learn once what it does, then to fail it point by point.

    fault_free()          -> Learned          what is planned from, and compared with
    outcome(point, ...)   -> FaultOutcome     one run with a fault, judged

Both may be made in processes of their own: everything here can be pickled. A scenario makes its
runs one after the other in the child process of the sweep (`scenario_runs`), a test each of its
runs in a fork of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

from auditor.faults.aim.keys import TableKeys
from auditor.faults.aim.plan import Point
from auditor.faults.aim.shots import Executed
from auditor.faults.catalogue.fault import Fault
from auditor.faults.conduct.conduct import Conduct
from auditor.faults.state.oracle import Delta
from auditor.model.outcome import FaultOutcome

GiveUp = Callable[[FaultOutcome], NoReturn]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A call as later ones are compared with it: what it executed, changed and returned, and how
    it did so, as in `Run`. `keys` are those of the tables of its database."""

    statements: tuple[Executed, ...]
    commits: tuple[Executed, ...]
    keys: Mapping[str, TableKeys]
    delta: Delta
    result: Any
    result_by_role: Any
    unclean: int = 0
    """Sessions and connections that it does not end."""
    conduct: Conduct = field(default_factory=Conduct)
    checkouts: tuple[Executed, ...] = ()

    def struck_by(self, fault: Fault) -> tuple[Executed, ...]:
        """Where a fault may be aimed, its moment considered."""
        units = {"COMMIT": self.commits, "checkout": self.checkouts}
        return units.get(fault.moment.unit, self.statements)


class Repeatable(Protocol):
    """A workload that can be run again and again from the same start."""

    def fault_free(self, *, repeated: bool) -> Learned:
        """The call without a fault, held to repeat itself unless it is `repeated` already.
        Raises ScenarioError."""

    def outcome(
        self, point: Point, expected: Learned, pending: FaultOutcome, give_up: GiveUp
    ) -> FaultOutcome:
        """The outcome of one run, of which `pending` is known before. `give_up` is told that of a
        run which hangs, and does not return. Raises DatabaseError if the run cannot be made in
        this process any more."""
