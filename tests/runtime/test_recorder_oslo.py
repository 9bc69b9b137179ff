from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from auditor.runtime.recorder import record

pytest.importorskip("oslo_db")

from oslo_db import exception
from oslo_db.sqlalchemy import enginefacade


class Context:
    pass


@pytest.fixture
def manager() -> Iterator[Any]:
    manager = enginefacade.transaction_context()
    manager.configure(connection="sqlite://", sqlite_fk=True)
    engine = manager.writer.get_engine()
    with engine.begin() as connection:
        connection.execute(sa.text("create table t (id integer primary key)"))
    yield manager
    engine.dispose()


def test_the_kind_of_each_block_is_seen_and_begin_is_no_statement(manager: Any) -> None:
    context = Context()
    with record() as recording:
        with manager.writer.using(context) as session:
            session.execute(sa.text("insert into t values (1)"))
            with manager.reader.using(context) as joined:
                joined.execute(sa.text("select id from t"))
        with manager.reader.using(context) as session:
            session.execute(sa.text("select 2"))
        with manager.writer.independent.using(context) as session:
            session.execute(sa.text("select 3"))
    assert [(e.shape, e.transaction) for e in recording.tape.entries] == [
        ("INSERT INTO t VALUES (?)", "writer"),
        ("SELECT id FROM t", "writer"),
        ("SELECT ?", "reader"),
        ("SELECT ?", "independent writer"),
    ]
    assert [(t.kind, t.committed, t.rolled_back) for t in recording.tape.transactions] == [
        ("writer", 1, 0),
        ("reader", 0, 1),
        ("independent writer", 1, 0),
    ]


def test_the_ping_of_a_new_connection_is_not_of_the_program(manager: Any) -> None:
    context = Context()
    seen: list[tuple[str, int]] = []

    def hook(_: Any, statement: str, __: Any, ordinal: int) -> None:
        seen.append((statement, ordinal))

    with record(on_statement=hook) as recording:
        with manager.writer.using(context) as session:
            session.execute(sa.select(sa.literal_column("1")))
        with manager.writer.get_engine().connect() as connection:
            connection.execute(sa.select(sa.literal_column("1")))
            connection.execute(sa.text("SELECT 2"))
    assert [(e.shape, e.transaction, e.executions) for e in recording.tape.entries] == [
        ("SELECT ?", "writer", 1),
        ("SELECT ?", "plain", 1),
        ("SELECT ?", "plain", 1),
    ]
    assert seen == [("SELECT 1", 1), ("SELECT 1", 2), ("SELECT 2", 3)]


def test_an_error_has_the_name_that_oslo_db_gave_it(manager: Any) -> None:
    context = Context()

    def insert_twice() -> None:
        with manager.writer.using(context) as session:
            session.execute(sa.text("insert into t values (1)"))
            session.execute(sa.text("insert into t values (1)"))

    with record() as recording, pytest.raises(exception.DBDuplicateEntry):
        insert_twice()
    assert [entry.errors for entry in recording.tape.entries] == [
        (),
        (("oslo_db.exception.DBDuplicateEntry", 1),),
    ]
