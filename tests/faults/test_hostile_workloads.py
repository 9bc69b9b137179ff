"""Calls that spoil their process, their database or their streams: the next run is as if alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from auditor.backends.database import ScratchDatabase
from auditor.faults.sweep.run import sweep, sweep_with_coverage
from auditor.growth.scenario import Scenario
from auditor.model.outcome import Verdict

METADATA = sa.MetaData()
NOTES = sa.Table(
    "notes", METADATA, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.String)
)
DRAFTS = sa.Table("drafts", METADATA, sa.Column("id", sa.Integer, primary_key=True))


def prepare(database: ScratchDatabase) -> sa.Engine:
    engine = sa.create_engine(database.url, future=True)
    METADATA.create_all(engine)
    return engine


def workload(act: Callable[[sa.Engine], Any], **more: Any) -> Scenario:
    return Scenario(
        name=getattr(act, "__name__", "act"),
        populate=lambda engine: lambda: act(engine),
        sizes=(),
        prepare=prepare,
        **more,
    )


def write(engine: sa.Engine, text: str) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(NOTES).values(text=text))


def spoiling(last: Callable[[sa.Engine], object]) -> Scenario:
    """Three writes of its own line each; `last` happens when the first of them fails."""

    def act(engine: sa.Engine) -> None:
        try:
            write(engine, "one")
        except sa.exc.OperationalError:
            last(engine)
            raise
        write(engine, f"two in {os.path.basename(os.getcwd())}")
        write(engine, f"three {signal.getsignal(signal.SIGUSR1)}")

    return workload(act)


def leaves_a_thread(_: sa.Engine) -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def changes_folder(_: sa.Engine) -> None:
    os.chdir("/")


def handles_signals(_: sa.Engine) -> None:
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.alarm(1)


def drops_tables(engine: sa.Engine) -> None:
    METADATA.drop_all(engine)


def makes_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE notes"))
        connection.execute(sa.text("CREATE TABLE notes (other INTEGER)"))


def closes_streams(_: sa.Engine) -> None:
    os.closerange(0, 3)


def reads_input(_: sa.Engine) -> None:
    assert sys.stdin.read() == ""


def exits_in_a_thread(_: sa.Engine) -> None:
    thread = threading.Thread(target=sys.exit, args=(3,))
    thread.start()
    thread.join()


def half(*_: object) -> None:
    """The fault alone: the first write is lost, the error escapes."""


ALONE = [Verdict.LEAKED, Verdict.HALF_COMMITTED, Verdict.HALF_COMMITTED]


@pytest.mark.parametrize(
    "last",
    [
        half,
        leaves_a_thread,
        changes_folder,
        handles_signals,
        closes_streams,
        reads_input,
        exits_in_a_thread,
    ],
)
def test_what_a_run_leaves_in_its_process_does_not_reach_the_next(
    last: Callable[[sa.Engine], object],
) -> None:
    assert [one.verdict for one in sweep(spoiling(last))] == ALONE


@pytest.mark.parametrize("last", [drops_tables, makes_tables])
def test_a_run_that_breaks_the_schema_costs_the_database_and_not_the_sweep(
    last: Callable[[sa.Engine], object],
) -> None:
    first, *others = sweep_with_coverage(spoiling(last)).outcomes
    assert first.statement == 1
    assert [one.verdict for one in others] == ALONE[1:]


def test_a_run_that_closes_all_files_is_told_as_crashed_and_the_next_is_made() -> None:
    def closes_all(_: sa.Engine) -> None:
        os.closerange(3, 256)

    first, *others = sweep(spoiling(closes_all))
    assert first.verdict is Verdict.CRASHED
    assert [one.verdict for one in others] == ALONE[1:]


def test_a_program_that_sets_the_alarm_itself_is_still_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auditor.faults.sweep.supervision.GRACE", 0.3)

    def hangs_deaf(engine: sa.Engine) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        time.sleep(600)

    first, *others = sweep(spoiling(hangs_deaf), timeout_seconds=1.5)
    assert first.verdict is Verdict.HUNG
    assert [one.verdict for one in others] == ALONE[1:]


def test_a_program_whose_every_fault_ends_it_is_given_up_with_what_was_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auditor.faults.sweep.supervision._MOST_DEATHS", 2)

    def fragile(engine: sa.Engine) -> None:
        try:
            write(engine, "one")
            write(engine, "two")
            write(engine, "three")
        except sa.exc.OperationalError:
            os._exit(1)

    found = sweep_with_coverage(workload(fragile))
    assert [one.verdict for one in found.outcomes] == [Verdict.CRASHED, Verdict.CRASHED]
    assert found.stopped == "its process ended, or hung, 2 times"
    assert [one.untried for one in found.coverage] == [(3,)]
