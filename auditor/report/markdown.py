"""Markdown for a comment on a change: a table of findings, details folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.finding import Finding
from auditor.model.report import Report
from auditor.report.evidence import evidence_lines
from auditor.report.text import summary_of

_SPECIAL = re.compile(r"([\\|<>*_\[\]])")
_CODE = re.compile(r"(`[^`]*`)")


def render(report: Report) -> str:
    """The report as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# Database audit"
    yield ""
    if report.findings:
        yield "| place | code | finding |"
        yield "|---|---|---|"
        yield from (_row(finding) for finding in report.findings)
        yield ""
    if report.laws:
        from auditor.report.law_table import law_table  # lazy: a scan has no laws

        yield from law_table(report.laws, prose)
    if report.handlers or report.missing_handlers:
        from auditor.report.handlers import handlers_as_markdown  # lazy: a scan has no table

        yield from handlers_as_markdown(report.handlers, report.missing_handlers, prose)
    yield from _details(report)
    if report.laws:
        from auditor.report.laws import law_as_text  # lazy: a scan has no laws

        yield from _folded("Growth laws", "\n".join(law_as_text(law) for law in report.laws))
    if report.faults or report.coverage:
        from auditor.report.faults import faults_as_text  # lazy: a scan has no faults

        yield from _folded("Faults", faults_as_text(report.faults, report.coverage))
    if report.problems:
        yield "## Problems"
        yield ""
        for problem in report.problems:
            yield f"- {prose(problem.subject)}: {prose(problem.message)}"
        yield ""
    yield from (f"{prose(line)}  " for line in summary_of(report).splitlines())


def _row(finding: Finding) -> str:
    return (
        f"| {prose(f'{finding.span.path}:{finding.span.line}')} | {finding.code} {finding.name}"
        f" | {prose(finding.message)} |"
    )


def _details(report: Report) -> Iterator[str]:
    told = [finding for finding in report.findings if finding.evidence]
    text = "\n\n".join(
        "\n".join((f"{f.span} {f.code}", *(f"    {line}" for line in evidence_lines(f.evidence))))
        for f in told
    )
    if text:
        yield from _folded("Evidence", text)


def _folded(title: str, text: str) -> Iterator[str]:
    """A block that opens on a click; its fence is longer than any inside."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"<details><summary>{title}</summary>"
    yield ""
    yield f"{fence}text"
    yield text.rstrip()
    yield fence
    yield ""
    yield "</details>"
    yield ""


def prose(text: str) -> str:
    """Text on one line in which nothing but code in backticks is Markdown."""
    parts = _CODE.split(" ".join(text.splitlines()))
    return "".join(
        part.replace("|", "\\|") if number % 2 else _SPECIAL.sub(r"\\\1", part)
        for number, part in enumerate(parts)
    )
