from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from auditor.backends.scratch import open_scratch

PROGRAM = """
import os
import time

import sqlalchemy as sa
from sqlalchemy import orm

Base = orm.declarative_base()


class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(30), unique=True)


class Log(Base):
    __tablename__ = "logs"
    id = sa.Column(sa.Integer, primary_key=True)
    text = sa.Column(sa.String(30))


class NotCreated(Exception):
    pass


class Response:
    def __init__(self, status):
        self.status_code, self.headers = status, {}


def create(factory, name):
    with factory.begin() as session:
        session.add(Label(name=name))
    return name


def create_with_retry(factory, name):
    try:
        return create(factory, name)
    except sa.exc.OperationalError:
        return create(factory, name)


def create_and_report(factory, name):
    try:
        return create(factory, name)
    except sa.exc.DBAPIError as error:
        raise NotCreated(name) from error


def create_and_swallow(factory, name):
    try:
        return create(factory, name)
    except sa.exc.DBAPIError:
        return None


def create_and_log(factory, name):
    with factory.begin() as session:
        session.add(Log(text=name))
    create(factory, name)


def respond(factory, name, status):
    return Response(status if create_and_swallow(factory, name) is None else 201)


def create_in(session, name):
    session.add(Log(text=name))
    session.commit()
    session.add(Label(name=name))
    session.commit()


def hang(factory):
    if create_and_swallow(factory, "a") is None:
        while True:
            time.sleep(0.01)


def end(factory):
    if create_and_swallow(factory, "a") is None:
        os._exit(7)
"""

TESTS = """
import os

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import app


@pytest.fixture(scope="session")
def engine():
    engine = sa.create_engine("sqlite://")
    app.Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def factory(engine):
    factory = orm.sessionmaker(engine, future=True)
    app.create(factory, "of the fixture")
    return factory


def names(factory):
    with factory() as session:
        return session.scalars(sa.select(app.Label.name).order_by(app.Label.id)).all()


def test_leaking(factory):
    app.create(factory, "a")
    assert names(factory) == ["of the fixture", "a"]


def test_recovering(factory):
    assert app.create_with_retry(factory, "a") == "a"


def test_reporting(factory):
    app.create_and_report(factory, "a")


def test_swallowing(factory):
    assert app.create_and_swallow(factory, "a") == "a", object()


def test_half(factory):
    for name in ("a", "b"):
        app.create_and_log(factory, name)


def test_server_error(factory):
    response = app.respond(factory, "a", 500)
    assert response.status_code == 201


def test_conflict(factory):
    response = app.respond(factory, "a", 409)
    assert response.status_code == 201


def test_hanging(factory):
    app.hang(factory)


def test_ending(factory):
    app.end(factory)


def test_forking(factory):
    app.create(factory, "a")
    if child := os.fork():
        os.waitpid(child, 0)


@pytest.mark.parametrize("name", ["a b", "c"])
def test_named(factory, name):
    app.create_with_retry(factory, name)


@pytest.mark.skip(reason="not here")
def test_skipped():
    pass


def test_failing():
    assert 1 == 2
"""

UNIT = """
import unittest

import sqlalchemy as sa
from sqlalchemy import orm

import app


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = sa.create_engine("sqlite://")

    def setUp(self):
        app.Base.metadata.create_all(self.engine)
        self.factory = orm.sessionmaker(self.engine, future=True)
        app.create(self.factory, "of setUp")

    def tearDown(self):
        app.create(self.factory, "of tearDown")
        app.Base.metadata.drop_all(self.engine)

    def test_domain_error(self):
        app.create_and_report(self.factory, "a")
        with self.assertRaises(app.NotCreated):
            app.create_and_report(self.factory, "a")

    def test_held_back(self):
        with self.subTest("first"):
            self.assertEqual(app.create_and_swallow(self.factory, "a"), "a")

    def test_expected(self):
        self.skipTest("not yet")
"""

ROLLED_BACK = """
import pytest
import sqlalchemy as sa
from sqlalchemy import orm

import app


@pytest.fixture
def session():
    engine = sa.create_engine("URL")
    app.Base.metadata.create_all(engine)
    with engine.connect() as connection:
        outer = connection.begin()
        session = orm.Session(connection, join_transaction_mode="create_savepoint")
        yield session
        session.close()
        outer.rollback()
    app.Base.metadata.drop_all(engine)
    engine.dispose()


def test_in_savepoints(session):
    app.create_in(session, "a")
"""

joins_savepoints = pytest.mark.skipif(
    sqlalchemy.__version__.startswith("1."),
    reason="`join_transaction_mode` came with SQLAlchemy 2.0",
)

Outcome = tuple[str, str, int, str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "test_app.py").write_text(TESTS)
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "__init__.py").touch()
    (tmp_path / "unit" / "test_labels.py").write_text(UNIT)
    (tmp_path / ".stestr.conf").write_text("[DEFAULT]\ntest_path=./unit\ntop_dir=./\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = -n 2\n")
    return tmp_path


def faults(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "auditor", "faults", *arguments),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def swept(project: Path, *arguments: str, status: int = 1) -> list[dict[str, Any]]:
    run = faults(project, *arguments, "--format", "json")
    assert run.returncode == status, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)["faults"]
    return found


def in_short(outcomes: list[dict[str, Any]]) -> list[Outcome]:
    return [
        (one["scenario"].rpartition("::")[2], one["fault"], one["statement"], one["verdict"])
        for one in outcomes
    ]


def test_each_test_of_a_file_is_judged_by_what_the_program_did(project: Path) -> None:
    run = faults(project, "pytest:test_app.py", "--timeout", "2", "--format", "json")
    report = json.loads(run.stdout)
    assert in_short(report["faults"]) == [
        ("test_leaking", "deadlock", 1, "leaked"),
        ("test_recovering", "deadlock", 1, "recovered"),
        ("test_reporting", "deadlock", 1, "reported"),
        ("test_swallowing", "deadlock", 1, "swallowed"),
        ("test_half", "deadlock", 1, "leaked"),
        ("test_half", "deadlock", 2, "half-committed"),
        ("test_half", "deadlock", 3, "leaked"),
        ("test_server_error", "deadlock", 1, "leaked"),
        ("test_conflict", "deadlock", 1, "reported"),
        ("test_hanging", "deadlock", 1, "hung"),
        ("test_ending", "deadlock", 1, "crashed"),
        ("test_forking", "deadlock", 1, "leaked"),
        ("test_named[a b]", "deadlock", 1, "recovered"),
        ("test_named[c]", "deadlock", 1, "recovered"),
    ]
    notes = {one["scenario"]: one["note"] for one in report["faults"] if one["note"]}
    assert notes == {
        "test_app.py::test_swallowing": "the program returned, and the test noticed:"
        " AssertionError: <object object>",
        "test_app.py::test_half": "the call failed, and part of its work is stored",
        "test_app.py::test_server_error": "the response has the status 500",
        "test_app.py::test_conflict": "the response has the status 409",
        "test_app.py::test_hanging": "the test did not end within 2 seconds",
        "test_app.py::test_ending": "the test ended its process: exit status 7",
    }
    assert [one["message"] for one in report["problems"]] == [
        "test `test_app.py::test_skipped` does not pass without a fault: it is skipped: not here",
        "test `test_app.py::test_failing` does not pass without a fault: assert 1 == 2",
    ]
    assert run.returncode == 2


def test_what_the_test_itself_sends_is_not_failed_unless_asked_for(project: Path) -> None:
    target = "pytest:test_app.py::test_leaking"
    (first,) = swept(project, target)
    assert first["replay"] == f"auditor faults {target} --fault deadlock --at 1"
    assert first["database"] == "sqlite"
    assert in_short(swept(project, target, "--at", "2")) == [
        ("test_leaking", "deadlock", 2, "leaked")
    ]


def test_stestr_and_unittest_name_the_same_tests(project: Path) -> None:
    wanted = [
        ("unit.test_labels.Case.test_domain_error", "duplicate", 1, "reported"),
        ("unit.test_labels.Case.test_domain_error", "duplicate", 2, "recovered"),
        ("unit.test_labels.Case.test_held_back", "duplicate", 1, "swallowed"),
    ]
    for target in ("stestr:unit.test_labels", "unittest:unit"):
        assert in_short(swept(project, target, "--fault", "duplicate")) == wanted


@joins_savepoints
def test_what_is_committed_inside_a_transaction_that_is_rolled_back_is_seen(
    project: Path,
) -> None:
    (project / "test_rolled_back.py").write_text(ROLLED_BACK.replace("URL", "sqlite://"))
    assert in_short(swept(project, "pytest:test_rolled_back.py")) == [
        ("test_in_savepoints", "deadlock", 2, "leaked"),
        ("test_in_savepoints", "deadlock", 5, "half-committed"),
    ]


@joins_savepoints
@pytest.mark.slow
@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_a_test_on_a_server_is_read_inside_its_own_transaction(
    project: Path, server: str, request: pytest.FixtureRequest
) -> None:
    with open_scratch(request.getfixturevalue(server)) as scratch:
        text = ROLLED_BACK.replace("URL", scratch.url)
        (project / "test_rolled_back.py").write_text(text)
        found = swept(project, "pytest:test_rolled_back.py", "--fault", "lock-wait")
    assert [one["verdict"] for one in found] == ["leaked", "half-committed"]
