from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy

from auditor.growth.load import load_scenarios
from auditor.growth.run import profile
from auditor.growth.scenario import Scenario
from auditor.model.errors import ScenarioError
from auditor.model.finding import Problem
from auditor.model.law import Holdout, LawResult, Point
from auditor.model.span import Frame
from auditor.model.tape import Tape

DATABASES = ("sqlite://", "postgresql")
NOT_CALLABLE = (
    "scenario `not_callable` returned `7` with shelves=1: it must return the call to measure, such"
    " as `lambda: sync(session)`"
)
FAILING = (
    "scenario `failing` failed in the measured call with shelves=1: LookupError: no shelf 2"
    " (library_scenarios.py:{line} in call)"
)


def the(program: Path, name: str) -> Scenario:
    (scenario,) = load_scenarios([f"{program}::{name}"]).scenarios
    return scenario


def profiled(program: Path, name: str, database: str = "sqlite://") -> LawResult:
    (result,) = profile(the(program, name), database=database)
    return result


@pytest.mark.parametrize("database", DATABASES)
def test_a_planted_law_is_found_with_its_cause(
    program: Path, line_of: Callable[[str], int], database: str
) -> None:
    result = profiled(program, "library", database)

    assert (str(result.law), result.variables, result.refusal) == (
        "2 + shelves",
        ("shelves", "books"),
        "",
    )
    assert result.database == database.partition(":")[0]
    assert result.holdouts[0] == Holdout((("shelves", 9), ("books", 9)), Fraction(11), 11)
    assert [one.measured - one.predicted for one in result.holdouts] == [0] * 12
    assert result.measured_to == (("shelves", 25), ("books", 25))
    assert result.points[0] == Point(
        (("shelves", 1), ("books", 1)),
        statements=3,
        rows=2,
        counts=(("SELECT", 3), ("transactions", 1)),
    )
    assert [(one.measure, str(one.law)) for one in result.measures] == [
        ("rows", "shelves + shelves*books"),
        ("transactions", "1"),
        ("SELECT", "2 + shelves"),
    ]
    assert (str(result.law_of("statements")), str(result.law_of("transactions"))) == (
        "2 + shelves", "1",
    )  # fmt: skip
    assert result.notes == ()
    ((term, site),) = [(str(one.term), site) for one in result.terms for site in one.sites]
    assert (term, site.share, site.cause) == ("shelves", "shelves", "lazy load Shelf.books")
    assert site.frame == Frame(
        "library_scenarios.py", line_of("for shelf in session"), site.frame.function
    )


@pytest.mark.parametrize("database", DATABASES)
def test_counts_agree_with_a_plain_listener_at_every_point(program: Path, database: str) -> None:
    scenario = the(program, "library")
    heard: dict[tuple[tuple[str, int], ...], set[int]] = {}

    def populate(engine: Any, **sizes: int) -> Callable[[], None]:
        call = scenario.populate(engine, **sizes)

        def listened() -> None:
            statements: list[str] = []

            def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
                if not statement.startswith(("BEGIN", "PRAGMA", "ROLLBACK", "COMMIT")):
                    statements.append(statement)

            sqlalchemy.event.listen(engine, "before_cursor_execute", hear)
            try:
                call()
            finally:
                sqlalchemy.event.remove(engine, "before_cursor_execute", hear)
            heard.setdefault(tuple(sizes.items()), set()).add(len(statements))

        return listened

    listening = Scenario("library", populate, scenario.sizes, prepare=scenario.prepare)
    (result,) = profile(listening, database=database)

    measured = {point.sizes: {point.statements} for point in result.points}
    measured |= {check.sizes: {check.measured} for check in result.holdouts}
    assert heard == measured


def test_equal_runs_give_equal_results(program: Path) -> None:
    assert profiled(program, "library") == profiled(program, "library")


def test_scenarios_that_share_prepare_share_a_database(program: Path) -> None:
    library, failing = the(program, "library"), the(program, "failing_as_declared")
    urls: list[str] = []

    def prepare(database: Any) -> Any:
        urls.append(database.url)
        assert library.prepare is not None
        return library.prepare(database)

    both = [
        Scenario(one.name, one.populate, one.sizes, prepare=prepare, declared=one.declared)
        for one in (library, failing)
    ]

    laws = [str(result.law) for result in profile(*both)]

    assert (laws, len(urls)) == (["2 + shelves", "1"], 1)


def test_a_scratch_database_is_gone_afterwards_also_when_the_scenario_fails(
    program: Path,
) -> None:
    places: list[Path] = []

    def populate(database: Any, a: int) -> Callable[[], None]:
        places.append(Path(database.url.removeprefix("sqlite:///")))
        assert places[-1].exists()
        raise ValueError("no")

    with pytest.raises(ScenarioError):
        profile(Scenario("broken", populate, (("a", (1, 2)),)))

    assert [place.parent.exists() for place in places] == [False]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "not_callable",
            NOT_CALLABLE,
        ),
        (
            "failing",
            FAILING,
        ),
    ],
)
def test_a_scenario_that_fails_is_named_with_its_sizes_and_error(
    program: Path, line_of: Callable[[str], int], name: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        profiled(program, name)

    assert str(caught.value) == message.format(line=line_of("raise LookupError"))


def test_an_error_that_the_scenario_declares_is_part_of_its_work(program: Path) -> None:
    assert str(profiled(program, "failing_as_declared").law) == "1"


def test_a_call_that_does_not_repeat_itself_is_refused_with_what_differs(
    program: Path, line_of: Callable[[str], int]
) -> None:
    result = profiled(program, "unsteady")

    line = line_of("for _ in CALLS") + 1
    assert result.law is None
    assert result.refusal == (
        "not repeatable: at shelves=1 one call executed 2 statements and an equal one 3;"
        f" what differs: 2 and 3 times `SELECT ?` at library_scenarios.py:{line} in unsteady.call"
    )
    assert not any("NO STATEMENT" in note for note in result.notes)


def test_no_law_is_given_where_the_recorder_lost_statements(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(*_: Any) -> AbstractContextManager[Any]:
        return nullcontext(SimpleNamespace(tape=Tape(losses=(Problem("recorder", "it broke"),))))

    monkeypatch.setattr("auditor.growth.count.record", losing)
    result = profiled(program, "library")

    assert (result.law, result.refusal) == (
        None,
        "not everything could be seen: recorder: it broke",
    )


def test_a_first_call_that_does_more_is_left_out_and_told(program: Path) -> None:
    result = profiled(program, "warming_up")

    assert (str(result.law), result.notes[0]) == (
        "1",
        "the first call executed 1 statements more than every later one (warm-up) and is left out",
    )


def test_a_count_that_is_no_law_keeps_its_points(program: Path) -> None:
    result = profiled(program, "doubling")

    assert result.law is None
    assert result.refusal.startswith("the counts follow no polynomial of low degree")
    assert [(dict(p.sizes)["shelves"], p.statements) for p in result.points[:4]] == [
        (1, 2),
        (2, 4),
        (3, 8),
        (4, 16),
    ]


def test_asynchronous_scenarios_are_measured(program: Path) -> None:
    assert str(profiled(program, "asynchronous").law) == "shelves"


def test_the_python_interface_is_the_same_function() -> None:
    import auditor

    assert auditor.profile is sys.modules["auditor.growth.run"].profile
