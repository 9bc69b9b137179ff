from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auditor.runtime import budgets
from auditor.runtime.budgets import Change
from auditor.runtime.recorder import record

KNOWN = {
    "insert t  in a.py save (flush)": 1,
    "select t  in a.py load (explicit)": 3,
}


@pytest.fixture
def connection() -> Iterator[sa.engine.Connection]:
    engine = sa.create_engine("sqlite://", future=True)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_statements_are_measured_by_place_without_lines(connection: sa.engine.Connection) -> None:
    with record() as recording:
        connection.execute(sa.text("create table t (a integer)"))
        connection.execute(sa.text("select a from t"))
        connection.execute(sa.text("select a from t"))
    function = recording.tape.entries[0].site.frame.function
    found = budgets.measured(recording.tape, lambda path: Path(path).name)
    assert found == {f"select t  in test_budgets.py {function} (explicit)": 2}


def test_a_kind_that_grew_is_a_regression_with_the_places_that_did() -> None:
    now = {
        "select t  in a.py load (explicit)": 1,
        "select u  in b.py rules (lazy load T.us)": 4,
        "insert t  in a.py save (flush)": 1,
    }
    assert budgets.changed("test_a", KNOWN, now) == Change(
        "test_a",
        grown="over the measured budget: select 3 -> 5"
        " (budget select 3, insert 1; now select 5, insert 1)\n"
        "    +4  select u  in b.py rules (lazy load T.us): 0 before, 4 now\n"
        "    -2  select t  in a.py load (explicit): 3 before, 1 now",
    )


def test_a_kind_that_shrank_is_an_improvement_and_a_moved_statement_is_neither() -> None:
    fewer = {"select t  in a.py load (explicit)": 2}
    moved = {"select t  in c.py load (explicit)": 3, "insert t  in a.py save (flush)": 1}
    assert budgets.changed("test_a", KNOWN, fewer) == Change(
        "test_a", shrunk="select 3 -> 2, insert 1 -> 0"
    )
    assert budgets.changed("test_a", KNOWN, moved) == Change("test_a")
    assert budgets.changed("test_a", KNOWN, KNOWN) == Change("test_a")


def test_a_test_without_statements_has_a_budget_of_none(tmp_path: Path) -> None:
    text = budgets.text_of({"test_b": KNOWN, "test_a": {}}, "pytest --auditor-write-budgets b.txt")
    assert text == (
        "# auditor/budgets/1\n"
        "# statements of each test's own body, set-up left out;"
        " `pytest --auditor-write-budgets b.txt` writes them\n"
        "\n[test_a]\n"
        "\n[test_b]\n"
        "     1  insert t  in a.py save (flush)\n"
        "     3  select t  in a.py load (explicit)\n"
    )
    file = tmp_path / "b.txt"
    file.write_text(text)
    assert budgets.read(file, "pytest") == {"test_a": {}, "test_b": KNOWN}
    assert budgets.changed("test_a", {}, KNOWN).grown.startswith(
        "over the measured budget: select 0 -> 3, insert 0 -> 1 (budget none; now "
    )
