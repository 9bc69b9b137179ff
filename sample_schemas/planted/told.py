"""What a sweep says of a pair, held against what it should say."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy.dialects.sqlite  # noqa: F401 - once here, and not again in each child

from auditor.faults.sweep.run import sweep
from auditor.model.outcome import FaultOutcome
from planted.pair import Pair


@dataclass(frozen=True, slots=True)
class Told:
    """`said` holds the verdicts on the mutant by statement (several of one statement joined by
    `/`), `wanted` those that are right, `alarms` what is wrongly held against the twin, `tried` how
    many faults the twin met."""

    said: tuple[str, ...]
    wanted: tuple[str, ...]
    alarms: tuple[FaultOutcome, ...]
    tried: int

    @property
    def is_right(self) -> bool:
        """Whether the mutant got its verdicts."""
        return self.said == self.wanted


def told(pair: Pair, dialect: str, database: str) -> Told:
    """Sweep both on a database of that dialect. Raises AuditorError if they cannot be swept."""
    options = {"database": database, "mode": pair.mode, "timeout_seconds": pair.seconds}
    said = _by_statement(sweep(pair.mutant, faults=(pair.fault,), **options))
    wanted = pair.says_on(dialect)
    twin = sweep(pair.twin, faults=pair.kept_by_twin(), **options)
    return Told(
        said=said,
        wanted=wanted * len(said) if len(wanted) == 1 else wanted,
        alarms=tuple(one for one in twin if not one.verdict.is_good),
        tried=len(twin),
    )


def _by_statement(outcomes: tuple[FaultOutcome, ...]) -> tuple[str, ...]:
    found: dict[int, set[str]] = {}
    for one in outcomes:
        found.setdefault(one.statement, set()).add(one.verdict.value)
    return tuple("/".join(sorted(found[statement])) for statement in sorted(found))
