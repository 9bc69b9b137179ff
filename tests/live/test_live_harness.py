"""Loops of what records or tests a program are not the program's."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auditor.engine.judging import judge
from auditor.model.settings import Settings
from auditor.model.span import Frame
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from auditor.rules.outside import below_test

Findings = Callable[[str, str], tuple[list[str], list[str]]]

STORE = """
from contextlib import contextmanager
import sqlalchemy as sa
from sqlalchemy.orm import Session, declarative_base
import auditor

Base = declarative_base()

class Book(Base):
    __tablename__ = "books"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20))

ENGINES = []

def filled():
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    ENGINES.append(engine)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(Book), [{"name": "x"}] * 9)
    return engine

def one(session, key):
    return session.scalar(sa.select(Book).where(Book.id == key))

def add(session, name):
    session.add(Book(name=name))
    session.commit()

def pages(session):
    last = 0
    while rows := session.scalars(sa.select(Book).where(Book.id > last).limit(2)).all():
        last = rows[-1].id
"""
RECORDED = """
        def run():
            engine = filled()
            with auditor.record(engine) as recording:
                test_books(engine)
            return recording.tape
"""
PROGRAMS = {
    "a loop around the recording": """
        def run():
            for key in range(1, 8):
                engine = filled()
                with auditor.record(engine) as recording, Session(engine) as session:
                    one(session, key)
                    pages(session)
            return recording.tape
    """,
    "a loop around the caller of what records": """
        @contextmanager
        def recorded(engine):
            with auditor.record(engine) as recording:
                yield recording

        def tape_of(engine, key):
            with recorded(engine) as recording, Session(engine) as session: pages(session)
            return recording.tape

        def run():
            return [tape_of(filled(), key) for key in range(8)][-1]
    """,
    "a loop in the recording": """
        def run():
            for _ in range(3):
                engine = filled()
                with auditor.record(engine) as recording, Session(engine) as session:
                    for key in range(1, 8):
                        one(session, key)  # DBA301
            return recording.tape
    """,
    "a comprehension on the line of the recording": """
        def run():
            for _ in range(3):
                engine = filled()
                session = Session(engine)
                with auditor.record(engine) as recording: [one(session, k) for k in range(1, 8)]
            return recording.tape  # DBA301
    """,
}
TESTS = {
    "a test that calls the program again and again": """
        def test_books(engine):
            with Session(engine) as session:
                for key in range(1, 8):
                    one(session, key)
                for name in list("abcdef"):
                    add(session, name)
                for _ in range(5):
                    one(session, 1)
    """,
    "lines of a test that call the program": """
        def test_books(engine):
            with Session(engine) as session:
                one(session, 1)
                one(session, 2)
                one(session, 3)
                one(session, 1)
    """,
    "a small program in a test": """
        def test_books(engine):
            with Session(engine) as session:
                for key in range(1, 8):
                    session.scalar(sa.select(Book).where(Book.id == key))  # DBA301
    """,
}


@pytest.fixture
def findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Findings]:
    """Runs a program beside `store.py`; gives the codes of its findings, and those that
    the marks in its source ask for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def check(name: str, source: str) -> tuple[list[str], list[str]]:
        text = "from store import *\n" + textwrap.dedent(source)
        (tmp_path / "store.py").write_text(STORE)
        (tmp_path / f"{name}.py").write_text(text)
        program = importlib.import_module(name)
        report = judge(program.run(), Settings(cache_dir="-"))
        marks = re.findall(r"# (DBA\d+)", text)
        said = [finding.code for finding in report.findings]
        return said, marks

    yield check
    for engine in sys.modules["store"].ENGINES:
        engine.dispose()
    for name in ("store", "program", "test_books"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("title", PROGRAMS)
def test_only_loops_inside_a_recording_are_the_programs(title: str, findings: Findings) -> None:
    said, marked = findings("program", PROGRAMS[title])
    assert said == marked


@pytest.mark.parametrize("title", TESTS)
def test_loops_of_a_test_are_the_tests_own_unless_it_queries(
    title: str, findings: Findings
) -> None:
    said, marked = findings("test_books", TESTS[title] + RECORDED)
    assert said == marked


def test_a_call_path_begins_at_the_function_of_its_test() -> None:
    stack = (
        Frame("app/db.py", 3, "load"),
        Frame("tests/test_db.py", 9, "TestDb.test_load"),
        Frame("tests/again.py", 4, "again.call"),
    )
    assert below_test(stack, "tests/test_db.py::TestDb::test_load[1-a.b]") == stack[:2]
    assert below_test(stack, "tests.test_db.TestDb.test_load(sqlite)") == stack[:2]
    assert below_test(stack, "tests/test_db.py::TestDb::test_other") == stack
    assert below_test(stack, "") == stack


def test_a_finding_is_the_same_in_one_test_and_in_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "def names(rows):\n    for row in rows:\n        row.owner\n"
    (tmp_path / "app.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    site = Site((Frame("app.py", 3, "names"),))
    once = Entry(
        "SELECT x FROM owners WHERE id = ?", "SELECT", ("owners",), site,
        Cause(CauseKind.LAZY_LOAD, "Row.owner"), "plain", "sqlite", "one", 7, 7, 7, 0.1,
        units=1, most_in_unit=7,
    )  # fmt: skip
    tapes = (Tape((once,)), Tape((once, replace(once, test="two", executions=14, units=2))))
    one, several = (judge(tape, Settings(cache_dir="-")).findings for tape in tapes)
    assert "in 2 tests" in several[0].message
    assert [f.fingerprint for f in one] == [f.fingerprint for f in several]
