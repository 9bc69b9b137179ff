from __future__ import annotations

from typing import Any

import pytest

from auditor.model.outcome import FaultOutcome, SweepCoverage, Verdict
from auditor.model.span import Frame
from auditor.report.fault_databases import (
    Difference,
    Seen,
    difference_as_json,
    differences,
    differences_as_text,
    undialected,
)

SAVE = Frame("app/save.py", 7, "save")


def outcome(database: str, verdict: Verdict, statement: int = 1, **more: Any) -> FaultOutcome:
    told: dict[str, Any] = {
        "scenario": "work",
        "fault": "deadlock",
        "mode": "once",
        "shape": "UPDATE t SET a = ?",
        "site": SAVE,
        "attempts": 1,
        "replay": f"auditor faults work --db {database} --at {statement}",
    }
    return FaultOutcome(database=database, verdict=verdict, statement=statement, **{**told, **more})


def coverage(database: str, fault: str = "deadlock", **more: Any) -> SweepCoverage:
    counts = dict.fromkeys(
        ("statements", "points", "folded", "not_applicable", "not_reached", "left_out"), 0
    )
    return SweepCoverage("work", database, fault, "once", (), **{**counts, **more})


BOTH = (coverage("sqlite"), coverage("postgresql"))


def seen(*outcomes: FaultOutcome, certificates: tuple[SweepCoverage, ...] = BOTH) -> list[Any]:
    found = differences(outcomes, certificates)
    return [
        [(each.database, each.came_of_it, each.statement) for each in one.seen] for one in found
    ]


def test_a_good_end_here_and_a_bad_one_there_is_a_difference() -> None:
    found = differences(
        (outcome("sqlite", Verdict.RECOVERED, 3), outcome("postgresql", Verdict.LEAKED, 5)), BOTH
    )
    assert found == (
        Difference(
            scenario="work",
            mode="once",
            fault="deadlock",
            site=SAVE,
            shape="UPDATE t SET a = ?",
            subject="",
            seen=(
                Seen("sqlite", "recovered", 3, "", "auditor faults work --db sqlite --at 3"),
                Seen("postgresql", "leaked", 5, "", "auditor faults work --db postgresql --at 5"),
            ),
        ),
    )
    assert found[0].passes_only_on == ("sqlite",)
    assert difference_as_json(found[0])["passes_only_on"] == ["sqlite"]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        (Verdict.LEAKED, Verdict.LEAKED),
        (Verdict.RECOVERED, Verdict.REPORTED),
        (Verdict.LEAKED, Verdict.NOT_REACHED),
    ],
)
def test_equal_ends_good_ends_and_unknown_ones_are_none(here: Verdict, there: Verdict) -> None:
    assert seen(outcome("sqlite", here), outcome("postgresql", there)) == []


def test_two_bad_ends_that_differ_are_one() -> None:
    assert seen(outcome("sqlite", Verdict.LEAKED), outcome("postgresql", Verdict.SWALLOWED)) == [
        [("sqlite", "leaked", 1), ("postgresql", "swallowed", 1)]
    ]


def test_statements_are_matched_through_the_words_of_their_dialects_and_their_order() -> None:
    shapes = ('INSERT INTO "t" (a) VALUES (?)', "INSERT INTO t (a) VALUES (%(a)s) RETURNING t.id")
    here = outcome("sqlite", Verdict.RECOVERED, 1, shape=shapes[0], folded=(2,))
    first = outcome("postgresql", Verdict.RECOVERED, 2, shape=shapes[1])
    second = outcome("postgresql", Verdict.LEAKED, 4, shape=shapes[1])
    assert seen(here, first, second) == [[("sqlite", "recovered", 2), ("postgresql", "leaked", 4)]]


def test_a_place_where_it_cannot_happen_counts_as_good_and_a_missing_statement_as_nothing() -> None:
    leaked = outcome("postgresql", Verdict.LEAKED)
    impossible = (coverage("sqlite", statements=1, not_applicable=1), BOTH[1])
    assert seen(leaked, certificates=impossible) == [
        [("sqlite", "cannot happen", 0), ("postgresql", "leaked", 1)]
    ]
    assert seen(leaked) == []
    untried = (coverage("sqlite", statements=1, left_out=1), BOTH[1])
    assert seen(leaked, certificates=untried) == []


def test_a_fault_that_one_database_never_has_is_told() -> None:
    leaked = outcome("postgresql", Verdict.LEAKED, fault="too-long")
    certificates = (*BOTH, coverage("postgresql", "too-long"))
    assert seen(leaked, certificates=certificates) == [
        [("sqlite", "no such fault", 0), ("postgresql", "leaked", 1)]
    ]


def test_one_database_is_compared_with_nothing() -> None:
    assert differences((outcome("sqlite", Verdict.LEAKED),), BOTH[:1]) == ()


def test_the_text_begins_with_what_passes_on_sqlite_and_joins_faults_at_one_line() -> None:
    found = differences(
        (
            outcome("sqlite", Verdict.LEAKED, 9, shape="DELETE FROM t"),
            outcome("postgresql", Verdict.REPORTED, 9, shape="DELETE FROM t"),
            outcome("sqlite", Verdict.RECOVERED),
            outcome("postgresql", Verdict.LEAKED),
            outcome("sqlite", Verdict.RECOVERED, fault="duplicate", subject="name"),
            outcome("postgresql", Verdict.LEAKED, fault="duplicate", subject="name"),
        ),
        BOTH,
    )
    assert "\n".join(differences_as_text(found)) == (
        "\n"
        "what passes only because the tests run on sqlite:\n"
        "    work: app/save.py:7 in save: deadlock, duplicate (name)\n"
        "        sqlite: recovered, statement 1\n"
        "        postgresql: leaked, statement 1\n"
        "        replay: auditor faults work --db postgresql --at 1\n"
        "\n"
        "what passes only because the tests run on postgresql:\n"
        "    work: app/save.py:7 in save: deadlock\n"
        "        sqlite: leaked, statement 9\n"
        "        postgresql: reported, statement 9\n"
        "        replay: auditor faults work --db sqlite --at 9"
    )


@pytest.mark.parametrize(
    ("shape", "plain"),
    [
        ('SELECT "t".a FROM "t" WHERE t.a = ?', "SELECT t.a FROM t WHERE t.a = ?"),
        ("SELECT `t`.a FROM t WHERE a = %s", "SELECT t.a FROM t WHERE a = ?"),
        ("UPDATE t SET a=%(a)s::VARCHAR WHERE b = $2::INTEGER", "UPDATE t SET a=? WHERE b = ?"),
        ("INSERT INTO t (a) VALUES (:a) RETURNING t.id, t.b", "INSERT INTO t (a) VALUES (?)"),
        ("SELECT a FROM t LIMIT ? OFFSET ?", "SELECT a FROM t LIMIT ?"),
        ("SELECT returning_at FROM t", "SELECT returning_at FROM t"),
    ],
)
def test_a_shape_loses_the_words_of_its_dialect(shape: str, plain: str) -> None:
    assert undialected(shape) == plain
