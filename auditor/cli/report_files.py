"""Reports that are written beside other work: `--report FILE`, in the format its name says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor.cli.output import write_atomically
from auditor.cli.refusals import refuse_undeliverable
from auditor.model.errors import AuditorError, SettingsError
from auditor.model.report import Report
from auditor.report import FORMATS, render, renderer

SUFFIXES = {
    ".txt": "text",
    ".json": "json",
    ".sarif": "sarif",
    ".md": "markdown",
    ".xml": "junit",
    ".html": "html",
    ".htm": "html",
}


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A format and the file it goes to."""

    format: str
    path: Path


def report_file(written: str, option: str = "--report", folder: Path = Path()) -> ReportFile:
    """`out.sarif`, or `gitlab:out.json` where the name does not say the format; relative to
    `folder`. Raises AuditorError for a format that is none, and a file that cannot be written."""
    name, colon, rest = written.partition(":")
    if colon and rest and _is_format(name):
        found = ReportFile(name, folder / rest)
    else:
        path = folder / written
        if path.suffix.lower() not in SUFFIXES:
            suffixes = ", ".join(f"`{suffix}`" for suffix in SUFFIXES)
            raise SettingsError(
                f"{option} `{written}` does not say its format: end the name in one of {suffixes},"
                " or write FORMAT:FILE, such as `gitlab:report.json`"
            )
        found = ReportFile(SUFFIXES[path.suffix.lower()], path)
    if found.path.is_dir():
        raise AuditorError(f"cannot write `{found.path}`: it is a folder")
    refuse_undeliverable(found.format, written=(found.path,), known=None)
    return found


def write_report(report: Report, file: ReportFile) -> None:
    """Write a report whole or not at all. Raises AuditorError."""
    write_atomically(file.path, render(report, file.format))


def _is_format(name: str) -> bool:
    if name in FORMATS:
        return True
    try:
        renderer(name)
    except SettingsError:
        return False
    return True
