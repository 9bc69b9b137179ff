"""Handlers around oslo.db's transactions that catch too much, too little, or the wrong thing."""

from __future__ import annotations

from typing import Any

from oslo_db import exception as db_exc
from oslo_utils import excutils
from sqlalchemy import exc as sa_exc

from metering import errors, facade, models
from planted import rows
from planted.pair import Pair
from planted.service import oslo, retried


def _create(context: facade.Context, name: str = "new") -> None:
    with facade.WRITER.using(context) as session:
        session.add(rows.new_label(name))


@oslo
def class_of_sqlalchemy(context: facade.Context) -> Any:
    try:
        _create(context)
    except sa_exc.IntegrityError as error:
        raise errors.LabelExists("new") from error


@oslo
def class_of_sqlalchemy_twin(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists("new") from error


@oslo
def handler_inside_the_writer(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        try:
            session.add(rows.new_label())
        except db_exc.DBDuplicateEntry as error:
            raise errors.LabelExists("new") from error


@oslo
def handler_inside_the_writer_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.add(rows.new_label())
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists("new") from error


@oslo
def deadlock_swallowed_in_a_writer(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        for name in ("a", "b"):
            try:
                session.execute(rows.insert_label(name))
            except db_exc.DBDeadlock:
                continue


@oslo
def deadlock_swallowed_in_a_writer_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            for name in ("a", "b"):
                session.execute(rows.insert_label(name))
    except db_exc.DBDeadlock as error:
        raise errors.MeteringUnavailable("labels") from error


@oslo
def skips_in_a_dead_session(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        for name in ("a", "b"):
            try:
                session.add(rows.new_label(name))
                session.flush()
            except db_exc.DBDuplicateEntry:
                continue


@oslo
def skips_in_a_dead_session_twin(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        for name in ("a", "b"):
            try:
                with session.begin_nested():
                    session.add(rows.new_label(name))
            except db_exc.DBDuplicateEntry as error:
                raise errors.LabelExists(name) from error


@oslo
def attribute_that_is_not_there(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists(error.constraint) from error


@oslo
def attribute_that_is_not_there_twin(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists(error.columns) from error


@oslo
def asks_in_the_dead_session(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        try:
            session.add(rows.new_label())
            session.flush()
        except db_exc.DBDuplicateEntry as error:
            known = session.query(models.MeteringLabel).filter_by(name="new").count()
            raise errors.LabelExists(known) from error


@oslo
def asks_in_the_dead_session_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.add(rows.new_label())
            session.flush()
    except db_exc.DBDuplicateEntry as error:
        with facade.READER.using(context) as session:
            known = session.query(models.MeteringLabel).filter_by(name="new").count()
        raise errors.LabelExists(known) from error


@oslo
def saved_and_dropped(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBError:
        with excutils.save_and_reraise_exception() as saved:
            saved.reraise = False


@oslo
def saved_and_dropped_twin(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBError as error:
        with excutils.save_and_reraise_exception() as saved:
            saved.reraise = False
        raise errors.MeteringUnavailable("new") from error


@oslo
def saved_while_it_writes(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        try:
            session.add(rows.new_label())
            session.flush()
        except db_exc.DBDuplicateEntry:
            with excutils.save_and_reraise_exception():
                session.execute(rows.insert_entry("there is such a label"))


@oslo
def saved_while_it_writes_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.add(rows.new_label())
            session.flush()
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists("new") from error


@oslo
def check_taken_for_duplicate(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())
    except db_exc.DBDuplicateEntry as error:
        raise rows.QuotaExceeded(rows.PROJECT) from error


@oslo
def check_taken_for_duplicate_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())
    except (db_exc.DBError, sa_exc.OperationalError) as error:
        raise rows.QuotaExceeded(rows.PROJECT) from error


@oslo
def delete_unhandled(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        session.query(models.Port).filter_by(id="port-3").delete()


@oslo
def delete_unhandled_twin(context: facade.Context) -> Any:
    try:
        with facade.WRITER.using(context) as session:
            session.query(models.Port).filter_by(id="port-3").delete()
    except db_exc.DBReferenceError as error:
        raise rows.PortInUse("port-3") from error


@oslo
def broad_handler_below_a_retry(context: facade.Context) -> Any:
    @retried
    def create() -> None:
        try:
            _create(context)
        except Exception:
            return

    create()


@oslo
def broad_handler_below_a_retry_twin(context: facade.Context) -> Any:
    @retried
    def create() -> None:
        try:
            _create(context)
        except db_exc.DBDuplicateEntry as error:
            raise errors.LabelExists("new") from error

    create()


@oslo
def reader_gives_none(context: facade.Context) -> Any:
    try:
        with facade.READER.using(context) as session:
            return session.get(models.MeteringLabel, "label-1").name
    except db_exc.DBError:
        return None


@oslo
def reader_gives_none_twin(context: facade.Context) -> Any:
    try:
        with facade.READER.using(context) as session:
            return session.get(models.MeteringLabel, "label-1").name
    except db_exc.DBError as error:
        raise errors.MeteringUnavailable("label-1") from error


@oslo
def mistake_in_the_handler(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists(name="new") from error


@oslo
def mistake_in_the_handler_twin(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists("new") from error


@oslo
def index_of_the_columns(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise KeyError(error.columns[7]) from None


@oslo
def index_of_the_columns_twin(context: facade.Context) -> Any:
    try:
        _create(context)
    except db_exc.DBDuplicateEntry as error:
        raise KeyError(error.columns) from None


PAIRS = (
    Pair(
        "SQLAlchemy's class is caught where oslo.db's comes",
        class_of_sqlalchemy,
        class_of_sqlalchemy_twin,
        "duplicate",
        "leaked",
    ),
    Pair(
        "the handler stands inside of the writer, the flush at its end",
        handler_inside_the_writer,
        handler_inside_the_writer_twin,
        "duplicate",
        "leaked",
    ),
    Pair(
        "a deadlock is swallowed in a writer",
        deadlock_swallowed_in_a_writer,
        deadlock_swallowed_in_a_writer_twin,
        "deadlock-rollback",
        "half-committed swallowed",
        ("deadlock", "commit-deadlock"),
    ),
    Pair(
        "a duplicate is skipped, in a session that is dead",
        skips_in_a_dead_session,
        skips_in_a_dead_session_twin,
        "duplicate",
        "broken-session",
    ),
    Pair(
        "the handler reads an attribute that the error has not",
        attribute_that_is_not_there,
        attribute_that_is_not_there_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "the handler asks in the dead session",
        asks_in_the_dead_session,
        asks_in_the_dead_session_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "`save_and_reraise_exception` is told not to",
        saved_and_dropped,
        saved_and_dropped_twin,
        "deadlock",
        "swallowed",
        ("duplicate", "disconnect", "commit-disconnect"),
    ),
    Pair(
        "what is written while the error is saved fails",
        saved_while_it_writes,
        saved_while_it_writes_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "a CHECK is taken for a duplicate",
        check_taken_for_duplicate,
        check_taken_for_duplicate_twin,
        "check",
        "leaked",
        ("deadlock", "disconnect"),
    ),
    Pair(
        "a foreign key that forbids the DELETE is forgotten",
        delete_unhandled,
        delete_unhandled_twin,
        "reference",
        "leaked",
    ),
    Pair(
        "a broad handler below the retry",
        broad_handler_below_a_retry,
        broad_handler_below_a_retry_twin,
        "deadlock",
        "swallowed",
        ("commit-deadlock", "duplicate"),
    ),
    Pair(
        "a failed read gives None",
        reader_gives_none,
        reader_gives_none_twin,
        "disconnect",
        "swallowed",
        ("deadlock",),
    ),
    Pair(
        "the handler gives its error what it does not take",
        mistake_in_the_handler,
        mistake_in_the_handler_twin,
        "duplicate",
        "masked",
    ),
    Pair(
        "a `raise KeyError` fails in making the error",
        index_of_the_columns,
        index_of_the_columns_twin,
        "duplicate",
        "masked",
    ),
)
