"""Handlers around plain sessions that catch too much, too little, or the wrong thing."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import sqlalchemy as sa
from metering import errors, models
from sqlalchemy import event
from sqlalchemy import exc as sa_exc

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

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
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


@plain
def wrong_classes(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except (sa_exc.DataError, sa_exc.ProgrammingError) as error:
        raise errors.LabelExists("new") from error
    return "new"


@plain
def wrong_classes_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except (sa_exc.DataError, sa_exc.IntegrityError) as error:
        raise errors.LabelExists("new") from error
    return "new"


@plain
def handler_above_the_flush(store: Store) -> Any:
    with store.sessions.begin() as session:
        try:
            session.add(rows.new_label())
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
    return "new"


@plain
def handler_above_the_flush_twin(store: Store) -> Any:
    with store.sessions.begin() as session:
        try:
            session.add(rows.new_label())
            session.flush()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
    return "new"


@plain
def flushed_by_a_query(store: Store) -> Any:
    with store.sessions() as session:
        session.add(rows.new_label())
        others = session.query(models.Port).count()
        try:
            session.commit()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
    return others


@plain
def flushed_by_a_query_twin(store: Store) -> Any:
    with store.sessions() as session:
        session.add(rows.new_label())
        with session.no_autoflush:
            others = session.query(models.Port).count()
        try:
            session.commit()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("new") from error
    return others


@plain
def words_of_one_server(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        if "Duplicate entry" in str(error):
            raise errors.LabelExists("new") from error
        raise
    return "new"


@plain
def words_of_one_server_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        if "label" in str(error):
            raise errors.LabelExists("new") from error
        raise
    return "new"


_MEANINGS = {1062: errors.LabelExists}


@plain
def unknown_code(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        raise _MEANINGS[error.orig.args[0]]("new") from error
    return "new"


@plain
def unknown_code_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        raise _MEANINGS.get(error.orig.args[0], errors.LabelExists)("new") from error
    return "new"


@plain
def attribute_of_another_driver(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        if error.orig.pgcode == "23505":
            raise errors.LabelExists("new") from error
        raise errors.MeteringUnavailable("new") from error
    return "new"


@plain
def attribute_of_another_driver_twin(store: Store) -> Any:
    try:
        with store.sessions.begin() as session:
            session.add(rows.new_label())
    except sa_exc.IntegrityError as error:
        if getattr(error.orig, "pgcode", "23505") == "23505":
            raise errors.LabelExists("new") from error
        raise errors.MeteringUnavailable("new") from error
    return "new"


@plain
def expired_in_the_handler(store: Store) -> Any:
    with store.sessions() as session:
        label = session.get(models.MeteringLabel, "label-1")
        label.project_id, label.name = "project-2", "two"
        try:
            session.commit()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists(label.name) from error
    return "two"


@plain
def expired_in_the_handler_twin(store: Store) -> Any:
    with store.sessions() as session:
        label = session.get(models.MeteringLabel, "label-1")
        label.project_id, label.name = "project-2", "two"
        try:
            session.commit()
        except sa_exc.IntegrityError as error:
            raise errors.LabelExists("two") from error
    return "two"


def _delete_port(store: Store) -> None:
    with store.sessions.begin() as session:
        session.execute(sa.delete(rows.PORTS).where(rows.PORTS.c.id == "port-3"))


@plain
def delete_without_handler(store: Store) -> Any:
    with rows.reporting():
        _delete_port(store)


@plain
def delete_without_handler_twin(store: Store) -> Any:
    try:
        with rows.reporting():
            _delete_port(store)
    except sa_exc.IntegrityError as error:
        raise rows.PortInUse("port-3") from error


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
        "a tuple of classes without the one that comes",
        wrong_classes,
        wrong_classes_twin,
        "duplicate",
        "leaked",
    ),
    Pair(
        "the handler stands above the flush",
        handler_above_the_flush,
        handler_above_the_flush_twin,
        "duplicate",
        "leaked",
    ),
    Pair(
        "a query flushes outside of the handler",
        flushed_by_a_query,
        flushed_by_a_query_twin,
        "duplicate",
        "leaked",
    ),
    Pair(
        "the words of another server are looked for",
        words_of_one_server,
        words_of_one_server_twin,
        "duplicate",
        "leaked",
        elsewhere={"mysql": "reported"},
    ),
    Pair(
        "the handler knows the codes of another server",
        unknown_code,
        unknown_code_twin,
        "duplicate",
        "masked",
        elsewhere={"mysql": "reported"},
    ),
    Pair(
        "the handler reads an attribute of another driver",
        attribute_of_another_driver,
        attribute_of_another_driver_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "the handler reads an expired object",
        expired_in_the_handler,
        expired_in_the_handler_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "a row that is referred to is deleted without a handler",
        delete_without_handler,
        delete_without_handler_twin,
        "reference",
        "leaked",
        ("deadlock", "lock-wait"),
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
