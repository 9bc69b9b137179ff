from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.model.errors import TapeError
from auditor.model.finding import Problem
from auditor.model.span import Frame
from auditor.model.tape import (
    UNKNOWN_FRAME,
    Attempts,
    Cause,
    CauseKind,
    Course,
    CourseStep,
    Entry,
    Incident,
    IncidentKind,
    Site,
    Tape,
    TransactionEntry,
)
from auditor.runtime.store import folder_of, make_ready, merged, read, write
from auditor.runtime.tape_file import write_file

AT = Site((Frame("c.py", 7, "C.g"),))
STEP = CourseStep("UPDATE t SET n = ?", "UPDATE", ("t",), AT, is_in_savepoint=True)
SIDE_EFFECT = IncidentKind.SIDE_EFFECT
SITE = Site((Frame("a.py", 3, "f"), Frame("b.py", 9, "<module>")))


def entry(shape: str = "SELECT ?", executions: int = 2) -> Entry:
    return Entry(
        shape=shape,
        verb="SELECT",
        tables=("t", "u"),
        site=SITE,
        cause=Cause(CauseKind.LAZY_LOAD, "A.bs"),
        transaction="writer",
        database="sqlite",
        test="test_a",
        executions=executions,
        sent=executions,
        rows=5,
        seconds=0.25,
        errors=(("sqlalchemy.exc.OperationalError", 1),),
        units=1,
        most_in_unit=executions,
    )


TAPE = Tape(
    entries=(entry("SELECT b"), entry("SELECT a")),
    transactions=(
        TransactionEntry("writer", Site(()), "sqlite", "", 3, 2, 1, 0.5),
        TransactionEntry("plain", AT, "sqlite", "t", 1, 1, 0, 0.5, AT.frame, 2, 7, 7, 0.5, 0.25),
    ),
    courses=(Course("plain", AT.frame, "sqlite", (STEP, replace(STEP, is_locking=True)), 2, 1),),
    incidents=(
        Incident(
            SIDE_EFFECT, "sleep", AT, AT.frame, "plain", "writes", True, "sqlite", "t", 2, 0.5
        ),
    ),
    attempts=(Attempts(AT.frame, AT, UNKNOWN_FRAME, AT.frame, "t", 2, 3, 1, (("x.E", 2),)),),
    losses=(Problem("x", "lost", hides_results=True),),
    processes=2,
)


def test_a_tape_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(TAPE, tmp_path / "a.tape")
    assert read(tmp_path / "a.tape") == TAPE


def test_people_can_look_at_a_tape_with_plain_sql(tmp_path: Path) -> None:
    write(TAPE, tmp_path / "a.tape")
    with sqlite3.connect(tmp_path / "a.tape") as database:
        rows = database.execute("SELECT executions, cause, place, shape FROM statements").fetchall()
    database.close()
    assert rows == [
        (2, "lazy load A.bs", "a.py:3", "SELECT b"),
        (2, "lazy load A.bs", "a.py:3", "SELECT a"),
    ]


def test_one_process_keeps_its_order_and_several_are_sorted() -> None:
    assert merged([TAPE, Tape(processes=1)]).entries == TAPE.entries
    assert [each.shape for each in merged([TAPE, TAPE]).entries] == ["SELECT a", "SELECT b"]


def test_equal_entries_of_two_processes_become_one() -> None:
    both = merged([Tape(entries=(entry(executions=2),)), Tape(entries=(entry(executions=3),))])
    (one,) = both.entries
    assert (one.executions, one.rows, one.units, one.most_in_unit, one.errors) == (
        5,
        10,
        2,
        3,
        (("sqlalchemy.exc.OperationalError", 2),),
    )


def test_parts_that_nobody_collected_are_read_with_the_tape(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    make_ready(path)
    write_file(TAPE, folder_of(path) / "1-1.part")
    (folder_of(path) / "2-1.part").write_bytes(b"half")
    tape = read(path)
    assert (tape.entries, len(tape.losses)) == (TAPE.entries, 2)


def test_a_missing_tape_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match=r"there is no tape `.*no\.tape`; `auditor record -o"):
        read(tmp_path / "no.tape")


@pytest.mark.parametrize("content", [b"", b"text, not a database", b"SQLite format 3\x00junk"])
def test_a_file_that_is_no_tape_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(TapeError, match="is not a tape, or is damaged"):
        read(tmp_path / "x")


def test_a_tape_of_another_layout_is_refused(tmp_path: Path) -> None:
    write(TAPE, tmp_path / "a.tape")
    with sqlite3.connect(tmp_path / "a.tape") as database:
        database.execute("UPDATE auditor_tape SET version = 99")
    database.close()
    with pytest.raises(TapeError, match=r"recorded by a newer version of auditor.*record again"):
        read(tmp_path / "a.tape")


def test_an_old_tape_is_to_be_recorded_again(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.tape") as database:
        database.execute("CREATE TABLE auditor_tape (version INTEGER, processes INTEGER)")
        database.execute("INSERT INTO auditor_tape VALUES (1, 1)")
    database.close()
    with pytest.raises(TapeError, match=r"recorded by an older version of auditor.*record again"):
        read(tmp_path / "a.tape")


def test_a_tape_tells_where_it_was_opened(tmp_path: Path) -> None:
    opened = (Frame("app/db.py", 3, "load"), Frame("main.py", 9, "<module>"))
    write(replace(TAPE, opened=opened), tmp_path / "a.tape")
    assert read(tmp_path / "a.tape").opened == opened


def test_a_file_that_is_no_tape_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TapeError, match=r"`notes\.txt` exists and is not a tape"):
        make_ready(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_happened_in_two_processes_is_added_up() -> None:
    both = merged([TAPE, TAPE])
    assert [(one.begun, one.statements, one.most_statements) for one in both.transactions] == [
        (6, 0, 0),
        (2, 14, 7),
    ]
    assert [(one.committed, one.rolled_back) for one in both.courses] == [(4, 2)]
    assert [(one.times, one.seconds) for one in both.incidents] == [(4, 1.0)]
    assert [(one.repeated, one.most, one.errors) for one in both.attempts] == [
        (4, 3, (("x.E", 4),))
    ]
