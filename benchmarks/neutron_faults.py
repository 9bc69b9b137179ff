"""Sweeps Neutron's metering and local IP scenarios with every fault, and keeps the outcomes.

    python benchmarks/neutron_faults.py -o neutron-faults.json          SQLite and PostgreSQL, once
    python benchmarks/neutron_faults.py --db mysql --mode both -o neutron-mysql.json NAME...

Makes the sweeps of `auditor faults` and writes its JSON; a journal beside it (`.jsonl`) lets the
same command go on after an interruption. Prints a line for each scenario, database and mode: runs,
and how they ended. Exit status 1 if a statement is in no list of its certificate, or in two; 2 if
results are missing. What came of it: docs/neutron-faults.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from auditor.cli.main import run

NAMES = (
    "metering_label_create",
    "metering_label_delete",
    "metering_labels",
    "metering_rule_create",
    "metering_rule_create_retried",
    "metering_rule_delete",
    "metering_rules",
    "metering_sync",
    "metering_sync_rule",
    "metering_sync_shared",
    "metering_rpc_sync",
    "local_ip_association_create",
    "local_ip_association_create_retried",
    "local_ip_association_delete",
    "local_ip_associations",
)

Swept = tuple[str, str, str]  # scenario, database, mode


def main(arguments: Sequence[str] | None = None) -> int:
    """Sweep, write, print; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a scenario; all if none")
    parser.add_argument("--db", action="append", metavar="URL")
    parser.add_argument("--mode", choices=("once", "persistent", "both"), default="once")
    parser.add_argument("-o", "--output", type=Path, default=Path("neutron-faults.json"))
    asked = parser.parse_args(arguments)
    databases = asked.db or ["sqlite://", "postgresql"]
    status = run(
        [
            "faults",
            *(f"neutron.{name.removeprefix('neutron.')}" for name in asked.names or NAMES),
            *(word for url in databases for word in ("--db", url)),
            *("--fault", "all", "--mode", asked.mode, "--exit-zero"),
            *("--resume", str(asked.output.with_suffix(".jsonl"))),
            *("--format", "json", "--output", str(asked.output)),
        ]
    )
    if not asked.output.exists():
        return status
    report = json.loads(asked.output.read_text())
    print(*told(report), sep="\n")
    wrong = list(miscounted(report))
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return status or int(bool(wrong))


def told(report: dict[str, Any]) -> Iterator[str]:
    """A line for each sweep: how many runs, and how they ended."""
    ended: dict[Swept, Counter[str]] = {}
    for one in report["faults"]:
        ended.setdefault(_swept(one), Counter())[one["verdict"]] += 1
    for (scenario, database, mode), verdicts in ended.items():
        shown = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        yield f"{scenario} on {database}, {mode}: {sum(verdicts.values())} runs: {shown}"


def miscounted(report: dict[str, Any]) -> Iterator[str]:
    """Certificates in which a statement is in no list, or in two, or was not tried."""
    for one in report["coverage"]:
        own = [
            each
            for each in report["faults"]
            if (_swept(each), each["fault"]) == (_swept(one), one["fault"])
        ]
        points = {each["statement"] for each in own}
        folded = {number for each in own for number in each["folded"]} - points
        every = Counter([*points, *folded, *one["impossible"]])
        if one["untried"] or every != Counter(range(1, one["statements"] + 1)):
            place = " ".join((*_swept(one), one["fault"]))
            yield f"{place}: {sum(every.values())} of {one['statements']} statements accounted for"


def _swept(one: dict[str, Any]) -> Swept:
    return (one["scenario"], one["database"], one["mode"])


if __name__ == "__main__":
    sys.exit(main())
