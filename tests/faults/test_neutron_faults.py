from __future__ import annotations

import pytest

from auditor.faults.run import sweep
from auditor.growth.load import load_scenarios
from auditor.model.outcome import Verdict

pytestmark = pytest.mark.neutron


def test_neutron_tells_a_rule_without_label_and_a_second_rule_as_errors_of_its_own() -> None:
    (scenario,) = load_scenarios(("neutron.metering_rule_create",)).scenarios
    outcomes = sweep(scenario, faults=("reference", "duplicate"))
    told = {one.fault: (one.verdict, one.escaped.rpartition(".")[2]) for one in outcomes}
    assert told == {
        "reference": (Verdict.REPORTED, "MeteringLabelNotFound"),
        "duplicate": (Verdict.REPORTED, "NeutronDbObjectDuplicateEntry"),
    }
    handlers = {str(frame.path) for one in outcomes for frame in one.handlers}
    assert "neutron/db/metering/metering_db.py" in handlers


def test_every_statement_of_neutrons_metering_sync_is_hit_and_none_is_lost() -> None:
    (scenario,) = load_scenarios(("neutron.metering_sync",)).scenarios
    outcomes = sweep(scenario)
    hit = sorted(n for one in outcomes for n in (one.statement, *one.folded))
    assert hit == list(range(1, len(hit) + 1))
    assert {one.verdict for one in outcomes} == {Verdict.LEAKED}
