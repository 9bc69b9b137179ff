"""A planted defect, its correct twin, and what must be said of both.

`says` holds the verdict on the defect at each statement that `fault` strikes, in order: one word
for all of them, or one for each, separated by spaces. Where a server behaves unlike SQLite,
`elsewhere` says what is right there. `contract` are the faults under which the twin may do nothing
wrong, at any statement; faults beyond it are not its promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from auditor.growth.scenario import Scenario

_NOWHERE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Pair:
    """`mode` and `seconds` (what one call may take) are those of the sweep of both; `since` is the
    first Python that has what the pair uses, `lacks` names the dialects that it cannot run on."""

    defect: str
    mutant: Scenario
    twin: Scenario
    fault: str
    says: str
    contract: tuple[str, ...] = ()
    mode: str = "once"
    seconds: float = 30.0
    elsewhere: Mapping[str, str] = field(default_factory=lambda: _NOWHERE)
    since: tuple[int, int] = (3, 10)
    lacks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the mutant's scenario."""
        return self.mutant.name

    def says_on(self, dialect: str) -> tuple[str, ...]:
        """The verdicts on the mutant, by statement; one stands for all."""
        return tuple(self.elsewhere.get(dialect, self.says).split())

    def kept_by_twin(self) -> tuple[str, ...]:
        """The faults that the twin is swept with."""
        return tuple(dict.fromkeys((self.fault, *self.contract)))
