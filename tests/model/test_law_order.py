from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditor.model.law import Change
from auditor.model.law_expression import law_written
from auditor.model.law_order import Answer, Compared, Verdict, compared, never_above


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("5 + 2*R", "5 + 2*R + R*P", Change.WORSE),
        ("5 + 2*R + R*P", "5 + 2*R", Change.BETTER),
        ("4 + 3*a*b", "3*b*a + 4", Change.SAME),
        ("10 + 8*n", "20 + n", Change.MIXED),
        ("a*b", "a + b", Change.MIXED),
        ("1", "ceil(n/500)", Change.WORSE),
        ("ceil(n/500)", "ceil(n/100)", Change.WORSE),
        ("ceil(n/100)", "ceil(n/500)", Change.BETTER),
        ("ceil((n-1)/2)", "n", Change.WORSE),
        ("min(n, 1000)", "n", Change.WORSE),
        ("min(n, 1) + n", "1 + n", Change.SAME),  # from one on
        ("1/3*n", "1/2*n", Change.WORSE),
        ("48", "n^2 - 14*n + 97", Change.WORSE),  # equal at 7 alone
        ("n^2 - 14*n + 49", "1", Change.MIXED),  # below it at 7 alone
        ("1000000 - 2000*n + n^2", "0", Change.BETTER),
    ],
)
def test_what_became_of_a_law_is_told_for_all_sizes(
    before: str, after: str, change: Change
) -> None:
    assert compared(law_written(before), law_written(after), {}).change is change


def test_a_law_that_is_worse_only_here_and_there_is_told_with_both_places() -> None:
    found = compared(law_written("10 + 8*n"), law_written("20 + n"), {})
    assert found == Compared(Change.MIXED, worse_at=(("n", 1),), better_at=(("n", 2),))


def test_the_least_size_counts() -> None:
    one, none = law_written("1"), law_written("min(n, 1)")
    assert never_above(one, none, {"n": 1}) == Answer(Verdict.ALWAYS)
    assert never_above(one, none, {"n": 0}) == Answer(Verdict.NOT_ALWAYS, (("n", 0),))


def test_what_cannot_be_proven_is_said_to_be_undecided() -> None:
    # a^2 + b^2 - 2ab is a square: never below 0, and no splitting of the sizes shows that
    answer = never_above(law_written("2*a*b"), law_written("a^2 + b^2"), {})
    assert answer == Answer(Verdict.UNDECIDED)


PARTS = ("1", "a", "b", "a^2", "a*b", "ceil(a/3)", "ceil((b-1)/2)", "min(a, 4)", "a*min(b, 2)")
SUMS = st.lists(st.tuples(st.integers(-3, 4), st.sampled_from(PARTS)), min_size=1, max_size=4).map(
    lambda terms: " + ".join(f"({by})*{part}" for by, part in terms)
)


@settings(deadline=None, max_examples=120)
@given(SUMS, SUMS, st.sampled_from((0, 1)))
def test_no_verdict_is_ever_wrong(lower: str, upper: str, least: int) -> None:
    small, large = law_written(lower), law_written(upper)
    answer = never_above(small, large, {"a": least, "b": least})
    grid = range(least, 20)
    above = [
        (a, b)
        for a, b in itertools.product(grid, grid)
        if small.at({"a": a, "b": b}) > large.at({"a": a, "b": b})
    ]
    if answer.verdict is Verdict.ALWAYS:
        assert above == []
    if answer.verdict is Verdict.NOT_ALWAYS:
        at = {"a": least, "b": least, **dict(answer.at)}
        assert small.at(at) > large.at(at)
