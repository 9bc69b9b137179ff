"""`auditor report FILE...`: join tapes and JSON results into one report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from auditor.cli.options import ReportOptions, report_options
from auditor.cli.output import deliver, settings_of
from auditor.engine import join, judge
from auditor.engine.filters import is_selected
from auditor.model.errors import AuditorError
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.report.readback import report_of

_SQLITE = b"SQLite format 3\x00"


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@report_options
def report_command(*, options: ReportOptions, files: tuple[Path, ...]) -> None:
    """Join results into one report.

    A FILE is a tape of `auditor record`, or what scan, profile or faults wrote with
    `--format json`. What they saw of the same place is shown together.
    """
    settings = settings_of(options)
    deliver(join(*(result_in(file, settings) for file in files), settings=settings), options)


def result_in(file: Path, settings: Settings) -> Report:
    """The result that a file holds; a tape is judged by the rules of today, also one whose
    recording was killed before it was written whole.

    Raises AuditorError if the file cannot be read or is no result.
    """
    from auditor.runtime.store import folder_of, read  # lazy: most commands read no tape

    if _is_sqlite(file) or (not file.exists() and folder_of(file).is_dir()):
        return judge(read(file), settings)
    try:
        return _chosen(report_of(file.read_text("utf-8"), str(file)), settings)
    except OSError as error:
        raise AuditorError(f"cannot read `{file}`: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AuditorError(f"`{file}` is neither a tape nor JSON of ours") from error


def _is_sqlite(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _chosen(report: Report, settings: Settings) -> Report:
    """The report with only the codes that are asked for."""
    kept = tuple(f for f in report.findings if is_selected(f.code, settings))
    return replace(report, findings=kept)
