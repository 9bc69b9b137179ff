"""What a call leaves dead or in a transaction, of what the program still holds."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from auditor.faults.state.left_open import Begun, LeftBehind, forget_frames

CLEAN = LeftBehind(dead_sessions=0, open_transactions=0)


@pytest.fixture
def engine() -> sa.engine.Engine:
    engine = sa.create_engine("sqlite://", future=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
    return engine


def test_what_is_ended_is_not_left(engine: sa.engine.Engine) -> None:
    begun = Begun()
    with begun.watching(), engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    assert begun.left_behind() == CLEAN


def test_an_open_transaction_counts_once_and_is_let_go(engine: sa.engine.Engine) -> None:
    begun = Begun()
    session = orm.Session(engine, future=True)
    with begun.watching():
        session.execute(sa.text("INSERT INTO t VALUES (1)"))
    left = begun.left_behind()
    begun.let_go()
    assert (left, left.unclean) == (LeftBehind(0, 1), 1)
    assert (begun.left_behind(), session.in_transaction()) == (CLEAN, False)


def test_a_connection_of_the_program_is_let_go_without_a_warning(
    engine: sa.engine.Engine,
) -> None:
    begun = Begun()
    with begun.watching(), engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
        left = begun.left_behind()
        begun.let_go()
        assert (left, begun.left_behind()) == (LeftBehind(0, 1), CLEAN)


def test_a_session_that_only_a_traceback_holds_is_not_left(engine: sa.engine.Engine) -> None:
    def fails() -> None:
        session = orm.Session(engine, future=True)
        session.execute(sa.text("INSERT INTO t VALUES (1)"))
        raise KeyError(session.in_transaction())

    begun = Begun()
    with begun.watching(), pytest.raises(KeyError) as raised:
        fails()
    before = begun.left_behind()
    forget_frames([raised.value])
    assert (before, begun.left_behind()) == (LeftBehind(0, 1), CLEAN)
