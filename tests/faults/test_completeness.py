"""A certificate accounts for every statement of the run without a fault, each exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from auditor.faults.sweep.run import Sweep, sweep_with_coverage
from auditor.growth.load import load_scenarios
from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict

SAMPLES = Path(__file__).parents[2] / "sample_schemas" / "metering" / "scenarios.py"
FAULTS = ("deadlock", "duplicate", "reference", "lock-wait", "commit-deadlock")


def accounted_for(certificate: SweepCoverage, outcomes: list[FaultOutcome]) -> Counter[int]:
    """How often each ordinal is in one of the lists, outcomes that differ in the subject once."""
    points = {one.statement for one in outcomes}
    folded = {number for one in outcomes for number in one.folded} - points
    return Counter([*points, *folded, *certificate.impossible, *certificate.untried])


@pytest.mark.parametrize("mode", ["once", "persistent"])
def test_every_statement_of_every_sample_is_in_one_list(mode: str) -> None:
    scenarios = load_scenarios((str(SAMPLES),)).scenarios
    assert len(scenarios) > 5
    for scenario in scenarios:
        hold_to_certificate(sweep_with_coverage(scenario, faults=FAULTS, mode=mode))


def hold_to_certificate(found: Sweep) -> None:
    assert [one.fault for one in found.coverage] == list(FAULTS)
    for certificate in found.coverage:
        own = [one for one in found.outcomes if one.fault == certificate.fault]
        every = Counter(range(1, certificate.statements + 1))
        assert accounted_for(certificate, own) == every
        unreached = {one.statement for one in own if one.verdict is Verdict.NOT_REACHED}
        assert set(certificate.unreached) <= unreached
        counts = (
            certificate.points
            + certificate.folded
            + certificate.not_applicable
            + certificate.left_out
        )
        assert counts == certificate.statements
        assert (certificate.left_out, certificate.untried) == (0, ())


def test_one_statement_that_was_asked_for_leaves_the_others_untried() -> None:
    (scenario,) = load_scenarios((f"{SAMPLES}::metering_sync_repaired",)).scenarios
    (certificate,) = sweep_with_coverage(scenario, at=2).coverage
    assert (certificate.points, certificate.untried) == (1, (1, 3))
    assert (certificate.statements, certificate.left_out) == (3, 2)
