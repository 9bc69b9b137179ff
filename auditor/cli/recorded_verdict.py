"""What `auditor record --report FILE --fail` does with the tape when the command is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from auditor import baseline, config
from auditor.baseline import Known
from auditor.cli.report_files import ReportFile, report_file, write_report
from auditor.engine import judge
from auditor.model.errors import AuditorError
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.report import text
from auditor.report.evidence import counted

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was asked for, read and refused before the command runs."""

    settings: Settings
    files: tuple[ReportFile, ...]
    baseline: Path | None
    known: tuple[Known, ...]
    is_failing: bool

    def status(self, tape: Tape) -> int:
        """Judges the tape, says what was found and writes the reports; the exit status of a command
        that did well. Our own failure is told and is 2: it must not hide how the command ended."""
        try:
            report = self._judged(tape)
            for line in _told(report):
                click.echo(line, err=True)
            for file in self.files:
                write_report(report, file)
                click.echo(f"auditor: wrote `{file.path}`", err=True)
        except AuditorError as error:
            click.echo(f"auditor: {error}", err=True)
            return 2
        return report.exit_status if self.is_failing else 0

    def _judged(self, tape: Tape) -> Report:
        report = judge(tape, self.settings)
        if self.baseline is None:
            return report
        return baseline.hide(report, self.known, str(self.baseline))


def asked(reports: Sequence[str], known: Path | None, *, is_failing: bool) -> Verdict | None:
    """What the options ask for; None if nothing. Raises AuditorError."""
    if not reports and not is_failing:
        if known is not None:
            raise AuditorError("`--baseline` needs `--report FILE` or `--fail`: nothing is judged")
        return None
    return Verdict(
        settings=config.load(Path.cwd()),
        files=tuple(map(report_file, reports)),
        baseline=known,
        known=baseline.read(known) if known is not None else (),
        is_failing=is_failing,
    )


def _told(report: Report) -> list[str]:
    """How many findings there are, the first of them and how many more."""
    number = len(report.findings)
    shown = Report(findings=report.findings[:SHOWN])
    lines = text.render(shown, summary=False).splitlines() if number else []
    more = [f"and {number - SHOWN} more"] if number > SHOWN else []
    return [f"auditor: {counted(number, 'finding')} in what was recorded", *lines, *more]
