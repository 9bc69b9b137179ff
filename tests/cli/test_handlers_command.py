"""`auditor handlers` with what real recordings and sweeps saw."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Run = Callable[..., Any]
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text())
NOTES = """
import sqlalchemy as sa
from auditor import scenario
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Note(Base):
    __tablename__ = "notes"
    id = sa.Column(sa.Integer, primary_key=True)
    text = sa.Column(sa.String, unique=True)


class Refused(Exception):
    pass


def prepare(database):
    engine = sa.create_engine(database.url)
    Base.metadata.create_all(engine)
    return engine


def store(engine, text):
    with Session(engine) as session:
        session.add(Note(text=text))
        session.commit()


def keep(engine):
    try:
        store(engine, "new")
    except sa.exc.IntegrityError:
        return None


def refuse(engine):
    try:
        store(engine, "new")
    except sa.exc.IntegrityError as error:
        raise Refused("new") from error


def watch(engine):
    try:
        refuse(engine)
    except Refused:
        raise
    except sa.exc.OperationalError:
        raise Refused("down") from None


def import_notes(engine):
    for text in ("one", "two"):
        store(engine, text)


@scenario(sizes={"notes": (1, 2)}, prepare=prepare)
def keeping(engine, notes):
    for number in range(notes):
        store(engine, str(number))
    return lambda: keep(engine)


@scenario(sizes={"notes": (1, 2)}, prepare=prepare)
def refusing(engine, notes):
    for number in range(notes):
        store(engine, str(number))
    return lambda: watch(engine)


@scenario(sizes={"notes": (1, 2)}, prepare=prepare)
def importing(engine, notes):
    for number in range(notes):
        store(engine, str(number))
    return lambda: import_notes(engine)


if __name__ == "__main__":
    ENGINE = sa.create_engine("sqlite://")
    Base.metadata.create_all(ENGINE)
    keep(ENGINE)
    keep(ENGINE)
    try:
        watch(ENGINE)
    except Refused:
        print("refused")
"""


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes.py").write_text(NOTES)
    return tmp_path


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    done = run("handlers", "notes.py", "--format", "json", "--exit-zero", *arguments)
    value = json.loads(done.stdout)
    jsonschema.validate(value, SCHEMA)
    return list(value.get("handlers", ()))


def verdicts(run: Run, *arguments: str) -> list[tuple[str, str]]:
    return [(row["function"], row["verdict"]) for row in rows(run, *arguments)]


def test_what_no_run_came_to_is_untested(run: Run, notes: Path) -> None:
    assert verdicts(run) == [("keep", "untested"), ("refuse", "untested"), ("watch", "untested")]


def test_a_recording_tells_which_handlers_ran(run: Run, run_alone: Run, notes: Path) -> None:
    run_alone("record", "-o", "it.tape", "--", sys.executable, "notes.py")
    got = rows(run, "--with", "it.tape")
    assert [(row["function"], row["verdict"], row["seen"]) for row in got] == [
        ("keep", "untested", {"ran": 1, "tried": 2}),  # whether it may is not recorded
        ("refuse", "good", {"ran": 1, "tried": 1}),
        ("watch", "untested", {"ran": 0, "tried": 1}),  # its own class did not come
    ]


def test_a_sweep_tells_what_they_do(run: Run, run_alone: Run, notes: Path) -> None:
    run_alone(
        "faults", "notes.py", "--fault", "duplicate", "--fault", "deadlock", "--format", "json",
        "-o", "faults.json",
    )  # fmt: skip
    got = rows(run, "--with", "faults.json")
    assert [(row["function"], row["verdict"], row["errors"][0]["reach"]) for row in got] == [
        ("keep", "swallowing", "proven"),
        ("refuse", "good", "proven"),
        ("watch", "good", "proven"),
    ]
    (seen,) = got[0]["sweeps"]
    assert seen == {
        "fault": "duplicate, once",
        "scenario": "keeping",
        "database": "sqlite",
        "statement": 1,
        "verdict": "swallowed",
        "escaped": "",
        "replay": "auditor faults notes.py::keeping --db sqlite:// --fault duplicate --at 1",
    }
    done = run("handlers", "notes.py", "--with", "faults.json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[:6] == [
        "notes.py:34:5 swallowing `except sa.exc.IntegrityError` returns a default",
        "    in keep; its `try`: writes Note; flushes or commits",
        "    IntegrityError, proven: it came to it in a run",
        (
            "    swallowed at 1 of 1 fault that it saw, such as duplicate, once at statement 1 of"
            " `keeping` on sqlite"
        ),
        "    faults seen: swallowed 1",
        "    replay: auditor faults notes.py::keeping --db sqlite:// --fault duplicate --at 1",
    ]
    value = json.loads(
        run("handlers", "notes.py", "--with", "faults.json", "--format", "json").stdout
    )
    (missing,) = value["missing_handlers"]
    assert (missing["function"], missing["error"], missing["constraint"]) == (
        "import_notes", "IntegrityError", "unique key (text) of `Note`",
    )  # fmt: skip
    assert missing["confirmed"].startswith("auditor faults notes.py::importing ")


def test_only_the_verdicts_asked_for_are_shown(run: Run, notes: Path) -> None:
    assert verdicts(run, "--select", "dead,swallowing") == []
    assert len(verdicts(run, "--select", "untested")) == 3


def test_a_table_is_read_back_by_report(run: Run, notes: Path) -> None:
    run("handlers", "notes.py", "--format", "json", "-o", "table.json")
    again = run("report", "table.json", "--format", "json")
    table = json.loads((notes / "table.json").read_text())
    value = json.loads(again.stdout)
    assert value["handlers"] == table["handlers"]
    assert value["missing_handlers"] == table["missing_handlers"]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html"])
def test_the_same_source_gives_the_same_bytes(run: Run, notes: Path, form: str) -> None:
    if form == "html":
        pytest.importorskip("jinja2")
    first, second = (run("handlers", "notes.py", "--format", form) for _ in range(2))
    assert first == second
    assert "refuse" in first.stdout or "Refused" in first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nowhere.py"],
            (
                "`nowhere.py` does not exist (looked for from the working directory): name a"
                " Python file or a folder to scan"
            ),
        ),
        (
            ["notes.py", "--select", "bad"],
            (
                "`--select bad` is no verdict of a handler: write `good`, `dead`, `untested`,"
                " `swallowing`, `wrong-mapping`, `breaks-session`"
            ),
        ),
        (
            ["notes.py", "--format", "sarif"],
            (
                "`--format sarif` is none of a table of handlers: write `text`, `json`, `markdown`,"
                " `html`"
            ),
        ),
        (
            ["notes.py", "--with", "none.json"],
            "cannot read `none.json`: No such file or directory",
        ),
        (
            ["notes.py", "--with", "notes.py"],
            "`notes.py` is neither a tape nor JSON: Expecting value: line 2 column 1 (char 1)",
        ),
    ],
)
def test_what_cannot_be_done_ends_with_2(
    run: Run, notes: Path, arguments: list[str], message: str
) -> None:
    done = run("handlers", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"auditor: {message}\n")
