"""Plain sessions that are used after an error, or left as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc as sa_exc

from metering import errors
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain


@plain
def caught_in_the_savepoint(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.insert_label("a"))
        with session.begin_nested():
            try:
                session.execute(rows.insert_label("b"))
            except sa_exc.OperationalError:
                pass


@plain
def caught_in_the_savepoint_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.insert_label("a"))
        for last in (False, True):
            try:
                with session.begin_nested():
                    session.execute(rows.insert_label("b"))
                break
            except sa_exc.OperationalError:
                if last:
                    raise


@plain
def swallowed_in_a_transaction(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.insert_label("a"))
        try:
            session.execute(rows.insert_label("b"))
        except sa_exc.OperationalError:
            pass
        session.execute(rows.insert_label("c"))


@plain
def swallowed_in_a_transaction_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.insert_label("a"))
        try:
            session.execute(rows.insert_label("b"))
        except sa_exc.OperationalError as error:
            raise errors.MeteringUnavailable("b") from error
        session.execute(rows.insert_label("c"))


@contextmanager
def forgiving_unit(store: Store) -> Iterator[Any]:
    session = store.sessions()
    try:
        yield session
        session.commit()
    except sa_exc.SQLAlchemyError:
        session.rollback()
    finally:
        session.close()


@contextmanager
def strict_unit(store: Store) -> Iterator[Any]:
    session = store.sessions()
    try:
        yield session
        session.commit()
    except sa_exc.SQLAlchemyError:
        session.rollback()
        raise
    finally:
        session.close()


@plain
def unit_of_work_swallows(store: Store) -> Any:
    with rows.reporting(), forgiving_unit(store) as session:
        session.add(rows.new_label())
    return "new"


@plain
def unit_of_work_swallows_twin(store: Store) -> Any:
    with rows.reporting(), strict_unit(store) as session:
        session.add(rows.new_label())
    return "new"


@plain
def work_in_finally(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        try:
            session.execute(rows.insert_label("new"))
        finally:
            session.execute(rows.use_one_more())
            session.commit()


@plain
def work_in_finally_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        try:
            session.execute(rows.insert_label("new"))
        except sa_exc.OperationalError:
            session.rollback()
            raise
        session.execute(rows.use_one_more())
        session.commit()


@plain
def flush_in_finally(store: Store) -> Any:
    with store.sessions() as session:
        try:
            session.add(rows.new_label())
            session.flush()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
        finally:
            session.execute(rows.use_one_more())
            session.commit()


@plain
def flush_in_finally_twin(store: Store) -> Any:
    with store.sessions() as session:
        try:
            session.add(rows.new_label())
            session.flush()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
        session.execute(rows.use_one_more())
        session.commit()


@plain
def shared_session_not_rolled_back(store: Store) -> Any:
    session = store.shared()
    session.add(rows.new_label())
    try:
        session.commit()
    except sa_exc.IntegrityError as error:
        raise errors.LabelExists("new") from error
    return "new"


@plain
def shared_session_not_rolled_back_twin(store: Store) -> Any:
    session = store.shared()
    session.add(rows.new_label())
    try:
        session.commit()
    except sa_exc.IntegrityError as error:
        session.rollback()
        raise errors.LabelExists("new") from error
    return "new"


@plain
def shared_transaction_left_open(store: Store) -> Any:
    session = store.shared()
    with rows.reporting():
        session.execute(rows.insert_label("a"))
        session.execute(rows.insert_label("b"))
        session.commit()


@plain
def shared_transaction_left_open_twin(store: Store) -> Any:
    session = store.shared()
    try:
        with rows.reporting():
            session.execute(rows.insert_label("a"))
            session.execute(rows.insert_label("b"))
            session.commit()
    finally:
        store.shared.remove()


_KEPT: dict[int, Any] = {}
"""The connection that the program keeps for itself, by store."""


def _kept_connection(store: Store) -> Any:
    if id(store) not in _KEPT:
        _KEPT[id(store)] = store.engine.connect()
    return _KEPT[id(store)]


@plain
def connection_left_open(store: Store) -> Any:
    connection = _kept_connection(store)
    with rows.reporting():
        connection.execute(rows.insert_label("a"))
        connection.execute(rows.insert_label("b"))
        connection.commit()


@plain
def connection_left_open_twin(store: Store) -> Any:
    connection = _kept_connection(store)
    with rows.reporting():
        try:
            connection.execute(rows.insert_label("a"))
            connection.execute(rows.insert_label("b"))
            connection.commit()
        except sa_exc.OperationalError:
            connection.rollback()
            raise


PAIRS = (
    Pair(
        "caught inside of the savepoint",
        caught_in_the_savepoint,
        caught_in_the_savepoint_twin,
        "lock-wait",
        "reported half-committed",
        elsewhere={"postgresql": "reported broken-session"},
    ),
    Pair(
        "a deadlock is swallowed in the middle of a transaction",
        swallowed_in_a_transaction,
        swallowed_in_a_transaction_twin,
        "deadlock-rollback",
        "reported half-committed reported",
        ("deadlock",),
    ),
    Pair(
        "the unit of work rolls back and says nothing",
        unit_of_work_swallows,
        unit_of_work_swallows_twin,
        "deadlock",
        "swallowed",
        ("commit-deadlock",),
    ),
    Pair(
        "`finally` goes on writing, and commits",
        work_in_finally,
        work_in_finally_twin,
        "deadlock",
        "half-committed reported",
        elsewhere={"postgresql": "masked reported"},
    ),
    Pair(
        "`finally` uses the session of a failed flush",
        flush_in_finally,
        flush_in_finally_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "a session that lives on is not rolled back",
        shared_session_not_rolled_back,
        shared_session_not_rolled_back_twin,
        "duplicate",
        "broken-session",
    ),
    Pair(
        "a session that lives on is left in its transaction",
        shared_transaction_left_open,
        shared_transaction_left_open_twin,
        "deadlock",
        "broken-session",
    ),
    Pair(
        "a connection that lives on is left in its transaction",
        connection_left_open,
        connection_left_open_twin,
        "deadlock",
        "broken-session",
    ),
)
