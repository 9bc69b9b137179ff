from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.model.law import AtMost, Law, Power, Step, Term
from auditor.model.law_text import law_of, total_of

NAMES = st.sampled_from(("labels", "n", "_x1", "größe"))
COUNTS = st.integers(1, 999)
FACTORS = st.one_of(
    st.builds(Power, NAMES, st.integers(1, 4)),
    st.builds(Step, NAMES, COUNTS),
    st.builds(AtMost, NAMES, COUNTS),
)
COEFFICIENTS = st.fractions(max_denominator=9).filter(bool)
TERMS = st.builds(Term, COEFFICIENTS, st.lists(FACTORS, max_size=3).map(tuple))


@given(st.lists(TERMS, max_size=4).map(tuple).map(Law))
def test_every_law_is_read_back_from_its_text(law: Law) -> None:
    assert law_of(str(law)) == law


@pytest.mark.parametrize("text", ["", "8*", "8 * labels", "ceil(labels)", "min(a,3)", "x^y", "a b"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a factor of a law"):
        law_of(text)


def test_shares_of_one_term_add_up() -> None:
    assert str(total_of([law_of("7*labels"), law_of("labels")])) == "8*labels"
    assert total_of([law_of("1/2*n"), law_of("-1/2*n")]) == Law(())
    assert total_of([law_of("3")]) == Law((Term(Fraction(3)),))
