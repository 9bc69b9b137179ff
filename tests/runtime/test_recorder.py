# mypy: disable-error-code="arg-type, assignment, misc, no-any-return, unreachable, var-annotated"
# The models are written for SQLAlchemy 1.4 too, whose style has no types.
from __future__ import annotations

import asyncio
import sqlite3
import threading
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    Session,
    declarative_base,
    deferred,
    relationship,
)

from auditor.model.finding import Problem
from auditor.model.tape import Tape
from auditor.runtime.recorder import record

SQLALCHEMY_1 = sa.__version__.startswith("1.")
Base: Any = declarative_base()  # as SQLAlchemy 1.4 writes it: these tests run on all three


class Label(Base):
    __tablename__ = "labels"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(20), default="x")
    note = deferred(sa.Column(sa.String(20), default="n"))
    rules = relationship("Rule")
    marks = relationship("Mark", lazy="selectin")


class Rule(Base):
    __tablename__ = "rules"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("labels.id"))


class Mark(Base):
    __tablename__ = "marks"
    id = sa.Column(sa.Integer, primary_key=True)
    label_id = sa.Column(sa.ForeignKey("labels.id"))


class Device(Base):
    __tablename__ = "devices"
    id = sa.Column(sa.Integer, primary_key=True)
    kind = sa.Column(sa.String(20))
    __mapper_args__: ClassVar = {"polymorphic_on": kind, "polymorphic_identity": "device"}


class Router(Device):
    __tablename__ = "routers"
    id = sa.Column(sa.ForeignKey("devices.id"), primary_key=True)
    asn = sa.Column(sa.Integer)
    __mapper_args__: ClassVar = {"polymorphic_identity": "router"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(
            Label(id=number, rules=[Rule(), Rule()], marks=[Mark()]) for number in (1, 2, 3)
        )
        session.add(Router(id=1, asn=65000))
        session.commit()
    yield engine
    engine.dispose()


def seen(tape: Tape) -> list[tuple[int, int, str, str]]:
    return [
        (entry.executions, entry.rows, str(entry.cause), entry.site.frame.function)
        for entry in tape.entries
    ]


def test_every_cause_is_named_with_its_relation(engine: Engine) -> None:
    here = "test_every_cause_is_named_with_its_relation"
    with record(engine) as recording, Session(engine) as session:
        labels = session.scalars(sa.select(Label)).all()
        for label in labels:
            assert len(label.rules) == 2
            assert label.note == "n"
        router = session.scalars(sa.select(Device)).one()
        assert isinstance(router, Router)
        assert router.asn == 65000
        session.add(Label(name="late"))
        session.scalars(sa.select(Rule.id)).first()
        session.refresh(router)
        session.add(Mark(label_id=1))
        session.commit()
        assert router.kind == "router"
    assert seen(recording.tape) == [
        (1, 3, "explicit", here),
        (1, 3, "eager batch Label.marks", here),
        (3, 6, "lazy load Label.rules", here),
        (3, 3, "deferred column Label.note", here),
        (1, 1, "explicit", here),
        (1, 1, "polymorphic load Router.asn", here),
        (1, 0, "autoflush", here),
        (1, 6, "explicit", here),
        (1, 1, "refresh Router", here),
        (1, 0, "flush", here),
        (1, 1, "refresh Router", here),
    ]


def test_ddl_is_told_apart_and_not_counted(engine: Engine) -> None:
    with record(engine) as recording:
        sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer)).create(engine)
        with engine.begin() as connection:
            connection.execute(sa.text("drop table t"))
    assert [str(entry.cause) for entry in recording.tape.entries] == ["ddl", "ddl"]
    assert recording.tape.statements == recording.statements == 0


@pytest.mark.skipif(SQLALCHEMY_1, reason="1.4 has no RETURNING on SQLite")
def test_all_ways_of_executing_are_seen(engine: Engine) -> None:
    rules = Base.metadata.tables["rules"]
    with record(engine) as recording, engine.begin() as connection:
        connection.exec_driver_sql("select 1").fetchall()
        connection.exec_driver_sql("insert into marks (label_id) values (?)", [(1,), (2,)])
        connection.execute(sa.text("select id from rules where id > :low"), {"low": 2}).fetchmany(3)
        connection.execute(sa.insert(Rule), [{"label_id": 1}, {"label_id": 2}, {"label_id": 3}])
        connection.execute(sa.insert(rules).returning(rules.c.id), [{"label_id": 1}] * 3).all()
        list(connection.execution_options(yield_per=2).execute(sa.select(rules.c.id)))
    assert [(e.shape, e.executions, e.sent, e.rows) for e in recording.tape.entries] == [
        ("SELECT ?", 1, 1, 1),
        ("INSERT INTO marks (label_id) VALUES (?)", 1, 2, 0),
        ("SELECT id FROM rules WHERE id > ?", 1, 1, 3),
        ("INSERT INTO rules (label_id) VALUES (?)", 1, 3, 0),
        ("INSERT INTO rules (label_id) VALUES (?) RETURNING id", 1, 1, 3),
        ("SELECT rules.id FROM rules", 1, 1, 12),
    ]


def test_counts_agree_with_a_plain_listener(engine: Engine) -> None:
    heard: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: heard.append(args[2]))
    with record(engine) as recording, Session(engine) as session:
        for label in session.scalars(sa.select(Label)):
            assert label.rules
            label.name = "y"
        with session.begin_nested():
            session.add(Rule(label_id=1))
        session.query(Rule).filter(Rule.id.in_([1, 2, 3])).delete()
        session.rollback()
    assert recording.tape.statements == len(heard)


def test_an_engine_made_after_the_start_is_recorded_with_every_engine() -> None:
    with record() as recording:
        engine = sa.create_engine("sqlite://", echo=False, hide_parameters=True)
        with engine.connect() as connection:
            connection.execute(sa.text("select 1"))
    engine.dispose()
    assert [entry.shape for entry in recording.tape.entries] == ["SELECT ?"]


def test_an_open_connection_of_an_older_engine_is_recorded(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        with record() as recording:
            connection.execute(sa.text("select 2"))
    assert [entry.executions for entry in recording.tape.entries] == [1]


def test_only_the_engine_that_was_named_is_recorded(engine: Engine) -> None:
    other = sa.create_engine("sqlite://")
    with record(engine) as recording, other.connect() as connection:
        connection.execute(sa.text("select 1"))
    other.dispose()
    assert recording.tape.entries == ()


def test_nested_recordings_each_see_their_own_time(engine: Engine) -> None:
    with engine.connect() as connection, record(engine) as outer:
        connection.execute(sa.text("select 1"))
        with record() as inner:
            connection.execute(sa.text("select 2"))
        connection.execute(sa.text("select 3"))
    assert (outer.tape.statements, inner.tape.statements) == (3, 1)


def test_threads_lose_no_count(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/threads.db")

    def work() -> None:
        for _ in range(100):
            with engine.connect() as connection:
                connection.execute(sa.text("select 1")).all()

    with record(engine) as recording:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    engine.dispose()
    (entry,) = recording.tape.entries
    assert (entry.executions, entry.rows, entry.units) == (400, 400, 400)
    assert [frame.function for frame in entry.site.stack] == ["test_threads_lose_no_count.work"]


def test_an_error_is_counted_under_the_name_the_program_sees(engine: Engine) -> None:
    with record(engine) as recording, engine.connect() as connection:
        for _ in range(2):
            with pytest.raises(sa.exc.IntegrityError):
                connection.execute(sa.text("insert into labels (id, name) values (1, 'x')"))
    (entry,) = recording.tape.entries
    assert (entry.executions, entry.errors) == (2, (("sqlalchemy.exc.IntegrityError", 2),))


def test_a_hook_can_fail_a_statement_as_the_driver_would(engine: Engine) -> None:
    heard: list[tuple[str, int]] = []

    def fail_second(context: Any, statement: str, cursor: Any, ordinal: int) -> None:
        heard.append((statement, ordinal))
        if ordinal == 2:
            raise sqlite3.OperationalError("database is locked")

    with record(engine, on_statement=fail_second) as recording, engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            connection.execute(sa.text("select 2"))
        connection.execute(sa.text("select 3"))
    assert heard == [("select 1", 1), ("select 2", 2), ("select 3", 3)]
    assert [entry.errors for entry in recording.tape.entries] == [
        (),
        (("sqlalchemy.exc.OperationalError", 1),),
        (),
    ]


def test_our_own_failure_never_reaches_the_program(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        raise KeyError("our own")

    monkeypatch.setattr("auditor.runtime.ledger.site_of", broken)
    with record(engine) as recording, engine.connect() as connection:
        answers = [connection.execute(sa.text("select 7")).scalar() for _ in range(3)]
    assert answers == [7, 7, 7]
    assert recording.tape == Tape(
        losses=(
            Problem(
                "recorder on sqlite",
                "recording stopped after `KeyError: 'our own'`; the program went on",
                hides_results=True,
            ),
        )
    )


def test_everything_is_put_back_at_the_end(engine: Engine) -> None:
    def hooked() -> list[object]:
        return [
            DefaultDialect.do_execute,
            Connection._begin_impl,
            Connection._handle_dbapi_exception,
            Engine.__init__,
            unittest.TestCase.__call__,
            sorted(vars(engine.dialect)),
        ]

    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    before = hooked()
    with record(), engine.connect() as connection:
        connection.execute(sa.text("select 1"))
        assert hooked() != before
    assert hooked() == before


def test_repetition_costs_no_memory(engine: Engine) -> None:
    with record(engine) as recording, engine.connect() as connection:
        connection.exec_driver_sql("select 0")
        for number in range(2000):
            connection.exec_driver_sql(f"select {number}")
    assert [entry.executions for entry in recording.tape.entries] == [1, 2000]
    assert len(recording._ledger.cells) == 2


def test_transactions_tell_how_they_ended(engine: Engine) -> None:
    with record(engine) as recording, Session(engine) as session:
        session.add(Rule(label_id=1))
        session.commit()
        with session.begin_nested():
            session.add(Rule(label_id=2))
        session.rollback()
    assert [
        (each.kind, each.begun, each.committed, each.rolled_back)
        for each in recording.tape.transactions
    ] == [("plain", 1, 1, 0), ("savepoint", 1, 1, 0), ("plain", 1, 0, 1)]
    assert [(e.verb, e.transaction) for e in recording.tape.entries] == [
        ("INSERT", "plain"),
        ("SAVEPOINT", "plain"),
        ("INSERT", "savepoint"),
        ("RELEASE", "savepoint"),
    ]


def test_executions_are_counted_for_each_transaction(engine: Engine) -> None:
    def work(times: int) -> None:
        with engine.begin() as connection:
            for _ in range(times):
                connection.execute(sa.text("select 1"))

    with record(engine) as recording:
        for times in (1, 4, 2):
            work(times)
    (entry,) = recording.tape.entries
    assert (entry.executions, entry.units, entry.most_in_unit) == (7, 3, 4)


def test_an_async_engine_shows_the_coroutines_that_await() -> None:
    def rules_of(session: Session, label: Label) -> list[Rule]:
        return label.rules

    async def inner(session: AsyncSession) -> None:
        for label in (await session.scalars(sa.select(Label))).all():
            await session.run_sync(rules_of, label)

    async def outer() -> Tape:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            session.add_all([Label(rules=[Rule()]), Label(rules=[Rule()])])
            await session.commit()
        with record(engine) as recording:
            async with AsyncSession(engine) as session:
                await inner(session)
        await engine.dispose()
        return recording.tape

    name = "test_an_async_engine_shows_the_coroutines_that_await"
    tape = asyncio.run(outer())
    assert [
        (e.executions, e.rows, str(e.cause), [f.function for f in e.site.stack[:3]])
        for e in tape.entries
    ] == [
        (1, 2, "explicit", [f"{name}.inner", f"{name}.outer", name]),
        (1, 0, "eager batch Label.marks", [f"{name}.inner", f"{name}.outer", name]),
        (2, 2, "lazy load Label.rules", [f"{name}.rules_of", f"{name}.inner", f"{name}.outer"]),
    ]  # fmt: skip


def test_a_wrong_engine_is_refused_with_its_name() -> None:
    wanted = r"record\(\) wants an Engine or AsyncEngine, got `'x'`"
    with pytest.raises(TypeError, match=wanted), record("x"):
        pass


def test_recursion_is_one_place_however_deep(engine: Engine) -> None:
    def walk(depth: int) -> None:
        if depth:
            walk(depth - 1)
        else:
            connection.execute(sa.text("select 1"))

    with record(engine) as recording, engine.connect() as connection:
        for depth in (3, 5, 9):
            walk(depth)
    (entry,) = recording.tape.entries
    name = "test_recursion_is_one_place_however_deep"
    assert entry.executions == 3
    assert [frame.function for frame in entry.site.stack] == [f"{name}.walk", f"{name}.walk", name]
