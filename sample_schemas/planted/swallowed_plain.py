"""Plain sessions whose errors nobody hears of."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from sqlalchemy import event
from sqlalchemy import exc as sa_exc

from metering import errors, models
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain

LOG = logging.getLogger(__name__)


@plain
def logged_and_returned(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError:
        LOG.info("there is such a label")
    return {"name": "new"}


@plain
def logged_and_returned_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        LOG.info("there is such a label")
        raise errors.LabelExists("new") from error
    return {"name": "new"}


@plain
def suppressed(store: Store) -> Any:
    with contextlib.suppress(sa_exc.OperationalError), store.sessions.begin() as session:
        session.add(rows.new_label())
    return "new"


@plain
def suppressed_twin(store: Store) -> Any:
    with rows.reporting(), store.sessions.begin() as session:
        session.add(rows.new_label())
    return "new"


class Forgiving:
    """A context that ends well whatever happens in it."""

    forgives = True

    def __init__(self, store: Store) -> None:
        self.session = store.sessions()

    def __enter__(self) -> Any:
        return self.session

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if kind is None:
            self.session.commit()
        self.session.close()
        return self.forgives


class Strict(Forgiving):
    forgives = False


@plain
def exit_returns_true(store: Store) -> Any:
    with rows.reporting(), Forgiving(store) as session:
        session.execute(rows.insert_label("new"))
    return "new"


@plain
def exit_returns_true_twin(store: Store) -> Any:
    with rows.reporting(), Strict(store) as session:
        session.execute(rows.insert_label("new"))
    return "new"


@plain
def exit_stack_swallows(store: Store) -> Any:
    with rows.reporting(), contextlib.ExitStack() as stack:
        stack.push(lambda kind, error, trace: True)
        session = stack.enter_context(store.sessions.begin())
        session.execute(rows.insert_label("new"))
    return "new"


@plain
def exit_stack_swallows_twin(store: Store) -> Any:
    with rows.reporting(), contextlib.ExitStack() as stack:
        stack.push(lambda kind, error, trace: False)
        session = stack.enter_context(store.sessions.begin())
        session.execute(rows.insert_label("new"))
    return "new"


@plain
def return_in_finally(store: Store) -> Any:
    with rows.reporting():
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
        finally:
            return "new"  # noqa: B012


@plain
def return_in_finally_twin(store: Store) -> Any:
    with rows.reporting():
        try:
            with store.sessions.begin() as session:
                session.execute(rows.insert_label("new"))
        finally:
            LOG.debug("tried")
        return "new"


@plain
def error_as_a_value(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.execute(rows.insert_label("new"))
    except sa_exc.SQLAlchemyError as error:
        return {"error": str(error)}
    return {"name": "new"}


@plain
def error_as_a_value_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.execute(rows.insert_label("new"))
    except sa_exc.SQLAlchemyError as error:
        raise errors.MeteringUnavailable(str(error)) from error
    return {"name": "new"}


@plain
def reads_nothing(store: Store) -> Any:
    try:
        with store.sessions() as session:
            return [one.name for one in session.query(models.MeteringLabel)]
    except sa_exc.OperationalError:
        return []


@plain
def reads_nothing_twin(store: Store) -> Any:
    try:
        with store.sessions() as session:
            return [one.name for one in session.query(models.MeteringLabel)]
    except sa_exc.OperationalError as error:
        raise errors.MeteringUnavailable("labels") from error


@plain
def goes_on_with_none(store: Store) -> Any:
    label = None
    with contextlib.suppress(sa_exc.OperationalError), store.sessions() as session:
        label = session.get(models.MeteringLabel, "label-1")
    return label.name


@plain
def goes_on_with_none_twin(store: Store) -> Any:
    label = None
    with rows.reporting(), store.sessions() as session:
        label = session.get(models.MeteringLabel, "label-1")
    return label.name


def _with_listener(store: Store, *, swallows: bool) -> Any:
    session = store.sessions()

    @event.listens_for(session, "after_flush")
    def log(session: Any, context: Any) -> None:
        try:
            session.execute(rows.insert_entry("label made"))
        except sa_exc.OperationalError:
            if not swallows:
                raise

    with rows.reporting(), session:
        session.add(rows.new_label())
        session.commit()
    return "new"


@plain
def listener_swallows(store: Store) -> Any:
    return _with_listener(store, swallows=True)


@plain
def listener_swallows_twin(store: Store) -> Any:
    return _with_listener(store, swallows=False)


PAIRS = (
    Pair(
        "a duplicate is logged, and success returned",
        logged_and_returned,
        logged_and_returned_twin,
        "duplicate",
        "swallowed",
    ),
    Pair(
        "`contextlib.suppress` around the whole work",
        suppressed,
        suppressed_twin,
        "deadlock",
        "swallowed",
        ("lock-wait",),
    ),
    Pair(
        "`__exit__` returns True",
        exit_returns_true,
        exit_returns_true_twin,
        "deadlock",
        "swallowed",
        ("lock-wait",),
    ),
    Pair(
        "a callback of an ExitStack swallows",
        exit_stack_swallows,
        exit_stack_swallows_twin,
        "lock-wait",
        "swallowed",
        ("deadlock",),
    ),
    Pair(
        "`return` in `finally`",
        return_in_finally,
        return_in_finally_twin,
        "deadlock",
        "swallowed",
        ("commit-deadlock",),
    ),
    Pair(
        "the error is returned as a value",
        error_as_a_value,
        error_as_a_value_twin,
        "duplicate",
        "swallowed",
        ("deadlock", "lock-wait"),
    ),
    Pair(
        "a failed read is an empty list", reads_nothing, reads_nothing_twin, "deadlock", "swallowed"
    ),
    Pair(
        "the code goes on with what was not read",
        goes_on_with_none,
        goes_on_with_none_twin,
        "deadlock",
        "masked",
    ),
    Pair(
        "a listener swallows, and its row is missing",
        listener_swallows,
        listener_swallows_twin,
        "deadlock",
        "reported half-committed",
        elsewhere={"postgresql": "reported swallowed", "mysql": "reported swallowed"},
    ),
)
