from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from auditor.model.errors import SettingsError
from auditor.model.finding import Finding
from auditor.model.report import Report
from auditor.report import FORMATS, github, gitlab, junit, markdown, render


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_an_empty_and_a_full_report_twice_the_same(
    report: Report, name: str
) -> None:
    if name == "html":
        pytest.importorskip("jinja2")
    for one in (Report(), report):
        rendered = render(one, name)
        assert rendered == render(one, name)
        assert rendered == "" or rendered.endswith("\n")


def test_an_unknown_format_is_told_with_those_that_exist() -> None:
    with pytest.raises(SettingsError) as raised:
        render(Report(), "html5")
    assert str(raised.value) == (
        "there is no format `html5`; there are `text`, `json`, `sarif`, `markdown`, `github`,"
        " `gitlab`, `junit`, `html`"
    )


def test_github_escapes_what_would_end_a_command(loop: Finding) -> None:
    odd = replace(loop, message="100%\nof: rows", evidence=())
    odd = replace(odd, span=replace(odd.span, path="a,b:c.py"))
    assert github.render(Report(findings=(odd,))) == (
        "::warning file=a%2Cb%3Ac.py,line=12,endLine=12,col=9,title=DBA301 query-in-loop"
        "::100%25%0Aof: rows\n"
    )


def test_gitlab_has_findings_and_hidden_results(report: Report) -> None:
    entries = json.loads(gitlab.render(report))
    assert entries[1] == {
        "description": "DBA301 a query for each `label` | 8 in all",
        "check_name": "query-in-loop",
        "fingerprint": "DBA301-0123456789abcdef",
        "severity": "major",
        "location": {"path": "pkg/sync.py", "lines": {"begin": 12, "end": 12}},
    }
    assert [entry["severity"] for entry in entries] == ["critical", "major", "blocker"]


def test_junit_counts_and_holds_any_character(loop: Finding) -> None:
    odd = replace(loop, message="bad \x00 byte & <tag>", evidence=())
    root = ET.fromstring(junit.render(Report(findings=(odd,))))
    (suite,) = root
    assert suite.attrib == {"name": "auditor", "tests": "1", "failures": "1", "errors": "0"}
    (case,) = suite
    assert case.attrib["name"] == "DBA301 query-in-loop in sync:12"
    assert case[0].attrib["message"] == "bad � byte & <tag>"


def test_junit_of_nothing_is_one_passed_case() -> None:
    root = ET.fromstring(junit.render(Report()))
    assert [case.attrib["name"] for case in root[0]] == ["no findings"]


def test_markdown_escapes_markup_but_not_code() -> None:
    assert markdown.prose("a *b* `x|*y*` <c>\nd_e") == "a \\*b\\* `x\\|*y*` \\<c\\> d\\_e"


def test_a_markdown_table_row_stays_one_row(loop: Finding) -> None:
    rendered = markdown.render(Report(findings=(replace(loop, evidence=()),), counted={"files": 1}))
    assert rendered == (
        "# Database audit\n"
        "\n"
        "| place | code | finding |\n"
        "|---|---|---|\n"
        "| pkg/sync.py:12 | DBA301 query-in-loop | a query for each `label` \\| 8 in all |\n"
        "\n"
        "1 finding (1 warning): DBA301 query-in-loop 1  \n"
        "looked at 1 file  \n"
    )
