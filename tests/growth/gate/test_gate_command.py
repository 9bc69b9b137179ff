from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from auditor.cli.main import run

SCHEMA = Path(__file__).parents[3] / "docs/report.schema.json"
KNOWN = "# auditor/laws/1\n# scenario  database  measure  law\n"
LAZY = "because of library_scenarios.py:{line} in {where} (lazy load Shelf.books)"


@pytest.fixture
def library(program: Path) -> Path:
    """The growing library with contracts, one of which its law breaks."""
    text = program.read_text()
    promised = 'target="lib:count", grows="constant in books", at_most="4 + 1/2*shelves")'
    program.write_text(text.replace('target="lib:count")', promised))
    return program


@pytest.fixture
def measured(program: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Profiles the library with more arguments: the exit status and what was printed."""

    def profiled(*arguments: str) -> tuple[int, str]:
        status = run(["profile", f"{program}::library", *arguments])
        return status, capsys.readouterr().out

    return profiled


def test_a_broken_contract_is_an_error_at_the_line_that_grows(
    library: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    status, out = measured("--format", "json")

    report = json.loads(out)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    (finding,) = report["findings"]
    said, because, _ = finding["message"].partition(", because of library_scenarios.py:26 in ")
    assert (status, said, bool(because)) == (
        1,
        (
            "`library` on sqlite: its contract is at most `4 + 1/2*shelves` statements, and the law"
            " `2 + shelves` passes it at shelves=5: 7, not 13/2"
        ),
        True,
    )
    assert (finding["code"], finding["severity"], finding["line"]) == ("DBA320", "error", 26)
    assert [(one["text"], one["kept"]) for one in report["laws"][0]["contracts"]] == [
        ("constant in books", True),
        ("4 + 1/2*shelves", False),
    ]


def test_the_text_says_how_each_contract_stands(
    library: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    _, out = measured()
    assert [line.strip() for line in out.splitlines() if "contract:" in line] == [
        "contract: constant in books: kept",
        "contract: at most 4 + 1/2*shelves: BROKEN at shelves=5",
    ]


def test_a_contract_that_cannot_be_read_names_scenario_text_and_what_is_allowed(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = program.read_text()
    program.write_text(text.replace('target="lib:count")', 'grows="constant in pages")'))

    status = run(["profile", f"{program}::library"])

    assert (status, capsys.readouterr().err.partition(" (")[0]) == (
        2,
        (
            f"auditor: `{program}` does not run: ScenarioError: scenario `library`:"
            " `grows='constant in pages'` names `pages`, which is no size of it; its sizes are"
            " `shelves`, `books`"
        ),
    )


def test_a_baseline_is_written_then_kept_then_broken(
    program: Path, measured: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path("laws.txt")
    written = measured(
        "--write-baseline", "laws.txt", "--measure", "statements", "--measure", "rows"
    )
    text = file.read_text()
    kept, _ = measured("--baseline", "laws.txt")
    file.write_text(text.replace("  2 + shelves", "  6 + 1/2*shelves"))
    broken, out = measured("--baseline", "laws.txt", "-q")

    assert (written[0], kept, broken) == (0, 0, 1)
    assert text == (
        f"{KNOWN}library  sqlite  statements  2 + shelves\n"
        "library  sqlite  rows  shelves + shelves*books\n"
    )
    assert out.split(", because of")[0].removeprefix("library_scenarios.py:26:1 ") == (
        "DBA320 `library` on sqlite: statements since laws.txt: 6 + 1/2*shelves -> 2 + shelves:"
        " changed: worse at shelves=9, better at shelves=1"
    )


def test_what_is_better_new_or_not_measured_is_shown_and_fails_nothing(
    program: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    gone = "gone  sqlite  statements  1\n"
    lines = "library  sqlite  statements  2 + 2*shelves\n"
    Path("laws.txt").write_text(f"{KNOWN}{gone}{lines}")

    better, out = measured("--baseline", "laws.txt", "--measure", "SELECT")

    said = [line.strip() for line in out.splitlines() if "laws.txt" in line]
    assert (better, [one.split(", without")[0] for one in said]) == (
        0,
        [
            "since laws.txt: 2 + 2*shelves -> 2 + shelves: better",
            "since laws.txt: SELECT 2 + shelves: new, there was no law before",
            (
                "problem: laws.txt:3: not measured in this run: `gone` on sqlite; delete the lines"
                " of scenarios that are no more"
            ),
        ],
    )


def test_a_partial_run_keeps_the_lines_of_others(
    program: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    other = "# why\nother  sqlite  statements  3\n"
    Path("laws.txt").write_text(f"{KNOWN}{other}")

    status, _ = measured("--write-baseline", "laws.txt")

    law = "library  sqlite  statements  2 + shelves\n"
    assert (status, Path("laws.txt").read_text()) == (0, f"{KNOWN}{law}{other}")


def test_junit_has_a_case_for_each_scenario(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("library", "idle", "doubling")
    status = run(["profile", *(f"{library}::{one}" for one in names), "--format", "junit"])

    (suite,) = ET.fromstring(capsys.readouterr().out)
    cases = [(one.get("name"), [child.tag for child in one]) for one in suite]
    assert (status, cases) == (
        2,
        [
            ("library on sqlite", ["failure"]),
            ("idle on sqlite", []),
            ("doubling on sqlite", ["error"]),
        ],
    )
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")


def test_a_comment_on_a_change_shows_the_laws_before_and_now(
    program: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    Path("laws.txt").write_text(f"{KNOWN}library  sqlite  statements  2\n")
    _, out = measured("--baseline", "laws.txt", "--format", "markdown", "--select", "DBA320")
    table = [line for line in out.splitlines() if line.startswith("| ")]
    assert [line.split(", because")[0] for line in table] == [
        "| place | code | finding |",
        (
            "| library\\_scenarios.py:26 | DBA320 growth | `library` on sqlite: statements since"
            " laws.txt: 2 -\\> 2 + shelves: worse (at shelves=1)"
        ),
        "| scenario | on | measure | before | now | |",
        "| library | sqlite | statements | `2` | `2 + shelves` | WORSE at shelves=1",
    ]


def test_github_and_sarif_have_the_regression_at_its_line(
    program: Path, measured: Callable[..., tuple[int, str]]
) -> None:
    Path("laws.txt").write_text(f"{KNOWN}library  sqlite  statements  2\n")
    given = ("--baseline", "laws.txt", "--select", "DBA320")
    _, annotation = measured(*given, "--format", "github")
    _, sarif = measured(*given, "--format", "sarif")

    (result,) = json.loads(sarif)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert annotation.startswith(
        "::error file=library_scenarios.py,line=26,endLine=26,col=1,title=DBA320 growth::`library`"
    )
    assert (result["ruleId"], result["level"]) == ("DBA320", "error")
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == (
        "library_scenarios.py",
        26,
    )
