"""Programs unlike the planted ones, whose verdicts were written down before they were run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auditor.faults.sweep.run import sweep
from auditor.growth.scenario import Scenario
from tests.faults import jury_programs as programs
from tests.faults.jury_programs import on_oslo, on_sessions

Act = Callable[[Any], Any]
Work = Callable[[Act], Scenario]
Said = list[tuple[str, str]]  # subject, verdict

SITE, ACCOUNT = "site_id -> sites.id", "account_id -> accounts.id"
MUTANTS: tuple[tuple[Work, Act, str, str, Said], ...] = (
    (on_oslo, programs.site_told_as_account, "parent-vanished", "once",
     [(ACCOUNT, "reported"), (SITE, "misreported")]),
    (on_oslo, programs.site_told_as_account, "reference", "once",
     [(ACCOUNT, "reported"), (SITE, "misreported")]),
    (on_sessions, programs.any_violation_is_a_duplicate, "parent-vanished", "once",
     [(ACCOUNT, "misreported")]),
    (on_sessions, programs.any_violation_is_a_duplicate, "reference", "once",
     [(ACCOUNT, "misreported")]),
    (on_sessions, programs.key_of_an_ignored_row, "taken", "once", [("name", "swallowed")]),
    (on_oslo, programs.other_key_taken, "taken", "once", [("serial", "swallowed")]),
    (on_oslo, programs.inner_failure_taken_for_undone, "duplicate", "once",
     [("meter_id, hour", "half-committed")]),
    (on_oslo, programs.retries_multiplied, "deadlock", "persistent",
     [("", "retried-in-vain"), ("", "retried-in-vain")]),
    (on_oslo, programs.dry_pool_forgotten, "pool-timeout", "once", [("", "leaked")]),
    (on_sessions, programs.exits_in_the_handler, "deadlock", "once",
     [("", "crashed"), ("", "crashed")]),
    (on_sessions, programs.read_again_after_commit, "vanished", "once",
     [("", "reported"), ("", "leaked")]),
)  # fmt: skip
TWINS: tuple[tuple[Work, Act, str], ...] = (
    (on_oslo, programs.site_told_as_account_twin, "reference parent-vanished"),
    (on_sessions, programs.any_violation_is_a_duplicate_twin, "reference parent-vanished taken"),
    (on_sessions, programs.one_word_for_every_key, "reference parent-vanished duplicate"),
    (on_sessions, programs.key_of_an_ignored_row_twin, "taken"),
    (on_oslo, programs.other_key_taken_twin, "taken duplicate"),
    (on_oslo, programs.inner_failure_taken_for_undone_twin, "duplicate taken"),
    (on_oslo, programs.retries_multiplied_twin, "deadlock commit-deadlock"),
    (on_oslo, programs.dry_pool_forgotten_twin, "pool-timeout deadlock disconnect"),
    (on_sessions, programs.exits_in_the_handler_twin, "deadlock commit-deadlock"),
    (on_sessions, programs.read_again_after_commit_twin, "vanished"),
)


@pytest.mark.parametrize(
    ("work", "act", "fault", "mode", "said"),
    [pytest.param(*case, id=f"{case[1].__name__}-{case[2]}") for case in MUTANTS],
)
def test_a_defect_gets_the_verdict_that_was_written_down(
    work: Work, act: Act, fault: str, mode: str, said: Said
) -> None:
    outcomes = sweep(work(act), faults=(fault,), mode=mode, timeout_seconds=20)
    assert [(one.subject, one.verdict.value) for one in outcomes] == said


@pytest.mark.parametrize(
    ("work", "act", "faults"), [pytest.param(*case, id=case[1].__name__) for case in TWINS]
)
def test_a_program_that_does_well_is_not_accused(work: Work, act: Act, faults: str) -> None:
    outcomes = sweep(work(act), faults=faults.split(), timeout_seconds=20)
    assert [one for one in outcomes if not one.verdict.is_good] == []
    assert {one.fault for one in outcomes} == set(faults.split())
