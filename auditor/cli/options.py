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
from collections.abc import Callable, Sequence
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

paths_argument = click.argument(
    "paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path)
)
"""The files and folders a command looks at."""
context_option = click.option(
    "--context",
    "context",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Link PATH with this folder, not with the package around it. May be repeated.",
)
"""What the files are linked with, to know what they call."""

_OF_BASELINES = (
    click.option("--baseline", type=_FILE, help="Hide the findings that this file lists."),
    click.option(
        "--write-baseline", type=_FILE, help="Write all findings to this file and exit with 0."
    ),
)
_OPTIONS = (
    click.option(
        "--format",
        default="text",
        metavar="FORMAT",
        help="text (default), json, sarif, markdown, github, gitlab, junit or html.",
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
    *_OF_BASELINES,
    click.option("--config", type=_FILE, help="Read settings from this file, not the nearest."),
    click.option("--exit-zero", is_flag=True, help="Exit with 0 also when there are findings."),
    click.option("--quiet", "-q", is_flag=True, help="Findings only: no summary, no progress."),
    click.option("--verbose", "-v", is_flag=True, help="All evidence; tracebacks of the tool."),
)


def report_options(command: Command) -> Command:
    """Give a command the common options and pass them to it as one `ReportOptions`, `options`."""
    return _decorated(command, _OPTIONS, baseline_holds_findings=True)


def law_report_options(command: Command) -> Command:
    """The same for a command whose baseline holds laws, which it reads and writes itself."""
    told = {
        "--baseline": "Compare with the laws that this file lists; one that is worse is reported.",
        "--write-baseline": "Write the laws to this file, lines of other scenarios kept; only a"
        " broken contract fails then.",
    }
    options = tuple(click.option(name, type=_FILE, help=words) for name, words in told.items())
    others = [option for option in _OPTIONS if option not in _OF_BASELINES]
    return _decorated(command, (*others, *options), baseline_holds_findings=False)


def _decorated(
    command: Command, options: Sequence[Any], *, baseline_holds_findings: bool
) -> Command:
    @functools.wraps(command)
    def with_options(*arguments: Any, **given: Any) -> Any:
        asked = ReportOptions(
            select=_codes(given.pop("select")),
            ignore=_codes(given.pop("ignore")),
            confidence=given.pop("confidence") or "",
            **{name: given.pop(name) for name in _PLAIN},
        )
        refuse_undeliverable(
            asked.format,
            written=(asked.output, asked.write_baseline),
            known=asked.baseline if baseline_holds_findings else None,
        )
        return command(*arguments, options=asked, **given)

    decorated: Any = with_options
    for option in reversed(options):
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
