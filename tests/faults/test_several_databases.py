"""One command sweeps on several databases, each alone where another cannot be had."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from auditor.cli.main import auditor, run

PROGRAM = """
import sqlalchemy as sa
from auditor import scenario

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes", METADATA,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String(9)),
)


def prepare(database):
    engine = sa.create_engine(database.url)
    METADATA.create_all(engine)
    return engine


def add_note(engine):
    with engine.begin() as connection:
        connection.execute(sa.insert(NOTES).values(text="one"))


@scenario(sizes={}, prepare=prepare)
def noted(engine):
    return lambda: add_note(engine)
"""
SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "compared_notes.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return "compared_notes.py"


def faults(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(auditor, ["faults", *arguments])
    return result.exit_code, result.stdout, result.stderr


BOTH = ("--db", "sqlite://", "--db", "postgresql", "--fault", "deadlock", "--fault", "too-long")


def test_what_only_the_other_database_says_is_told_apart(program: str) -> None:
    status, told, _ = faults(program, *BOTH, "--quiet")
    assert status == 1
    assert told.partition("\nwhat passes")[2] == (
        " only because the tests run on sqlite:\n"
        "    noted: compared_notes.py:20 in add_note: too-long (text)\n"
        "        sqlite: no such fault\n"
        "        postgresql: leaked, statement 1\n"
        "        replay: auditor faults compared_notes.py::noted --db postgresql --fault too-long"
        " --at 1\n"
    )


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_every_form_of_report_has_the_comparison(program: str, form: str) -> None:
    _, told, _ = faults(program, *BOTH, "--format", form)
    assert "what passes only because the tests run on sqlite:" in told


def test_the_comparison_in_json_keeps_to_the_schema_and_is_read_back(program: str) -> None:
    faults(program, *BOTH, "--format", "json", "--output", "out.json")
    report = json.loads(Path("out.json").read_text())
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert [one["passes_only_on"] for one in report["databases"]] == [["sqlite"]]
    joined = CliRunner().invoke(auditor, ["report", "out.json", "--format", "json"])
    assert json.loads(joined.stdout)["databases"] == report["databases"]


def test_a_database_that_cannot_be_had_hides_its_own_results_only(program: str) -> None:
    absent = "sqlite:////nowhere/at/all.db"
    status, told, _ = faults(program, "--db", "sqlite://", "--db", absent)
    assert status == 2
    assert "noted on sqlite, each statement failing once" in told
    assert (
        "problem: scenario noted on sqlite:////nowhere/at/all.db: `sqlite:////nowhere/at/all.db`:"
        " there is no folder `/nowhere/at`; create it, or give `sqlite://` (results are missing)\n"
    ) in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--db", "sqlite://", "--db", "sqlite:////tmp/x.db", "--fault", "too-long"),
            "none of `sqlite`, `sqlite` ever has the fault `too-long`",
        ),
        (("--workers", "0"), "0 is not in the range"),
        (("--mode", "never"), "`never` is not one of"),
        (("--resume", "."), "`.` is a directory"),
    ],
)
def test_what_cannot_be_done_is_said(
    program: str,
    arguments: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["faults", program, *arguments]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
