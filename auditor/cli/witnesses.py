"""What each of the four witnesses says of the metering sample: the values of `auditor demo`."""

from __future__ import annotations

import os
from pathlib import Path

import auditor
from auditor.backends.scratch import open_scratch
from auditor.cli.story import Session, Story
from auditor.faults.sweep.run import sweep_with_coverage
from auditor.growth.load import load_scenarios
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
from auditor.model.outcome import FaultOutcome
from auditor.model.settings import Settings

SCENARIOS = ("metering_sync", "metering_sync_repaired", "create_label", "create_label_repaired")
RECORDED_SIZES = (("labels", 8), ("routers", 3), ("rules", 2))
LARGER_SIZES = (("labels", 400), ("routers", 10), ("rules", 2))


def seen(sample: Path) -> Story:
    """What each witness says of the sample."""
    typed = as_typed(sample)
    targets = [f"{typed}/scenarios.py::{name}" for name in SCENARIOS]
    sync, sync_repaired, write, write_repaired = load_scenarios(targets).scenarios
    scanned = auditor.scan([sample], Settings(cache_dir="-", jobs=1))
    session = _recorded(sync)
    laws = auditor.profile(sync, sync_repaired)
    sync_faults = _swept(sync, targets[0], "deadlock")
    before, after = (
        _swept(one, target, "all")
        for one, target in ((write, targets[2]), (write_repaired, targets[3]))
    )
    return Story(
        sample=typed,
        scanned=scanned,
        session=session,
        law_before=laws[0],
        law_after=laws[1],
        faults_before=before,
        faults_after=after,
        joined=auditor.join(scanned, session.tape, laws, sync_faults, before, after),
        code=_code(session, sample),
        larger=LARGER_SIZES,
    )


def _code(session: Session, sample: Path) -> dict[str, tuple[str, ...]]:
    """The lines of the sample's files that were on the call path, by the path that reports show."""
    shown = sorted({entry.site.frame.path for entry in session.tape.entries})
    files = {path: sample / Path(path).name for path in shown}
    return {
        path: tuple(file.read_text(encoding="utf-8").splitlines())
        for path, file in files.items()
        if file.is_file()
    }


def _recorded(scenario: Scenario) -> Session:
    with open_scratch() as scratch, prepared(scratch, scenario) as (workload,):
        call = workload.populated(dict(RECORDED_SIZES))
        with auditor.record() as recording:
            workload.called(call, dict(RECORDED_SIZES))
    return Session(scenario.target, RECORDED_SIZES, recording.tape)


def _swept(scenario: Scenario, target: str, fault: str) -> tuple[FaultOutcome, ...]:
    return sweep_with_coverage(scenario, faults=(fault,), reference=target).outcomes


def as_typed(folder: Path) -> str:
    """The folder relative to the working directory, as far up as it may be."""
    return Path(os.path.relpath(folder)).as_posix()
