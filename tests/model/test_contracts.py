from __future__ import annotations

from fractions import Fraction

import pytest

from auditor.model.contract import (
    Breach,
    Unproven,
    contracts_written,
    judged,
    least_of,
    passed_when_measured,
)
from auditor.model.law import Contract, Holdout, LawResult, Point, Promise
from auditor.model.law_expression import law_written

SIZES = ("labels", "routers")


def outcome(law: str, *, grows: object = "", at_most: object = "") -> list[str]:
    """Each contract, with the terms that break it and where; empty for those that are kept."""
    found = []
    for contract in contracts_written(grows, at_most, SIZES):
        standing = judged(contract, law_written(law), {})
        if isinstance(standing, Breach):
            terms = " ".join(str(term) for term in standing.terms)
            found.append(f"{contract}: {terms} {dict(standing.at) or ''}".strip())
        elif isinstance(standing, Unproven):
            found.append(f"{contract}: unproven")
    return found


@pytest.mark.parametrize(
    ("law", "grows", "broken"),
    [
        ("5", "constant", []),
        ("5 + labels", "constant", ["constant: labels"]),
        ("5 + 2*labels", "constant in routers; linear in labels", []),
        ("5 + labels*routers", "constant in routers", ["constant in routers: labels*routers"]),
        ("5 + labels*routers", "linear in labels and routers", []),
        ("5 + labels*routers", "linear", ["linear: labels*routers"]),
        ("5 + min(labels, 1)", "constant in labels", ["constant in labels: min(labels, 1)"]),
        ("5 + min(labels, 1)", "bounded in labels", []),
        ("ceil(labels/500)", "bounded in labels", ["bounded in labels: ceil(labels/500)"]),
        ("labels^2 + routers", "quadratic in labels, linear in routers", None),
        ("labels^2 + routers", ("quadratic in labels", "linear in routers"), []),
        ("labels^5", "of degree 4 in labels", ["of degree 4 in labels: labels^5"]),
        ("labels + labels*routers", "linear in labels; labels × routers", []),
        ("labels^2*routers", "labels × routers", ["labels × routers: labels^2*routers"]),
        ("labels^2*routers + labels*routers", "labels*routers; labels^2*routers", []),
    ],
)
def test_a_way_to_grow_is_kept_or_broken_by_terms(
    law: str, grows: object, broken: list[str] | None
) -> None:
    if broken is None:  # a comma is for names, and `linear in routers` is none
        with pytest.raises(ValueError, match="names `linear in routers`"):
            outcome(law, grows=grows)
    else:
        assert outcome(law, grows=grows) == broken


@pytest.mark.parametrize(
    ("law", "bound", "broken"),
    [
        ("20 + labels", "labels + 20", []),
        ("10 + 8*labels", "20 + labels", ["at most 20 + labels: 8*labels {'labels': 2}"]),
        ("3", 2, ["at most 2: 3"]),
        ("3", "3", []),
        ("13", {"rows": "labels*10"}, ["rows at most labels*10: 13 {'labels': 1}"]),
        ("2*labels*routers", "labels^2 + routers^2", ["at most labels^2 + routers^2: unproven"]),
    ],
)
def test_a_bound_is_kept_at_all_sizes_or_broken_at_the_first_that_passes_it(
    law: str, bound: object, broken: list[str]
) -> None:
    assert outcome(law, at_most=bound) == broken


GROWTHS = (
    "allowed are `constant in routers`, `bounded in`, `linear in`, `quadratic in`, `cubic in`,"
    " `of degree 4 in`, any of them without `in` for all sizes together, and products such as"
    " `labels × routers`; several are separated by `;`"
)
BOUNDS = (
    "allowed are numbers, sizes, `+`, `-`, `*`, `/` by a number, `^` with a whole number,"
    " brackets, `ceil(size/500)` and `min(size, 100)`"
)
MEASURES = (
    "it can be about `statements`, `rows`, `transactions`, `savepoints`, `SELECT`, `INSERT`,"
    " `UPDATE`, `DELETE`, `other`"
)


UNKNOWN = "names `{}`, which is no size of it; its sizes are `labels`, `routers`"
NO_PRODUCT = "cannot be read: it is no product of sizes"
NO_NAME = "`labels.__class__` is not allowed in it"


@pytest.mark.parametrize(
    ("grows", "at_most", "message"),
    [
        ("fast", "", f"`grows='fast'` cannot be read: it is no way to grow; {GROWTHS}"),
        ("constant in ports", "", f"`grows='constant in ports'` {UNKNOWN.format('ports')}"),
        ("2*labels × routers", "", f"`grows='2*labels × routers'` {NO_PRODUCT}; {GROWTHS}"),
        (7.5, "", "`grows` is `7.5`: give a text such as `linear in labels`"),
        ({"time": "linear"}, "", f"`grows` is about `time`; {MEASURES}"),
        ("", "20 +", f"`at_most='20 +'` cannot be read: it is not an expression; {BOUNDS}"),
        (
            "",
            "labels.__class__",
            f"`at_most='labels.__class__'` cannot be read: {NO_NAME}; {BOUNDS}",
        ),
        ("", "20 + port", f"`at_most='20 + port'` {UNKNOWN.format('port')}"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_can(
    grows: object, at_most: object, message: str
) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        contracts_written(grows, at_most, SIZES)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "text",
    ["(" * 90, "((a+b+c+d+e+f)^12)", "a^13", "9" * 3000, "a" + "*a" * 900, "-" * 1500 + "a"],
)
def test_a_hostile_bound_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        law_written(text)
    assert len(str(raised.value)) < 200


RESULT = LawResult(
    scenario="sync",
    target="lib:sync",
    database="sqlite",
    variables=("labels", "routers"),
    law=None,
    points=(
        Point((("labels", 0), ("routers", 1)), 2, 0),
        Point((("labels", 4), ("routers", 2)), 30, 90),
    ),
    holdouts=(Holdout((("labels", 9), ("routers", 0)), Fraction(1), 1),),
    refusal="no law",
)


def test_a_law_is_judged_from_0_on_only_where_0_was_measured() -> None:
    assert least_of(RESULT) == {"labels": 0, "routers": 1}


def test_a_bound_that_a_measured_point_passes_is_broken_without_a_law() -> None:
    passed = Contract(Promise.AT_MOST, "statements", "20 + labels")
    kept = Contract(Promise.AT_MOST, "rows", "90")
    at = (("labels", 4), ("routers", 2))
    assert passed_when_measured(passed, RESULT) == Breach(passed, (), at)
    assert passed_when_measured(kept, RESULT) is None
