"""`auditor bisect`: the commit with which a law changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditor.cli.output import write_out
from auditor.cli.progress import terminated_as_interrupted
from auditor.cli.refusals import refuse_undeliverable
from auditor.cli.revisions import asked_of, project_of, revision_options
from auditor.model.contract import KINDS, MEASURES
from auditor.model.law_words import change_in_words
from auditor.report.contracts import change_as_json
from auditor.report.evidence import counted

if TYPE_CHECKING:
    from auditor.growth.bisect import Culprit

SCHEMA = "auditor/bisect/1"
_SHORT = 10
_MOST_SKIPPED = 3


@click.command("bisect")
@click.argument("scenario", metavar="SCENARIO")
@click.option("--good", required=True, metavar="REV", help="A revision with the law as it was.")
@click.option(
    "--bad", default="HEAD", metavar="REV", help="One where it changed; HEAD if not given."
)
@click.option("--db", "database", default="sqlite://", metavar="URL", help="Where to measure.")
@click.option(
    "--measure",
    type=click.Choice((*MEASURES, *KINDS)),
    default=MEASURES[0],
    help="Which law is followed: that of the statements if not given.",
)
@click.option(
    "--i-know-this-is-a-test-database",
    "allow_existing",
    is_flag=True,
    help="Permit a named database that holds tables. EVERY ROW OF IT IS DELETED.",
)
@click.option("--format", "kind", type=click.Choice(("text", "json")), default="text")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@revision_options
def bisect_command(
    *, good: str, bad: str, kind: str, output: Path | None, quiet: bool, **asked: Any
) -> None:
    """Find the commit with which the law of SCENARIO changed.

    The commits between `--good` and `--bad` are halved as `git bisect` does; those that do not run
    are skipped. The checkout is not touched: each commit is measured in a worktree.
    """
    from auditor.growth.bisect import Search, bisected  # lazy: imports SQLAlchemy
    from auditor.growth.revisions import revision  # lazy: with it

    refuse_undeliverable(kind, written=(output,), known=None)
    project = project_of(asked)
    asked |= {"scenarios": (asked["scenario"],), "databases": (asked["database"],)}

    def progress(text: str) -> None:
        if not quiet and "=" not in text:  # commits, not each point of each
            click.echo(text, err=True)

    with terminated_as_interrupted():
        search = Search(asked_of(asked, (good, bad)), project, asked["measure"], progress)
        found = bisected(search, revision(project, good), revision(project, bad))
    write_out(_as_json(found) if kind == "json" else "\n".join(_lines(found)) + "\n", output)


def _lines(found: Culprit) -> Iterator[str]:
    if len(found.commits) > 1:
        yield "one of these commits, which cannot be told apart because those between do not run:"
    for commit, subject in found.commits:
        yield f"{commit[:_SHORT]} {subject}"
    result = found.result
    yield f"    {result.scenario} on {result.database}: {change_in_words(found.change)}"
    skipped = f", {len(found.skipped)} skipped" if found.skipped else ""
    yield f"    {counted(found.measured, 'commit')} measured{skipped}"
    for commit, reason in found.skipped[:_MOST_SKIPPED]:
        yield f"    skipped {commit[:_SHORT]}: {reason}"
    if len(found.skipped) > _MOST_SKIPPED:
        yield f"    and {len(found.skipped) - _MOST_SKIPPED} more"


def _as_json(found: Culprit) -> str:
    value = {
        "schema": SCHEMA,
        "scenario": found.result.scenario,
        "database": found.result.database,
        "commits": [{"commit": commit, "subject": said} for commit, said in found.commits],
        "change": change_as_json(found.change),
        "measured": found.measured,
        "skipped": [{"commit": commit, "reason": reason} for commit, reason in found.skipped],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
