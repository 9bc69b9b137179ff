from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.engine import scan
from auditor.model.errors import AuditorError, SettingsError
from auditor.model.finding import Confidence, Problem
from auditor.model.report import Report
from auditor.model.settings import PathIgnore, Settings
from auditor.model.span import Span
from auditor.registry import Catalogue
from auditor.rule import Hit, Hits, OnFunction, OnModule, Rule
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project

MakeRule = Callable[..., Rule]


def places(report: Report) -> list[str]:
    return [f"{f.span} {f.function} {f.message}" for f in report.findings]


def test_findings_come_in_order_of_path_and_line(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    report = scan(["pkg"], settings, rules=rules)
    assert places(report) == [
        "pkg/one.py:2:5 first `session.execute` is called",
        "pkg/one.py:6:5 second `session.execute` is called",
        "pkg/one.py:7:5 second `session.execute` is called",
        "pkg/two.py:2:5 third `cursor.execute` is called",
    ]
    assert report.problems == ()
    assert report.counted == {
        "files": 3,
        "files_skipped": 1,
        "files_unreadable": 0,
        "functions": 3,
        "tests_left_out": 0,
        "excluded": 0,
        "rules": 1,
    }
    assert report.exit_status == 1


def test_fingerprints_stay_when_lines_above_come_and_comments_change(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    before = [f.fingerprint for f in scan(["pkg"], settings, rules=rules).findings]
    one = folder / "pkg" / "one.py"
    one.write_text("import os\n\n\n" + one.read_text().replace("('a')", "('a')  # noqa"))
    after = [f.fingerprint for f in scan(["pkg"], settings, rules=rules).findings]
    assert after == before
    assert len(set(before)) == 4


def test_a_changed_line_and_another_function_change_the_fingerprint(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    before = [f.fingerprint for f in scan(["pkg"], settings, rules=rules).findings]
    one = folder / "pkg" / "one.py"
    one.write_text(one.read_text().replace("first", "zeroth").replace("('a')\n", "('z')\n", 1))
    after = [f.fingerprint for f in scan(["pkg"], settings, rules=rules).findings]
    assert (after[0] != before[0], after[1:]) == (True, before[1:])


def test_a_file_that_does_not_parse_is_a_problem_and_the_rest_is_reported(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "pkg" / "bad.py").write_text("import sqlalchemy\ndef broken(:\n")
    report = scan(["pkg"], settings, rules=rules)
    assert report.problems == (
        Problem("pkg/bad.py", "not parsed: line 2: invalid syntax", hides_results=True),
    )
    assert (len(report.findings), report.exit_status) == (4, 2)
    assert report.counted["files_unreadable"] == 1


def test_a_binary_file_is_a_problem_and_the_rest_is_reported(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "pkg" / "bad.py").write_bytes(b"sqlalchemy\x00\xff\xfe" * 10)
    report = scan(["pkg"], settings, rules=rules)
    assert [p.subject for p in report.problems] == ["pkg/bad.py"]
    assert (len(report.findings), report.exit_status) == (4, 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "pkg" / "one.py").chmod(0)
    report = scan(["pkg"], settings, rules=rules)
    assert [p.subject for p in report.problems] == ["pkg/one.py"]


def test_a_missing_path_is_an_error(folder: Path, rules: Catalogue, settings: Settings) -> None:
    with pytest.raises(AuditorError, match="`nowhere` does not exist"):
        scan(["nowhere"], settings, rules=rules)


def test_no_python_file_at_all_is_said_loudly(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "empty").mkdir()
    report = scan(["empty"], settings, rules=rules)
    assert report.problems == (Problem("scan", "no Python file was found", hides_results=True),)
    assert report.exit_status == 2


def test_files_left_out_as_tests_are_told_when_nothing_else_is_there(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    report = scan(["pkg"], replace(settings, exclude=("pkg/*",)), rules=rules)
    assert [p.message for p in report.problems] == [
        "no Python file was found; 3 were left out as tests or by `exclude`"
    ]


def test_a_crashed_rule_is_one_problem_and_other_rules_go_on(
    folder: Path, make_rule: MakeRule, settings: Settings
) -> None:
    def crash(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
        raise KeyError(len(module.path))

    line = crash.__code__.co_firstlineno + 1
    crashing = make_rule(OnFunction(crash), code="DBA900", name="crashing")
    report = scan(["pkg"], settings, rules=Catalogue((crashing, make_rule())))
    assert report.problems == (
        Problem(
            "rule DBA900 crashing",
            "failed on `first` in pkg/one.py and at 4 more places: KeyError: 10"
            f" (test_scanning.py:{line}); what it would have said there is missing",
            hides_results=True,
        ),
    )
    assert (len(report.findings), report.exit_status) == (4, 2)


def test_hits_before_a_crash_of_the_same_call_are_lost_but_said(
    folder: Path, make_rule: MakeRule, settings: Settings
) -> None:
    def half(project: Project, module: ModuleFacts) -> Hits:
        yield Hit(span_of_first_line(module), "<module>", {"name": "x"})
        raise RecursionError("deep")

    report = scan(["pkg/one.py"], settings, rules=Catalogue((make_rule(OnModule(half)),)))
    assert report.findings == ()
    assert len(report.problems) == 1


def span_of_first_line(module: ModuleFacts) -> Span:
    return Span(module.path, 1)


def test_a_message_with_a_missing_field_is_a_problem_of_the_rule(
    folder: Path, make_rule: MakeRule, settings: Settings
) -> None:
    rule = make_rule(message="{nothing}")
    report = scan(["pkg/two.py"], settings, rules=Catalogue((rule,)))
    assert [p.subject for p in report.problems] == ["rule DBA901 called-execute"]
    assert "KeyError: 'nothing'" in report.problems[0].message


def test_equal_hits_are_reported_once(
    folder: Path, make_rule: MakeRule, settings: Settings
) -> None:
    def twice(project: Project, module: ModuleFacts) -> Hits:
        for _ in range(2):
            yield Hit(span_of_first_line(module), "<module>", {"name": "x"})

    report = scan(["pkg/one.py"], settings, rules=Catalogue((make_rule(OnModule(twice)),)))
    assert len(report.findings) == 1


def test_two_scans_give_the_same_report_in_any_order_of_paths(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    one = scan(["pkg/one.py", "pkg/two.py"], settings, rules=rules)
    other = scan(["pkg/two.py", "pkg/one.py", "pkg/one.py"], settings, rules=rules)
    assert one == other


@pytest.mark.parametrize(
    ("change", "lines", "hidden"),
    [
        ({}, 4, {}),
        ({"ignore": ("DBA9",)}, 0, {}),
        ({"ignore": ("DBA9",), "select": ("DBA901",)}, 4, {}),
        ({"ignore": ("DBA901",), "select": ("DBA901",)}, 0, {}),
        ({"per_file_ignores": (PathIgnore("pkg/one.py", ("DBA9",)),)}, 1, {"ignored": 3}),
        ({"per_file_ignores": (PathIgnore("*/one.py", ("DBA1",)),)}, 4, {}),
    ],
)
def test_codes_are_chosen_by_the_longer_prefix(
    folder: Path,
    rules: Catalogue,
    settings: Settings,
    *,
    change: dict[str, object],
    lines: int,
    hidden: dict[str, int],
) -> None:
    report = scan(["pkg"], replace(settings, **change), rules=rules)  # type: ignore[arg-type]
    assert len(report.findings) == lines
    assert {k: v for k, v in report.counted.items() if k in ("ignored", "suppressed")} == hidden


def test_a_selected_code_that_no_rule_has_is_an_error(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    with pytest.raises(SettingsError) as raised:
        scan(["pkg"], replace(settings, select=("DBA777",)), rules=rules)
    assert str(raised.value) == (
        "`select` has `DBA777`, and no rule has such a code; `auditor rules list` names all"
    )


def test_an_ignored_code_that_no_rule_has_is_a_problem_that_hides_nothing(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    report = scan(["pkg"], replace(settings, ignore=("DBA777",)), rules=rules)
    assert report.problems == (
        Problem("settings", "`ignore` has `DBA777`, and no rule has such a code"),
    )
    assert report.exit_status == 1


@pytest.mark.parametrize(
    ("confidence", "least", "lines"),
    [("low", "medium", 0), ("low", "low", 4), ("medium", "high", 0), ("medium", "medium", 4)],
)
def test_findings_below_the_least_confidence_are_counted(
    folder: Path,
    make_rule: MakeRule,
    settings: Settings,
    *,
    confidence: str,
    least: str,
    lines: int,
) -> None:
    rule = make_rule(confidence=Confidence(confidence))
    chosen = replace(settings, confidence=Confidence(least))
    report = scan(["pkg"], chosen, rules=Catalogue((rule,)))
    assert len(report.findings) == lines
    assert report.counted.get("below_confidence", 0) == 4 - lines


def test_nothing_of_the_audited_code_is_run(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    wire = folder / "tripped"
    (folder / "pkg" / "__init__.py").write_text(
        f"import sqlalchemy\nopen({str(wire)!r}, 'w')\nraise SystemExit(3)\n"
    )
    scan(["pkg"], settings, rules=rules)
    assert (wire.exists(), "pkg" in sys.modules) == (False, False)
