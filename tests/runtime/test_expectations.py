from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from auditor.model.finding import Problem
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from auditor.runtime.expectations import (
    Expectation,
    ExpectationError,
    at_most,
    complaint,
    counting,
    counts_of,
    exactly,
    kinds_in_words,
    none,
)

SQL = {
    "SELECT": "SELECT a FROM t",
    "INSERT": "INSERT INTO t VALUES (?)",
    "SAVEPOINT": "SAVEPOINT sa_savepoint_1",
    "CREATE": "CREATE TABLE t (a INTEGER)",
    "": "",
}


def entry(verb: str, executions: int) -> Entry:
    return Entry(
        shape=SQL[verb],
        verb=verb,
        tables=("t",),
        site=Site(()),
        cause=Cause(CauseKind.DDL if verb == "CREATE" else CauseKind.EXPLICIT),
        transaction="plain",
        database="sqlite",
        test="",
        executions=executions,
        sent=executions,
        rows=0,
        seconds=0.0,
    )


TAPE = Tape((entry("SELECT", 3), entry("INSERT", 1), entry("SAVEPOINT", 2), entry("CREATE", 7)))


@pytest.fixture
def connection() -> Iterator[sa.engine.Connection]:
    engine = sa.create_engine("sqlite://", future=True)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_statements_are_counted_by_kind_and_ddl_is_not() -> None:
    assert kinds_in_words(counts_of(TAPE)) == "select 3, insert 1, savepoint 2"
    assert kinds_in_words(counts_of(Tape((entry("", 2),)))) == "other 2"
    assert kinds_in_words(counts_of(Tape())) == "none"


@pytest.mark.parametrize(
    ("expectation", "head"),
    [
        (exactly(6), ""),
        (exactly(5), "6 statements were executed, wanted exactly 5"),
        (at_most(6), ""),
        (at_most(5), "6 statements were executed, wanted at most 5"),
        (none(), "6 statements were executed, wanted none"),
        (at_most(select=3), ""),
        (
            at_most(9, select=2),
            (
                "6 statements were executed (select 3, insert 1, savepoint 2), wanted at most 9,"
                " select 2"
            ),
        ),
        (
            exactly(select=3, insert=0),
            (
                "6 statements were executed (select 3, insert 1, savepoint 2), wanted exactly"
                " select 3, insert 0"
            ),
        ),
    ],
    ids=str,
)
def test_a_complaint_says_what_was_executed_and_what_was_wanted(
    expectation: Expectation, head: str
) -> None:
    assert complaint(expectation, TAPE).partition("\n")[0] == head


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exactly(-1), "`-1`: a number of statements is a whole number, 0 or more"),
        (lambda: at_most(True), "`True`: a number of statements is a whole number, 0 or more"),
        (
            lambda: at_most(select="3"),  # type: ignore[arg-type]  # what a user may write
            "`select` is `'3'`: a number of statements is a whole number, 0 or more",
        ),
        (
            lambda: at_most(selects=3),
            (
                "there is no kind of statement `selects`; there are `select`, `insert`, `update`,"
                " `delete`, `savepoint`, `other`"
            ),
        ),
        (
            at_most,
            (
                "0 numbers are given: give one, such as `3`, or one for each kind, such as"
                " `select=3, insert=1`"
            ),
        ),
        (
            lambda: exactly(1, 2),
            (
                "2 numbers are given: give one, such as `3`, or one for each kind, such as"
                " `select=3, insert=1`"
            ),
        ),
    ],
)
def test_an_expectation_that_means_nothing_is_refused(
    make: Callable[[], Expectation], message: str
) -> None:
    with pytest.raises(ExpectationError) as error:
        make()
    assert str(error.value) == message


def test_only_the_statements_of_the_inner_block_count_in_it(
    connection: sa.engine.Connection,
) -> None:
    def run() -> None:
        connection.execute(sa.text("select 1"))

    with counting(exactly(3), AssertionError) as outer:
        run()
        with counting(exactly(1), AssertionError):
            run()
        run()
    run()
    assert outer.statements == 3


def test_a_block_that_raises_is_not_judged(connection: sa.engine.Connection) -> None:
    with pytest.raises(sa.exc.OperationalError), counting(none(), AssertionError):
        connection.execute(sa.text("select a from nowhere"))


def test_an_asynchronous_block_counts_the_tasks_in_it() -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # 1.4 without greenlet has none

    async def run() -> None:
        engine = create_async_engine("sqlite+aiosqlite://", poolclass=sa.pool.NullPool)

        async def select() -> None:
            async with engine.connect() as connection:
                await connection.execute(sa.text("select 1"))

        async with counting(exactly(2), AssertionError):
            await asyncio.gather(select(), select())
        with pytest.raises(AssertionError, match="1 statement was executed, wanted none"):
            async with counting(none(), AssertionError):
                await select()
        await engine.dispose()

    asyncio.run(run())


def test_only_one_engine_counts_if_it_is_named(connection: sa.engine.Connection) -> None:
    other = sa.create_engine("sqlite://", future=True)
    with counting(exactly(1), AssertionError, engine=other), other.connect() as its_own:
        connection.execute(sa.text("select 1"))
        its_own.execute(sa.text("select 1"))
    other.dispose()


def test_a_count_that_is_too_low_is_not_believed_where_statements_were_lost(
    monkeypatch: pytest.MonkeyPatch, connection: sa.engine.Connection
) -> None:
    told: list[str] = []
    with counting(exactly(2), AssertionError, unsure=told.append) as recording:
        connection.execute(sa.text("select 1"))
        recording._ledger.losses[Problem("recorder on sqlite", "recording stopped", True)] = None
    assert told == ["not checked: recorder on sqlite: recording stopped"]
