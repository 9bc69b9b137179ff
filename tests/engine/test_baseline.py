from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from auditor import baseline
from auditor.model.errors import SettingsError
from auditor.model.finding import Confidence, Finding, Problem, Severity
from auditor.model.report import Report
from auditor.model.span import Span

ONE = Finding(
    code="DBA301",
    name="query-in-loop",
    message="a query\nfor each `label`",
    span=Span("pkg/b c.py", 12),
    function="Mixin.sync",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    fingerprint="0f3a5c7e9b1d2f40",
)
TWO = replace(ONE, code="DBA201", span=Span("pkg/a.py", 90), fingerprint="1" * 16)
TEXT = """\
# auditor/baseline/1
# fingerprint      code    path  function  message
1111111111111111  DBA201  pkg/a.py  Mixin.sync  a query for each `label`
0f3a5c7e9b1d2f40  DBA301  pkg/b c.py  Mixin.sync  a query for each `label`
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "known.txt"
    path.write_text(TEXT)
    return path


def test_the_file_is_sorted_and_has_one_line_a_finding() -> None:
    assert baseline.text_of((ONE, TWO)) == baseline.text_of((TWO, ONE)) == TEXT


def test_what_is_written_hides_what_was_found_wherever_it_moved(file: Path) -> None:
    moved = replace(ONE, span=Span("pkg/b c.py", 400))
    new = replace(ONE, fingerprint="2" * 16)
    report = Report(findings=(moved, new, TWO), counted={"files": 3})
    assert baseline.hide(report, baseline.read(file), "known.txt") == Report(
        findings=(new,), counted={"files": 3, "baselined": 2}
    )


def test_stale_lines_are_told_if_they_could_have_been_found(file: Path) -> None:
    report = baseline.hide(
        Report(findings=(TWO,)),
        baseline.read(file),
        "known.txt",
        lambda known: known.path == "pkg/b c.py",
    )
    assert report.problems == (
        Problem(
            "known.txt:4",
            "DBA301 in `pkg/b c.py` was not found any more: remove the line, or write the baseline"
            " anew",
        ),
    )
    assert report.exit_status == 0
    assert baseline.hide(Report(), baseline.read(file), "known.txt", lambda _: False) == Report(
        counted={"baselined": 0}
    )


@pytest.mark.parametrize(
    ("path", "function", "message"),
    [
        ("pkg/b c.py", "Mixin.sync", "a query for each `label`"),
        ("pkg/new/b c.py", "Mixin.sync", "a query for each `label`"),
        ("pkg/new.py", "Mixin.sync", "a query for each `label`"),
        ("pkg/b c.py", "sync", "a query for each `label`"),
    ],
)
def test_what_was_moved_or_rewritten_stays_known_and_is_told(
    file: Path, path: str, function: str, message: str
) -> None:
    now = replace(ONE, span=Span(path, 7), function=function, message=message, fingerprint="3" * 16)
    hidden = baseline.hide(
        Report(findings=(now, TWO)), baseline.read(file), "known.txt", lambda _: True
    )
    told = (
        f"1 known finding was moved or rewritten, such as DBA301, now at {path}:7: write the"
        " baseline anew before it loses track"
    )
    assert hidden == Report(problems=(Problem("known.txt:4", told),), counted={"baselined": 2})


def test_one_known_finding_stands_for_one_and_only_if_it_is_gone(file: Path) -> None:
    again = replace(ONE, span=Span("pkg/b c.py", 7), fingerprint="3" * 16)
    more = replace(again, span=Span("pkg/b c.py", 8), fingerprint="4" * 16)
    known = baseline.read(file)
    gone = baseline.hide(Report(findings=(again, more, TWO)), known, "known.txt", lambda _: True)
    assert gone.findings == (more,)
    there = baseline.hide(Report(findings=(ONE, more, TWO)), known, "known.txt", lambda _: True)
    assert (there.findings, there.problems) == ((more,), ())


def test_a_file_seen_from_a_folder_inside_is_the_same_file(file: Path) -> None:
    inside = replace(ONE, span=Span("b c.py", 12), fingerprint="3" * 16)
    found = baseline.hide(
        Report(findings=(inside, TWO)), baseline.read(file), "known.txt", lambda _: True
    )
    assert found == Report(counted={"baselined": 2})


def test_comments_and_empty_lines_are_left_alone(file: Path) -> None:
    file.write_text(TEXT.replace("\n0f3", "\n\n# why: at most three rows\n0f3"))
    assert [known.line for known in baseline.read(file)] == [3, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            (":1: an empty file is not the first line of a baseline, `# auditor/baseline/1`;"
            " write a new one with `--write-baseline`"),
        ),
        (
            '{"findings": []}\n',
            (':1: `{"findings": []}` is not the first line of a baseline, `# auditor/baseline/1`;'
            " write a new one with `--write-baseline`"),
        ),
        (
            TEXT[:130],
            (":3: the file ends in the middle of a line, as if half written; write a new one with"
             " `--write-baseline`, or end the line"),
        ),
        (
            TEXT.replace("1111111111111111", "<<<<<<< HEAD"),
            (":3: `<<<<<<< HEAD  DBA201  pkg/a.py  Mixin.sync  a query for each` is left of"
            " a merge: remove the marks and keep the lines of both sides, or write the baseline"
            " anew"),
        ),
        (
            TEXT.replace("1111111111111111", "111"),
            (":3: `111  DBA201  pkg/a.py  Mixin.sync  a query for each `label`` is not a line of a"
            " baseline, which is `fingerprint  code  path  function  message` with two spaces"
            " between"),
        ),
    ],
)  # fmt: skip
def test_a_broken_or_half_written_baseline_is_an_error(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        baseline.read(file)
    assert str(raised.value) == f"{file}{message}"


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read the baseline `.*`: No such file"):
        baseline.read(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        baseline.read(tmp_path / "binary")
