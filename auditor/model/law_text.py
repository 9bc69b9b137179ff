"""The text of a law back to the law: `4 + 3*labels + ceil(labels/500)`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from auditor.model.law import AtMost, Factor, Law, Power, Step, Term

_NAME = r"[^\W\d]\w*"
_STEP = re.compile(rf"ceil\((?:({_NAME})|\(({_NAME})-(\d+)\))/(\d+)\)")
_AT_MOST = re.compile(rf"min\(({_NAME}), (\d+)\)")
_POWER = re.compile(rf"({_NAME})(?:\^(\d+))?")
_NUMBER = re.compile(r"-?\d+(?:/\d+)?")
_SIGN = re.compile(r" ([+-]) ")


def law_of(text: str) -> Law:
    """The law that `str` wrote. Raises ValueError for anything else."""
    pieces = _SIGN.split(text)
    signed = [("+", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
    return Law(tuple(_term(piece, sign) for sign, piece in signed if (sign, piece) != ("+", "0")))


def total_of(laws: Iterable[Law]) -> Law:
    """The sum of laws, terms with the same factors added up, in the order they first come."""
    sums: dict[tuple[Factor, ...], Fraction] = {}
    for law in laws:
        for term in law.terms:
            sums[term.factors] = sums.get(term.factors, Fraction(0)) + term.coefficient
    return Law(tuple(Term(total, factors) for factors, total in sums.items() if total))


def _term(text: str, sign: str) -> Term:
    first, *rest = text.split("*")
    if _NUMBER.fullmatch(first):
        coefficient, factors = Fraction(first), rest
    else:
        coefficient = Fraction(-1 if first.startswith("-") else 1)
        factors = [first.removeprefix("-"), *rest]
    return Term(-coefficient if sign == "-" else coefficient, tuple(map(_factor, factors)))


def _factor(text: str) -> Factor:
    if found := _STEP.fullmatch(text):
        return Step(found[1] or found[2], int(found[4]), int(found[3] or 0))
    if found := _AT_MOST.fullmatch(text):
        return AtMost(found[1], int(found[2]))
    if found := _POWER.fullmatch(text):
        return Power(found[1], int(found[2] or 1))
    raise ValueError(f"`{text}` is not a factor of a law")
