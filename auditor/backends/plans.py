"""Which tables a database reads from end to end for a statement, from its own EXPLAIN.

    reader              asks                                    a table read whole shows as
    sqlite              EXPLAIN QUERY PLAN                      SCAN t, or an AUTOMATIC index on it
    postgresql          EXPLAIN (FORMAT JSON), with             Seq Scan, or an index scan that has
                        enable_seqscan off: small tables        a filter and no condition
                        would be scanned whatever there is
    mysql (MariaDB)     EXPLAIN                                 type ALL or index with no possible
                                                                key

The statement is planned, not executed, on the connection that is about to execute it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SQLITE_SCAN = re.compile(r"SCAN (?:TABLE )?(?P<table>\S+)(?: AS (?P<alias>\S+))?")
_SQLITE_AUTOMATIC = re.compile(
    r"SEARCH (?:TABLE )?(?P<table>\S+)(?: AS (?P<alias>\S+))? USING AUTOMATIC"
)
_NO_TABLE = frozenset({"CONSTANT", "SUBQUERY"})


@dataclass(frozen=True, slots=True)
class FullScan:
    """A table that is read from end to end: the name it goes by in the statement, and the line of
    the plan that says so."""

    name: str
    line: str


def full_scans(
    cursor: Any, dialect: str, statement: str, parameters: object
) -> tuple[FullScan, ...]:
    """The full scans of a statement. `cursor` is a new DB-API cursor, `parameters` one set of
    values in the driver's own form. Raises what the driver raises."""
    reader = READERS.get(dialect)
    return () if reader is None else tuple(reader(cursor, statement, parameters))


def _of_sqlite(cursor: Any, statement: str, parameters: object) -> Iterator[FullScan]:
    cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    for row in cursor.fetchall():
        line = str(row[-1])
        match = _SQLITE_SCAN.match(line) or _SQLITE_AUTOMATIC.match(line)
        if match is not None and match["table"] not in _NO_TABLE:
            yield FullScan(match["alias"] or match["table"], line)


def _of_postgresql(cursor: Any, statement: str, parameters: object) -> Iterator[FullScan]:
    cursor.execute("SAVEPOINT auditor_plan")
    try:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        found = cursor.fetchall()[0][0]
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT auditor_plan")
        cursor.execute("RELEASE SAVEPOINT auditor_plan")
    plans = json.loads(found) if isinstance(found, str) else found
    for node in _nodes(plans[0]["Plan"]):
        kind = node["Node Type"]
        is_whole = kind == "Seq Scan" or (
            kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node
        )
        if is_whole and "Relation Name" in node:
            shown = f"{kind} on {node['Relation Name']}"
            filtered = f", filter {node['Filter']}" if "Filter" in node else ""
            yield FullScan(node["Alias"], f"{shown}{filtered}")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [plan]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.get("Plans", ()))


def _of_mysql(cursor: Any, statement: str, parameters: object) -> Iterator[FullScan]:
    cursor.execute(f"EXPLAIN {statement}", parameters)
    names = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        plan = dict(zip(names, _values(row), strict=True))
        name = str(plan["table"])
        is_whole = plan["type"] in {"ALL", "index"} and plan["possible_keys"] is None
        if is_whole and not name.startswith("<"):
            yield FullScan(name, f"type {plan['type']} on {name}, no possible key")


def _values(row: Any) -> Sequence[Any]:
    return tuple(row.values()) if isinstance(row, dict) else tuple(row)


READERS: dict[str, Callable[[Any, str, object], Iterator[FullScan]]] = {
    "sqlite": _of_sqlite,
    "postgresql": _of_postgresql,
    "mysql": _of_mysql,
    "mariadb": _of_mysql,
}


def rows_in(cursor: Any, quoted_table: str) -> int:
    """How many rows a table has, as the connection of `cursor` sees it."""
    with contextlib.closing(cursor):
        cursor.execute(f"SELECT count(*) FROM {quoted_table}")  # noqa: S608 - quoted
        return int(_values(cursor.fetchone())[0])
