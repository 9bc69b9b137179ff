from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from auditor.model.errors import AuditorError
from auditor.model.report import Report
from auditor.report import render
from auditor.report.readback import report_of

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8")
)
_NOT_WHOLE = "`r.json` is not a whole report `auditor/report/1`"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("part", ["all", "empty"])
def test_a_report_fits_the_published_schema(report: Report, part: str) -> None:
    value = json.loads(render(report if part == "all" else Report(), "json"))
    jsonschema.validate(value, SCHEMA)


def test_keys_come_in_a_fixed_order(report: Report) -> None:
    value = json.loads(render(report, "json"))
    assert list(value) == [
        "schema",
        "findings",
        "problems",
        "counted",
        "laws",
        "faults",
        "coverage",
        "tape",
    ]
    assert list(value["findings"][0]) == [
        "code", "name", "message", "path", "line", "column", "end_line", "end_column", "function",
        "severity", "confidence", "fingerprint", "evidence",
    ]  # fmt: skip
    assert list(value["counted"]) == sorted(value["counted"])


def test_what_is_written_is_read_back_whole(report: Report) -> None:
    assert report_of(render(report, "json"), "r.json") == report


def test_equal_reports_give_equal_bytes(report: Report) -> None:
    other = replace(report, counted=dict(sorted(report.counted.items(), reverse=True)))
    assert render(other, "json") == render(report, "json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "`r.json` is neither a tape nor JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "`r.json` has the schema `None`; this version reads `auditor/report/1`"),
        (
            '{"schema": "auditor/report/2"}',
            "`r.json` has the schema `auditor/report/2`; this version reads `auditor/report/1`",
        ),
        (
            '{"schema": "auditor/report/1", "findings": [{}], "problems": [], "counted": {}}',
            f"{_NOT_WHOLE}: KeyError: 'code'",
        ),
        (
            '{"schema": "auditor/report/1", "findings": 3, "problems": [], "counted": {}}',
            f"{_NOT_WHOLE}: TypeError: 'int' object is not iterable",
        ),
    ],
)
def test_what_is_no_report_is_refused(text: str, message: str) -> None:
    with pytest.raises(AuditorError) as raised:
        report_of(text, "r.json")
    assert str(raised.value) == message


def test_evidence_of_an_unknown_kind_is_refused(report: Report) -> None:
    value: dict[str, Any] = json.loads(render(report, "json"))
    value["findings"][0]["evidence"] = [{"kind": "dream"}]
    with pytest.raises(AuditorError, match="KeyError: 'dream'"):
        report_of(json.dumps(value), "r.json")
