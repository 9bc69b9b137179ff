"""What a command found: the one value that every renderer turns into text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from auditor.model.finding import Finding, Problem
from auditor.model.handler import HandlerRow, MissingHandler
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict
from auditor.model.tape import Tape


@dataclass(frozen=True, slots=True)
class Report:
    """Findings and problems, what was counted, and what the live witnesses saw.

    `counted` says what was looked at and what was not (`files`, `files_skipped`, `statements`,
    `suppressed`, `baselined`, ...): silence is never "clean".
    """

    findings: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)
    tape: Tape | None = None
    laws: tuple[LawResult, ...] = ()
    faults: tuple[FaultOutcome, ...] = ()
    coverage: tuple[SweepCoverage, ...] = ()
    """What the sweeps that `faults` came from covered."""
    handlers: tuple[HandlerRow, ...] = ()
    missing_handlers: tuple[MissingHandler, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 nothing to report, 1 findings, faults that came to no good or handlers that have to be
        mended, 2 the tool could not do all of its work."""
        if any(problem.hides_results for problem in self.problems):
            return 2
        return 1 if self.findings or self.bad_faults or self._has_bad_handlers else 0

    @property
    def _has_bad_handlers(self) -> bool:
        return any(row.verdict.is_bad for row in self.handlers) or any(
            row.confirmed for row in self.missing_handlers
        )

    @property
    def bad_faults(self) -> tuple[FaultOutcome, ...]:
        """The faults that were injected and came to no good."""
        reached = (one for one in self.faults if one.verdict is not Verdict.NOT_REACHED)
        return tuple(one for one in reached if not one.verdict.is_good)
