"""A workload may do its worst: it costs its own run, and the sweep goes on and says so."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from auditor.backends.database import ScratchDatabase
from auditor.faults.catalogue.fault import FaultError
from auditor.faults.sweep.run import sweep, sweep_with_coverage
from auditor.growth.scenario import Scenario
from auditor.model.errors import ScenarioError
from auditor.model.outcome import SweepCoverage, Verdict

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String)
)


def prepare(database: ScratchDatabase) -> sa.Engine:
    engine = sa.create_engine(database.url, future=True)
    METADATA.create_all(engine)
    return engine


def workload(act: Callable[[sa.Engine], Any], **more: Any) -> Scenario:
    return Scenario(
        name=act.__name__,
        populate=lambda engine: lambda: act(engine),
        sizes=(),
        prepare=prepare,
        **more,
    )


def write(engine: sa.Engine, text: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(NOTES).values(text=text))


def then(last: Callable[[], object]) -> Callable[[sa.Engine], None]:
    """Two writes; `last` happens when the first of them fails."""

    def act(engine: sa.Engine) -> None:
        try:
            write(engine, "one")
        except sa.exc.OperationalError:
            last()
        write(engine, "two")

    return act


def forks() -> None:
    if os.fork():
        os.wait()


def spins() -> None:
    while True:
        pass


CASES = (
    (lambda: os._exit(0), Verdict.CRASHED),
    (lambda: os.kill(os.getpid(), 9), Verdict.CRASHED),
    (lambda: sys.exit(3), Verdict.MASKED),
    (lambda: time.sleep(60), Verdict.HUNG),
    (spins, Verdict.HUNG),
    (forks, Verdict.HALF_COMMITTED),  # in parent and child alike: "two" without "one"
)


@pytest.mark.parametrize(("last", "verdict"), CASES)
def test_the_worst_run_has_its_verdict_and_the_next_one_too(
    last: Callable[[], object], verdict: Verdict
) -> None:
    outcomes = sweep(workload(then(last)), timeout_seconds=0.5)
    second = Verdict.HALF_COMMITTED  # the error of the second write escapes, the first is stored
    assert [one.verdict for one in outcomes] == [verdict, second]


def test_a_hang_that_no_signal_interrupts_is_ended_from_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auditor.faults.sweep.supervision.GRACE", 0.3)

    def deaf() -> None:
        import signal  # a name of the program's own

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(60)

    first, second = sweep(workload(then(deaf)), timeout_seconds=0.3)
    assert (first.verdict, second.verdict) == (Verdict.HUNG, Verdict.HALF_COMMITTED)


def test_a_hang_says_where() -> None:
    first, _ = sweep(workload(then(spins)), timeout_seconds=0.3)
    assert [frame.function for frame in first.traceback[:2]] == ["spins", "then.act"]
    assert first.note == "the call did not end within 0.3 seconds"


def test_a_transaction_left_open_does_not_stop_the_sweep() -> None:
    kept: list[Any] = []

    def leaves_open(engine: sa.Engine) -> None:
        connection = engine.connect()
        kept.append(connection)
        for text in ("one", "two"):
            connection.execute(sa.insert(NOTES).values(text=text))
        connection.commit()
        kept.pop().close()

    verdicts = [one.verdict for one in sweep(workload(leaves_open))]
    assert verdicts == [Verdict.LEAKED, Verdict.LEAKED]


def test_what_a_program_prints_is_not_in_the_report(capfd: pytest.CaptureFixture[str]) -> None:
    def prints(engine: sa.Engine) -> None:
        print("from the program", flush=True)  # noqa: T201 - what is tested
        write(engine, "one")

    sweep(workload(prints))
    assert capfd.readouterr().out == ""


def test_the_parents_process_is_not_touched() -> None:
    before = (time.sleep, os.urandom)
    sweep(workload(then(lambda: None)))
    assert (time.sleep, os.urandom) == before


def test_a_program_that_fails_by_itself_is_refused_with_its_error() -> None:
    def fails(engine: sa.Engine) -> None:
        raise ZeroDivisionError("by itself")

    with pytest.raises(ScenarioError, match="fails without any fault, with no sizes: Zero"):
        sweep(workload(fails))


def test_a_program_that_does_not_repeat_itself_is_refused_with_the_column() -> None:
    def counts_on(engine: sa.Engine) -> None:
        write(engine, f"{os.getpid()} {time.perf_counter_ns()}")

    with pytest.raises(ScenarioError, match=r"`notes\.text` differ between equal calls"):
        sweep(workload(counts_on))
    (outcome,) = sweep(workload(counts_on, volatile=("notes.text",)))
    assert outcome.verdict is Verdict.LEAKED


def test_a_program_that_dies_before_any_fault_is_refused() -> None:
    def dies(engine: sa.Engine) -> None:
        os._exit(0)

    with pytest.raises(ScenarioError, match="ended its process, or did not come back, before"):
        sweep(workload(dies))


def test_a_budget_too_small_for_anything_is_said() -> None:
    def writes(engine: sa.Engine) -> None:
        write(engine, "one")

    with pytest.raises(ScenarioError, match="the budget was spent before the first fault"):
        sweep(workload(writes), budget_seconds=1e-6)


def test_a_budget_that_ends_in_the_middle_leaves_the_rest_out() -> None:
    program = workload(then(lambda: time.sleep(60)))
    found = sweep_with_coverage(program, budget_seconds=2.0, timeout_seconds=50.0)
    assert (found.outcomes, [one.left_out for one in found.coverage]) == ((), [2])


def test_each_statement_is_in_exactly_one_count() -> None:
    def works(engine: sa.Engine) -> list[Any]:
        for text in ("one", "two", "three"):
            write(engine, text)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.select(NOTES.c.text))]

    (coverage,) = sweep_with_coverage(workload(works), faults=("lock-wait",)).coverage
    assert coverage == SweepCoverage(
        scenario="works",
        database="sqlite",
        fault="lock-wait",
        mode="once",
        sizes=(),
        statements=4,
        points=2,
        folded=1,
        not_applicable=1,
        not_reached=0,
        left_out=0,
        impossible=(4,),
        needs="INSERT or UPDATE or DELETE or MERGE or REPLACE or SELECT FOR UPDATE",
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"faults": ("thunder",)}, "there is no fault `thunder`: known are `deadlock`, "),
        ({"faults": ("too-long",)}, "`sqlite` never has the fault `too-long`: it has `deadlock`, "),
        ({"mode": "twice"}, "there is no mode `twice`: known are `once` and `persistent`"),
        ({"at": 9}, "there is no statement 9: without a fault the call executes 2; give a"),
        ({"at": 1, "faults": ("reference",)}, "`reference` cannot happen at statement 1, `INSERT"),
        ({"at": 1, "faults": ("deadlock", "commit-deadlock")}, "`--at 1` means a statement for"),
    ],
)
def test_what_cannot_be_done_is_said(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError) as caught:
        sweep(workload(then(lambda: None)), **asked)
    assert message in str(caught.value)


LOOKED_UP: list[int] = []


def caching(engine: sa.Engine) -> None:
    """Looks something up in its first call in a process."""
    if not LOOKED_UP:
        with engine.connect() as connection:
            LOOKED_UP.append(len(connection.execute(sa.select(NOTES)).all()))
    then(lambda: os._exit(3))(engine)


def test_the_next_process_may_fill_its_caches_first_too() -> None:
    outcomes = sweep(workload(caching), faults=("lock-wait", "deadlock"))
    assert [(one.fault, one.statement, one.verdict) for one in outcomes] == [
        ("lock-wait", 1, Verdict.CRASHED),
        ("lock-wait", 2, Verdict.HALF_COMMITTED),
        ("deadlock", 1, Verdict.CRASHED),
        ("deadlock", 2, Verdict.HALF_COMMITTED),
    ]


def test_another_order_in_the_next_process_is_refused_with_the_statement(tmp_path: Path) -> None:
    has_ended = tmp_path / "has_ended"

    def reordering(engine: sa.Engine) -> None:
        columns = (NOTES.c.id, NOTES.c.text)
        try:
            with engine.connect() as connection:
                for column in columns[::-1] if has_ended.exists() else columns:
                    connection.execute(sa.select(column))
        except sa.exc.OperationalError:
            has_ended.touch()
            os._exit(3)

    with pytest.raises(ScenarioError) as error:
        sweep(workload(reordering))
    assert str(error.value) == (
        "scenario `reordering` does not repeat itself in another process: statement 1 is"
        " `SELECT notes.id FROM notes` and then `SELECT notes.text FROM notes`"
    )


def test_work_that_passes_by_sqlalchemy_is_refused_and_not_called_good() -> None:
    def writes_by_the_driver(engine: sa.Engine) -> None:
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("INSERT INTO notes (text) VALUES ('one')")
            raw.commit()
        finally:
            raw.close()

    with pytest.raises(ScenarioError) as error:
        sweep(workload(writes_by_the_driver))
    assert str(error.value) == (
        "scenario `writes_by_the_driver` changes `notes` without any statement that SQLAlchemy"
        " executes, so none can be made to fail: let it work through SQLAlchemy, not through the"
        " driver's own connection"
    )
