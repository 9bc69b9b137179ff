from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from auditor.engine import scan
from auditor.model.finding import Problem
from auditor.model.settings import PathIgnore, Settings
from auditor.registry import Catalogue

WRITE = " and hides nothing; write `# auditor: ignore[{}] at most three rows`"


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("session.execute('a')  # auditor: ignore[DBA901] one row\n", []),
        ("session.execute(\n    'a',  # auditor: ignore[DBA901] one row\n)\n", []),
        ("# auditor: ignore[DBA901] one row\nsession.execute('a')\n", []),
        ("session.execute('a')  # auditor: ignore[DBA901 dba901] one row\n", []),
        ("session.execute('a')  # auditor: ignore [DBA901] one row\n", []),
        ("for x in y:\n    # auditor: ignore[DBA901] one\n    session.execute('a')\n", []),
        (
            "for x in (\n    session.execute('a')\n):\n    # auditor: ignore[DBA901] one\n    z\n",
            [],
        ),
        (
            "try:\n    x\nexcept session.execute('a'):  # auditor: ignore[DBA901] one\n    pass\n",
            [],
        ),
        (
            "try:\n    x\n# auditor: ignore[DBA901] one\nexcept session.execute('a'):\n    pass\n",
            [],
        ),
        (
            "try:\n    x\nexcept session.execute('a'):\n  # auditor: ignore[DBA901] one\n  pass\n",
            [],
        ),
        ("session.execute(\n    'a'\n)  # auditor: ignore[DBA901] one row\n", []),
        ("x = [\n    # auditor: ignore[DBA901] one row\n    session.execute('a'),\n]\n", []),
        (
            "if (\n    session.execute('a')\n    and y  # auditor: ignore[DBA901] one\n):\n    z\n",
            [],
        ),
        ("with a, session.execute(\n    'a',  # auditor: ignore[DBA901] one\n):\n    pass\n", []),
        ("@x(session.execute('a'))\n@y  # auditor: ignore[DBA901] one\ndef f():\n    pass\n", []),
        ("session.execute('''\na\n''')  # auditor: ignore[DBA901] one row\r\n", []),
    ],
)
def test_a_comment_with_code_and_reason_hides_the_finding_of_its_statement(
    folder: Path, rules: Catalogue, settings: Settings, source: str, problems: list[Problem]
) -> None:
    (folder / "it.py").write_text(source)
    report = scan(["it.py"], settings, rules=rules)
    assert (report.findings, list(report.problems)) == ((), problems)
    assert report.counted["suppressed"] == 1


@pytest.mark.parametrize(
    ("comment", "complaint"),
    [
        (
            "# auditor: ignore",
            "names no code" + WRITE.format("DBA301"),
        ),
        (
            "# auditor: ignore[] why",
            "names no code" + WRITE.format("DBA301"),
        ),
        (
            "# auditor: ignore[DBA901]",
            "gives no reason" + WRITE.format("DBA901"),
        ),
    ],
)
def test_a_comment_without_code_or_reason_hides_nothing_and_is_told(
    folder: Path, rules: Catalogue, settings: Settings, comment: str, complaint: str
) -> None:
    (folder / "it.py").write_text(f"session.execute('a')  {comment}\n")
    report = scan(["it.py"], settings, rules=rules)
    assert len(report.findings) == 1
    assert report.problems == (Problem("it.py:1", f"the suppression {complaint}"),)


@pytest.mark.parametrize(
    ("comment", "complaint"),
    [
        (
            "# auditor: ignore[DBA999] one row",
            (
                "the suppression names `DBA999`, and no rule has that code; it hides nothing;"
                " `auditor rules list` names all"
            ),
        ),
        (
            "# auditor: ignore[DBA9] one row",
            (
                "the suppression names `DBA9`, and no rule has that code; it hides nothing:"
                " name each rule by its whole code, such as `DBA901`"
            ),
        ),
        (
            "# auditor: ignore[called-execute] one row",
            "the suppression names a rule, and hides nothing: write its code, `DBA901`",
        ),
        (
            "# auditor: ignored[DBA901] one row",
            (
                "the suppression names no code and hides nothing; write"
                " `# auditor: ignore[DBA301] at most three rows`"
            ),
        ),
        (
            "# auditor: ignore[DBA901 one row",
            (
                "the suppression names no code and hides nothing; write"
                " `# auditor: ignore[DBA301] at most three rows`"
            ),
        ),
    ],
)
def test_a_comment_that_names_no_rule_hides_nothing_and_is_told(
    folder: Path, rules: Catalogue, settings: Settings, comment: str, complaint: str
) -> None:
    (folder / "it.py").write_text(f"session.execute('a')  {comment}\n")
    report = scan(["it.py"], settings, rules=rules)
    assert len(report.findings) == 1
    assert report.problems == (Problem("it.py:1", complaint),)


def test_a_comment_that_only_speaks_of_an_auditor_is_left_alone(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("# auditor: see [1] and [DBA901]\nsession.execute('a')\n")
    report = scan(["it.py"], settings, rules=rules)
    assert (len(report.findings), report.problems) == (1, ())


def test_an_unused_suppression_is_told_and_hides_no_results(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("session.commit()  # auditor: ignore[DBA901] one row\n")
    report = scan(["it.py"], settings, rules=rules)
    assert report.problems == (
        Problem("it.py:1", "the suppression of DBA901 hides nothing any more: remove it"),
    )
    assert report.exit_status == 0


def test_an_unused_suppression_is_told_also_where_no_database_code_is_left(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("x = 1  # auditor: ignore[DBA901] one row\n")
    report = scan(["it.py"], settings, rules=rules)
    assert report.problems == (
        Problem("it.py:1", "the suppression of DBA901 hides nothing any more: remove it"),
    )


def test_what_looks_like_a_suppression_inside_a_text_hides_nothing(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("session.execute('# auditor: ignore[DBA901] one row')\n")
    report = scan(["it.py"], settings, rules=rules)
    assert (len(report.findings), report.problems) == (1, ())


def test_a_finding_ignored_for_its_path_is_counted(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("session.execute('a')\n")
    ignores = (PathIgnore("*.py", ("DBA9",)),)
    report = scan(["it.py"], replace(settings, per_file_ignores=ignores), rules=rules)
    assert (report.findings, report.counted["ignored"], report.problems) == ((), 1, ())


def test_a_suppression_of_a_rule_that_did_not_run_is_not_unused(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text("session.commit()  # auditor: ignore[DBA901] one row\n")
    report = scan(["it.py"], replace(settings, ignore=("DBA901",)), rules=rules)
    assert report.problems == ()


def test_a_comment_on_a_loop_does_not_hide_what_is_in_its_body(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text(
        "for x in y:  # auditor: ignore[DBA901] one row\n    session.execute('a')\n"
    )
    report = scan(["it.py"], settings, rules=rules)
    assert len(report.findings) == 1


def test_a_comment_between_two_statements_holds_for_the_second_only(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    (folder / "it.py").write_text(
        "for x in y:\n    session.execute('a')\n    # auditor: ignore[DBA901] one\n"
        "    session.execute('b')\n    session.execute('c')\n"
    )
    report = scan(["it.py"], settings, rules=rules)
    assert [finding.span.line for finding in report.findings] == [2, 5]
