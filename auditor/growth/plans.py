"""Which growing tables a workload reads from end to end, where an index would do.

Asked of the database itself, for each statement, at two sets of sizes: a table counts when it has
more rows at the larger one, the plan reads all of it there, the statement compares a column of it,
and one execution fetches no more rows than at the smaller. So a listing of everything is none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from auditor.backends.plans import FullScan, full_scans, rows_in
from auditor.growth.workload import Workload
from auditor.model.law import TableScan
from auditor.model.tape import Entry, Tape
from auditor.runtime.recorder import record
from auditor.sql.conditions import compared_columns, named_tables
from auditor.sql.shape import shape_of


@dataclass(frozen=True, slots=True)
class Planned:
    """What the database plans for one statement: full scans of tables whose columns it compares,
    by table as it is named in the schema, and the rows that each table has."""

    scans: Mapping[str, FullScan]
    columns: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PlanReader:
    """A hook for `record`: asks for the plan of each SELECT before it runs for the first time.

    `failures` are statements that the database would not explain.
    """

    plans: dict[str, Planned] = field(default_factory=dict)
    failures: set[str] = field(default_factory=set)

    def __call__(self, context: Any, statement: str, cursor: Any, ordinal: int) -> None:
        del cursor, ordinal  # its own cursor: the program's is about to be used
        shape = shape_of(statement)
        if not shape.startswith("SELECT") or shape in self.plans or shape in self.failures:
            return
        try:
            self.plans[shape] = _planned(context, statement)
        except Exception:  # noqa: BLE001 - each driver has its own errors; the workload goes on
            self.failures.add(shape)


def table_scans(
    workload: Workload, smaller: Mapping[str, int], larger: Mapping[str, int]
) -> tuple[TableScan, ...]:
    """The full scans of a workload that an index would spare, largest table first. It is populated
    and called at both sizes. Raises ScenarioError when the scenario fails."""
    before, first = _read(workload, smaller)
    after, second = _read(workload, larger)
    found = [
        scan
        for shape, plan in after.plans.items()
        if shape in before.plans
        for scan in _scans(shape, (before.plans[shape], plan), (first, second))
    ]
    return tuple(sorted(found, key=lambda scan: (-scan.rows[1], scan.shape, scan.table)))


def _read(workload: Workload, sizes: Mapping[str, int]) -> tuple[PlanReader, Tape]:
    reader = PlanReader()
    call = workload.populated(sizes)
    with record(on_statement=reader) as recording:
        workload.called(call, sizes)
    return reader, recording.tape


def _planned(context: Any, statement: str) -> Planned:
    dialect = context.dialect
    connection = context.root_connection.connection
    parameters = context.parameters[0] if context.parameters else ()
    tables, columns = named_tables(statement), compared_columns(statement)
    with contextlib.closing(connection.cursor()) as cursor:
        scans = {
            scan.name: scan
            for scan in full_scans(cursor, dialect.name, statement, parameters)
            if scan.name in columns
        }
    rows = {
        name: rows_in(connection.cursor(), _quoted(dialect, tables[name]))
        for name in scans
        if name in tables
    }
    return Planned(
        scans={tables[name]: scans[name] for name in rows},
        columns={tables[name]: columns[name] for name in rows},
        rows={tables[name]: count for name, count in rows.items()},
    )


def _quoted(dialect: Any, table: str) -> str:
    return ".".join(dialect.identifier_preparer.quote(part) for part in table.split("."))


def _scans(
    shape: str, plans: tuple[Planned, Planned], tapes: tuple[Tape, Tape]
) -> Iterator[TableScan]:
    smaller, larger = plans
    entries = [_entries_of(shape, tape) for tape in tapes]
    fetched = (_fetched(entries[0]), _fetched(entries[1]))
    if fetched[1] > fetched[0]:
        return
    busiest = max(entries[1], key=lambda entry: entry.executions)
    for table, scan in larger.scans.items():
        rows = (smaller.rows.get(table, 0), larger.rows[table])
        if rows[1] > rows[0] and table in smaller.scans:
            yield TableScan(
                table=table,
                columns=larger.columns[table],
                shape=shape,
                stack=busiest.site.stack,
                rows=rows,
                fetched=fetched,
                executions=sum(entry.executions for entry in entries[1]),
                plan=scan.line,
            )


def _entries_of(shape: str, tape: Tape) -> list[Entry]:
    return [entry for entry in tape.entries if entry.shape == shape]


def _fetched(entries: list[Entry]) -> Fraction:
    """Rows per execution."""
    executions = sum(entry.executions for entry in entries)
    return Fraction(sum(entry.rows for entry in entries), executions or 1)
