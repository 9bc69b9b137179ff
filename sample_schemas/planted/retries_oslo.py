"""oslo.db's retry in the wrong place, for the wrong error, or around what must not be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from oslo_db import api
from oslo_db import exception as db_exc
from sqlalchemy import exc as sa_exc

from metering import errors, facade
from planted import rows
from planted.pair import Pair
from planted.service import oslo, retried

on_disconnect = api.wrap_db_retry(max_retries=3, retry_on_disconnect=True)


def _count_and_create(context: facade.Context) -> None:
    with facade.WRITER.using(context) as session:
        session.execute(rows.use_one_more())
        session.execute(rows.insert_label("new"))


@oslo
def retry_dropped(context: facade.Context) -> Any:
    _count_and_create(context)


@oslo
def retry_dropped_twin(context: facade.Context) -> Any:
    retried(_count_and_create)(context)


@oslo
def retry_for_another_error(context: facade.Context) -> Any:
    on_disconnect(_count_and_create)(context)


@oslo
def retry_for_another_error_twin(context: facade.Context) -> Any:
    retried(_count_and_create)(context)


def _for_class(wanted: type[Exception]) -> Any:
    return api.wrap_db_retry(
        max_retries=3, exception_checker=lambda error: isinstance(error, wanted)
    )


@oslo
def checker_for_a_class_that_never_comes(context: facade.Context) -> Any:
    _for_class(sa_exc.OperationalError)(_count_and_create)(context)


@oslo
def checker_for_a_class_that_never_comes_twin(context: facade.Context) -> Any:
    _for_class(db_exc.DBDeadlock)(_count_and_create)(context)


@oslo
def retry_inside_the_transaction(context: facade.Context) -> Any:
    @retried
    def second(session: Any) -> None:
        session.execute(rows.insert_label("new"))

    with facade.WRITER.using(context) as session:
        session.execute(rows.use_one_more())
        second(session)


@oslo
def retry_inside_the_transaction_twin(context: facade.Context) -> Any:
    def second(session: Any) -> None:
        session.execute(rows.insert_label("new"))

    @retried
    def both() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())
            second(session)

    both()


def _two_labels(context: facade.Context) -> None:
    context.session.execute(rows.insert_label("a"))
    context.session.execute(rows.insert_label("b"))


@oslo
def decorators_in_the_wrong_order(context: facade.Context) -> Any:
    @facade.WRITER
    def both(context: facade.Context) -> None:
        retried(_two_labels)(context)

    both(context)


@oslo
def decorators_in_the_wrong_order_twin(context: facade.Context) -> Any:
    retried(facade.WRITER(_two_labels))(context)


@oslo
def retry_below_an_outer_writer(context: facade.Context) -> Any:
    with facade.WRITER.using(context) as session:
        session.execute(rows.insert_entry("label made"))
        retried(_count_and_create)(context)


@oslo
def retry_below_an_outer_writer_twin(context: facade.Context) -> Any:
    @retried
    def whole() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_entry("label made"))
            _count_and_create(context)

    whole()


@oslo
def two_transactions_in_a_retry(context: facade.Context) -> Any:
    @retried
    def both() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label("new"))

    both()


@oslo
def two_transactions_in_a_retry_twin(context: facade.Context) -> Any:
    @retried
    def both() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())
            session.execute(rows.insert_label("new"))

    both()


@oslo
def independent_writer_in_a_retry(context: facade.Context) -> Any:
    @retried
    def both() -> None:
        with facade.WRITER.independent.using(facade.Context()) as session:
            session.execute(rows.insert_entry("label made"))
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label("new"))

    both()


@oslo
def independent_writer_in_a_retry_twin(context: facade.Context) -> Any:
    @retried
    def both() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_entry("label made"))
            session.execute(rows.insert_label("new"))

    both()


@oslo
def retry_around_a_generator(context: facade.Context) -> Any:
    @retried
    def made() -> Iterator[str]:
        with facade.WRITER.using(context) as session:
            for name in ("a", "b"):
                session.execute(rows.insert_label(name))
                yield name

    return list(made())


@oslo
def retry_around_a_generator_twin(context: facade.Context) -> Any:
    def made() -> Iterator[str]:
        with facade.WRITER.using(context) as session:
            for name in ("a", "b"):
                session.execute(rows.insert_label(name))
                yield name

    return retried(lambda: list(made()))()


@oslo
def taken_from_the_argument(context: facade.Context) -> Any:
    request = {"title": "new"}

    @retried
    def create() -> None:
        name = request.pop("title")
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label(name))

    create()


@oslo
def taken_from_the_argument_twin(context: facade.Context) -> Any:
    request = {"title": "new"}

    @retried
    def create() -> None:
        name = request["title"]
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label(name))

    create()


@oslo
def gives_up_raw(context: facade.Context) -> Any:
    retried(_count_and_create)(context)


@oslo
def gives_up_raw_twin(context: facade.Context) -> Any:
    try:
        retried(_count_and_create)(context)
    except db_exc.DBDeadlock as error:
        raise errors.MeteringUnavailable("new") from error


@oslo
def counted_twice_when_unacknowledged(context: facade.Context) -> Any:
    @on_disconnect
    def count() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.use_one_more())

    count()


@oslo
def counted_twice_when_unacknowledged_twin(context: facade.Context) -> Any:
    @on_disconnect
    def count() -> None:
        with facade.WRITER.using(context) as session:
            done = session.query(rows.Entry).filter_by(words="request 7").count()
            if not done:
                session.execute(rows.insert_entry("request 7"))
                session.execute(rows.use_one_more())

    count()


@oslo
def duplicate_of_its_own(context: facade.Context) -> Any:
    @on_disconnect
    def create() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label("new"))

    try:
        create()
    except db_exc.DBDuplicateEntry as error:
        raise errors.LabelExists("new") from error


@oslo
def duplicate_of_its_own_twin(context: facade.Context) -> Any:
    def create() -> None:
        with facade.WRITER.using(context) as session:
            session.execute(rows.insert_label("new"))

    try:
        create()
    except db_exc.DBConnectionError as error:
        raise errors.MeteringUnavailable("new") from error


PAIRS = (
    Pair(
        "the retry is forgotten",
        retry_dropped,
        retry_dropped_twin,
        "deadlock",
        "leaked leaked",
        ("deadlock-rollback", "commit-deadlock"),
    ),
    Pair(
        "the retry is for lost connections only",
        retry_for_another_error,
        retry_for_another_error_twin,
        "deadlock",
        "leaked leaked",
        ("commit-deadlock",),
    ),
    Pair(
        "the retry waits for a class that never comes",
        checker_for_a_class_that_never_comes,
        checker_for_a_class_that_never_comes_twin,
        "deadlock",
        "leaked leaked",
        ("commit-deadlock",),
    ),
    Pair(
        "the retry is inside of the transaction",
        retry_inside_the_transaction,
        retry_inside_the_transaction_twin,
        "deadlock-rollback",
        "leaked half-committed",
        ("deadlock", "commit-deadlock"),
    ),
    Pair(
        "the writer is around the retry",
        decorators_in_the_wrong_order,
        decorators_in_the_wrong_order_twin,
        "deadlock",
        "recovered retried-in-vain",
        ("deadlock-rollback", "commit-deadlock"),
        elsewhere={"postgresql": "broken-session broken-session", "mysql": "recovered recovered"},
    ),
    Pair(
        "an inner function retries, and an outer writer has begun",
        retry_below_an_outer_writer,
        retry_below_an_outer_writer_twin,
        "deadlock-rollback",
        "leaked half-committed half-committed",
        ("deadlock",),
    ),
    Pair(
        "the retried function has two transactions",
        two_transactions_in_a_retry,
        two_transactions_in_a_retry_twin,
        "deadlock",
        "recovered half-committed",
        ("commit-deadlock",),
    ),
    Pair(
        "an independent writer inside of a retry",
        independent_writer_in_a_retry,
        independent_writer_in_a_retry_twin,
        "deadlock",
        "recovered half-committed",
        ("commit-deadlock",),
    ),
    Pair(
        "the retry is around a generator",
        retry_around_a_generator,
        retry_around_a_generator_twin,
        "deadlock",
        "leaked leaked",
        ("commit-deadlock",),
    ),
    Pair(
        "the second try misses what the first took from its argument",
        taken_from_the_argument,
        taken_from_the_argument_twin,
        "deadlock",
        "masked",
        ("commit-deadlock",),
    ),
    Pair(
        "the retry gives up with the raw error",
        gives_up_raw,
        gives_up_raw_twin,
        "deadlock",
        "retried-in-vain",
        mode="persistent",
    ),
    Pair(
        "a COMMIT without answer is done again",
        counted_twice_when_unacknowledged,
        counted_twice_when_unacknowledged_twin,
        "commit-unacknowledged",
        "half-committed",
        ("disconnect", "commit-disconnect"),
    ),
    Pair(
        "the retry meets its own row, and reports that it exists",
        duplicate_of_its_own,
        duplicate_of_its_own_twin,
        "commit-unacknowledged",
        "misreported",
        ("disconnect", "commit-disconnect"),
    ),
)
