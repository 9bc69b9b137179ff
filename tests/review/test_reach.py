"""What a recorded run reached, judged on a real session."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import auditor
from auditor.engine.context import linked
from auditor.model.settings import Settings
from auditor.model.tape import Tape
from auditor.review.points import Materials, points_of
from auditor.review.reach import Reach, reach_of
from auditor.review.subject import Subject, subject_of

SOURCE = """
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError


def add(session, name):
    try:
        session.execute(text("INSERT INTO users VALUES (:name)"), {"name": name})
    except IntegrityError:
        return False
    return True


def add_quietly(session, name):
    try:
        session.execute(text("INSERT INTO users VALUES (:name)"), {"name": name})
    except IntegrityError:
        return None


def count(session):
    return session.execute(text("SELECT count(*) FROM users")).scalar()
"""


@pytest.fixture
def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.py").write_text(SOURCE)
    return subject_of(linked((Path("users.py"),), Settings(cache_dir="-")))


def recorded(names: list[str]) -> Tape:
    """A session in which `add` and `count` of the file run."""
    engine = sa.create_engine("sqlite://")
    space: dict[str, object] = {"__name__": "users"}
    exec(compile(SOURCE, str(Path("users.py").resolve()), "exec"), space)
    add = space["add"]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE users (name TEXT PRIMARY KEY)"))
    with auditor.record(engine) as recording, orm.Session(engine) as session:
        for name in names:
            add(session, name)  # type: ignore[operator]  # a function of the source above
    engine.dispose()
    return recording.tape


def told(reach: Reach) -> tuple[list[str], list[str], int]:
    return (
        [one.function.name for one in reach.reached],
        [one.function.name for one in reach.unseen],
        len(reach.handled),
    )


def test_functions_in_no_recorded_stack_are_not_seen(subject: Subject) -> None:
    reach = reach_of(subject, recorded(["a", "b"]))
    assert told(reach) == (["add"], ["add_quietly", "count"], 0)


def test_a_handler_is_reached_by_an_error_that_it_catches(subject: Subject) -> None:
    reach = reach_of(subject, recorded(["a", "a"]))
    assert told(reach) == (["add"], ["add_quietly", "count"], 1)
    point = points_of(Materials(subject, (), reach=reach))[-1]
    assert point.remarks == (
        "no recorded statement went through `add_quietly:14`, `count:21`",
        "no recorded error reached the handler for IntegrityError at `add_quietly:17`",
        "1 of 3 functions were seen by 1 test, 1 of 2 handlers",
    )


def test_an_empty_tape_reaches_nothing(subject: Subject) -> None:
    assert told(reach_of(subject, Tape())) == ([], ["add", "add_quietly", "count"], 0)
