"""`auditor faults`: what happens when the database says no."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver
from auditor.cli.progress import progress_line, terminated_as_interrupted
from auditor.model.errors import ScenarioError
from auditor.model.finding import Problem
from auditor.model.outcome import SweepCoverage
from auditor.model.report import Report

if TYPE_CHECKING:
    from auditor.faults.run import Sweep
    from auditor.growth.scenario import Scenario


@click.command("faults")
@click.argument("scenarios", nargs=-1, metavar="SCENARIOS...")
@click.option(
    "--db",
    "database",
    default="sqlite://",
    metavar="URL",
    help="Where to run: sqlite:// (default), postgresql or mysql (a server is started), or the URL"
    " of a server.",
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
    type=click.Choice(("once", "persistent")),
    default="once",
    help="Whether a statement fails once (default) or whenever it comes.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after so long, for each scenario; what was not tried is counted.",
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
    `neutron.metering_sync`. Each works on a scratch database that is dropped at the end. The exit
    status is 1 if an error was not recovered from or reported properly.
    """
    if lists:
        click.echo("\n".join(_catalogue()))
        return
    if not scenarios:
        raise click.UsageError("Missing argument 'SCENARIOS...'.")
    deliver(_report(scenarios, options, asked), options)


def _report(targets: Sequence[str], options: ReportOptions, asked: dict[str, Any]) -> Report:
    asked = {**asked, "budget_seconds": asked["budget"], "timeout_seconds": asked["timeout"]}
    asked = {name: value for name, value in asked.items() if name not in {"budget", "timeout"}}
    sweeps: list[Sweep] = []
    failures: list[ScenarioError] = []
    problems: list[Problem] = []
    with terminated_as_interrupted(), progress_line(options) as progress:
        for reference, scenario in _named(targets):
            try:
                sweeps.append(_swept(scenario, reference, progress, asked))
            except ScenarioError as error:
                failures.append(error)
                problems.append(
                    Problem(f"scenario {scenario.name}", str(error), hides_results=True)
                )
    if failures and not sweeps:
        raise failures[0]
    coverage = tuple(one for swept in sweeps for one in swept.coverage)
    return Report(
        faults=tuple(outcome for swept in sweeps for outcome in swept.outcomes),
        coverage=coverage,
        problems=(*problems, *(_not_tried(coverage) if asked["at"] is None else ())),
        counted=_counted(coverage),
    )


def _swept(scenario: Scenario, reference: str, progress: Any, asked: dict[str, Any]) -> Sweep:
    from auditor.faults.run import sweep_with_coverage  # lazy: imports SQLAlchemy

    return sweep_with_coverage(scenario, reference=reference, progress=progress, **asked)


def _named(targets: Sequence[str]) -> Iterator[tuple[str, Scenario]]:
    """Each scenario once, with the words that name it alone on a command line."""
    from auditor.growth.load import load_scenarios  # lazy: imports the user's modules

    found: dict[int, tuple[str, Scenario]] = {}
    for target in targets:
        for one in load_scenarios((target,)).scenarios:
            found.setdefault(id(one), (replayed_as(target, one.name), one))
    yield from found.values()


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


def _not_tried(coverage: Sequence[SweepCoverage]) -> Iterator[Problem]:
    for one in coverage:
        if one.left_out:
            yield Problem(
                f"scenario {one.scenario}",
                f"{one.left_out} of {one.statements} statements were not tried with `{one.fault}`:"
                " the budget was spent",
                hides_results=True,
            )


def _catalogue() -> Iterator[str]:
    from auditor.faults.plan import applies_to  # lazy: imports SQLAlchemy
    from auditor.faults.rows import FAULTS  # lazy: with it

    for fault in FAULTS:
        where = [name for name in ("sqlite", "postgresql", "mysql") if applies_to(fault, name)]
        yield f"{fault.name:<22} {fault.summary} ({', '.join(where)})"
