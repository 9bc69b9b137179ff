"""Work of plain sessions and connections that ends in the middle, or is not ended at all."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc

from metering import errors
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
)
