"""Tables that a workload reads whole, as lines of text and as JSON.

reads all 4 rows of `ports` for 1 row where it compares `router_id`, at work.py:41 in call (DBA321)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from auditor.model.law import TableScan
from auditor.report.evidence import counted, frame_as_json, frames_from_json

RULE = "DBA321"


def scan_lines(scans: Sequence[TableScan]) -> Iterator[str]:
    """One line for each, largest table first."""
    for one in scans:
        at = f", at {one.stack[0]}" if one.stack else ""
        columns = ", ".join(f"`{column}`" for column in one.columns)
        fetched = f"{one.fetched[1]} row{'' if one.fetched[1] == 1 else 's'}"
        yield (
            f"reads all {counted(one.rows[1], 'row')} of `{one.table}` for {fetched} where it"
            f" compares {columns}{at} ({RULE})"
        )


def scans_as_json(scans: Sequence[TableScan]) -> Mapping[str, Any]:
    """The key `scans`, where there are any."""
    return {"scans": [_as_json(one) for one in scans]} if scans else {}


def scans_from_json(value: Mapping[str, Any]) -> dict[str, Any]:
    """The same key back to the field of a LawResult; empty from a report without it."""
    return {"scans": tuple(_from_json(one) for one in value.get("scans", ()))}


def _as_json(one: TableScan) -> Mapping[str, Any]:
    return {
        "table": one.table,
        "columns": list(one.columns),
        "shape": one.shape,
        "stack": [frame_as_json(frame) for frame in one.stack],
        "rows": list(one.rows),
        "fetched": [_number(number) for number in one.fetched],
        "executions": one.executions,
        "plan": one.plan,
    }


def _from_json(value: Mapping[str, Any]) -> TableScan:
    before, after = (int(number) for number in value["rows"])
    few, many = (Fraction(number) for number in value["fetched"])
    return TableScan(
        table=value["table"],
        columns=tuple(value["columns"]),
        shape=value["shape"],
        stack=frames_from_json(value["stack"]),
        rows=(before, after),
        fetched=(few, many),
        executions=int(value["executions"]),
        plan=value["plan"],
    )


def _number(value: Fraction) -> int | str:
    return value.numerator if value.denominator == 1 else str(value)
