from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from oslo_db import api
from oslo_db import exception as db_exc
from sqlalchemy import orm

from auditor.backends.database import ScratchDatabase
from auditor.faults.sweep.run import sweep
from auditor.growth.scenario import Scenario
from auditor.model.outcome import FaultOutcome, StateChange, Verdict
from auditor.model.span import Frame
from tests.faults.oslo_service import Service, service_on

Base = orm.declarative_base()


class Parent(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "parents"
    id = sa.Column(sa.String(36), primary_key=True)
    name = sa.Column(sa.String(20), unique=True)


class Child(Base):  # type: ignore[valid-type,misc]
    __tablename__ = "children"
    id = sa.Column(sa.Integer, primary_key=True)
    parent_id = sa.Column(sa.String(36), sa.ForeignKey("parents.id"), nullable=False)
    made: Any = sa.Column(sa.DateTime)
    serial: Any = sa.Column(sa.String(36))


class InUse(Exception):
    """The program's own word for a failure."""


def service(database: ScratchDatabase) -> Service:
    return service_on(database, Base.metadata)


def fill(own: Service, rows: int) -> None:
    with own.writer as session:
        session.add_all(Parent(id=f"p{n}", name=f"name {n}") for n in range(rows))


def workload(act: Callable[[Service], Any], declared: tuple[str, ...] = ()) -> Scenario:
    def populate(own: Service, rows: int) -> Callable[[], Any]:
        fill(own, rows)
        return lambda: act(own)

    return Scenario(
        name=act.__name__,
        populate=populate,
        sizes=(("rows", (1, 2)),),
        prepare=service,
        declared=declared,
    )


def insert(session: Any, parent: str) -> Any:
    """Core, so that the ORM's own care for failed sessions is out of the way."""
    session.execute(sa.insert(Parent.__table__).values(id=parent, name=parent))
    return parent


retried = api.wrap_db_retry(max_retries=3, retry_on_deadlock=True)


# Programs, each with the twin that does it right.


def swallows(own: Service) -> str:
    try:
        with own.writer as session:
            insert(session, "a")
    except db_exc.DBDeadlock:
        pass
    return "a"


@retried
def retries(own: Service) -> str:
    with own.writer as session:
        insert(session, "a")
        insert(session, "b")
    return "a"


def leaks(own: Service) -> None:
    with own.writer as session:
        insert(session, "a")


def reports(own: Service) -> None:
    try:
        with own.writer as session:
            insert(session, "a")
    except db_exc.DBError as error:
        raise InUse("a") from error


def masks(own: Service) -> None:
    try:
        with own.writer as session:
            insert(session, "a")
    except db_exc.DBError as error:
        raise InUse(error.table)  # no such attribute


def masks_later(own: Service) -> str:
    found = None
    try:
        with own.reader as session:
            found = session.query(Parent).order_by(Parent.id).first()
    except db_exc.DBError:
        pass
    return str(found.name)  # type: ignore[union-attr]


def swallows_in_writer(own: Service) -> str:
    with own.writer as session:
        insert(session, "a")
        try:
            insert(session, "b")
        except db_exc.DBDeadlock:
            pass
        insert(session, "c")
    return "done"


def goes_on_with_a_dead_session(own: Service) -> str:
    with own.writer as session:
        try:
            session.add(Parent(id="a", name="a"))
            session.flush()
        except db_exc.DBDuplicateEntry:
            pass
    return "done"


def queries_in_the_handler(own: Service) -> str:
    with own.writer as session:
        try:
            session.add(Parent(id="a", name="a"))
            session.flush()
        except db_exc.DBDuplicateEntry as error:
            count = session.query(Parent).count()
            raise InUse(str(count)) from error
    return "done"


def handles_outside_of_the_savepoint(own: Service) -> str:
    with own.writer as session:
        try:
            with session.begin_nested():
                session.add(Parent(id="a", name="a"))
                session.flush()
        except db_exc.DBDuplicateEntry as error:
            raise InUse("a") from error
    return "done"


def retries_inside_the_transaction(own: Service) -> str:
    @retried
    def second(session: Any) -> None:
        insert(session, "b")

    with own.writer as session:
        insert(session, "a")
        second(session)
    return "done"


@retried
def repeats_what_is_committed(own: Service) -> str:
    with own.writer as session:
        session.execute(sa.insert(Child.__table__).values(parent_id="p0", serial="one"))
    with own.writer as session:
        insert(session, "b")
    return "done"


def one_transaction_each(own: Service) -> str:
    for parent in ("a", "b", "c", "d"):
        with own.writer as session:
            insert(session, parent)
    return "done"


@retried
def makes_ids_and_times(own: Service) -> dict[str, Any]:
    with own.writer as session:
        child = Child(parent_id="p0", made=datetime.now(timezone.utc).replace(tzinfo=None))
        child.serial = serial = str(uuid.uuid4())
        session.add(child)
        session.flush()
        insert(session, "b")
    return {"id": child.id, "serial": serial, "made": child.made}


def reads_nothing(own: Service) -> list[str]:
    try:
        with own.reader as session:
            return [parent.name for parent in session.query(Parent).order_by(Parent.id)]
    except db_exc.DBError:
        return []


def deletes_and_reports(own: Service) -> None:
    try:
        with own.writer as session:
            session.query(Parent).filter_by(id="p1").delete()
    except db_exc.DBReferenceError as error:
        raise InUse("p1") from error


V = Verdict
RECOVERED, LEAKED, HALF = V.RECOVERED, V.LEAKED, V.HALF_COMMITTED
CASES: dict[Callable[[Service], Any], dict[str, tuple[Verdict, ...]]] = {
    swallows: {"deadlock": (V.SWALLOWED,)},
    retries: {
        "deadlock": (RECOVERED, RECOVERED),
        "deadlock-rollback": (RECOVERED, RECOVERED),
        "disconnect": (LEAKED, LEAKED),
        "lock-wait": (LEAKED, LEAKED),
        "commit-deadlock": (RECOVERED,),
    },
    leaks: {"deadlock": (LEAKED,), "commit-disconnect": (LEAKED,)},
    reports: {
        "deadlock": (V.REPORTED,),
        "duplicate": (V.REPORTED, V.REPORTED),
        "disconnect": (V.REPORTED,),
        "commit-unacknowledged": (V.REPORTED,),
    },
    masks: {"deadlock": (V.MASKED,)},
    masks_later: {"deadlock": (V.MASKED,)},
    swallows_in_writer: {
        "deadlock": (LEAKED, HALF, LEAKED),
        "deadlock-rollback": (LEAKED, HALF, LEAKED),
    },
    goes_on_with_a_dead_session: {"duplicate": (V.BROKEN_SESSION, V.BROKEN_SESSION)},
    queries_in_the_handler: {"duplicate": (V.MASKED, V.MASKED)},
    handles_outside_of_the_savepoint: {"duplicate": (V.REPORTED, V.REPORTED)},
    retries_inside_the_transaction: {
        "deadlock-rollback": (LEAKED, HALF),
        "deadlock": (LEAKED, RECOVERED),
    },
    repeats_what_is_committed: {"deadlock": (RECOVERED, HALF)},
    one_transaction_each: {"deadlock": (LEAKED, HALF)},
    makes_ids_and_times: {"deadlock": (RECOVERED, RECOVERED), "commit-deadlock": (RECOVERED,)},
    reads_nothing: {"deadlock": (V.SWALLOWED,)},
    deletes_and_reports: {"reference": (V.REPORTED,)},
}
ON_POSTGRESQL: dict[Callable[[Service], Any], dict[str, tuple[Verdict, ...]]] = {
    # An error aborts the transaction there, so what goes on in it meets the next error.
    swallows_in_writer: {
        "deadlock": (LEAKED, V.BROKEN_SESSION, LEAKED),
        "deadlock-rollback": (LEAKED, HALF, LEAKED),
    },
    retries_inside_the_transaction: {
        "deadlock-rollback": (LEAKED, HALF),
        "deadlock": (LEAKED, V.BROKEN_SESSION),
    },
}


@pytest.mark.parametrize("act", CASES)
def test_a_program_gets_its_verdicts_on_sqlite(act: Callable[[Service], Any]) -> None:
    assert verdicts_of(sweep(workload(act), faults=tuple(CASES[act]))) == CASES[act]


@pytest.mark.parametrize(
    "act",
    [
        swallows_in_writer,
        queries_in_the_handler,
        handles_outside_of_the_savepoint,
        retries_inside_the_transaction,
        retries,
        makes_ids_and_times,
        reports,
        deletes_and_reports,
    ],
)
def test_a_program_gets_its_verdicts_on_postgresql(
    act: Callable[[Service], Any], postgresql: str
) -> None:
    expected = ON_POSTGRESQL.get(act, CASES[act])
    found = sweep(workload(act), faults=tuple(expected), database=postgresql)
    assert verdicts_of(found) == expected


def test_a_swallowed_deadlock_half_commits_on_mariadb_as_the_rollback_on_sqlite_says(
    mariadb: str,
) -> None:
    program = workload(swallows_in_writer)
    on_mariadb = sweep(program, faults=("deadlock",), database=mariadb, at=2)
    on_sqlite = sweep(program, faults=("deadlock-rollback",), at=2)
    told = [(one.verdict, one.changes, one.note) for one in (*on_mariadb, *on_sqlite)]
    assert told[0] == told[1]
    assert told[0][0] is Verdict.HALF_COMMITTED


def test_what_never_stops_failing_is_retried_in_vain() -> None:
    (outcome, _) = sweep(workload(retries), mode="persistent")
    assert (outcome.verdict, outcome.attempts) == (Verdict.RETRIED_IN_VAIN, 4)


def test_a_declared_error_is_a_report_though_it_is_oslo_dbs() -> None:
    (outcome,) = sweep(workload(leaks, declared=("DBDeadlock",)))
    assert outcome.verdict is Verdict.REPORTED


def test_the_evidence_of_a_swallowed_error_names_place_handler_state_and_command() -> None:
    (outcome,) = sweep(workload(swallows), faults=("deadlock",))
    here = Path(__file__).relative_to(Path.cwd()).as_posix()
    assert (outcome.site.path, outcome.site.function) == (here, "insert")
    assert outcome.handlers == (Frame(here, line_of("    except db_exc.DBDeadlock:"), "swallows"),)
    assert outcome.changes == (StateChange("parents", missing=1, added=0),)
    assert outcome.replay == "auditor faults swallows --db sqlite:// --fault deadlock --at 1"
    assert (outcome.attempts, outcome.escaped, outcome.database) == (1, "", "sqlite")


def test_the_third_round_of_a_loop_stands_for_no_more_than_the_second() -> None:
    first, second = sweep(workload(one_transaction_each))
    assert (first.statement, first.folded) == (1, ())
    assert (second.statement, second.folded) == (2, (3, 4))


def verdicts_of(outcomes: tuple[FaultOutcome, ...]) -> dict[str, tuple[Verdict, ...]]:
    found: dict[str, tuple[Verdict, ...]] = {}
    for outcome in outcomes:
        found[outcome.fault] = (*found.get(outcome.fault, ()), outcome.verdict)
    return found


def line_of(text: str) -> int:
    """The number of the first line of this file with that text."""
    return Path(__file__).read_text().splitlines().index(text) + 1
