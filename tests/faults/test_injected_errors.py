"""The injected error is held to the real one: class, text, codes, and what oslo.db makes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from oslo_db.sqlalchemy import enginefacade

from auditor.backends.scratch import open_scratch
from auditor.faults.aim.keys import read_keys
from auditor.faults.aim.plan import ROWS, faults_of, shots_at
from auditor.faults.catalogue.fault import Moment, fault_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call

METADATA = sa.MetaData()
PARENTS = sa.Table(
    "parents",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(20)),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.UniqueConstraint("name", name="uniq_parents0name"),
    sa.CheckConstraint("quantity > 0", name="quantity_positive"),
)
CHILDREN = sa.Table(
    "children",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("parent_id", sa.Integer, sa.ForeignKey("parents.id", name="fk_child_parent")),
)

Act = Callable[[Any], object]


def new_parent(values: Mapping[str, Any]) -> Act:
    row = {"id": 2, "name": "two", "quantity": 1, **values}
    return lambda connection: connection.execute(sa.insert(PARENTS).values(row))


def new_child(parent: int) -> Act:
    row = {"id": 2, "parent_id": parent}
    return lambda connection: connection.execute(sa.insert(CHILDREN).values(row))


def delete_parent(number: int) -> Act:
    return lambda connection: connection.execute(sa.delete(PARENTS).where(PARENTS.c.id == number))


# fault, what violates it, and the same statement without offence, from which the fault is planned
PAIRS = (
    ("duplicate", new_parent({"name": "one"}), new_parent({})),
    ("reference", new_child(99), new_child(1)),
    ("reference", delete_parent(1), delete_parent(3)),
    ("not-null", new_parent({"quantity": None}), new_parent({})),
    ("check", new_parent({"quantity": -1}), new_parent({})),
    ("too-long", new_parent({"name": "x" * 21}), new_parent({})),
    ("out-of-range", new_parent({"quantity": 2**40}), new_parent({})),
)


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_an_injected_violation_equals_the_real_one(database: str) -> None:
    with open_scratch(database) as scratch:
        for url in _drivers(scratch.url):
            with filled(url) as engine:
                known = {fault.name for fault in faults_of(engine.dialect.name)}
                pairs = [pair for pair in PAIRS if pair[0] in known]
                told = [
                    (portrait(raised(engine, bad)), portrait(injected(engine, good, name, bad)))
                    for name, bad, good in pairs
                ]
                assert [one for one, _ in told] == [other for _, other in told]


def test_an_injected_deadlock_equals_a_real_one_of_two_sessions(postgresql: str) -> None:
    with open_scratch(postgresql) as scratch, filled(scratch.url) as engine:
        real = real_deadlock(engine)
        made = injected(engine, touch(1), "deadlock")
        names = (type(real), type(inner(real)), sqlstate(real), first_line(real))
        assert names == (type(made), type(inner(made)), sqlstate(made), first_line(made))


@pytest.mark.parametrize("database", ["postgresql", "mariadb"], indirect=True)
def test_a_read_that_does_not_wait_for_a_lock_fails_as_really(database: str) -> None:
    def locks(connection: Any) -> None:
        connection.execute(sa.select(PARENTS).with_for_update(nowait=True))

    with open_scratch(database) as scratch, filled(scratch.url) as engine:
        with engine.connect() as other, other.begin():
            locks(other)
            real = raised(engine, locks)
        assert portrait(injected(engine, locks, "lock-wait")) == portrait(real)


def test_a_deadlock_in_a_savepoint_takes_the_savepoint_along_on_mariadb(mariadb: str) -> None:
    def in_savepoint(connection: Any) -> None:
        with connection.begin_nested():
            touch(1)(connection)

    with open_scratch(mariadb) as scratch, filled(scratch.url) as engine:
        error = injected(engine, in_savepoint, "deadlock")
        assert type(error).__name__ == "DBError"
        assert type(error.cause).__name__ == "DBDeadlock"
        assert "SAVEPOINT" in str(error)


def test_an_injected_disconnect_replaces_the_connection_as_a_real_one_does(
    postgresql: str,
) -> None:
    with open_scratch(postgresql) as scratch, filled(scratch.url) as engine:
        made = injected(engine, touch(1), "disconnect")
        assert type(made).__name__ == "DBConnectionError"
        assert made.inner_exception.connection_invalidated is True
        with engine.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(PARENTS)) == 2


def test_an_injected_error_aborts_a_transaction_of_postgresql(postgresql: str) -> None:
    def goes_on(connection: Any) -> None:
        try:
            touch(1)(connection)
        except Exception:
            touch(2)(connection)
            raise

    with open_scratch(postgresql) as scratch, filled(scratch.url) as engine:
        error = injected(engine, goes_on, "lock-wait")
        assert "current transaction is aborted" in str(error)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.dialect}-{row.fault}-{row.code}")
def test_a_row_recognises_its_samples_and_not_its_near_misses(row: Any) -> None:
    assert row.samples
    assert [one for one in row.samples if not row.recognises(one)] == []
    assert [one for one in row.near_misses if row.recognises(one)] == []


def test_every_fault_of_the_catalogue_has_rows_and_every_row_a_fault() -> None:
    told = {fault.rows_of or fault.name for fault in FAULTS if fault.moment is not Moment.RIVAL}
    assert told == {row.fault for row in ROWS}


def portrait(error: Any) -> dict[str, Any]:
    """All that a program can see of an oslo.db or SQLAlchemy error and of the driver's in it."""
    driver = inner(error)
    diagnostics = getattr(driver, "diag", None)
    names = ("constraint_name", "table_name", "schema_name", "message_primary", "sqlstate")
    seen = {
        "class": type(error),
        "driver": type(driver),
        "said": text_of(driver),
        "diagnostics": [getattr(diagnostics, name, None) for name in names],
    }
    for name in ("columns", "table", "constraint", "key", "key_table", "check_name"):
        seen[name] = getattr(error, name, None)
    for name in ("sqlite_errorname", "sqlite_errorcode", "pgcode", "sqlstate"):
        seen[name] = getattr(driver, name, None)
    return seen


def text_of(driver: Any) -> list[str]:
    """The message. PostgreSQL's DETAIL of a failing row shows the whole row, which we leave out."""
    lines = " ".join(map(str, driver.args)).splitlines()
    return [line for line in lines if "Failing row" not in line]


def inner(error: Any) -> Any:
    wrapped = getattr(error, "inner_exception", None) or error
    return getattr(wrapped, "orig", wrapped)


def sqlstate(error: Any) -> str:
    """The code as psycopg keeps it, or psycopg2."""
    driver = inner(error)
    return str(getattr(driver, "sqlstate", None) or driver.pgcode)


def first_line(error: Any) -> str:
    return str(inner(error)).splitlines()[0]


@contextmanager
def filled(url: str) -> Iterator[sa.Engine]:
    """An oslo.db engine on the tables, with a parent that has a child and one that has none."""
    manager = enginefacade.transaction_context()
    manager.configure(connection=url, sqlite_fk=True)
    engine = manager.writer.get_engine()
    METADATA.create_all(engine)
    with engine.begin() as connection:
        for number, name in ((1, "one"), (3, "three")):
            connection.execute(sa.insert(PARENTS).values(id=number, name=name, quantity=1))
        connection.execute(sa.insert(CHILDREN).values(id=1, parent_id=1))
    try:
        yield engine
    finally:
        METADATA.drop_all(engine)
        engine.dispose()


def raised(engine: sa.Engine, act: Act) -> BaseException:
    _, error = make_call(lambda: in_transaction(engine, act))
    assert error is not None
    return error


def injected(engine: sa.Engine, act: Act, fault: str, struck: Act | None = None) -> Any:
    """The error that comes of injecting into the first such statement of a transaction. `struck` is
    executed in place of `act` when it fails."""
    learnt = Watch(None, make_call.__code__, ".")
    with learnt.watching(), engine.connect() as connection, connection.begin() as transaction:
        act(connection)
        transaction.rollback()
    with engine.connect() as connection:
        keys = read_keys(connection)
    named = fault_named(fault, FAULTS)
    hit = (shots_at(named, one, keys, persistent=False) for one in learnt.statements)
    shot = next(shots for shots in hit if shots)[0]
    watch = Watch(shot, make_call.__code__, ".")
    with watch.watching():
        return raised(engine, struck or act)


def in_transaction(engine: sa.Engine, act: Act) -> None:
    with engine.begin() as connection:
        act(connection)


def touch(number: int) -> Act:
    return lambda connection: connection.execute(
        sa.update(PARENTS).where(PARENTS.c.id == number).values(quantity=2)
    )


def real_deadlock(engine: sa.Engine) -> BaseException:
    """Two sessions that lock two rows in opposite order; the error of the one that lost."""
    barrier = threading.Barrier(2)
    errors: list[BaseException] = []

    def lock(first: int, second: int) -> None:
        def both(connection: Any) -> None:
            touch(first)(connection)
            barrier.wait(timeout=10)
            touch(second)(connection)

        _, error = make_call(lambda: in_transaction(engine, both))
        if error is not None:
            errors.append(error)

    threads = [threading.Thread(target=lock, args=order) for order in ((1, 3), (3, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    (error,) = errors
    return error


def _drivers(url: str) -> list[str]:
    """The URL as it is, and for PostgreSQL also with the other driver."""
    return [url, url.replace("+psycopg:", "+psycopg2:")] if "+psycopg:" in url else [url]
