"""One outcome made a hundred times is one outcome."""

from __future__ import annotations

from pathlib import Path

import pytest

from auditor.faults.sweep.run import sweep
from auditor.growth.load import load_scenarios
from auditor.model.outcome import Verdict

SAMPLES = Path(__file__).parents[2] / "sample_schemas" / "metering" / "scenarios.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault", "verdict"),
    [
        ("create_label", "duplicate", Verdict.SWALLOWED),
        ("create_label_repaired", "deadlock", Verdict.RECOVERED),
        ("metering_sync", "deadlock", Verdict.LEAKED),
    ],
)
def test_a_hundred_replays_in_a_hundred_processes_are_one_outcome(
    name: str, fault: str, verdict: Verdict
) -> None:
    (scenario,) = load_scenarios((f"{SAMPLES}::{name}",)).scenarios
    found = {sweep(scenario, faults=(fault,), at=1) for _ in range(100)}
    assert [one.verdict for (one,) in found] == [verdict]
