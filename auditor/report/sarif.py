"""SARIF 2.1.0 for code scanning: rules with their help, results with code flows, problems as
notifications.

Limits of GitHub's upload are kept: at most 25,000 results, 1,000 steps of a code flow shown, tags
few, paths relative, and `primaryLocationLineHash` from the fingerprint, so that an alert keeps its
identity when lines move.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from auditor import registry
from auditor.model.evidence import SourcePath
from auditor.model.finding import Confidence, Finding, Problem, Severity
from auditor.model.report import Report
from auditor.model.span import Span
from auditor.report.evidence import evidence_as_json, evidence_lines
from auditor.report.page import page_of
from auditor.rule import Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 25_000
MOST_STEPS = 1_000

Json = dict[str, Any]

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_PRECISION = {Confidence.HIGH: "very-high", Confidence.MEDIUM: "high", Confidence.LOW: "low"}
_SECURITY = "DBA1"
"""The family of raw SQL: its rules are security rules."""


def render(report: Report, rules: Iterable[Rule] | None = None) -> str:
    """The report as SARIF; `rules` are those of the installed catalogue if not given."""
    catalogue = registry.catalogue().rules if rules is None else tuple(rules)
    return json.dumps(log_of(report, catalogue), indent=2, ensure_ascii=False) + "\n"


def log_of(report: Report, rules: Iterable[Rule]) -> Json:
    """The SARIF log as plain values, with one run."""
    known = {rule.code: rule for rule in rules}
    codes = sorted({finding.code for finding in report.findings})
    index = {code: number for number, code in enumerate(codes)}
    names = {finding.code: finding.name for finding in report.findings}
    dropped = len(report.findings) - MOST_RESULTS
    problems = report.problems + ((_too_many(dropped),) if dropped > 0 else ())
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "auditor",
                        "rules": [
                            _descriptor(code, names[code], known.get(code)) for code in codes
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    "SRCROOT": {"description": {"text": "The folder the audit ran in."}}
                },
                "invocations": [_invocation(problems)],
                "results": [_result(finding, index) for finding in report.findings[:MOST_RESULTS]],
                "properties": {"counted": dict(sorted(report.counted.items()))},
            }
        ],
    }


def _too_many(dropped: int) -> Problem:
    said = f"{dropped} findings are left out: {MOST_RESULTS} is the limit"
    return Problem("sarif", said, hides_results=True)


def _descriptor(code: str, name: str, rule: Rule | None) -> Json:
    found: Json = {"id": code, "name": name}
    if rule is None:  # a result of a plug-in that is not installed here
        return {**found, "shortDescription": {"text": name.replace("-", " ")}}
    properties: Json = {"tags": ["database"], "precision": _PRECISION[rule.confidence]}
    if code.startswith(_SECURITY):
        properties["tags"].append("security")
        properties["security-severity"] = "7.5" if rule.severity is Severity.ERROR else "5.0"
    return {
        **found,
        "shortDescription": {"text": name.replace("-", " ")},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n\n{rule.instead}", "markdown": page_of(rule)},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": properties,
    }


def _invocation(problems: Iterable[Problem]) -> Json:
    notes = [
        {
            "level": "error" if problem.hides_results else "warning",
            "message": {"text": f"{problem.subject}: {problem.message}"},
        }
        for problem in problems
    ]
    whole = not any(note["level"] == "error" for note in notes)
    return {"executionSuccessful": whole, "toolExecutionNotifications": notes}


def _result(finding: Finding, index: Mapping[str, int]) -> Json:
    found: Json = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": _LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [
            {
                "physicalLocation": _place(finding.span),
                "logicalLocations": [{"fullyQualifiedName": finding.function, "kind": "function"}],
            }
        ],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{finding.fingerprint}:1",
            "auditor/v1": finding.fingerprint,
        },
    }
    flows = [_code_flow(one) for one in finding.evidence if isinstance(one, SourcePath)]
    if flows:
        found["codeFlows"] = flows
    found["properties"] = {
        "confidence": finding.confidence.value,
        "evidence": [
            evidence_as_json(one) for one in finding.evidence if not isinstance(one, SourcePath)
        ],
    }
    return found


def _message(finding: Finding) -> str:
    """The message and what the live witnesses saw; the path is in the code flow."""
    seen = evidence_lines(one for one in finding.evidence if not isinstance(one, SourcePath))
    return "\n".join((finding.message, *seen))


def _code_flow(path: SourcePath) -> Json:
    steps = [
        {"location": {"physicalLocation": _place(step.span), "message": {"text": step.note}}}
        for step in path.steps[:MOST_STEPS]
    ]
    return {"threadFlows": [{"locations": steps}]}


def _place(span: Span) -> Json:
    return {
        "artifactLocation": {"uri": quote(span.path, errors="replace"), "uriBaseId": "SRCROOT"},
        "region": _region(span),
    }


def _region(span: Span) -> Json:
    """SARIF counts from 1; a place of a live witness may know no line, and then it is the file."""
    region: Json = {
        "startLine": max(span.line, 1),
        "startColumn": max(span.column, 1),
        "endLine": max(span.end_line, span.line, 1),
    }
    is_one_line = span.end_line <= span.line
    if span.end_column and (not is_one_line or span.end_column > span.column):
        region["endColumn"] = span.end_column
    return region
