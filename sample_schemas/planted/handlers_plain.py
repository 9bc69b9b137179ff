"""Handlers around plain sessions that catch too much, too little, or the wrong thing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc as sa_exc

from metering import errors, models
from planted import rows
from planted.pair import Pair
from planted.store import Store, plain


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


PAIRS = (
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
)
