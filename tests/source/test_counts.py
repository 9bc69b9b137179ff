"""Symbolic counts: sums, products, bounds, and how they read."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from auditor.source import counts
from auditor.source.counts import Count, as_text

NAMES = st.sampled_from(["labels", "label.rules", "routers"])
COUNTS = st.dictionaries(
    st.lists(NAMES, max_size=2).map(lambda names: tuple(sorted(names))),
    st.integers(1, 20),
    max_size=4,
)
SIZES = st.fixed_dictionaries(
    {name: st.integers(0, 9) for name in ("labels", "label.rules", "routers")}
)


def at(count: Count, sizes: dict[str, int]) -> int:
    total = 0
    for product, coefficient in count.items():
        total += coefficient * math.prod(sizes[name] for name in product)
    return total


@given(COUNTS, COUNTS, SIZES)
def test_sums_and_products_are_those_of_numbers(
    one: Count, other: Count, sizes: dict[str, int]
) -> None:
    assert at(counts.plus(one, other), sizes) == at(one, sizes) + at(other, sizes)
    assert at(counts.times(one, other), sizes) == at(one, sizes) * at(other, sizes)


@given(COUNTS, COUNTS, SIZES)
def test_the_larger_and_the_smaller_of_two_are_bounds(
    one: Count, other: Count, sizes: dict[str, int]
) -> None:
    both = (at(one, sizes), at(other, sizes))
    assert at(counts.larger(one, other), sizes) >= max(both)
    assert at(counts.smaller(one, other), sizes) <= min(both)


def test_a_count_reads_by_degree_and_name() -> None:
    count = {("a", "b"): 1, ("b",): 2, (): 3, ("a", "a"): 4}
    assert as_text(count) == "3 + 2*|b| + 4*|a|^2 + |a|*|b|"
    assert as_text(counts.NOTHING) == "0"


def test_a_sum_of_very_many_products_and_a_very_high_degree_stay_small() -> None:
    wide = counts.plus(*(counts.length(f"n{number:03}") for number in range(500)))
    assert (len(wide), wide[counts.MORE,]) == (41, 460)
    high = counts.length("n")
    for _ in range(10):
        high = counts.times(high, high)
    assert max(len(product) for product in high) <= 6
