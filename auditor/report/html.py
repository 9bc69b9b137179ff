"""HTML: one file that can be mailed or attached to a build, with no script and no network.

Every value goes through Jinja2's autoescape; the page forbids itself everything but its own styles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auditor.model.report import Report
from auditor.model.span import Frame
from auditor.model.tape import Cause, Tape
from auditor.report.evidence import evidence_lines
from auditor.report.text import summary_of

MOST_LINES = 200
"""Lines of a recorded program that are shown, those that executed most."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Executions of one shape from one line for one cause, over all tests."""

    frame: Frame
    cause: Cause
    shape: str
    executions: int
    rows: int


def render(report: Report) -> str:
    """The report as one HTML page."""
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return page.render(_parts(report)) + "\n"


def _parts(report: Report) -> Mapping[str, Any]:
    busiest = _busiest(report.tape)
    return {
        "findings": [(one, evidence_lines(one.evidence)) for one in report.findings],
        "problems": report.problems,
        "laws": list(_laws(report)),
        "faults": _faults(report),
        "handlers": _handlers(report),
        "tape": report.tape,
        "busiest": busiest[:MOST_LINES],
        "left_out": len(busiest) - len(busiest[:MOST_LINES]),
        "summary": summary_of(report).splitlines(),
    }


def _busiest(tape: Tape | None) -> list[Busy]:
    executions: Counter[tuple[Frame, Cause, str]] = Counter()
    rows: Counter[tuple[Frame, Cause, str]] = Counter()
    for entry in tape.entries if tape is not None else ():
        key = (entry.site.frame, entry.cause, entry.shape)
        executions[key] += entry.executions
        rows[key] += entry.rows
    found = [Busy(*key, executions=number, rows=rows[key]) for key, number in executions.items()]
    return sorted(found, key=lambda one: (-one.executions, one.frame, one.shape, str(one.cause)))


def _laws(report: Report) -> Iterator[str]:
    if report.laws:
        from auditor.report.laws import law_as_text  # lazy: a scan has no laws

        yield from (law_as_text(law) for law in report.laws)


def _handlers(report: Report) -> str:
    if not report.handlers and not report.missing_handlers:
        return ""
    from auditor.report.handlers import handlers_as_text  # lazy: a scan has no table of them

    return handlers_as_text(report.handlers, report.missing_handlers, verbose=True)


def _faults(report: Report) -> str:
    if not report.faults and not report.coverage:
        return ""
    from auditor.report.faults import faults_as_text  # lazy: a scan has no faults

    return faults_as_text(report.faults, report.coverage)
