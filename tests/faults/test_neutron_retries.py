from __future__ import annotations

from typing import Any

import pytest

from auditor.faults.sweep.run import sweep
from auditor.growth.load import load_scenarios
from auditor.model.outcome import Verdict
from tests.faults.retrying_programs import Request, Store, insert, workload

pytestmark = pytest.mark.neutron


def test_neutron_lib_copies_the_lists_that_a_try_is_given_and_not_the_objects() -> None:
    api = pytest.importorskip("neutron_lib.db.api")

    @api.retry_db_errors
    def create(own: Store, names: list[str], request: Any) -> None:
        names.append("a")
        request.seen.append("a")
        insert(own, "a")

    def creating(own: Store) -> None:
        create(own, [], Request("a"))

    (outcome,) = sweep(workload(creating))
    (effect,) = outcome.effects
    assert outcome.verdict is Verdict.REPEATED_EFFECT
    assert effect.startswith("changed an argument: `request.seen` was 0 items, then 1 item: tests/")


def test_neutrons_retry_of_a_new_rule_is_counted_and_does_nothing_twice() -> None:
    (scenario,) = load_scenarios(("neutron.metering_rule_create_retried",)).scenarios
    outcomes = sweep(scenario, at=1)
    assert [(one.verdict, one.effects) for one in outcomes] == [(Verdict.RECOVERED, ())]
    (last,) = sweep(scenario, at=1, mode="persistent")
    assert (last.verdict, [one.attempts for one in last.retried]) == (
        Verdict.RETRIED_IN_VAIN,
        [21],
    )
    assert last.note == "tried 21 times; would have waited about 156 s between tries"
