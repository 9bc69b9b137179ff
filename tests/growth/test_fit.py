from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.growth.fit import Fit, Refusal, infer
from auditor.growth.holdouts import Checked, holdout_sizes
from auditor.growth.solve import raises_rank
from auditor.model.law import AtMost, Factor, Law, Power, Step, Term

NAMES = ("a", "b", "c")
GRID = (1, 2, 4)
TWO_GUARDS = (
    "5*min(a, 3)*min(b, 9) - 5*min(a, 3)*min(b, 10) - 5*min(a, 4)*min(b, 9)"
    " + 5*min(a, 4)*min(b, 10)"
)


def law_of(function: Callable[..., int], *grid: tuple[int, ...]) -> str:
    """The law, or the word `refused`."""
    found = infer(lambda sizes: function(*sizes), NAMES[: len(grid)], grid)
    return str(found.law) if isinstance(found, Fit) else "refused"


@pytest.mark.parametrize(
    ("function", "grid", "want"),
    [
        (lambda: 3, (), "3"),
        (lambda a: 7, (GRID,), "7"),
        (lambda a: 0, (GRID,), "0"),
        (lambda a: 4 + 3 * a, (GRID,), "4 + 3*a"),
        (lambda a: a * (a - 1) // 2, (GRID,), "-1/2*a + 1/2*a^2"),
        (lambda a: a**5, (GRID,), "a^5"),
        (lambda a, b, c: 4 + 3 * a, (GRID, (1, 2), (1, 2)), "4 + 3*a"),
        (lambda a, b: 5 + 2 * a + 2 * a * b, (GRID, (1, 2, 3)), "5 + 2*a + 2*a*b"),
        (lambda a, b: a * b * (b - 1), ((0, 1, 2), (0, 1, 2)), "-a*b + a*b^2"),
        (lambda a, b: 4 + 3 * math.ceil(a / 2), (GRID, (1, 2)), "4 + 3*ceil(a/2)"),
        (lambda a: 3 + min(a, 5), (GRID,), "3 + min(a, 5)"),
        (lambda a: 3 + math.ceil(a / 500), ((1, 499, 500, 501, 1001),), "3 + ceil(a/500)"),
        (lambda a: 4 + 3 * a if a else 0, ((0, 1, 2, 4),), "3*a + 4*min(a, 1)"),
        (lambda a: a if a < 8 else 2 * a - 8, (GRID,), "2*a - min(a, 8)"),
        (lambda a: 4 * min(a, 5) + 16 * math.ceil(a / 5), (GRID,), "4*min(a, 5) + 16*ceil(a/5)"),
        (lambda a: 2 + a // 3, (GRID,), "2 + ceil((a-2)/3)"),
        (lambda a: 3 + math.ceil(a / 500), ((1, 400, 600),), "3 + ceil(a/500)"),
        (lambda a: 3 + math.ceil(a / 450), ((1, 400, 600),), "3 + ceil(a/450)"),
        (lambda a: 3 + min(a, 450), ((1, 400, 600),), "3 + min(a, 450)"),
        (lambda a: 3 + 2 * (a > 19), (GRID,), "3 - 2*min(a, 19) + 2*min(a, 20)"),
        (lambda a, b: 1 + a * math.ceil(b / 7), (GRID, GRID), "1 + a*ceil(b/7)"),
        (
            lambda a, b: 5 * (a > 3) * (b > 9),
            (GRID, (1, 2)),
            TWO_GUARDS,
        ),
    ],
)
def test_a_law_is_found_exactly(
    function: Callable[..., int], grid: tuple[tuple[int, ...], ...], want: str
) -> None:
    assert law_of(function, *grid) == want


@pytest.mark.parametrize(
    "function",
    [
        lambda a: 2**a,
        lambda a: a * (a % 7),
        lambda a: int(math.log2(a)),
        math.isqrt,
        lambda a: 3 + a.bit_count(),
        lambda a: a**3 if a % 2 else a,
        lambda a: sum(1 for n in range(2, a + 1) if all(n % d for d in range(2, n))),
    ],
)
def test_what_is_no_law_is_refused(function: Callable[[int], int]) -> None:
    assert law_of(function, GRID) == "refused"


def test_a_remainder_is_a_law_of_steps() -> None:
    assert law_of(lambda a: a % 2, GRID) == "-a + 2*ceil(a/2)"
    assert law_of(lambda a: a % 3, GRID) == "a - 3*ceil((a-2)/3)"


def test_hold_outs_are_the_small_sizes_left_out_one_well_outside_and_two_far_outside_in_each() -> (
    None
):
    found = infer(lambda sizes: 4 + 3 * sizes[0], ("a", "b"), ((1, 2, 4), (1, 2)))

    assert isinstance(found, Fit)
    assert [check.sizes for check in found.holdouts] == [
        (9, 9),
        *((3, 4), (5, 5), (6, 6), (7, 7), (8, 8), (9, 3)),
        (11, 13),
        *((24, 2), (25, 2), (4, 24), (4, 25)),
    ]
    assert found.holdouts[0] == Checked((9, 9), Fraction(31), 31)
    assert all(check.holds for check in found.holdouts)
    assert not {check.sizes for check in found.holdouts} & set(found.points)


def test_a_failed_hold_out_is_told_with_both_numbers() -> None:
    found = infer(lambda sizes: sizes[0] * (sizes[0] % 9), ("a",), (GRID,))

    assert isinstance(found, Refusal)
    assert found.reason == "the points fit `a^2`, but at a=9 that predicts 81 and 0 was measured"
    assert found.holdouts == (Checked((9,), Fraction(81), 0),)


def test_what_begins_beyond_the_usual_hold_outs_is_found_where_the_reach_says() -> None:
    def loaded(sizes: tuple[int, ...]) -> int:
        return 2 + math.ceil(sizes[0] / 500)

    near = infer(loaded, ("a",), (GRID,))
    far = infer(loaded, ("a",), (GRID,), reach={"a": 1001})

    assert isinstance(near, Fit)
    assert isinstance(far, Fit)
    assert (str(near.law), max(check.sizes[0] for check in near.holdouts)) == ("3", 25)
    assert (str(far.law), max(check.sizes[0] for check in far.holdouts)) == (
        "2 + ceil(a/500)", 1001,
    )  # fmt: skip


def test_few_points_are_asked_for_and_each_once() -> None:
    asked: list[tuple[int, ...]] = []

    def measure(sizes: tuple[int, ...]) -> int:
        asked.append(sizes)
        return 4 + 3 * sizes[0]

    infer(measure, ("a", "b", "c"), ((1, 2, 4), (1, 2), (1, 2)))

    assert len(asked) == len(set(asked)) == 24


def asked_of(count: Callable[[int], int]) -> list[tuple[str, int]]:
    """What is asked, and how, to find the law of a count along one variable."""
    asked: list[tuple[str, int]] = []

    def measure(sizes: tuple[int, ...]) -> int:
        asked.append(("measured", sizes[0]))
        return count(sizes[0])

    def glance(sizes: tuple[int, ...]) -> int:
        asked.append(("glanced at", sizes[0]))
        return count(sizes[0])

    infer(measure, ("a",), (GRID,), glance=glance)
    return asked


def test_a_law_is_found_by_glances_and_measured_at_the_ends_of_the_grid() -> None:
    held = (9, 3, 5, 6, 7, 8, 11, 24, 25)

    assert asked_of(lambda n: 3 * n) == [
        *(("glanced at", n) for n in (1, 2, 4, *held)),
        *(("measured", 1), ("measured", 4)),
    ]


def test_where_a_hold_out_fails_all_that_was_glanced_at_is_measured() -> None:
    assert asked_of(lambda n: min(n, 8))[:8] == [
        *(("glanced at", 1), ("glanced at", 2), ("glanced at", 4)),
        *(("glanced at", 9), ("measured", 9)),
        *(("measured", 1), ("measured", 2), ("measured", 4)),
    ]


def rank(columns: list[list[int]]) -> int:
    rows: list[list[int]] = []
    for row in zip(*columns, strict=True):
        raises_rank(rows, row)
    return len(rows)


def test_no_two_steps_cancel_at_all_points_and_not_between_them() -> None:
    """Whatever a law in 1, n, n^2 and two steps says, it says at the points that are asked for: no
    other such law agrees with it there and differs at a size up to the farthest."""
    measured = (*GRID, *(sizes[0] for sizes in holdout_sizes((GRID,), (0,))))
    everywhere = range(1, max(measured) + 1)
    steps = [Step("n", k) for k in range(2, 10)] + [AtMost("n", k) for k in range(1, 10)]
    powers = [[n**degree for n in everywhere] for degree in range(3)]
    cancelling = [
        (str(one), str(other))
        for one, other in itertools.combinations(steps, 2)
        for whole in [
            [*powers, *([step.at({"n": n}) for n in everywhere] for step in (one, other))]
        ]
        if rank([[column[n - 1] for n in measured] for column in whole]) < rank(whole)
    ]

    assert cancelling == []


polynomials = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)),
    st.integers(0, 12),
    max_size=5,
)


@settings(max_examples=50, deadline=None)
@given(polynomials)
def test_every_polynomial_of_low_degree_is_recovered(
    wanted: dict[tuple[int, int, int], int],
) -> None:
    law = Law(
        tuple(
            Term(
                Fraction(coefficient),
                tuple(Power(n, e) for n, e in zip(NAMES, exponents, strict=True) if e),
            )
            for exponents, coefficient in wanted.items()
            if coefficient
        )
    )

    found = infer(
        lambda sizes: int(law.at(dict(zip(NAMES, sizes, strict=True)))),
        NAMES,
        ((1, 2, 4), (1, 3), (1, 2, 5)),
    )

    assert isinstance(found, Fit)
    assert set(found.law.terms) == set(law.terms)


steps: st.SearchStrategy[Factor] = st.one_of(
    st.builds(Step, st.just("a"), st.integers(2, 6)),
    st.builds(AtMost, st.just("a"), st.integers(2, 6)),
    st.just(Power("a")),
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), steps), min_size=1, max_size=4),
    st.integers(0, 20),
    st.sampled_from([(1, 2, 4), (1, 2, 3), (2, 3, 5, 8), (0, 1, 3)]),
)
def test_a_law_with_steps_is_right_far_outside_or_refused(
    parts: list[tuple[int, Factor]], constant: int, grid: tuple[int, ...]
) -> None:
    def count(a: int) -> int:
        return constant + sum(times * factor.at({"a": a}) for times, factor in parts)

    found = infer(lambda sizes: count(*sizes), ("a",), (grid,))

    if isinstance(found, Fit):
        assert [found.law.at({"a": a}) for a in range(grid[0], 40)] == [
            count(a) for a in range(grid[0], 40)
        ]
