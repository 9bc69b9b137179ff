from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from auditor.cli.main import auditor, run
from auditor.model.outcome import FaultOutcome, StateChange, SweepCoverage, Verdict
from auditor.model.span import Frame
from auditor.report.faults import certificate, faults_as_text

PROGRAM = """
import sqlalchemy as sa
from auditor import scenario

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes", METADATA,
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String, unique=True),
)


def prepare(database):
    engine = sa.create_engine(database.url)
    METADATA.create_all(engine)
    return engine


def write(engine, *texts):
    for text in texts:
        with engine.begin() as connection:
            connection.execute(sa.insert(NOTES).values(text=text))


def add_notes(engine):
    try:
        write(engine, "one", "two")
    except sa.exc.OperationalError:
        return


@scenario(sizes={"notes": (1, 2)}, prepare=prepare)
def swallowing(engine, notes):
    write(engine, *map(str, range(notes)))
    return lambda: add_notes(engine)


def add_bravely(engine):
    for _ in range(2):
        try:
            with engine.begin() as connection:
                connection.execute(sa.insert(NOTES).values(text="one"))
            return
        except sa.exc.OperationalError:
            continue


@scenario(sizes={"notes": (1, 2)}, prepare=prepare)
def retrying(engine, notes):
    write(engine, *map(str, range(notes)))
    return lambda: add_bravely(engine)


@scenario(sizes={})
def failing(database):
    return lambda: 1 / 0
"""
SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "notes_program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return "notes_program.py"


def faults(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(auditor, ["faults", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_bad_outcome_is_told_with_its_evidence_and_ends_with_1(program: str) -> None:
    status, told, _ = faults(f"{program}::swallowing", "--quiet")
    assert status == 1
    assert told == (
        "swallowing on sqlite, notes=2, each statement failing once\n"
        "    deadlock  2 statements, 2 hit: 1 swallowed, 1 half-committed\n"
        "\n"
        "    half-committed: the call returned, and what is stored is not its work\n"
        "        deadlock\n"
        "        notes_program.py:21 in write, statement 2: INSERT INTO notes (text) VALUES (?)\n"
        "        state, against success: notes 1 row missing\n"
        "        caught at notes_program.py:27 in add_notes\n"
        "        replay: auditor faults notes_program.py::swallowing --db sqlite:// --fault"
        " deadlock --at 2\n"
        "\n"
        "    swallowed: the call returned as if done, and nothing of its work is stored\n"
        "        deadlock\n"
        "        notes_program.py:21 in write, statement 1: INSERT INTO notes (text) VALUES (?)\n"
        "        state, against success: notes 2 rows missing\n"
        "        caught at notes_program.py:27 in add_notes\n"
        "        replay: auditor faults notes_program.py::swallowing --db sqlite:// --fault"
        " deadlock --at 1\n"
    )


def test_good_outcomes_end_with_0(program: str) -> None:
    status, told, _ = faults(f"{program}::retrying", "--fault", "deadlock", "--fault", "lock-wait")
    assert status == 0
    assert told.startswith(
        "retrying on sqlite, notes=2, each statement failing once\n"
        "    deadlock   1 statement, 1 hit: 1 recovered\n"
        "    lock-wait  1 statement, 1 hit: 1 recovered\n"
    )


def test_every_replay_gives_the_outcome_again(program: str) -> None:
    _, told, _ = faults(f"{program}::swallowing", "--fault", "all", "--format", "json")
    outcomes = json.loads(told)["faults"]
    assert len(outcomes) > 5
    for outcome in outcomes:
        _, again, _ = faults(*outcome["replay"].split()[2:], "--format", "json")
        (replayed,) = json.loads(again)["faults"]
        assert {**replayed, "folded": outcome["folded"]} == outcome


def test_the_same_sweep_writes_the_same_bytes_and_keeps_to_the_schema(program: str) -> None:
    first, second = (faults(program + "::swallowing", "--format", "json") for _ in range(2))
    assert first == second
    jsonschema.validate(json.loads(first[1]), json.loads(SCHEMA.read_text()))


def test_a_report_is_written_to_a_file(program: str, tmp_path: Path) -> None:
    status, told, _ = faults(f"{program}::retrying", "--format", "json", "--output", "out.json")
    written = json.loads((tmp_path / "out.json").read_text())
    assert (status, told, written["faults"][0]["verdict"]) == (0, "", "recovered")


def test_one_scenario_that_fails_by_itself_hides_results_but_not_those_of_others(
    program: str,
) -> None:
    status, told, _ = faults(program)
    assert status == 2
    assert "swallowing on sqlite" in told
    assert "problem: scenario failing: scenario `failing` fails without any fault" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}::failing"], "scenario `failing` fails without any fault, with no sizes: ZeroDiv"),
        (["{}::absent"], "`{}::absent`: `{}` holds no scenario `absent`"),
        (["absent.py"], "`absent.py`: there is no such file"),
        (["{}::retrying", "--fault", "thunder"], "there is no fault `thunder`: known are "),
        (["{}::retrying", "--at", "7"], "there is no statement 7: without a fault the call"),
        (["{}::retrying", "--at", "0"], "0 is not in the range"),
        (["{}::retrying", "--db", "oracle://"], "`oracle://` names no database that scratch"),
        (["{}::retrying", "--format", "pdf"], "pdf"),
        ([], "missing argument"),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_says_so(
    arguments: list[str], message: str, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["faults", *(one.format(program) for one in arguments)]) == 2
    said = capsys.readouterr()
    assert message.replace("{}", program) in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_the_list_names_every_fault_and_where_it_happens() -> None:
    status, told, _ = faults("--list")
    assert status == 0
    assert told.splitlines()[0] == (
        "deadlock               another transaction holds what this one needs, and this one loses"
        " (sqlite, postgresql, mysql)"
    )


def coverage(**counts: int) -> SweepCoverage:
    zeros: dict[str, Any] = dict.fromkeys(
        ("statements", "points", "folded", "not_applicable", "not_reached", "left_out"), 0
    )
    return SweepCoverage("s", "sqlite", "deadlock", "once", (), **{**zeros, **counts})


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, "the call makes no statement"),
        ({"statements": 1, "points": 1}, "1 statement, 1 hit"),
        (
            {"statements": 12, "points": 9, "folded": 3},
            "12 statements, 12 hit, 3 folded into 9 points",
        ),
        ({"statements": 3, "not_applicable": 3}, "3 statements, can happen at none"),
        (
            {"statements": 9, "points": 4, "not_applicable": 2, "not_reached": 1, "left_out": 3},
            "9 statements, 3 hit, cannot happen at 2, 1 not reached again, 3 not tried",
        ),
    ],
)
def test_a_certificate_counts_every_statement(counts: dict[str, int], text: str) -> None:
    assert certificate(coverage(**counts)) == text


def test_faults_that_come_to_the_same_are_told_together() -> None:
    def outcome(fault: str, escaped: str) -> FaultOutcome:
        return FaultOutcome(
            scenario="s",
            database="sqlite",
            fault=fault,
            mode="persistent",
            statement=2,
            shape="UPDATE t SET a = ?",
            site=Frame("lib/api.py", 5, "save"),
            stack=(Frame("lib/api.py", 5, "save"), Frame("app.py", 9, "work")),
            verdict=Verdict.LEAKED,
            attempts=1,
            escaped=escaped,
            changes=(StateChange("t", 1, 2),),
            folded=(3, 4),
        )

    told = faults_as_text((outcome("deadlock", "DBDeadlock"), outcome("disconnect", "Lost")))
    assert told == (
        "s on sqlite, each statement failing whenever it comes\n"
        "    deadlock    1 leaked\n"
        "    disconnect  1 leaked\n"
        "\n"
        "    leaked\n"
        "        deadlock, escapes as DBDeadlock\n"
        "        disconnect, escapes as Lost\n"
        "        lib/api.py:5 in save, for app.py:9 in work, statements 2, 3, 4:"
        " UPDATE t SET a = ?\n"
        "        state, against what was before: t 1 row missing and 2 rows more\n"
    )
