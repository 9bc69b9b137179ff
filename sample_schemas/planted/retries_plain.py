"""Loops that try again by hand, and do not do the same again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc as sa_exc

from metering import errors
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain


@plain
def gives_up_silently(store: Store) -> Any:
    for _ in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            break
        except sa_exc.OperationalError:
            continue


@plain
def gives_up_silently_twin(store: Store) -> Any:
    for _ in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            break
        except sa_exc.OperationalError as error:
            last = error
    else:
        raise errors.MeteringUnavailable("new") from last


@plain
def never_gives_up(store: Store) -> Any:
    while True:
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return "new"
        except sa_exc.OperationalError:
            continue


@plain
def never_gives_up_twin(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return "new"
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error
    return None


@plain
def gives_up_with_the_raw_error(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError:
            if attempt == 2:
                raise


@plain
def gives_up_with_the_raw_error_twin(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def retries_in_a_dead_session(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        for attempt in range(3):
            session.add(rows.new_label())
            try:
                session.commit()
                return
            except sa_exc.OperationalError:
                if attempt == 2:
                    raise


@plain
def retries_in_a_dead_session_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions() as session:
        for attempt in range(3):
            session.add(rows.new_label())
            try:
                session.commit()
                return
            except sa_exc.OperationalError:
                session.rollback()
                if attempt == 2:
                    raise


@plain
def retries_one_statement(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.use_one_more())
        for attempt in range(3):
            try:
                session.execute(rows.insert_label("new"))
                return
            except sa_exc.OperationalError:
                if attempt == 2:
                    raise


@plain
def retries_one_statement_twin(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.use_one_more())
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def counts_again(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.use_one_more())
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def counts_again_twin(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.use_one_more())
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def takes_from_its_argument(store: Store) -> Any:
    names = ["c", "b", "a"]
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                while names:
                    session.execute(rows.insert_label(names.pop()))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def takes_from_its_argument_twin(store: Store) -> Any:
    names = ["c", "b", "a"]
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                for name in reversed(names):
                    session.execute(rows.insert_label(name))
            return
        except sa_exc.OperationalError as error:
            if attempt == 2:
                raise errors.MeteringUnavailable("new") from error


@plain
def gathers_over_attempts(store: Store) -> Any:
    made = []
    for _ in range(3):
        try:
            with store.sessions.begin() as session:
                for name in ("a", "b"):
                    session.execute(rows.insert_label(name))
                    made.append(name)
            return made
        except sa_exc.OperationalError:
            continue
    raise errors.MeteringUnavailable("labels")


@plain
def gathers_over_attempts_twin(store: Store) -> Any:
    for _ in range(3):
        made = []
        try:
            with store.sessions.begin() as session:
                for name in ("a", "b"):
                    session.execute(rows.insert_label(name))
                    made.append(name)
            return made
        except sa_exc.OperationalError:
            continue
    raise errors.MeteringUnavailable("labels")


@plain
def retries_what_never_comes(store: Store) -> Any:
    for _ in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.InternalError:
            continue
    raise errors.MeteringUnavailable("new")


@plain
def retries_what_never_comes_twin(store: Store) -> Any:
    for _ in range(3):
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
            return
        except sa_exc.OperationalError:
            continue
    raise errors.MeteringUnavailable("new")


@plain
def retries_what_cannot_succeed(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.add(rows.new_label())
            return
        except sa_exc.SQLAlchemyError:
            if attempt == 2:
                raise


@plain
def retries_what_cannot_succeed_twin(store: Store) -> Any:
    for attempt in range(3):
        try:
            with store.sessions.begin() as session:
                session.add(rows.new_label())
            return
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
        except sa_exc.SQLAlchemyError:
            if attempt == 2:
                raise


PAIRS = (
    Pair(
        "the loop gives up and says nothing",
        gives_up_silently,
        gives_up_silently_twin,
        "deadlock",
        "swallowed",
        mode="persistent",
    ),
    Pair(
        "the loop never gives up",
        never_gives_up,
        never_gives_up_twin,
        "deadlock",
        "hung",
        mode="persistent",
        seconds=2.0,
    ),
    Pair(
        "the loop gives up with the raw error",
        gives_up_with_the_raw_error,
        gives_up_with_the_raw_error_twin,
        "deadlock",
        "retried-in-vain",
        mode="persistent",
    ),
    Pair(
        "the loop tries again in a session that was not rolled back",
        retries_in_a_dead_session,
        retries_in_a_dead_session_twin,
        "deadlock",
        "broken-session",
    ),
    Pair(
        "one statement is tried again in a transaction that is gone",
        retries_one_statement,
        retries_one_statement_twin,
        "deadlock-rollback",
        "reported half-committed",
        ("deadlock",),
    ),
    Pair(
        "the loop counts again what is stored already",
        counts_again,
        counts_again_twin,
        "deadlock",
        "recovered half-committed",
    ),
    Pair(
        "each try takes from the list of what is to be done",
        takes_from_its_argument,
        takes_from_its_argument_twin,
        "deadlock",
        "half-committed half-committed",
    ),
    Pair(
        "results are gathered over all tries",
        gathers_over_attempts,
        gathers_over_attempts_twin,
        "deadlock",
        "recovered swallowed",
    ),
    Pair(
        "the loop waits for another class of error",
        retries_what_never_comes,
        retries_what_never_comes_twin,
        "deadlock",
        "leaked",
    ),
    Pair(
        "the loop tries again what cannot succeed",
        retries_what_cannot_succeed,
        retries_what_cannot_succeed_twin,
        "duplicate",
        "retried-in-vain",
        mode="persistent",
    ),
)
