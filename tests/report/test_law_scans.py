"""Tables read whole, in the text and in the JSON of a law."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest

from auditor.model.law import LawResult, TableScan
from auditor.model.report import Report
from auditor.model.span import Frame
from auditor.report.json import render
from auditor.report.laws import law_as_json, law_as_text
from auditor.report.readback import report_of

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/report.schema.json").read_text())
SCAN = TableScan(
    table="ports",
    columns=("router_id", "up"),
    shape="SELECT ports.id FROM ports WHERE ports.router_id = ? AND ports.up = ?",
    stack=(Frame("pkg/sync.py", 12, "sync"), Frame("pkg/api.py", 3, "call")),
    rows=(1, 4000),
    fetched=(Fraction(1), Fraction(1, 2)),
    executions=5,
    plan="SCAN ports",
)


@pytest.fixture
def scanning(law: LawResult) -> LawResult:
    return replace(law, scans=(SCAN, replace(SCAN, stack=(), fetched=(Fraction(1),) * 2)))


def test_the_text_says_how_much_is_read_for_what(scanning: LawResult) -> None:
    found = [line for line in law_as_text(scanning).splitlines() if "reads all" in line]

    said = (
        "    reads all 4,000 rows of `ports` for {} where it compares `router_id`, `up`{} (DBA321)"
    )
    assert found == [
        said.format("1/2 rows", ", at pkg/sync.py:12 in sync"),
        said.format("1 row", ""),
    ]


def test_the_json_fits_the_schema_and_is_read_back_whole(scanning: LawResult) -> None:
    report = Report(laws=(scanning,))
    text = render(report)

    jsonschema.validate(json.loads(text), SCHEMA)
    assert report_of(text, "r.json") == report
    assert law_as_json(scanning)["scans"][0]["fetched"] == [1, "1/2"]


def test_a_law_without_scans_has_no_such_key(law: LawResult) -> None:
    assert "scans" not in law_as_json(law)
