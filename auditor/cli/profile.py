"""`auditor profile`: growth laws of scenarios, on one database or several."""

from __future__ import annotations

import click

from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver
from auditor.cli.progress import progress_line, terminated_as_interrupted
from auditor.model.finding import Problem
from auditor.model.law import LawResult
from auditor.model.report import Report


@click.command("profile")
@click.argument("scenarios", nargs=-1, required=True, metavar="SCENARIOS...")
@click.option(
    "--db",
    "databases",
    multiple=True,
    default=("sqlite://",),
    metavar="URL",
    help="Where to measure: sqlite:// (default), postgresql or mysql (a server is started), or the"
    " URL of a server. Give it several times to compare.",
)
@click.option(
    "--i-know-this-is-a-test-database",
    "allow_existing",
    is_flag=True,
    help="Permit a named database that holds tables. EVERY ROW OF IT IS DELETED.",
)
@report_options
def profile_command(
    scenarios: tuple[str, ...],
    databases: tuple[str, ...],
    allow_existing: bool,  # noqa: FBT001  click's calling convention
    options: ReportOptions,
) -> None:
    """Measure how the number of statements grows with the data, as an exact law.

    SCENARIOS are `file.py`, `file.py::name`, `package.module:name`, or a registered name such as
    `neutron.metering_sync`. Each works on a scratch database that is dropped at the end.
    """
    from auditor.growth.several import profile_on  # lazy: imports SQLAlchemy

    with terminated_as_interrupted(), progress_line(options) as progress:
        results, problems = profile_on(
            scenarios, databases, allow_existing=allow_existing, progress=progress
        )
    refused = tuple(
        Problem(f"{one.scenario} on {one.database}", one.refusal, hides_results=True)
        for one in results
        if one.law is None
    )
    report = Report(laws=results, problems=problems + refused, counted=_counted(results))
    deliver(report, options)


def _counted(results: tuple[LawResult, ...]) -> dict[str, int]:
    return {
        "laws": sum(one.law is not None for one in results),
        "points": sum(len(one.points) + len(one.holdouts) for one in results),
        "refusals": sum(one.law is None for one in results),
    }
