from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from auditor.model.finding import Confidence, Finding, Severity
from auditor.model.report import Report
from auditor.model.span import Span
from auditor.report import sarif
from auditor.rule import Rule

RULE = Rule(
    code="DBA301",
    name="query-in-loop",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="a query for each `{element}`",
    why="It costs.",
    instead="One query.",
    checks=(),
    bad=(),
    good=(),
)


@pytest.fixture
def run(report: Report) -> Any:
    log = json.loads(sarif.render(report, (RULE,)))
    assert (log["version"], log["$schema"]) == ("2.1.0", sarif.SCHEMA)
    (found,) = log["runs"]
    return found


def test_rules_carry_their_help_and_results_point_at_them(run: Any) -> None:
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["DBA201", "DBA301"]
    assert rules[1]["help"]["text"] == "It costs.\n\nOne query."
    assert rules[1]["help"]["markdown"].startswith("# DBA301 query-in-loop\n")
    assert rules[1]["defaultConfiguration"] == {"level": "warning"}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_a_result_has_place_level_fingerprint_and_code_flow(run: Any) -> None:
    result = run["results"][1]
    place = {
        "artifactLocation": {"uri": "pkg/sync.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 12, "startColumn": 9, "endLine": 12, "endColumn": 40},
    }
    assert result["level"] == "warning"
    assert result["locations"][0]["physicalLocation"] == place
    assert result["partialFingerprints"] == {
        "primaryLocationLineHash": "0123456789abcdef:1",
        "auditor/v1": "0123456789abcdef",
    }
    (flow,) = result["codeFlows"]
    steps = flow["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == [
        "loop over `labels`",
        "lazy load of `Label.routers`",
    ]
    assert steps[1]["location"]["physicalLocation"] == place


def test_what_live_witnesses_saw_is_in_the_message(run: Any) -> None:
    assert run["results"][1]["message"]["text"].splitlines()[-1] == (
        "grows 8*labels (law of sync on sqlite: 4 + 8*labels)"
    )


def test_a_problem_that_hides_results_makes_the_invocation_fail(run: Any) -> None:
    assert run["invocations"] == [
        {
            "executionSuccessful": False,
            "toolExecutionNotifications": [
                {
                    "level": "error",
                    "message": {"text": "pkg/broken.py: not parsed: line 1: invalid syntax"},
                },
                {
                    "level": "warning",
                    "message": {
                        "text": "settings: `ignore` has `DBA9`, and no rule has such a code"
                    },
                },
            ],
        }
    ]


def test_a_place_without_a_line_or_with_an_odd_name_is_still_valid(loop: Finding) -> None:
    odd = replace(loop, span=Span("a b/ü%.py", 0, 0), evidence=())
    (result,) = sarif.log_of(Report(findings=(odd,)), ())["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/%C3%BC%25.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 1, "startColumn": 1, "endLine": 1},
    }


def test_more_results_than_code_scanning_takes_are_left_out_and_told(
    loop: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sarif, "MOST_RESULTS", 2)
    (run,) = sarif.log_of(Report(findings=(loop,) * 5), ())["runs"]
    assert len(run["results"]) == 2
    assert run["invocations"][0] == {
        "executionSuccessful": False,
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": "sarif: 3 findings are left out: 2 is the limit"},
            }
        ],
    }
