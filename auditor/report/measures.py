"""What else was measured beside the statements: rows, transactions, kinds, time.

rows fetched: 1 + rules + 7*labels
by kind: SELECT 2 + labels, INSERT labels
time: labels=4: median 0.0031 s (0.0029 to 0.0040, 7 calls), 20,323 rows/s
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from auditor.model.law import Law, LawResult, MeasureLaw, Timing
from auditor.model.law_text import law_of

Words = Callable[[Law, Sequence[str]], str]
"""Growth in plain words."""

_NOT_KINDS = {"rows": "rows fetched", "transactions": "transactions", "savepoints": "savepoints"}


def measure_lines(result: LawResult, words: Words) -> Iterator[str]:
    """What grows in another way than the statements, and the kinds if there are several."""
    for one in result.measures:
        if one.measure in _NOT_KINDS and _is_told(one, result, words):
            yield f"{_NOT_KINDS[one.measure]}: {_law_or_reason(one)}"
    kinds = [one for one in result.measures if one.measure not in _NOT_KINDS]
    if len(kinds) > 1:
        yield f"by kind: {', '.join(f'{one.measure} {_law_or_reason(one)}' for one in kinds)}"


def _is_told(one: MeasureLaw, result: LawResult, words: Words) -> bool:
    if one.law is None or result.law is None:
        return one.law is not None or "not repeatable" in one.refusal
    return words(one.law, result.variables) != words(result.law, result.variables) and (
        one.measure == "rows" or bool(one.law.growing)
    )


def _law_or_reason(one: MeasureLaw) -> str:
    return str(one.law) if one.law is not None else f"no law ({one.refusal})"


def time_lines(timings: Sequence[Timing]) -> Iterator[str]:
    """One line for each set of sizes; times of other machines are other times."""
    for one in timings:
        at = ", ".join(f"{name}={size}" for name, size in one.sizes)
        rate = f", {one.rows / one.median:,.0f} rows/s" if one.rows and one.median else ""
        spread = f"{one.least:.4f} to {one.most:.4f}, {one.repeats} calls"
        yield f"time{f' at {at}' if at else ''}: median {one.median:.4f} s ({spread}){rate}"


def measures_as_json(result: LawResult, words: Words) -> Mapping[str, Any]:
    """The keys `measures`, `measured_to` and, where times were asked for, `timings`."""
    found: dict[str, Any] = {
        "measures": [
            {
                "measure": one.measure,
                "law": None if one.law is None else str(one.law),
                "growth": None if one.law is None else words(one.law, result.variables),
                "refusal": one.refusal,
            }
            for one in result.measures
        ],
        "measured_to": dict(result.measured_to),
    }
    if result.timings:
        found["timings"] = [_timing_as_json(one) for one in result.timings]
    return found


def _timing_as_json(one: Timing) -> Mapping[str, Any]:
    return {
        "sizes": dict(one.sizes),
        "repeats": one.repeats,
        "least": one.least,
        "median": one.median,
        "most": one.most,
        "rows": one.rows,
    }


def measures_from_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys back to the fields of a LawResult; none from a report without them."""
    measures = (
        MeasureLaw(
            one["measure"], None if one["law"] is None else law_of(one["law"]), one["refusal"]
        )
        for one in value.get("measures", ())
    )
    timings = (
        Timing(**{**one, "sizes": tuple(one["sizes"].items())}) for one in value.get("timings", ())
    )
    return {
        "measures": tuple(measures),
        "measured_to": tuple(value.get("measured_to", {}).items()),
        "timings": tuple(timings),
    }
