"""From a report to the user: baseline, format, file or terminal, exit status."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from auditor import baseline, config
from auditor.cli.options import ReportOptions
from auditor.cli.streams import is_terminal
from auditor.model.errors import AuditorError
from auditor.model.finding import Confidence
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.report import renderer, text
from auditor.report.evidence import counted

_STDOUT = ("-", "/dev/stdout")
"""Names that are written to, never replaced: the second may be a link to somebody's file."""

InScope = Callable[[baseline.Known], bool]
"""Whether what this command looked at could have found a known finding again."""


def settings_of(options: ReportOptions) -> Settings:
    """The settings of the configuration file with what the command line says put over them.

    Raises SettingsError.
    """
    found = config.read(options.config) if options.config else config.load(Path.cwd())
    return replace(
        found,
        select=options.select or found.select,
        ignore=options.ignore + found.ignore,
        confidence=Confidence(options.confidence) if options.confidence else found.confidence,
    )


def deliver(report: Report, options: ReportOptions, *, in_scope: InScope | None = None) -> NoReturn:
    """Render the report as the options say and end the command with its exit status.

    `in_scope` decides which known findings that were not found again are listed as stale; none
    are if it is not given.
    """
    known = baseline.read(options.baseline) if options.baseline else None
    if options.write_baseline:  # all of them, also where it is the file that hides them
        write_atomically(options.write_baseline, baseline.text_of(report.findings))
        wrote = counted(len(report.findings), "finding")
        click.echo(f"auditor: wrote {wrote} to `{options.write_baseline}`", err=True)
    if known is not None:
        report = baseline.hide(report, known, str(options.baseline), in_scope)
    write_out(_rendered(report, options), options.output)
    known_now = options.exit_zero or options.write_baseline
    status = report.exit_status
    click.get_current_context().exit(0 if known_now and status == 1 else status)


def _rendered(report: Report, options: ReportOptions) -> str:
    if options.format != "text":
        return renderer(options.format)(report)
    return text.render(
        report,
        colours=text.ANSI if _wants_colour(options) else text.PLAIN,
        verbose=options.verbose,
        summary=not options.quiet,
    )


def _wants_colour(options: ReportOptions) -> bool:
    return options.output is None and is_terminal(sys.stdout) and not os.environ.get("NO_COLOR")


def write_out(rendered: str, output: Path | None) -> None:
    """Write text to a file whole, or to standard output when none is named."""
    if output and str(output) not in _STDOUT:
        write_atomically(output, rendered)
        return
    if sys.stdout is None:
        raise AuditorError(
            "cannot write to standard output: it is closed; name a file with `--output`"
        )
    try:
        sys.stdout.buffer.write(_encoded(rendered))
        sys.stdout.flush()
    except BrokenPipeError:  # `auditor scan | head`: the exit status stays that of the report
        _close_stdout()
    except OSError as error:
        _close_stdout()
        raise AuditorError(f"cannot write to standard output: {error.strerror}") from error


def _close_stdout() -> None:
    """What is still buffered goes nowhere, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encoded(rendered: str) -> bytes:
    """UTF-8; half characters of odd file names are written as escapes."""
    return rendered.encode("utf-8", "backslashreplace")


def write_atomically(path: Path, content: str) -> None:
    """Write a file whole or not at all: a reader never sees half of it, and a crash leaves the old
    one. Raises AuditorError if that is not possible."""
    try:
        target = path.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        if target.exists() and not target.is_file():  # /dev/stdout, a pipe: nothing to replace
            target.write_bytes(_encoded(content))
            return
        _replace(target, _encoded(content), mode)
    except OSError as error:
        raise AuditorError(f"cannot write `{path}`: {error.strerror or error}") from error


def _replace(target: Path, content: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
