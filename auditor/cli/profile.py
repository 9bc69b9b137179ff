"""`auditor profile`: growth laws of scenarios, on one database or several, and the gate on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from auditor.cli.options import ReportOptions, law_report_options
from auditor.cli.output import deliver, settings_of, write_atomically
from auditor.cli.progress import progress_line, terminated_as_interrupted
from auditor.cli.reach import reach_of
from auditor.cli.revisions import asked_of, not_empty, project_of, revision_options
from auditor.cli.twins import with_codes, with_twins
from auditor.engine import judge
from auditor.model.contract import KINDS, MEASURES
from auditor.model.finding import Problem
from auditor.model.law import LawResult
from auditor.model.report import Report
from auditor.report.evidence import counted

if TYPE_CHECKING:
    from auditor.growth.law_file import LawFile

TARGETS = click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIOS...")
DATABASES = click.option(
    "--db",
    "databases",
    multiple=True,
    default=("sqlite://",),
    metavar="URL",
    help="Where to measure: sqlite:// (default), postgresql or mysql (a server is started), or the"
    " URL of a server. Give it several times to compare.",
)
TEST_DATABASE = click.option(
    "--i-know-this-is-a-test-database",
    "allow_existing",
    is_flag=True,
    help="Permit a named database that holds tables. EVERY ROW OF IT IS DELETED.",
)


GROWTH = "DBA320"
"""The rule of broken contracts and of laws that are worse."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, and what went wrong with it."""

    results: tuple[LawResult, ...]
    problems: tuple[Problem, ...]


@click.command("profile")
@TARGETS
@DATABASES
@TEST_DATABASE
@click.option(
    "--against",
    callback=not_empty,
    default="",
    metavar="REV",
    help="Measure this revision of the git project too, in a worktree and a process of its own, and"
    " compare: REV with the working tree, or A..B.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    type=click.Choice((*MEASURES, *KINDS)),
    help="What is compared: statements (default), rows, ...; may be given several times.",
)
@click.option(
    "--history",
    callback=not_empty,
    default="",
    metavar="FILE|URL",
    help="Append the laws to this database: a SQLite file, or the URL of a server.",
)
@click.option(
    "--reach",
    "reach",
    multiple=True,
    metavar="N|SIZE=N",
    help="Put laws to the test up to this size, of all variables or of one: `--reach labels=1001`.",
)
@click.option(
    "--time",
    "is_timed",
    is_flag=True,
    help="Time the calls too. Times differ from run to run; nothing is ever decided by them.",
)
@revision_options
@law_report_options
def profile_command(*, options: ReportOptions, **asked: Any) -> None:
    """Measure how the number of statements grows with the data, as an exact law.

    SCENARIOS are `file.py`, `file.py::name`, `package.module:name`, or a registered name such as
    `neutron.metering_sync`. Each works on a scratch database that is dropped at the end. A law
    that breaks its contract, or is worse than in the baseline or the revision, is reported, and
    the exit status is 1.
    """
    settings = settings_of(options)
    known = _baseline(options)
    if asked["history"]:
        _refuse_other_history(asked["history"])
    with terminated_as_interrupted(), progress_line(options) as progress:
        found = _against(asked, progress) if asked["against"] else _here(asked, progress)
    compared = _since_baseline(found, known, asked, options)
    is_here = ".." not in asked["against"]  # else the files here are of another revision
    if is_here:
        compared = replace(compared, results=with_codes(compared.results, settings))
    judged = judge(
        settings=settings, laws=found.results if options.write_baseline else compared.results
    )
    report = Report(
        findings=with_twins(judged.findings, settings) if is_here else judged.findings,
        problems=(*judged.problems, *compared.problems),
        counted={**judged.counted, **_counted(compared.results)},
        laws=compared.results,
    )
    _write_baseline(found, asked, options)
    if asked["history"]:
        _append_to_history(found, asked)
    is_accepted = options.write_baseline is not None and not _breaks_contract(report)
    deliver(
        report,
        replace(
            options,
            baseline=None,
            write_baseline=None,
            exit_zero=options.exit_zero or is_accepted,
        ),
    )


def _breaks_contract(report: Report) -> bool:
    return any(finding.code == GROWTH for finding in report.findings)


def _here(asked: dict[str, Any], progress: Any) -> Measured:
    """The laws of the scenarios as they are now, by this interpreter."""
    from auditor.growth.several import profile_on  # lazy: imports SQLAlchemy

    results, problems = profile_on(
        asked["scenarios"],
        asked["databases"],
        allow_existing=asked["allow_existing"],
        progress=progress,
        reach=reach_of(asked["reach"]),
        is_timed=asked["is_timed"],
    )
    refused = tuple(
        Problem(f"{one.scenario} on {one.database}", one.refusal, hides_results=True)
        for one in results
        if one.law is None
    )
    return Measured(results, problems + refused)


def _against(asked: dict[str, Any], progress: Any) -> Measured:
    """The laws now, beside those of another revision."""
    from auditor.growth.against import compared_revisions, pair_of  # lazy: imports SQLAlchemy

    project = project_of(asked)
    pair = pair_of(project, asked["against"])
    names = tuple(one.name for one in (pair.before, pair.after) if one is not None)
    found = compared_revisions(
        asked_of(asked, names),
        project,
        pair,
        measures=_measures(asked),
        progress=progress,
    )
    return Measured(found.results, found.problems)


def _baseline(options: ReportOptions) -> LawFile | None:
    from auditor.growth import law_file  # lazy: imports SQLAlchemy

    if options.write_baseline:
        law_file.read_to_write(options.write_baseline)  # refuses before the work what is not kept
    return law_file.read(options.baseline) if options.baseline else None


def _since_baseline(
    found: Measured, known: LawFile | None, asked: dict[str, Any], options: ReportOptions
) -> Measured:
    """The results beside those of the baseline, with a word on those that were not measured."""
    from auditor.growth import law_file  # lazy: imports SQLAlchemy

    if known is None:
        return found
    name = str(options.baseline)
    results = law_file.compared_with(known, name, found.results, asked["measures"])
    left = law_file.not_measured(known, name, results)
    return Measured(results, (*found.problems, *left))


def _write_baseline(found: Measured, asked: dict[str, Any], options: ReportOptions) -> None:
    from auditor.growth import law_file  # lazy: imports SQLAlchemy

    path = options.write_baseline
    if path is None:
        return
    old = law_file.read_to_write(path)
    new = law_file.updated(old, found.results, asked["measures"])
    write_atomically(path, law_file.text_of(new))
    changed = len(set(law_file.lines_of(new)) - set(law_file.lines_of(old)))
    wrote = f"{counted(len(new.laws), 'law')}, {changed} of them new or changed"
    click.echo(f"auditor: wrote {wrote}, to `{path}`", err=True)


def _refuse_other_history(place: str) -> None:
    from auditor.growth.history import refuse_unusable  # lazy: imports SQLAlchemy

    refuse_unusable(place)


def _append_to_history(found: Measured, asked: dict[str, Any]) -> None:
    from auditor.cli.revisions import revision_now  # lazy: asks git
    from auditor.growth.history import append  # lazy: imports SQLAlchemy

    append(asked["history"], found.results, revision_now(asked))


def _measures(asked: dict[str, Any]) -> tuple[str, ...]:
    return asked["measures"] or MEASURES[:1]


def _counted(results: tuple[LawResult, ...]) -> dict[str, int]:
    return {
        "laws": sum(one.law is not None for one in results),
        "points": sum(len(one.points) + len(one.holdouts) for one in results),
        "refusals": sum(one.law is None for one in results),
    }
