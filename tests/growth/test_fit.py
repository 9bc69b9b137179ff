from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.growth.fit import Checked, Fit, Refusal, infer
from auditor.model.law import AtMost, Factor, Law, Power, Step, Term

NAMES = ("a", "b", "c")
GRID = (1, 2, 4)


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
        lambda a: a % 3,
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


def test_a_hold_out_lies_outside_the_grid_and_one_inside_it() -> None:
    found = infer(lambda sizes: 4 + 3 * sizes[0], ("a", "b"), ((1, 2, 4), (1, 2)))

    assert isinstance(found, Fit)
    assert found.holdouts == (
        Checked((9, 9), Fraction(31), 31),
        Checked((3, 2), Fraction(13), 13),
    )
    assert not {check.sizes for check in found.holdouts} & set(found.points)


def test_a_failed_hold_out_is_told_with_both_numbers() -> None:
    found = infer(lambda sizes: min(sizes[0] ** 2, 64), ("a",), ((1, 2, 4),))

    assert isinstance(found, Refusal)
    assert found.reason == (
        "the points fit `a^2`, but at a=11 that predicts 121 and 64 was measured"
    )
    assert found.holdouts == (Checked((11,), Fraction(121), 64),)


def test_two_laws_that_the_points_cannot_tell_apart_are_both_named() -> None:
    found = infer(lambda sizes: 3 + -(-sizes[0] // 500), ("a",), ((1, 400, 600),))

    assert isinstance(found, Refusal)
    assert found.reason == (
        "the points allow more than one law: `3 + ceil(a/500)` and `3 + ceil(a/599)`"
    )


def test_few_points_are_asked_for_and_each_once() -> None:
    asked: list[tuple[int, ...]] = []

    def measure(sizes: tuple[int, ...]) -> int:
        asked.append(sizes)
        return 4 + 3 * sizes[0]

    infer(measure, ("a", "b", "c"), ((1, 2, 4), (1, 2), (1, 2)))

    assert len(asked) == len(set(asked)) == 12


polynomials = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)),
    st.integers(0, 12),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=100, deadline=None)
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
