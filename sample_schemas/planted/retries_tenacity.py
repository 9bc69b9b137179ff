"""tenacity around plain sessions."""

from __future__ import annotations

from typing import Any

import tenacity
from sqlalchemy import exc as sa_exc

from metering import errors
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain

_LOCKED = tenacity.retry_if_exception_type(sa_exc.OperationalError)
_THREE = tenacity.stop_after_attempt(3)


def _create(store: Store) -> None:
    with store.sessions.begin() as session:
        session.execute(rows.insert_label("new"))


@plain
def ends_in_retry_error(store: Store) -> Any:
    tenacity.retry(retry=_LOCKED, stop=_THREE)(_create)(store)


@plain
def ends_in_retry_error_twin(store: Store) -> Any:
    try:
        tenacity.retry(retry=_LOCKED, stop=_THREE)(_create)(store)
    except tenacity.RetryError as error:
        raise errors.MeteringUnavailable("new") from error


@plain
def ends_in_none(store: Store) -> Any:
    tenacity.retry(retry=_LOCKED, stop=_THREE, retry_error_callback=lambda state: None)(_create)(
        store
    )


@plain
def ends_in_none_twin(store: Store) -> Any:
    def unavailable(state: tenacity.RetryCallState) -> None:
        raise errors.MeteringUnavailable("new") from state.outcome.exception()

    tenacity.retry(retry=_LOCKED, stop=_THREE, retry_error_callback=unavailable)(_create)(store)


@plain
def shared_session_tried_again(store: Store) -> Any:
    def create() -> None:
        session = store.shared()
        session.add(rows.new_label())
        session.commit()

    with rows.reporting():
        tenacity.retry(retry=_LOCKED, stop=_THREE, reraise=True)(create)()


@plain
def shared_session_tried_again_twin(store: Store) -> Any:
    def create() -> None:
        session = store.shared()
        session.add(rows.new_label())
        session.commit()

    with rows.reporting():
        tenacity.retry(
            retry=_LOCKED,
            stop=_THREE,
            reraise=True,
            before_sleep=lambda state: store.shared.remove(),
        )(create)()


@plain
def attempts_in_one_transaction(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.execute(rows.use_one_more())
        for attempt in tenacity.Retrying(retry=_LOCKED, stop=_THREE, reraise=True):
            with attempt:
                session.execute(rows.insert_label("new"))


@plain
def attempts_in_one_transaction_twin(store: Store) -> Any:
    with rows.reporting():
        for attempt in tenacity.Retrying(retry=_LOCKED, stop=_THREE, reraise=True):
            with attempt, store.sessions.begin() as session:
                session.execute(rows.use_one_more())
                session.execute(rows.insert_label("new"))


@plain
def waits_for_another_class(store: Store) -> Any:
    never = tenacity.retry_if_exception_type(ConnectionError)
    tenacity.retry(retry=never, stop=_THREE, reraise=True)(_create)(store)


@plain
def waits_for_another_class_twin(store: Store) -> Any:
    tenacity.retry(retry=_LOCKED, stop=_THREE, reraise=True)(_create)(store)


PAIRS = (
    Pair(
        "tenacity's own error reaches the caller",
        ends_in_retry_error,
        ends_in_retry_error_twin,
        "deadlock",
        "retried-in-vain",
        mode="persistent",
    ),
    Pair(
        "tenacity ends in None",
        ends_in_none,
        ends_in_none_twin,
        "deadlock",
        "swallowed",
        mode="persistent",
    ),
    Pair(
        "tenacity tries again in a session that was not rolled back",
        shared_session_tried_again,
        shared_session_tried_again_twin,
        "deadlock",
        "broken-session",
    ),
    Pair(
        "attempts inside of one transaction",
        attempts_in_one_transaction,
        attempts_in_one_transaction_twin,
        "deadlock-rollback",
        "reported half-committed",
        ("deadlock",),
    ),
    Pair(
        "tenacity waits for another class",
        waits_for_another_class,
        waits_for_another_class_twin,
        "deadlock",
        "leaked",
        ("lock-wait",),
    ),
)
