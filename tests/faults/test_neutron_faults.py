"""What sweeps say of real Neutron, held to what its source does."""

from __future__ import annotations

from collections import Counter

import pytest

from auditor.faults.sweep.run import Sweep, sweep_with_coverage
from auditor.growth.load import load_scenarios
from auditor.model.outcome import FaultOutcome, Verdict

pytestmark = pytest.mark.neutron

BASE = ("neutron/objects/base.py", "NeutronDbObject.create")
LOCAL_IP = (
    "neutron/db/local_ip_db.py",
    "LocalIPDbMixin._create_local_ip_port_association",
)
METERING = (
    "neutron/db/metering/metering_db.py",
    "MeteringDbMixin.create_metering_label_rule",
)


def swept(name: str, *faults: str, at: int | None = None, mode: str = "once") -> Sweep:
    (scenario,) = load_scenarios((f"neutron.{name}",)).scenarios
    return sweep_with_coverage(scenario, faults=faults, at=at, mode=mode)


def handlers(outcome: FaultOutcome) -> list[tuple[str, str]]:
    """Of Neutron itself: neutron-lib's retry sees what passes."""
    return [
        (frame.path, frame.function)
        for frame in outcome.handlers
        if frame.path.startswith("neutron/")
    ]


def told(outcome: FaultOutcome) -> tuple[str, str, str]:
    return (outcome.fault, outcome.verdict.value, outcome.escaped.rpartition(".")[2])


def test_a_rule_without_its_label_is_told_as_that_by_the_handler_that_maps_it() -> None:
    outcomes = swept("metering_rule_create", "reference", "duplicate", "parent-vanished").outcomes
    assert [(told(one), handlers(one)) for one in outcomes] == [
        (("reference", "reported", "MeteringLabelNotFound"), [METERING]),
        (("duplicate", "reported", "NeutronDbObjectDuplicateEntry"), [BASE]),
        (("parent-vanished", "reported", "MeteringLabelNotFound"), [METERING]),
    ]


@pytest.mark.parametrize(
    "name", ["local_ip_association_create", "local_ip_association_create_retried"]
)
def test_a_second_association_breaks_the_session_at_the_handler_that_swallows_it(name: str) -> None:
    outcomes = swept(name, "duplicate", "taken").outcomes
    assert [(told(one), handlers(one)) for one in outcomes] == [
        (("duplicate", "broken-session", "PendingRollbackError"), [BASE, LOCAL_IP]),
        (("taken", "broken-session", "PendingRollbackError"), [BASE, LOCAL_IP]),
    ]
    assert all(one.note == "the session was used after the error had broken it" for one in outcomes)


def test_every_statement_of_an_association_is_in_one_list_for_each_fault() -> None:
    found = swept("local_ip_association_create", "all")
    for one in found.coverage:
        own = [each for each in found.outcomes if each.fault == one.fault]
        points = {each.statement for each in own}
        folded = {number for each in own for number in each.folded} - points
        every = Counter([*points, *folded, *one.impossible, *one.untried])
        assert (one.fault, every) == (one.fault, Counter(range(1, one.statements + 1)))
        assert one.untried == ()


def test_every_statement_of_neutrons_metering_sync_is_hit_and_none_is_lost() -> None:
    outcomes = swept("metering_sync", "deadlock").outcomes
    hit = sorted(n for one in outcomes for n in (one.statement, *one.folded))
    assert hit == list(range(1, len(hit) + 1))
    assert {one.verdict for one in outcomes} == {Verdict.LEAKED}


def test_the_retry_of_a_new_rule_mends_a_failed_commit_and_doubles_a_stored_one() -> None:
    (once,) = swept("metering_rule_create_retried", "commit-deadlock").outcomes
    (twice,) = swept("metering_rule_create_retried", "commit-unacknowledged").outcomes
    assert (once.verdict, once.changes, once.effects) == (Verdict.RECOVERED, (), ())
    assert twice.verdict is Verdict.HALF_COMMITTED
    assert [(one.table, one.missing, one.added) for one in twice.changes] == [
        ("meteringlabelrules", 0, 1)
    ]
    assert [one.attempts for one in (once, twice)] == [2, 2]


@pytest.mark.filterwarnings("ignore:DELETE statement on table")  # as in production
def test_a_rule_deleted_meanwhile_is_reported_and_its_label_is_missed_as_an_attribute() -> None:
    outcomes = swept("metering_rule_delete", "vanished").outcomes
    ended = [told(one) for one in outcomes if one.verdict is not Verdict.NOT_REACHED]
    assert ended == [
        ("vanished", "reported", "MeteringLabelRuleNotFound"),
        ("vanished", "reported", "ObjectNotFound"),
        ("vanished", "recovered", ""),
        ("vanished", "masked", "AttributeError"),
        ("vanished", "recovered", ""),
        ("vanished", "recovered", ""),
    ]
    (missed,) = [one for one in outcomes if one.verdict is Verdict.MASKED]
    assert missed.traceback[0].function == "MeteringDbMixin.get_sync_data_for_rule"


def test_a_read_of_labels_lets_through_what_the_database_says() -> None:
    outcomes = swept("metering_labels", "disconnect", "pool-timeout").outcomes
    assert {told(one) for one in outcomes} == {
        ("disconnect", "leaked", "DBConnectionError"),
        ("pool-timeout", "leaked", "TimeoutError"),
    }
