"""Work of plain sessions and connections that ends in the middle, or is not ended at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from metering import errors
from sqlalchemy import exc as sa_exc

from planted import rows
from planted.pair import Pair
from planted.store import Store, plain


@plain
def commit_in_the_loop(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        for name in ("a", "b", "c"):
            session.add(rows.new_label(name))
            session.commit()


@plain
def commit_in_the_loop_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        for name in ("a", "b", "c"):
            session.add(rows.new_label(name))
        session.commit()


@plain
def transaction_for_each_step(store: Store) -> Any:
    with rows.reporting():
        with store.sessions.begin() as session:
            session.execute(rows.use_one_more())
        with store.sessions.begin() as session:
            session.execute(rows.insert_label("new"))


@plain
def transaction_for_each_step_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.use_one_more())
        session.execute(rows.insert_label("new"))


@plain
def connection_commits_between(store: Store) -> Any:
    with rows.reporting(), store.engine.connect() as connection:
        connection.execute(rows.use_one_more())
        connection.commit()
        connection.execute(rows.insert_label("new"))
        connection.commit()


@plain
def connection_commits_between_twin(store: Store) -> Any:
    with rows.reporting(), store.engine.connect() as connection:
        connection.execute(rows.use_one_more())
        connection.execute(rows.insert_label("new"))
        connection.commit()


@plain
def goes_on_after_rollback(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        session.execute(rows.use_one_more())
        try:
            session.execute(rows.insert_label("new"))
        except sa_exc.OperationalError:
            session.rollback()
        session.execute(rows.insert_entry("label made"))
        session.commit()


@plain
def goes_on_after_rollback_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        session.execute(rows.use_one_more())
        try:
            session.execute(rows.insert_label("new"))
        except sa_exc.OperationalError:
            session.rollback()
            raise
        session.execute(rows.insert_entry("label made"))
        session.commit()


@plain
def closes_in_the_handler(store: Store) -> Any:
    session = store.sessions()
    with rows.reporting():
        for name in ("a", "b", "c"):
            try:
                session.execute(rows.insert_label(name))
            except sa_exc.OperationalError:
                session.close()
        session.commit()
        session.close()


@plain
def closes_in_the_handler_twin(store: Store) -> Any:
    session = store.sessions()
    with rows.reporting():
        for name in ("a", "b", "c"):
            try:
                session.execute(rows.insert_label(name))
            except sa_exc.OperationalError:
                session.close()
                raise
        session.commit()
        session.close()


@plain
def writes_of_another_session(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        with store.sessions.begin() as log:
            log.execute(rows.insert_entry("label made"))
        session.execute(rows.insert_label("new"))
        session.commit()


@plain
def writes_of_another_session_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        session.execute(rows.insert_entry("label made"))
        session.execute(rows.insert_label("new"))
        session.commit()


def _drop_label(store: Store) -> None:
    with store.sessions.begin() as session:
        session.execute(sa.delete(rows.LABELS).where(rows.LABELS.c.id == "label-new"))


@plain
def no_compensation(store: Store) -> Any:
    with rows.reporting():
        with store.sessions.begin() as session:
            session.add(rows.new_label())
        with store.sessions.begin() as session:
            session.execute(rows.use_one_more())


@plain
def no_compensation_twin(store: Store) -> Any:
    with rows.reporting():
        with store.sessions.begin() as session:
            session.add(rows.new_label())
        try:
            with store.sessions.begin() as session:
                session.execute(rows.use_one_more())
        except sa_exc.OperationalError:
            _drop_label(store)
            raise


@plain
def errors_collected(store: Store) -> Any:
    failed = []
    for name in ("a", "b", "c"):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label(name))
        except sa_exc.OperationalError as error:
            failed.append(error)
    if failed:
        raise errors.MeteringUnavailable("labels") from failed[0]


@plain
def errors_collected_twin(store: Store) -> Any:
    failed = []
    with store.sessions() as session:
        try:
            for name in ("a", "b", "c"):
                session.execute(rows.insert_label(name))
            session.commit()
        except sa_exc.OperationalError as error:
            failed.append(error)
    if failed:
        raise errors.MeteringUnavailable("labels") from failed[0]


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
        "COMMIT in the loop",
        commit_in_the_loop,
        commit_in_the_loop_twin,
        "deadlock",
        "reported half-committed",
        ("lock-wait",),
    ),
    Pair(
        "a transaction for each step of one piece of work",
        transaction_for_each_step,
        transaction_for_each_step_twin,
        "deadlock",
        "reported half-committed",
        ("deadlock-rollback",),
    ),
    Pair(
        "the connection commits between two steps",
        connection_commits_between,
        connection_commits_between_twin,
        "lock-wait",
        "reported half-committed",
        ("deadlock",),
    ),
    Pair(
        "after the rollback the rest is done",
        goes_on_after_rollback,
        goes_on_after_rollback_twin,
        "deadlock",
        "reported half-committed reported",
        ("lock-wait",),
    ),
    Pair(
        "the handler closes the session, and the loop goes on",
        closes_in_the_handler,
        closes_in_the_handler_twin,
        "deadlock",
        "half-committed half-committed",
        ("lock-wait",),
    ),
    Pair(
        "another session has committed its part",
        writes_of_another_session,
        writes_of_another_session_twin,
        "deadlock",
        "reported half-committed",
    ),
    Pair(
        "nobody undoes the first step when the second fails",
        no_compensation,
        no_compensation_twin,
        "deadlock",
        "reported half-committed",
    ),
    Pair(
        "errors are collected, the other rows are stored",
        errors_collected,
        errors_collected_twin,
        "deadlock",
        "half-committed half-committed",
    ),
    Pair(
        "caught inside of the savepoint",
        caught_in_the_savepoint,
        caught_in_the_savepoint_twin,
        "deadlock",
        "reported half-committed",
        elsewhere={"postgresql": "reported broken-session", "mysql": "reported reported"},
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
