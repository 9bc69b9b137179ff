from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from auditor.cli.main import run
from auditor.growth.difference import sites_of_more
from auditor.model.law import PlaceLaw, TermSite
from auditor.model.law_expression import law_written
from auditor.model.span import Frame

Commit = Callable[[str, str], str]


def place(
    function: str, shape: str, law: str, line: int = 1, measure: str = "statements"
) -> PlaceLaw:
    frame = Frame("lib.py", line, function)
    return PlaceLaw(measure, TermSite(frame, "explicit", shape, law, (frame,)), law_written(law))


def found(
    laws: tuple[str, str],
    now: list[PlaceLaw],
    before: list[PlaceLaw] | None,
    measure: str = "statements",
) -> list[tuple[str, str, str]]:
    """Function, statement and share of each place that the second law has more."""
    less, more = map(law_written, laws)
    sites = sites_of_more(measure, more, less, now, before)
    return [(site.frame.function, site.shape, site.share) for site in sites]


def test_a_place_that_has_more_is_told_and_one_on_another_line_is_not() -> None:
    before = [place("f", "SELECT a", "n", line=3), place("g", "SELECT b", "1 + n")]
    now = [place("f", "SELECT a", "n", line=9), place("g", "SELECT b", "2 + 3*n")]

    assert found(("1 + 2*n", "2 + 4*n"), now, before) == [("g", "SELECT b", "1 + 2*n")]


def test_a_new_constant_is_told_only_where_the_earlier_places_are_known() -> None:
    now = [place("f", "SELECT a", "1"), place("f", "SELECT b", "1")]

    assert found(("1", "2"), now, [now[0]]) == [("f", "SELECT b", "1")]
    assert found(("1", "2"), now, None) == []
    assert found(("1", "2 + n"), [*now, place("g", "SELECT c", "n")], None) == [
        ("g", "SELECT c", "n")
    ]


def test_what_was_rewritten_in_place_or_moved_as_it_was_is_not_told() -> None:
    before = [place("f", "SELECT a", "n"), place("g", "SELECT b", "n")]
    now = [
        place("f", "SELECT a, z", "n"),
        place("h", "SELECT b", "n"),
        place("k", "SELECT c", "n"),
    ]

    assert found(("2*n", "3*n"), now, before) == [("k", "SELECT c", "n")]


def test_what_was_rewritten_and_grew_is_told() -> None:
    before = [place("f", "SELECT a", "1")]
    now = [place("f", "SELECT a, z", "n")]

    assert found(("1", "n"), now, before) == [("f", "SELECT a, z", "n")]


def test_equal_statements_of_a_function_are_told_together_with_what_they_have_more() -> None:
    before = [place("f", "SELECT a", "n", line=3)]
    now = [place("f", "SELECT a", "n", line=3), place("f", "SELECT a", "n", line=4)]

    assert found(("n", "2*n"), now, before) == [("f", "SELECT a", "n"), ("f", "SELECT a", "n")]


def test_the_largest_growth_comes_first() -> None:
    now = [place("a", "S", "5*n"), place("b", "S", "n*m"), place("c", "S", "7*n")]

    assert [one for one, _, _ in found(("0", "12*n + n*m"), now, [])] == ["b", "c", "a"]


def test_rows_and_kinds_have_places_of_their_own() -> None:
    now = [
        place("f", "SELECT a", "n"),
        place("f", "DELETE FROM a", "n"),
        place("g", "SELECT a", "n", measure="rows"),
    ]

    assert found(("0", "n"), now, [], "rows") == [("g", "SELECT a", "n")]
    assert found(("0", "n"), now, [], "DELETE") == [("f", "DELETE FROM a", "n")]
    assert found(("0", "n"), now, [], "transactions") == []


WIDER = """
import sqlalchemy as sa

def listed(connection):
    connection.execute(sa.text("SELECT a.id FROM shelves a, shelves b")).all()
    return connection.execute(sa.text("SELECT id FROM shelves")).all()
"""


@pytest.mark.usefixtures("project")
def test_one_more_statement_and_its_rows_are_told_with_their_line(
    scenarios: str, commit: Commit, capfd: pytest.CaptureFixture[str]
) -> None:
    commit(WIDER, "read all pairs")
    measures = ["--measure", "statements", "--measure", "rows"]
    command = ["profile", scenarios, *measures, "--format", "json", "--select", "DBA320"]

    assert run([*command, "--against", "v1..HEAD"]) == 1
    worse = json.loads(capfd.readouterr().out)["laws"][0]["changes"]
    assert run([*command, "--against", "HEAD..v1"]) == 0
    better = json.loads(capfd.readouterr().out)["laws"][0]["changes"]

    def told(changes: list[dict[str, object]]) -> list[tuple[object, ...]]:
        return [
            (one["measure"], one["before"], one["after"], site["line"], site["share"])
            for one in changes
            for site in one["sites"]  # type: ignore[attr-defined]  # JSON
        ]

    assert told(worse) == [
        ("statements", "1", "2", 5, "1"),
        ("rows", "shelves", "shelves + shelves^2", 5, "shelves^2"),
    ]
    assert told(better) == [
        ("statements", "2", "1", 5, "1"),
        ("rows", "shelves + shelves^2", "shelves", 5, "shelves^2"),
    ]
