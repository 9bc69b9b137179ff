"""GitLab's code quality report: a JSON list; two entries with one fingerprint would collapse, and
the ordinal in ours keeps them apart. Problems that hide results are entries too, at the tool's own
place, because the format has no other room for them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from auditor.model.finding import Finding, Problem, Severity
from auditor.model.report import Report

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "minor"}


def render(report: Report) -> str:
    """The report as the JSON that GitLab reads."""
    entries = [_entry(finding) for finding in report.findings]
    entries += [_problem_entry(problem) for problem in report.problems if problem.hides_results]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "description": f"{finding.code} {finding.message}",
        "check_name": finding.name,
        "fingerprint": f"{finding.code}-{finding.fingerprint}",
        "severity": _SEVERITIES[finding.severity],
        "location": {
            "path": finding.span.path,
            "lines": {"begin": finding.span.line, "end": finding.span.end_line},
        },
    }


def _problem_entry(problem: Problem) -> dict[str, Any]:
    text = f"{problem.subject}: {problem.message}"
    return {
        "description": f"auditor could not do all of its work: {text}",
        "check_name": "auditor-problem",
        "fingerprint": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        "severity": "blocker",
        "location": {"path": problem.subject, "lines": {"begin": 1}},
    }
