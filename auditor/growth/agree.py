"""Whether the laws and the plans of one scenario agree between databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from auditor.model.law import LawResult


def with_agreement(results: Sequence[LawResult]) -> tuple[LawResult, ...]:
    """The results with notes on each that has others of its scenario on other databases: on which
    the law is another, and which tables are read whole on one of them only."""
    return tuple(_noted(one, [r for r in results if _is_elsewhere(r, one)]) for one in results)


def _is_elsewhere(other: LawResult, one: LawResult) -> bool:
    return other.scenario == one.scenario and other.database != one.database


def _noted(one: LawResult, elsewhere: Sequence[LawResult]) -> LawResult:
    if not elsewhere:
        return one
    same = [other.database for other in elsewhere if other.law == one.law and one.law is not None]
    differing = [other for other in elsewhere if other.database not in same]
    notes = [f"the same law on {_all_of(same)}"] if same else []
    notes += [f"DIFFERS on {other.database}: {other.law or 'no law'}" for other in differing]
    return replace(one, notes=(*one.notes, *notes, *_plan_notes(one, elsewhere)))


def _plan_notes(one: LawResult, elsewhere: Sequence[LawResult]) -> Iterator[str]:
    """What is read whole here and not elsewhere; plans are known where there is a law."""
    if one.law is None:
        return
    planned = [other for other in elsewhere if other.law is not None]
    for table, columns in dict.fromkeys((scan.table, scan.columns) for scan in one.scans):
        others = [r.database for r in planned if (table, columns) not in _read_whole(r)]
        if others:
            compared = ", ".join(f"`{column}`" for column in columns)
            yield (
                f"PLANS DIFFER: reads all of `{table}` here to compare {compared}, not on"
                f" {_all_of(others)}"
            )


def _read_whole(result: LawResult) -> set[tuple[str, tuple[str, ...]]]:
    return {(scan.table, scan.columns) for scan in result.scans}


def _all_of(names: Sequence[str]) -> str:
    """`sqlite, mysql and postgresql`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
