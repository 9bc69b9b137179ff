"""Every planted defect gets its verdict, and no twin is accused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

SAMPLES = Path(__file__).parent.parent.parent / "sample_schemas"
if str(SAMPLES) not in sys.path:
    sys.path.insert(0, str(SAMPLES))

pytestmark = pytest.mark.filterwarnings("default::sqlalchemy.exc.SAWarning")
"""What SQLAlchemy says of a planted session is no error in it."""

PAIRS = {pair.name: pair for pair in importlib.import_module("planted.table").pairs()}
ON_SERVERS = (
    "swallowed_in_a_transaction",
    "shared_transaction_left_open",
    "work_in_finally",
)
"""Programs that servers treat unlike SQLite."""


def told(name: str, dialect: str, database: str) -> Any:
    return importlib.import_module("planted.told").told(PAIRS[name], dialect, database)


def on(dialect: str) -> list[str]:
    return [name for name, pair in PAIRS.items() if dialect not in pair.lacks]


@pytest.mark.filterwarnings("ignore:Session's state has been changed")  # as in production
@pytest.mark.parametrize("name", on("sqlite"))
def test_a_planted_defect_is_told_and_its_twin_is_not_accused(name: str) -> None:
    found = told(name, "sqlite", "sqlite://")
    assert (found.said, found.alarms) == (found.wanted, ())
    assert found.tried > 0


@pytest.mark.parametrize("name", [name for name in ON_SERVERS if name in PAIRS])
@pytest.mark.parametrize("dialect", ["postgresql", "mysql"])
def test_a_server_of_its_own_mind_gets_its_own_verdict(
    name: str, dialect: str, request: pytest.FixtureRequest
) -> None:
    the_whole_table_holds(name, dialect, request)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dialect"),
    [(name, dialect) for dialect in ("postgresql", "mysql") for name in on(dialect)],
)
def test_every_pair_gets_its_verdicts_on_a_server(
    name: str, dialect: str, request: pytest.FixtureRequest
) -> None:
    the_whole_table_holds(name, dialect, request)


def the_whole_table_holds(name: str, dialect: str, request: pytest.FixtureRequest) -> None:
    fixture = {"postgresql": "postgresql", "mysql": "mariadb"}[dialect]
    found = told(name, dialect, str(request.getfixturevalue(fixture)))
    assert (found.said, found.alarms) == (found.wanted, ())
    assert found.tried > 0


def test_a_pair_differs_in_its_function_alone() -> None:
    for pair in PAIRS.values():
        assert pair.twin.name == f"{pair.mutant.name}_twin"
        assert (pair.twin.sizes, pair.twin.declared, pair.twin.volatile) == (
            pair.mutant.sizes,
            pair.mutant.declared,
            pair.mutant.volatile,
        )


def test_the_page_holds_the_table_of_all_pairs() -> None:
    table = importlib.import_module("planted.table")
    lines = tuple(importlib.import_module("planted.page").lines())
    page = (SAMPLES.parent / "docs" / "planted.md").read_text().splitlines()
    assert [line for line in lines if line not in page] == []
    if len(table.importable()) == len(table.THEMES):
        assert page[page.index(lines[0]) :] == [*lines[:-1]]
