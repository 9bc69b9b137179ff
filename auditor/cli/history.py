"""`auditor history`: how the laws of scenarios went from run to run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from auditor.cli.output import write_out
from auditor.model.errors import AuditorError
from auditor.model.law import Change
from auditor.model.law_expression import law_written
from auditor.model.law_order import compared
from auditor.report.evidence import counted

if TYPE_CHECKING:
    from auditor.growth.history import Recorded

SCHEMA = "auditor/history/1"
_SHORT = 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """Runs in a row that gave the same law: the first of them, the revision of the last, how many,
    and what became of the law with the first."""

    first: Recorded
    last: str
    runs: int
    change: str


@click.command("history")
@click.argument("place", metavar="FILE|URL")
@click.option("--scenario", default="", metavar="NAME", help="Only this scenario.")
@click.option("--measure", default="statements", metavar="NAME", help="statements if not given.")
@click.option("--format", "kind", type=click.Choice(("text", "json")), default="text")
def history_command(*, place: str, scenario: str, measure: str, kind: str) -> None:
    """Show what `auditor profile --history FILE|URL` recorded: each law, since when it holds, and
    whether it was better or worse than the one before."""
    from auditor.growth.history import read  # lazy: imports SQLAlchemy

    rows = [one for one in read(place) if one.measure == measure]
    chosen = [one for one in rows if scenario in ("", one.scenario)]
    if rows and not chosen:
        known = ", ".join(f"`{name}`" for name in sorted({one.scenario for one in rows}))
        raise AuditorError(f"`{scenario}` was never recorded in it; {known} were")
    if not rows:
        raise AuditorError(f"nothing was recorded in it of `{measure}`")
    trends = [list(_stretches(group)) for group in _trends(chosen)]
    write_out(_as_json(trends) if kind == "json" else _as_text(trends), None)


def _trends(rows: Iterable[Recorded]) -> list[list[Recorded]]:
    """The rows of each scenario and database, sorted by these, oldest first."""

    def key(one: Recorded) -> tuple[str, str]:
        return (one.scenario, one.database)

    return [list(group) for _, group in itertools.groupby(sorted(rows, key=key), key=key)]


def _stretches(rows: Iterable[Recorded]) -> Iterator[Stretch]:
    before = ""
    for law, group in itertools.groupby(rows, key=lambda one: one.law):
        same = list(group)
        yield Stretch(same[0], same[-1].revision, len(same), _change(before, law))
        before = law or before


def _change(before: str, law: str) -> str:
    if not law:
        return "no law"
    if not before:
        return ""
    found = compared(law_written(before), law_written(law), {}).change
    return found.value if found is not Change.SAME else ""


def _as_text(trends: list[list[Stretch]]) -> str:
    lines: list[str] = []
    for trend in trends:
        first = trend[0].first
        lines.append(f"{first.scenario} on {first.database}: {first.measure}")
        rows = [
            (
                one.first.recorded,
                one.first.revision[:_SHORT] or "-",
                counted(one.runs, "run"),
                one.first.law or "no law",
                one.change if one.first.law else "",
            )
            for one in trend
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"    {'  '.join(cells)}".rstrip())
        lines.append("")
    return "\n".join(lines)


def _as_json(trends: list[list[Stretch]]) -> str:
    found = {
        "schema": SCHEMA,
        "laws": [
            {**asdict(one.first), "last_revision": one.last, "runs": one.runs, "change": one.change}
            for trend in trends
            for one in trend
        ],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
