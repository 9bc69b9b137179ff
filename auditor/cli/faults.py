"""`auditor faults`: what happens when the database says no."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver, settings_of
from auditor.cli.progress import progress_line, terminated_as_interrupted
from auditor.cli.twins import with_twins
from auditor.engine import judge
from auditor.model.outcome import SweepCoverage
from auditor.model.report import Report

if TYPE_CHECKING:
    from auditor.faults.suites.suites import Test
    from auditor.growth.scenario import Scenario


@click.command("faults")
@click.argument("scenarios", nargs=-1, metavar="SCENARIOS...")
@click.option(
    "--db",
    "databases",
    multiple=True,
    default=("sqlite://",),
    metavar="URL",
    help="Where to run: sqlite:// (default), postgresql or mysql (a server is started), or the URL"
    " of a server. Give it several times to compare.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    default=("deadlock",),
    metavar="NAME",
    help="What goes wrong: deadlock (default), deadlock-rollback, duplicate, ... or all. May be"
    " given several times; `--list` tells them.",
)
@click.option("--list", "lists", is_flag=True, help="List the faults and end.")
@click.option(
    "--at",
    type=click.IntRange(min=1),
    metavar="N",
    help="Fail only statement N (of a fault at COMMIT: the Nth COMMIT).",
)
@click.option(
    "--mode",
    type=click.Choice(("once", "persistent", "both")),
    default="once",
    help="Whether a statement fails once (default), whenever it comes, or first the one and then"
    " the other.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    metavar="N",
    help="Processes that share the runs, with a scratch database each; 2 if not given and the"
    " machine has two cores. The report does not depend on it.",
)
@click.option(
    "--resume",
    "journal",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep every outcome in this file at once. If a sweep was interrupted, the same command"
    " goes on with it.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after so long, for each scenario, database and mode; what was not tried is listed.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    metavar="SECONDS",
    help="How long one call may take before it counts as hung; 30 if not given.",
)
@click.option(
    "--i-know-this-is-a-test-database",
    "allow_existing",
    is_flag=True,
    help="Permit a named database that holds tables. EVERY ROW OF IT IS DELETED.",
)
@report_options
def faults_command(
    scenarios: tuple[str, ...], *, lists: bool, options: ReportOptions, **asked: Any
) -> None:
    """Let every statement of a workload fail, one in each run, and judge what the code does.

    SCENARIOS are `file.py`, `file.py::name`, `package.module:name`, or a registered name such as
    `neutron.metering_sync`. Each works on a scratch database that is dropped at the end. Existing
    tests, on the databases that they make themselves, are `pytest:NODE_ID`, `stestr:TEST_ID` or
    `unittest:TEST_ID`; a file, class or module of tests stands for all in it. The exit status is 1
    if an error was not recovered from or reported properly.
    """
    if lists:
        click.echo("\n".join(_catalogue()))
        return
    if not scenarios:
        raise click.UsageError("Missing argument 'SCENARIOS...'.")
    deliver(_report(scenarios, options, asked), options)


def _report(targets: Sequence[str], options: ReportOptions, asked: dict[str, Any]) -> Report:
    from auditor.faults.sweep.run import Terms  # lazy: imports SQLAlchemy
    from auditor.faults.sweep.several import Workload, sweep_several  # lazy: with it

    terms = Terms(
        faults=asked["faults"],
        mode=asked["mode"],
        at=asked["at"],
        budget_seconds=asked["budget"],
        timeout_seconds=asked["timeout"],
        workers=asked["workers"] or min(2, len(os.sched_getaffinity(0))),
    )
    with terminated_as_interrupted(), progress_line(options) as progress:
        found = sweep_several(
            [Workload(reference, scenario) for reference, scenario in _named(targets)],
            asked["databases"],
            terms,
            allow_existing=asked["allow_existing"],
            journal=asked["journal"],
            progress=progress,
        )
    if found.is_torn:
        click.echo(
            f"auditor: the last line of `{asked['journal']}` had no end: the sweep was killed while"
            " it was written; that run was made again",
            err=True,
        )
    coverage = tuple(one for swept in found.sweeps for one in swept.coverage)
    outcomes = tuple(outcome for swept in found.sweeps for outcome in swept.outcomes)
    settings = settings_of(options)
    judged = judge(settings=settings, faults=outcomes)
    return Report(
        findings=with_twins(judged.findings, settings),
        faults=outcomes,
        coverage=coverage,
        problems=(*found.problems, *judged.problems),
        counted={**judged.counted, **_counted(coverage)},
    )


def _named(targets: Sequence[str]) -> Iterator[tuple[str, Scenario | Test]]:
    """Each scenario or test once, with the words that name it alone on a command line."""
    from auditor.faults.suites.suites import is_test, tests_named  # lazy: imports SQLAlchemy
    from auditor.growth.load import load_scenarios  # lazy: imports the user's modules

    found: dict[object, tuple[str, Scenario | Test]] = {}
    for target in targets:
        if is_test(target):
            _refuse_database(target)
            found.update((one, (one.reference, one)) for one in tests_named(target))
            continue
        for one in load_scenarios((target,)).scenarios:
            found.setdefault(id(one), (replayed_as(target, one.name), one))
    yield from found.values()


def _refuse_database(target: str) -> None:
    """Raises FaultError if a database was asked for."""
    from auditor.faults.catalogue.fault import FaultError  # lazy: imports SQLAlchemy

    source = click.get_current_context().get_parameter_source("databases")
    if source is not click.core.ParameterSource.DEFAULT:
        raise FaultError(
            f"`{target}` is a test, which makes its database itself: leave `--db` out, or name"
            " the database as the test's project does"
        )


def replayed_as(target: str, name: str) -> str:
    """The words that name one scenario of a target; a file below the working directory is named
    as it is seen from there."""
    path, separator, _ = target.partition("::")
    if separator or path.endswith(".py"):
        file = Path(path)
        here = Path.cwd()
        shown = file.relative_to(here) if file.is_relative_to(here) else file
        return f"{shown.as_posix()}::{name}"
    if ":" in target:
        return target
    return name if name.partition(".")[0] == target.partition(".")[0] else f"{target}:{name}"


def _counted(coverage: Sequence[SweepCoverage]) -> dict[str, int]:
    return {
        "faults": sum(one.points for one in coverage),
        "statements_folded": sum(one.folded for one in coverage),
        "statements_not_applicable": sum(one.not_applicable for one in coverage),
    }


def _catalogue() -> Iterator[str]:
    from auditor.faults.aim.plan import applies_to  # lazy: imports SQLAlchemy
    from auditor.faults.catalogue.rows import FAULTS  # lazy: with it

    for fault in FAULTS:
        where = [name for name in ("sqlite", "postgresql", "mysql") if applies_to(fault, name)]
        yield f"{fault.name:<22} {fault.summary} ({', '.join(where)})"
