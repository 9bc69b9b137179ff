"""`auditor review PATH...`: a written review of a database layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from auditor import config, registry
from auditor.cli.explain_query import laws_of
from auditor.cli.options import context_option, paths_argument
from auditor.cli.output import write_out
from auditor.engine.context import judged, linked
from auditor.engine.joining import join
from auditor.engine.scanning import NO_CACHE
from auditor.model.errors import AuditorError
from auditor.model.finding import Confidence, Finding
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.review.document import rendered
from auditor.review.points import Materials
from auditor.review.reach import reach_of
from auditor.review.subject import subject_of

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("review")
@paths_argument
@context_option
@click.option("--tape", "tape_file", type=_FILE, help="A recorded run: what it reached, point 610.")
@click.option(
    "--against-results",
    "results",
    multiple=True,
    type=_FILE,
    help="JSON of `auditor profile`: its laws stand in point 607.",
)
@click.option(
    "--confidence",
    type=click.Choice(("high", "medium", "low")),
    help="The least confidence shown in points 607 and 608; medium if not given.",
)
@click.option("--output", "-o", type=_FILE, help="Write the review to this file.")
@click.option("--config", "config_file", type=_FILE, help="Read settings from this file.")
@click.option("--tests", is_flag=True, help="Take files of tests too.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache of facts.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 also when there are findings.")
def review_command(
    *,
    paths: tuple[Path, ...],
    context: tuple[Path, ...],
    tape_file: Path | None,
    results: tuple[Path, ...],
    confidence: str | None,
    output: Path | None,
    config_file: Path | None,
    tests: bool,
    no_cache: bool,
    exit_zero: bool,
) -> None:
    """Write a review of the database code in PATH..., in Markdown.

    It opens with a verdict on security, goes through ten points, each with what was looked at, and
    ends with a summary. The package around the files is read too, to know what they call.
    """
    settings = config.read(config_file) if config_file else config.load(Path.cwd())
    least = Confidence(confidence) if confidence else settings.confidence
    settings = replace(
        settings,
        confidence=Confidence.LOW,
        tests=tests or settings.tests,
        cache_dir=NO_CACHE if no_cache else settings.cache_dir,
    )
    tape = _tape(tape_file) if tape_file else None
    laws = tuple(law for file in results for law in laws_of(file))
    found = linked(paths, settings, context=context)
    if not found.named:
        said = (f"`{p.subject}`: {p.message}" for p in found.problems if p.hides_results)
        raise AuditorError("; ".join(said))
    catalogue = registry.catalogue()
    report = judged(found, settings, catalogue)
    joined = join(report, *((tape,) if tape else ()), *laws, settings=settings)
    subject = subject_of(found)
    reviewed = frozenset(module.path for module in found.named)
    materials = Materials(
        subject=subject,
        findings=tuple(f for f in joined.findings if f.span.path in reviewed),
        least=least,
        laws=laws,
        reach=reach_of(subject, tape) if tape else None,
    )
    known = len(found.project.modules) - len(found.named)
    text = rendered(
        materials,
        linked_with=known,
        problems=joined.problems,
        instead={rule.code: rule.instead for rule in catalogue.rules},
    )
    write_out(text, output)
    status = _status(joined, materials.findings, settings, least)
    click.get_current_context().exit(0 if exit_zero and status == 1 else status)


def _tape(file: Path) -> Tape:
    from auditor.runtime.store import read  # lazy: only a review with a tape needs the runtime

    return read(file)


def _status(
    report: Report, findings: tuple[Finding, ...], settings: Settings, least: Confidence
) -> int:
    """As of a scan: advice alone is no reason to fail."""
    order = tuple(Confidence)
    shown = tuple(f for f in findings if order.index(f.confidence) <= order.index(least))
    return replace(report, findings=shown, faults=()).exit_status
