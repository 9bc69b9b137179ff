"""Workflow commands: GitHub shows each as an annotation on the line of a change."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Finding, Severity
from auditor.model.law import Change, LawChange, LawResult
from auditor.model.law_words import change_in_words
from auditor.model.report import Report
from auditor.report.evidence import evidence_lines

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_DATA = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_DATA, (":", "%3A"), (",", "%2C"))


def render(report: Report) -> str:
    """One command a line: findings, then problems."""
    return "".join(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield from (_annotation(finding) for finding in report.findings)
    for law in report.laws:
        yield from (_better(law, one) for one in law.changes if one.change is Change.BETTER)
    for problem in report.problems:
        command = "error" if problem.hides_results else "warning"
        message = _escaped(f"{problem.subject}: {problem.message}", _DATA)
        yield f"::{command} title=auditor::{message}"


def _better(law: LawResult, change: LawChange) -> str:
    """A notice at the scenario: what became better fails nothing, and should be seen."""
    place = law.place
    where = f" file={_escaped(place.path, _PROPERTY)},line={place.line}," if place else " "
    said = f"{law.scenario} on {law.database}, since {change.since}: {change_in_words(change)}"
    return f"::notice{where}title=auditor::{_escaped(said, _DATA)}"


def _annotation(finding: Finding) -> str:
    span = finding.span
    properties = {
        "file": span.path,
        "line": str(span.line),
        "endLine": str(span.end_line),
        "col": str(span.column),
        "title": f"{finding.code} {finding.name}",
    }
    written = ",".join(f"{key}={_escaped(text, _PROPERTY)}" for key, text in properties.items())
    message = "\n".join((finding.message, *evidence_lines(finding.evidence)))
    return f"::{_COMMANDS[finding.severity]} {written}::{_escaped(message, _DATA)}"


def _escaped(text: str, table: tuple[tuple[str, str], ...]) -> str:
    for character, escape in table:
        text = text.replace(character, escape)
    return text
