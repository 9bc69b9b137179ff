"""The options that every command of the `auditor` program has, written once.

A command takes them all with one decorator and receives one value:

    @click.command()
    @report_options
    def scan_command(options: ReportOptions, ...) -> None:
        report = ...
        deliver(report, options)            # auditor.cli.output
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from auditor.cli.refusals import refuse_undeliverable

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the user wrote; None and empty mean "not given".

    `select` and `ignore` are code prefixes. `quiet` leaves the summary out, `verbose` shows all
    evidence and, if the tool itself fails, the traceback.
    """

    format: str = "text"
    output: Path | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    confidence: str = ""
    baseline: Path | None = None
    write_baseline: Path | None = None
    config: Path | None = None
    exit_zero: bool = False
    quiet: bool = False
    verbose: bool = False


_FILE = click.Path(path_type=Path, dir_okay=False)

_OPTIONS = (
    click.option(
        "--format",
        default="text",
        metavar="FORMAT",
        help="text (default), json, sarif, markdown, github, gitlab or junit.",
    ),
    click.option("--output", "-o", type=_FILE, help="Write the report to this file."),
    click.option(
        "--select",
        metavar="CODES",
        multiple=True,
        help="Report only these codes or prefixes: DBA3,DBA201.",
    ),
    click.option(
        "--ignore", metavar="CODES", multiple=True, help="Leave these codes or prefixes out."
    ),
    click.option(
        "--confidence",
        type=click.Choice(("high", "medium", "low")),
        help="The least confidence shown; medium if not given.",
    ),
    click.option("--baseline", type=_FILE, help="Hide the findings that this file lists."),
    click.option(
        "--write-baseline", type=_FILE, help="Write all findings to this file and exit with 0."
    ),
    click.option("--config", type=_FILE, help="Read settings from this file, not the nearest."),
    click.option("--exit-zero", is_flag=True, help="Exit with 0 also when there are findings."),
    click.option("--quiet", "-q", is_flag=True, help="Findings only: no summary, no progress."),
    click.option("--verbose", "-v", is_flag=True, help="All evidence; tracebacks of the tool."),
)


def report_options(command: Command) -> Command:
    """Give a command the common options and pass them to it as one `ReportOptions`, `options`."""

    @functools.wraps(command)
    def with_options(*arguments: Any, **given: Any) -> Any:
        options = ReportOptions(
            select=_codes(given.pop("select")),
            ignore=_codes(given.pop("ignore")),
            confidence=given.pop("confidence") or "",
            **{name: given.pop(name) for name in _PLAIN},
        )
        refuse_undeliverable(
            options.format,
            written=(options.output, options.write_baseline),
            known=options.baseline,
        )
        return command(*arguments, options=options, **given)

    decorated: Any = with_options
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep the signature


_PLAIN = (
    "format",
    "output",
    "baseline",
    "write_baseline",
    "config",
    "exit_zero",
    "quiet",
    "verbose",
)


def _codes(written: tuple[str, ...]) -> tuple[str, ...]:
    """`("DBA3,DBA201", "dba1")` as `("DBA3", "DBA201", "DBA1")`."""
    pieces = (piece.strip().upper() for text in written for piece in text.split(","))
    return tuple(piece for piece in pieces if piece)
