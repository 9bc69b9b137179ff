from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from auditor.faults.sweep.run import sweep
from auditor.model.outcome import FaultOutcome, Verdict
from tests.faults import rival_programs as programs
from tests.faults.oslo_service import Service

Act = Callable[[Service], Any]
Told = tuple[str, str, str, str]

on_each = pytest.mark.parametrize("database", ["sqlite", "postgresql", "mariadb"], indirect=True)

REFUSED = "the call returned the key of a row that was refused, and is not stored"
LOCKED = "another session cannot interfere here: the row is locked by the call's transaction"
UNKNOWN = "the row of `labels` that it refers to is not stored yet: no other session can delete it"
OWN = "the row is made by the call itself: before the call no other session has it"
LOST = "the change that the other session had stored is lost"
MISTAKEN = "the call says this of `label_id -> labels.id` (parent-vanished): that did not happen"


def told(one: FaultOutcome) -> Told:
    return (one.subject, one.verdict.value, one.escaped.rpartition(".")[2], one.note)


def swept(act: Act, fault: str, database: str = "sqlite://") -> list[Told]:
    outcomes = sweep(programs.workload(act), faults=(fault,), database=database)
    return [told(one) for one in outcomes]


CASES: tuple[tuple[Act, str, list[Told]], ...] = (
    (programs.gets_or_creates_in_a_savepoint, "taken", [("name", "recovered", "", "")]),
    (programs.counts_in_python, "stale", [("uses", "swallowed", "", LOST)]),
    (programs.reports_the_label, "parent-vanished", [
        ("label_id -> labels.id", "reported", "LabelNotFound", ""),
        ("router_id -> routers.id", "misreported", "LabelNotFound", MISTAKEN),
    ]),
    (programs.deletes, "child-added", [
        ("rules.label_id -> labels.id", "leaked", "DBReferenceError", ""),
    ]),
)  # fmt: skip


@on_each
@pytest.mark.parametrize(("act", "fault", "want"), CASES)
def test_three_databases_agree_on_what_another_session_does(
    database: str, act: Act, fault: str, want: list[Told]
) -> None:
    assert swept(act, fault, database) == want


@pytest.mark.parametrize(
    ("act", "fault", "want"),
    [
        (programs.checks_then_inserts, "taken", [("name", "leaked", "DBDuplicateEntry", "")]),
        (programs.counts_with_a_version_and_again, "stale", [("version", "recovered", "", "")]),
        (programs.updates_what_was_read, "vanished", [
            ("", "leaked", "NoResultFound", ""),
            ("", "leaked", "StaleDataError", ""),
        ]),
        (programs.reports_the_duplicate, "taken", [("name", "reported", "LabelExists", "")]),
        (programs.gets_or_creates, "taken", [("name", "recovered", "", "")]),
        (programs.renames, "taken", [("name", "leaked", "DBDuplicateEntry", "")]),
        (programs.reports_what_is_gone, "vanished", [
            ("", "reported", "LabelNotFound", ""),
            ("", "reported", "LabelNotFound", ""),
        ]),
        (programs.asks_whether_it_is_gone, "vanished", [("", "reported", "LabelNotFound", "")]),
        (programs.counts_in_the_database, "stale", [("uses", "recovered", "", "")]),
        (programs.writes_blindly, "stale", [("title", "recovered", "", "")]),
        (programs.counts_with_a_version, "stale", [("version", "leaked", "StaleDataError", "")]),
        (programs.refers, "parent-vanished", [
            ("label_id -> labels.id", "leaked", "DBReferenceError", ""),
            ("router_id -> routers.id", "leaked", "DBReferenceError", ""),
        ]),
        (programs.reports_which, "parent-vanished", [
            ("label_id -> labels.id", "reported", "LabelNotFound", ""),
            ("router_id -> routers.id", "reported", "RouterNotFound", ""),
        ]),
        (programs.deletes_and_reports, "child-added", [
            ("rules.label_id -> labels.id", "reported", "LabelInUse", ""),
        ]),
        (programs.returns_what_was_refused, "taken", [
            ("name", "swallowed", "", REFUSED),
        ]),
        (programs.gives_up_quietly, "taken", [
            ("name", "swallowed", "", "what the call had to store was refused, and it returned"),
        ]),
        (programs.deletes_along, "vanished", [("", "recovered", "", "")]),
    ],
)  # fmt: skip
def test_a_program_is_judged_by_the_serial_orders(act: Act, fault: str, want: list[Told]) -> None:
    assert swept(act, fault) == want


def test_an_absent_row_that_is_used_is_told_at_its_line_and_what_the_call_does_in_turn() -> None:
    outcomes = sweep(programs.workload(programs.uses_what_is_gone), faults=("vanished",))
    assert [(one.verdict, one.escaped, one.in_turn, one.note) for one in outcomes] == [
        (
            Verdict.MASKED,
            "AttributeError",
            "AttributeError",
            "the program went on as if the other session had done nothing",
        )
    ]
    assert outcomes[0].traceback[0].function == "uses_what_is_gone"


@on_each
def test_a_row_that_the_call_has_locked_is_let_be(database: str) -> None:
    scenario = programs.workload(programs.deletes_what_it_has_written)
    outcomes = sweep(scenario, faults=("vanished",), database=database, at=2)
    assert [told(one) for one in outcomes] == [("", "not-reached", "", LOCKED)]


def test_a_row_that_the_call_itself_has_made_is_unknown_to_others() -> None:
    assert swept(programs.refers_to_its_own, "parent-vanished") == [
        (
            "label_id -> labels.id",
            "not-reached",
            "",
            UNKNOWN,
        ),
        (
            "router_id -> routers.id",
            "leaked",
            "DBReferenceError",
            "",
        ),
    ]


@on_each
def test_a_row_that_the_call_has_stored_is_let_be_for_it_has_another_id_in_each_run(
    database: str,
) -> None:
    scenario = programs.workload(programs.makes_and_reads_again)
    outcomes = sweep(scenario, faults=("vanished",), database=database, at=2)
    assert [told(one) for one in outcomes] == [("", "not-reached", "", OWN)]


def test_the_same_run_gives_the_same_outcome() -> None:
    scenario = programs.workload(programs.checks_then_inserts)
    once, again = (sweep(scenario, faults=("taken",)) for _ in range(2))
    assert once == again
    (alone,) = sweep(scenario, faults=("taken",), at=once[0].statement)
    assert (alone.verdict, alone.site, alone.in_turn) == (
        Verdict.LEAKED,
        once[0].site,
        "tests.faults.rival_programs.LabelExists",
    )
