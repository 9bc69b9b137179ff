from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from auditor.cli.main import run

LAW = """\
library on sqlite: 2 + shelves statements
    linear in shelves; constant in books
    measured: lib:count
    shelves  books  statements  rows
          1      1           3     2
          1      2           3     3
          2      1           4     4
          2      2           4     6
          4      1           6     8
          4      2           6    12
    hold-out shelves=9, books=9: predicted 11, measured 11
    11 more hold-outs came out as predicted; measured to shelves=25, books=25
    rows fetched: shelves + shelves*books

    shelves = 1 lazy load at library_scenarios.py:26 in count_books (DBA302)
        lazy load Shelf.books
            SELECT ... FROM books WHERE ? = books.shelf_id ORDER BY books.id
"""


def test_the_text_tells_the_law_its_test_and_its_cause(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["profile", f"{program}::library"])

    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    shown = out.replace("count_books.<locals>.<genexpr>", "count_books")
    assert shown.replace("count_books.<genexpr>", "count_books").startswith(LAW)


def test_the_json_holds_the_law_its_points_and_its_sites(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["profile", f"{program}::library", "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    (law,) = report["laws"]
    assert (status, report["schema"]) == (0, "auditor/report/1")
    assert law["law"] == "2 + shelves"
    assert law["variables"] == ["shelves", "books"]
    assert law["points"][0] == {
        "sizes": {"shelves": 1, "books": 1},
        "statements": 3,
        "rows": 2,
        "counts": {"SELECT": 3, "transactions": 1},
    }
    assert law["measures"][0] == {
        "measure": "rows",
        "law": "shelves + shelves*books",
        "growth": "linear in shelves; shelves × books",
        "refusal": "",
    }
    assert law["measured_to"] == {"shelves": 25, "books": 25}
    assert law["holdout"] == {"sizes": {"shelves": 9, "books": 9}, "predicted": 11, "measured": 11}
    ((term, site),) = [(one["term"], site) for one in law["terms"] for site in one["sites"]]
    assert (term, site["path"], site["line"]) == ("shelves", "library_scenarios.py", 26)


def test_several_databases_are_compared(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["profile", f"{program}::library", "--format", "json"]
    status = run([*command, "--db", "sqlite://", "--db", "postgresql"])

    laws = json.loads(capsys.readouterr().out)["laws"]
    assert status == 0
    assert [(law["database"], law["law"], law["notes"][-1]) for law in laws] == [
        ("sqlite", "2 + shelves", "the same law on postgresql"),
        ("postgresql", "2 + shelves", "the same law on sqlite"),
    ]


def test_what_the_program_prints_stays_out_of_the_report_and_no_statement_is_said_loudly(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["profile", f"{program}::idle", "--format", "json"])

    out, err = capsys.readouterr()
    (law,) = json.loads(out)["laws"]
    assert (status, law["law"], law["terms"]) == (0, "0", [])
    assert law["notes"][0].startswith("NO STATEMENT WAS SEEN at any size")
    assert "a word of the program" in err


def test_a_law_that_is_refused_is_a_problem_with_status_2(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["profile", f"{program}::doubling"])

    out = capsys.readouterr().out
    assert status == 2
    assert out.startswith("doubling on sqlite: no law\n    the counts follow no polynomial")


def test_a_scenario_that_fails_does_not_hide_the_others(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["profile", f"{program}::failing", f"{program}::library", "--format", "json"])

    report = json.loads(capsys.readouterr().out)
    assert status == 2
    assert [law["law"] for law in report["laws"]] == ["2 + shelves"]
    assert [problem["subject"] for problem in report["problems"]] == ["scenario failing"]


MISSING_FILE = "`gone.py`: there is no such file"
MISPELT = (
    "`library_scenarios.py::libary`: `library_scenarios.py` holds no scenario `libary`; did you"
    " mean `library`"
)
FAILS = (
    "scenario `failing` failed in the measured call with shelves=1: LookupError: no shelf 2"
    " (library_scenarios.py:55 in call)"
)
LEAVES = (
    "scenario `leaving` failed while it was populated with shelves=1: SystemExit: 0"
    " (library_scenarios.py:111 in leaving)"
)
UNKNOWN_DATABASE = (
    "`oracle://scott:***@host/` names no database that scratch databases can be made on: known are"
    " `sqlite`, `postgresql`, `mysql`, `mariadb`, such as `sqlite://`"
)
NOT_EMPTY = (
    "`sqlite:///full.db` is not empty: it holds tables (1, such as `t`), and every row of it would"
    " be deleted; give `sqlite://` for a scratch database, or say --i-know-this-is-a-test-database"
)
NO_REACH = (
    "--reach: `{}` is no size to reach: write a whole number up to 1000000, such as `1001`, or"
    " `labels=1001` for one size of the scenario"
)
UNKNOWN_SIZE = "--reach: no scenario has a size `labels`; they have `books`, `shelves`"
NO_TIME = "option `--time` does not take a value."
NO_SCENARIO = "missing argument `SCENARIOS...`; `auditor profile --help` lists what there is"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.py"], MISSING_FILE),
        (["library_scenarios.py::libary"], MISPELT),
        (["library_scenarios.py::libary", "--db", "sqlite://", "--db", "postgresql"], MISPELT),
        (["library_scenarios.py::failing"], FAILS),
        (["library_scenarios.py::leaving"], LEAVES),
        (["library_scenarios.py::library", "--db", "oracle://scott:tiger@host/"], UNKNOWN_DATABASE),
        (["library_scenarios.py::library", "--db", "sqlite:///full.db"], NOT_EMPTY),
        *(
            (["library_scenarios.py::library", "--reach", text], NO_REACH.format(text))
            for text in ("far", "0", "-1", "1.5", "1000001", "²", "books=", "=5", "two words=5")
        ),
        (["library_scenarios.py::library", "--reach", "labels=5"], UNKNOWN_SIZE),
        (["library_scenarios.py::library", "--time=5"], NO_TIME),
        ([], NO_SCENARIO),
    ],
)
def test_bad_input_says_what_to_do_and_ends_with_status_2(
    program: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with closing(sqlite3.connect("full.db")) as connection:
        connection.execute("CREATE TABLE t (a)")

    status = run(["profile", *arguments])

    assert (status, capsys.readouterr().err) == (2, f"auditor: {message}\n")


def test_an_unreachable_server_is_told_without_its_password(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "mysql+pymysql://bob:hunter2@127.0.0.1:1/"
    status = run(["profile", f"{program}::library", "--db", url])

    err = capsys.readouterr().err
    assert status == 2
    assert err.startswith(
        "auditor: `mysql+pymysql://bob:***@127.0.0.1:1/information_schema` cannot be reached: "
    )
    assert err.endswith(
        "; start that server or correct the URL (`mysql` alone starts a server of its own)\n"
    )
    assert "hunter2" not in err


def test_a_terminated_profile_drops_its_scratch_database(program: Path, tmp_path: Path) -> None:
    hanging = tmp_path / "hanging.py"
    hanging.write_text(
        "import time\n"
        "from auditor.growth.scenario import scenario\n"
        "@scenario(sizes={'a': (1, 2)})\n"
        "def hang(database, a):\n"
        "    print(database.url, flush=True)\n"
        "    while True:\n"  # a signal just before one long sleep is seen only after it
        "        time.sleep(0.01)\n"
    )
    command = [sys.executable, "-m", "auditor", "profile", str(hanging)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = (line for line in process.stderr if line.startswith("sqlite:///"))
        place = Path(next(said).strip().removeprefix("sqlite:///"))
        existed = place.exists()
        process.terminate()
        process.terminate()
        status = process.wait()

    assert (existed, place.parent.exists(), status) == (True, False, 130)
