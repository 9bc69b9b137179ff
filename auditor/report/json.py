"""The JSON interface, `auditor/report/1`: keys in a fixed order; docs/report.schema.json.

`laws`, `faults`, `coverage`, `handlers`, `missing_handlers` and `tape` are present when there is
something in them, `databases` (where they differ) when faults were swept on several.
"""

from __future__ import annotations

import json
from typing import Any

from auditor.model.finding import Finding
from auditor.model.report import Report
from auditor.report.evidence import evidence_as_json, span_as_json
from auditor.report.tapes import problem_as_json, tape_as_json

SCHEMA = "auditor/report/1"


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """A finding with its place flat beside its other fields."""
    return {
        "code": finding.code,
        "name": finding.name,
        "message": finding.message,
        **span_as_json(finding.span),
        "function": finding.function,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "fingerprint": finding.fingerprint,
        "evidence": [evidence_as_json(one) for one in finding.evidence],
    }


def report_as_json(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "findings": [finding_as_json(finding) for finding in report.findings],
        "problems": [problem_as_json(problem) for problem in report.problems],
        "counted": dict(sorted(report.counted.items())),
    }
    if report.laws:
        from auditor.report.laws import law_as_json  # lazy: a scan has no laws

        found["laws"] = [law_as_json(law) for law in report.laws]
    if report.faults:
        from auditor.report.faults import fault_as_json  # lazy: a scan has no faults

        found["faults"] = [fault_as_json(outcome) for outcome in report.faults]
    if report.coverage:
        from auditor.report.faults import coverage_as_json  # lazy: a scan has no faults

        found["coverage"] = [coverage_as_json(one) for one in report.coverage]
    databases = {one.database for one in report.faults} | {o.database for o in report.coverage}
    if len(databases) > 1:
        from auditor.report.fault_databases import (  # lazy: a scan has no faults
            difference_as_json,
            differences,
        )

        compared = differences(report.faults, report.coverage)
        found["databases"] = [difference_as_json(one) for one in compared]
    if report.handlers or report.missing_handlers:
        from auditor.report.handlers import handler_as_json  # lazy: a scan has no table of them

        for key in ("handlers", "missing_handlers"):
            if rows := getattr(report, key):
                found[key] = [handler_as_json(row) for row in rows]
    if report.tape is not None:
        found["tape"] = tape_as_json(report.tape)
    return found


def render(report: Report) -> str:
    """The report as JSON text, indented by two, with a last newline."""
    return json.dumps(report_as_json(report), indent=2, ensure_ascii=False) + "\n"
