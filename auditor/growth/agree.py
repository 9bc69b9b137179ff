"""Whether the laws of one scenario agree between databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auditor.model.law import LawResult


def with_agreement(results: Sequence[LawResult]) -> tuple[LawResult, ...]:
    """The results with a note on each that has others of its scenario on other databases."""
    return tuple(_noted(one, [r for r in results if _is_elsewhere(r, one)]) for one in results)


def _is_elsewhere(other: LawResult, one: LawResult) -> bool:
    return other.scenario == one.scenario and other.database != one.database


def _noted(one: LawResult, elsewhere: Sequence[LawResult]) -> LawResult:
    if not elsewhere:
        return one
    same = [other.database for other in elsewhere if other.law == one.law and one.law is not None]
    differing = [other for other in elsewhere if other.database not in same]
    notes = [f"the same law on {' and '.join(same)}"] if same else []
    notes += [f"DIFFERS on {other.database}: {other.law or 'no law'}" for other in differing]
    return replace(one, notes=(*one.notes, *notes))
