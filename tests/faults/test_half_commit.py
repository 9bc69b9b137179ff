"""A deadlock between two real sessions on MariaDB does what a sweep on SQLite said it would."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from oslo_db import exception as db_exc
from sqlalchemy import event

from auditor.backends.scratch import open_scratch
from auditor.faults.sweep.run import sweep
from auditor.model.outcome import StateChange, Verdict
from tests.faults.oslo_service import Service
from tests.faults.test_sweep_verdicts import Parent, fill, insert, service, workload

Rows = set[tuple[str, str]]
HEAVY = 20
"""Rows that the other session writes: InnoDB ends the transaction that has written less."""


def renames_two_and_swallows(own: Service) -> str:
    with own.writer as session:
        rename(session, "p0", "first")
        try:
            rename(session, "p1", "second")
        except db_exc.DBDeadlock:
            pass
        insert(session, "c")
    return "done"


def rename(session: Any, parent: str, name: str) -> None:
    session.query(Parent).filter_by(id=parent).update({"name": name}, synchronize_session=False)


@contextmanager
def deadlocking(own: Service, url: str) -> Iterator[list[str]]:
    """Another session that has `p1` before the program asks for it, and asks for `p0`; gives what
    the database told the program."""
    told: list[str] = []
    rival = sa.create_engine(url)
    with rival.connect() as other, other.begin() as transaction:
        asking = threading.Thread(target=other.execute, args=[_update("p0")])

        def before(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith("UPDATE") and "second" in str(parameters):
                others = [{"id": f"o{n}", "name": f"other {n}"} for n in range(HEAVY)]
                other.execute(sa.insert(Parent.__table__), others)
                other.execute(_update("p1"))
                asking.start()

        engine = own.manager.writer.get_engine()
        event.listen(engine, "before_cursor_execute", before)
        event.listen(
            engine, "handle_error", lambda context: told.append(str(context.original_exception))
        )
        yield told
        asking.join()
        transaction.rollback()
    rival.dispose()


def _update(parent: str) -> Any:
    return sa.update(Parent.__table__).where(Parent.__table__.c.id == parent).values(name=parent)


def stored(mariadb: str, *, with_rival: bool) -> tuple[Rows, list[str]]:
    with open_scratch(mariadb) as database:
        own = service(database)
        fill(own, 2)
        if with_rival:
            with deadlocking(own, database.url) as told:
                assert renames_two_and_swallows(own) == "done"
        else:
            told = []
            renames_two_and_swallows(own)
        with own.reader as session:
            rows = {(row.id, row.name) for row in session.query(Parent.id, Parent.name)}
        own.manager.writer.get_engine().dispose()
    return rows, told


def test_two_sessions_on_mariadb_lose_the_half_that_a_sweep_on_sqlite_says_is_lost(
    mariadb: str,
) -> None:
    success, _ = stored(mariadb, with_rival=False)
    left, told = stored(mariadb, with_rival=True)
    assert [one.partition(",")[0] for one in told] == ["(1213"]
    assert success == {("p0", "first"), ("p1", "second"), ("c", "c")}
    assert left == {("p0", "name 0"), ("p1", "name 1"), ("c", "c")}
    lost = StateChange("parents", missing=len(success - left), added=len(left - success))
    program = workload(renames_two_and_swallows)
    (predicted,) = sweep(program, faults=("deadlock-rollback",), at=2)
    (harmless,) = sweep(program, faults=("deadlock",), at=2)
    assert (predicted.verdict, predicted.changes) == (Verdict.HALF_COMMITTED, (lost,))
    assert harmless.changes == (StateChange("parents", missing=1, added=1),)
