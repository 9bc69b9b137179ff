"""JUnit XML: each finding a failed test case, each problem that hides results an error.

A report with nothing in it has one case that passed, so that a runner does not take it for a file
that was not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from auditor.model.finding import Finding, Problem
from auditor.model.report import Report
from auditor.report.evidence import evidence_lines

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """The report as JUnit XML."""
    hiding = [problem for problem in report.problems if problem.hides_results]
    suite = Element(
        "testsuite",
        name="auditor",
        tests=str(max(len(report.findings) + len(hiding), 1)),
        failures=str(len(report.findings)),
        errors=str(len(hiding)),
    )
    suite.extend(_cases(report, hiding))
    whole = Element("testsuites")
    whole.append(suite)
    indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(whole, encoding="unicode")}\n'


def _cases(report: Report, hiding: list[Problem]) -> Iterator[Element]:
    yield from (_failed(finding) for finding in report.findings)
    for problem in hiding:
        case = Element("testcase", classname="auditor", name=_clean(problem.subject))
        SubElement(case, "error", message=_clean(problem.message))
        yield case
    if not report.findings and not hiding:
        yield Element("testcase", classname="auditor", name="no findings")


def _failed(finding: Finding) -> Element:
    case = Element(
        "testcase",
        classname=_clean(finding.span.path),
        name=_clean(f"{finding.code} {finding.name} in {finding.function}:{finding.span.line}"),
        file=_clean(finding.span.path),
        line=str(finding.span.line),
    )
    failure = SubElement(
        case, "failure", type=finding.severity.value, message=_clean(finding.message)
    )
    failure.text = _clean("\n".join((str(finding.span), *evidence_lines(finding.evidence))))
    return case


def _clean(text: str) -> str:
    """The text without the characters that XML cannot hold at all."""
    return _NOT_XML.sub("�", text)
