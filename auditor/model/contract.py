"""What a scenario promises of its laws, and whether a law keeps it.

    grows="constant in routers; linear in labels"    two contracts, each about statements
    at_most={"rows": "labels*10"}                    Contract(AT_MOST, "rows", "labels*10")

`constant in` means that no term names the size, `bounded in` permits `min(size, 7)`, `linear in`
and so on limit the degree while other sizes are held; without `in`, the degree in all sizes
together. `labels × routers` permits the products of sizes that divide it, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.model.law import Contract, Law, LawResult, Power, Promise, Term
from auditor.model.law_expression import (
    ALLOWED,
    degree_of,
    difference,
    law_written,
    sum_of,
    variables_of,
)
from auditor.model.law_order import Verdict, never_above

MEASURES = ("statements", "rows", "transactions", "savepoints")
KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "other")
"""What a contract may be about: a measure of the calls, or a kind of statement."""

GROWTHS = (
    "`constant in routers`, `bounded in`, `linear in`, `quadratic in`, `cubic in`,"
    " `of degree 4 in`, any of them without `in` for all sizes together, and products such as"
    " `labels × routers`; several are separated by `;`"
)
_DEGREES = {"constant": 0, "bounded": 0, "linear": 1, "quadratic": 2, "cubic": 3}
_CLAUSE = re.compile(
    r"(?P<word>constant|bounded|linear|quadratic|cubic|of degree (?P<degree>\d{1,3}))"
    r"(?: in (?P<names>.+))?"
)
_BETWEEN_NAMES = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+")
_PRODUCT = re.compile(r"[×*^]")
_SUCH_AS = {"grows": "`linear in labels`", "at_most": "`20 + labels`"}

Sizes = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Breach:
    """A contract that a law does not keep: the terms that break it, and for a bound the smallest
    sizes found at which it is passed."""

    contract: Contract
    terms: tuple[Term, ...]
    at: Sizes = ()


@dataclass(frozen=True, slots=True)
class Unproven:
    """A bound that is kept wherever it was tried, and not proven for all sizes."""

    contract: Contract


def contracts_written(
    grows: object, at_most: object, variables: Sequence[str]
) -> tuple[Contract, ...]:
    """The contracts of a scenario with these sizes.

    `grows` is a text or several, `at_most` a text; each may be a mapping of measures to such.
    Raises ValueError, saying which text and what is allowed.
    """
    found = [
        Contract(Promise.GROWS, measure, clause)
        for measure, texts in _by_measure("grows", grows)
        for clause in _clauses(texts)
    ]
    found += [
        Contract(Promise.AT_MOST, measure, text)
        for measure, texts in _by_measure("at_most", at_most)
        for text in texts
    ]
    for contract in found:
        _refuse_unreadable(contract, variables)
    return tuple(found)


def judged(
    contract: Contract, law: Law, least: Mapping[str, int], points: Iterable[Mapping[str, int]] = ()
) -> Breach | Unproven | None:
    """None for a contract that the law keeps at all sizes from `least` on; `points` are tried first
    when a bound is to be refuted."""
    if contract.promise is Promise.GROWS:
        terms = tuple(term for term in law.growing if not _permits(contract.text, term))
        return Breach(contract, terms) if terms else None
    bound = law_written(contract.text)
    answer = never_above(law, bound, least, points)
    if answer.verdict is Verdict.ALWAYS:
        return None
    if answer.verdict is Verdict.UNDECIDED:
        return Unproven(contract)
    named = dict.fromkeys((*variables_of(law), *variables_of(bound)))
    passed = {name: least.get(name, 1) for name in named} | dict(answer.at)
    return Breach(contract, _in_excess(law, bound), tuple(passed.items()))


def passed_when_measured(contract: Contract, result: LawResult) -> Breach | None:
    """A bound that a measured point passes, whether or not there is a law."""
    if contract.promise is Promise.GROWS:
        return None
    bound = law_written(contract.text)
    for point in result.points:
        measured = {"statements": point.statements, "rows": point.rows, **dict(point.counts)}
        if measured.get(contract.measure, 0) > bound.at(dict(point.sizes)):
            return Breach(contract, (), point.sizes)
    return None


def standing_of(contract: Contract, result: LawResult) -> Breach | Unproven | None:
    """How a contract stands with what was measured: by the law, or without one by the points.
    None is kept for a law, and says nothing where there is none."""
    law = law_of_measure(result, contract.measure)
    if law is None:
        return passed_when_measured(contract, result)
    return judged(contract, law, least_of(result), [dict(point.sizes) for point in result.points])


def _in_excess(law: Law, bound: Law) -> tuple[Term, ...]:
    """The terms of the law that the bound has less of, those of the highest degree first."""
    more = sum_of(difference(law, bound))
    found = [
        term
        for term in law.terms
        if any(more.get(factors, 0) > 0 for factors in sum_of(Law((term,))))
    ]
    return tuple(sorted(found, key=lambda term: -degree_of(term.factors)))


def _permits(clause: str, term: Term) -> bool:
    if (found := _CLAUSE.fullmatch(clause)) is None:
        permitted = (_divides(term, product) for product in _products(clause))
        return not _is_product(term) or any(permitted)
    names = _names(found["names"])
    factors = [factor for factor in term.factors if not names or factor.variable in names]
    if found["word"] == "constant":
        return not factors
    if names:
        degrees = [degree_of(f for f in factors if f.variable == name) for name in names]
        return max(degrees) <= _degree(found)
    return degree_of(factors) <= _degree(found)


def _is_product(term: Term) -> bool:
    return len({factor.variable for factor in term.factors}) > 1


def _divides(term: Term, product: Term) -> bool:
    """Whether the term grows no faster than the product in any size."""
    return all(
        degree_of(f for f in term.factors if f.variable == factor.variable)
        <= degree_of(f for f in product.factors if f.variable == factor.variable)
        for factor in term.factors
    )


def _products(clause: str) -> tuple[Term, ...]:
    """The products that `labels × routers; ports^2 × routers` permits. Raises ValueError."""
    found: list[Term] = []
    for text in clause.split(";"):
        terms = law_written(text).terms
        plain = len(terms) == 1 and terms[0].coefficient == 1 and _is_product(terms[0])
        if not plain or not all(isinstance(factor, Power) for factor in terms[0].factors):
            raise ValueError("it is no product of sizes")
        found += terms
    return tuple(found)


def _names(written: str | None) -> tuple[str, ...]:
    return tuple(_BETWEEN_NAMES.split(written.strip())) if written else ()


def _degree(found: re.Match[str]) -> int:
    return int(found["degree"]) if found["degree"] else _DEGREES[found["word"]]


def _by_measure(name: str, given: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not isinstance(given, Mapping):
        yield MEASURES[0], _texts(name, given)
        return
    for measure, value in given.items():
        if measure not in (*MEASURES, *KINDS):
            known = ", ".join(f"`{one}`" for one in (*MEASURES, *KINDS))
            raise ValueError(f"`{name}` is about `{measure}`; it can be about {known}")
        yield measure, _texts(name, value)


def _texts(name: str, given: object) -> tuple[str, ...]:
    """One text or several; a whole number is one too. Empty texts promise nothing."""
    texts = given if isinstance(given, (tuple, list)) else (given,)
    for text in texts:
        if not isinstance(text, (str, int)) or isinstance(text, bool):
            said = f"`{name}` is `{given!r:.60}`: give a text such as {_SUCH_AS[name]}"
            raise ValueError(said)  # noqa: TRY004  all that is written wrong is a ValueError
    return tuple(" ".join(str(text).split()) for text in texts if text != "")


def _clauses(texts: Iterable[str]) -> Iterator[str]:
    """Each clause alone, but products together: they permit what any of them permits."""
    written = [clause.strip() for text in texts for clause in text.split(";")]
    found = [clause for clause in written if clause]
    yield from (clause for clause in found if not _PRODUCT.search(clause))
    products = [clause for clause in found if _PRODUCT.search(clause)]
    if products:
        yield "; ".join(products)


def _refuse_unreadable(contract: Contract, variables: Sequence[str]) -> None:
    """Raises ValueError for a contract that cannot be read or names no size of the scenario."""
    said = f"`{contract.promise.value}={contract.text!r}`"
    is_bound = contract.promise is Promise.AT_MOST
    try:
        named = _sizes_named(contract)
    except ValueError as error:
        allowed = ALLOWED if is_bound else GROWTHS
        raise ValueError(f"{said} cannot be read: {error}; allowed are {allowed}") from error
    for name in named:
        if name not in variables:
            known = ", ".join(f"`{one}`" for one in variables) or "none"
            raise ValueError(
                f"{said} names `{name}`, which is no size of it; its sizes are {known}"
            )


def _sizes_named(contract: Contract) -> tuple[str, ...]:
    if contract.promise is Promise.AT_MOST:
        return variables_of(law_written(contract.text))
    if found := _CLAUSE.fullmatch(contract.text):
        return _names(found["names"])
    if not _PRODUCT.search(contract.text):
        raise ValueError("it is no way to grow")
    return tuple(name for term in _products(contract.text) for name in variables_of(Law((term,))))


def least_of(result: LawResult) -> dict[str, int]:
    """The sizes from which on a law is judged: 0 where 0 was measured, else 1."""
    measured = [dict(point.sizes) for point in result.points]
    return {name: int(all(sizes.get(name, 1) for sizes in measured)) for name in result.variables}


def law_of_measure(result: LawResult, measure: str) -> Law | None:
    """The law of a measure; one that no call showed is 0 throughout. None if none was given."""
    if measure == MEASURES[0] or any(one.measure == measure for one in result.measures):
        return result.law_of(measure)
    return None if result.law is None else Law(())
