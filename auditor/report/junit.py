"""JUnit XML: each finding a failed test case, each problem that hides results an error; each law
is a case of its own, which fails when a finding is about it.

A report with nothing in it has one case that passed, so that a runner does not take it for a file
that was not written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from auditor.model.finding import Finding, Problem
from auditor.model.law import LawResult
from auditor.model.report import Report
from auditor.report.evidence import evidence_lines

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """The report as JUnit XML."""
    hiding = [problem for problem in report.problems if problem.hides_results]
    cases = list(_cases(report, hiding))
    suite = Element(
        "testsuite",
        name="auditor",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
    )
    suite.extend(cases)
    whole = Element("testsuites")
    whole.append(suite)
    indent(whole)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(whole, encoding="unicode")}\n'


def _cases(report: Report, hiding: list[Problem]) -> Iterator[Element]:
    measured = [law for law in report.laws if law.law is not None]
    of_laws = {finding for law in measured for finding in _about(law, report.findings)}
    yield from (_failed(finding) for finding in report.findings if finding not in of_laws)
    yield from (_measured(law, _about(law, report.findings)) for law in measured)
    for problem in hiding:
        case = Element("testcase", classname="auditor", name=_clean(problem.subject))
        SubElement(case, "error", message=_clean(problem.message))
        yield case
    if not report.findings and not hiding and not measured:
        yield Element("testcase", classname="auditor", name="no findings")


def _about(law: LawResult, findings: Iterable[Finding]) -> list[Finding]:
    """The findings that a law of this scenario and database made."""
    head = f"`{law.scenario}` on {law.database}: "
    return [finding for finding in findings if finding.message.startswith(head)]


def _measured(law: LawResult, findings: Iterable[Finding]) -> Element:
    case = Element(
        "testcase",
        classname=_clean(law.place.path if law.place else law.target),
        name=_clean(f"{law.scenario} on {law.database}"),
    )
    for finding in findings:
        failure = SubElement(
            case, "failure", type=finding.severity.value, message=_clean(finding.message)
        )
        failure.text = _clean("\n".join((str(finding.span), *evidence_lines(finding.evidence))))
    return case


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
