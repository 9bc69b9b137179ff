"""`auditor profile`: growth laws of scenarios, on one database or several."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver
from auditor.model.finding import Problem
from auditor.model.law import LawResult
from auditor.model.report import Report

_TERMINATED = 143


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

    with _terminated_as_interrupted(), _progress_line(options) as progress:
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


@contextmanager
def _progress_line(options: ReportOptions) -> Iterator[Any]:
    """A function that shows what is being measured, on a line of the terminal that it rewrites."""
    shown = sys.stderr.isatty() and not options.quiet

    def show(text: str) -> None:
        if shown:
            sys.stderr.write(f"\r\x1b[K{text[:100]}")
            sys.stderr.flush()

    try:
        yield show
    finally:
        show("")


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does: scratch databases are dropped."""

    def end(_signal: int, _frame: object) -> NoReturn:
        sys.exit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
