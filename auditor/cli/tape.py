"""`auditor tape FILE`: what is on a tape, for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from auditor.model.tape import (
    Attempts,
    Course,
    CourseStep,
    Entry,
    Incident,
    Tape,
    TransactionEntry,
)
from auditor.runtime.store import read
from auditor.runtime.tape_text import happenings, lines_of, totals

SCHEMA = "auditor/tape/1"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Everything on the tape, as JSON.")
@click.option("--site", default="", metavar="TEXT", help="Only call paths with this text.")
@click.option("--test", default="", metavar="TEXT", help="Only tests with this text in their id.")
@click.option("--top", default=0, metavar="N", help="Only the N lines with most executions.")
def tape_command(file: Path, site: str, test: str, top: int, *, as_json: bool) -> int:
    """List what was recorded on FILE, the most executed first.

    A tape is a SQLite database: `SELECT * FROM statements` works in any SQLite browser.
    """
    tape = read(file)
    entries = tuple(entry for entry in tape.entries if _is_wanted(entry, site, test))
    if as_json:
        click.echo(json.dumps(_plain(tape, entries), indent=2))
        return 0
    lines = lines_of(entries)
    for line in lines[: top or None]:
        click.echo(str(line))
    rest = len(lines) - (top or len(lines))
    more = f"; {rest:,} more not shown" if rest > 0 else ""
    for happened in happenings(tape, site, test):
        click.echo(happened)
    click.echo(f"{totals(replace(tape, entries=entries))}{more}")
    for loss in tape.losses:
        click.echo(f"lost: {loss.subject}: {loss.message}")
    return 0


def _is_wanted(entry: Entry, site: str, test: str) -> bool:
    return test in entry.test and (
        not site or any(site in str(frame) for frame in entry.site.stack)
    )


def _plain(tape: Tape, entries: tuple[Entry, ...]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "statements": Tape(entries=entries).statements,
        "processes": tape.processes,
        "entries": [_plain_entry(entry) for entry in entries],
        "transactions": [_plain_at_site(ending) for ending in tape.transactions],
        "courses": [_plain_course(course) for course in tape.courses],
        "incidents": [
            {**_plain_at_site(incident), "kind": incident.kind.value} for incident in tape.incidents
        ],
        "attempts": [
            {**_plain_at_site(attempts), "errors": dict(attempts.errors)}
            for attempts in tape.attempts
        ],
        "losses": [asdict(loss) for loss in tape.losses],
    }


def _plain_entry(entry: Entry) -> dict[str, object]:
    return {
        **asdict(entry),
        "site": [asdict(frame) for frame in entry.site.stack],
        "cause": {"kind": entry.cause.kind.value, "relation": entry.cause.relation},
        "errors": dict(entry.errors),
    }


def _plain_at_site(one: TransactionEntry | Incident | Attempts | CourseStep) -> dict[str, object]:
    return {**asdict(one), "site": [asdict(frame) for frame in one.site.stack]}


def _plain_course(course: Course) -> dict[str, object]:
    return {**asdict(course), "steps": [_plain_at_site(step) for step in course.steps]}
