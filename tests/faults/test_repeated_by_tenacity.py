from __future__ import annotations

from typing import Any

import pytest

from auditor.faults.conduct.conduct import conduct_watched
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.bench import make_call
from auditor.faults.sweep.run import sweep
from auditor.model.outcome import Verdict
from tests.faults.retrying_programs import Store, tell, workload
from tests.faults.test_repeated_effects import place

tenacity = pytest.importorskip("tenacity")
programs = pytest.importorskip("tests.faults.tenacious_programs")


@pytest.mark.parametrize("name", ["patiently", "by_attempts"])
def test_tries_by_tenacity_are_counted(name: str) -> None:
    def counted(mode: str) -> list[Any]:
        return [
            (one.verdict, one.attempts, [(r.function.function, r.attempts) for r in one.retried])
            for one in sweep(workload(getattr(programs, name)), mode=mode)
        ]

    assert counted("once") == [(Verdict.RECOVERED, 2, [(name, 2)])]
    assert counted("persistent") == [(Verdict.RETRIED_IN_VAIN, 3, [(name, 3)])]


def test_what_a_try_takes_out_of_an_argument_is_told() -> None:
    def taking(own: Store) -> None:
        programs.takes(own, {"name": "a", "links": []})

    (outcome,) = sweep(workload(taking))
    where = place(programs.takes, "@")
    assert (outcome.verdict, outcome.effects) == (
        Verdict.REPEATED_EFFECT,
        (f"changed an argument: `body['links']` was 0 items, then gone: {where}",),
    )


def test_coroutines_are_counted_and_their_waits_are_cut() -> None:
    scenario = programs.asynchronously(programs.creates_in_a_coroutine, [])
    (once,) = sweep(scenario, faults=("lock-wait",))
    where = place(programs.creates_in_a_coroutine, "@")
    sent = f"`Popen` at {place(tell, 'subprocess.run')}"
    assert (once.verdict, once.attempts, once.effects) == (
        Verdict.REPEATED_EFFECT,
        2,
        (
            f"started 2 subprocesses instead of 1: {sent}",
            f"changed an argument: `seen` was 0 items, then 1 item: {where}",
        ),
    )
    (always,) = sweep(scenario, faults=("lock-wait",), mode="persistent")
    assert (always.verdict, always.attempts, always.note) == (
        Verdict.RETRIED_IN_VAIN,
        3,
        "tried 3 times; would have waited about 10 s between tries",
    )


def test_tenacity_is_itself_again_afterwards() -> None:
    before = vars(tenacity.Retrying)["__call__"]
    watch = Watch(None, make_call.__code__, "")
    with watch.watching(), conduct_watched(watch, make_call.__code__, ""):
        assert vars(tenacity.Retrying)["__call__"] is not before
    assert vars(tenacity.Retrying)["__call__"] is before
