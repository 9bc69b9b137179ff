"""Laws as people write them: `20+labels`, `labels*10`, `(1 + labels)*routers^2`.

Read by Python's own parser and multiplied out, so that what is written in any way becomes the law
that `str` writes. Nothing is evaluated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from fractions import Fraction

from auditor.model.law import AtMost, Factor, Law, Power, Step, Term

ALLOWED = (
    "numbers, sizes, `+`, `-`, `*`, `/` by a number, `^` with a whole number, brackets,"
    " `ceil(size/500)` and `min(size, 100)`"
)
_LONGEST = 2_000
_HIGHEST_POWER = 12
_MOST_TERMS = 500
_DEEPEST = 100
_LONGEST_SHOWN = 40

Sum = dict[tuple[Factor, ...], Fraction]
"""Coefficients by factors, the factors sorted and powers of one variable put together."""


def law_written(text: str) -> Law:
    """The law that `text` writes, terms in the order of `ordered`. Raises ValueError, in words that
    say which part is none."""
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text)} characters, more than {_LONGEST}")
    written = text.replace("^", "**").replace("×", "*").strip()
    try:
        tree = ast.parse(written, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("it is not an expression") from error
    return ordered(_sum(tree.body, 0))


def variables_of(law: Law) -> tuple[str, ...]:
    """The sizes a law names, each once, in the order they come."""
    return tuple(dict.fromkeys(f.variable for term in law.terms for f in term.factors))


def ordered(summed: Sum) -> Law:
    """The law of a sum: the constant first, then by degree, then by name."""
    terms = [Term(coefficient, factors) for factors, coefficient in summed.items() if coefficient]
    return Law(tuple(sorted(terms, key=_plainness)))


def sum_of(law: Law) -> Sum:
    """The coefficients of a law by its factors."""
    found: Sum = {}
    for term in law.terms:
        _add(found, _merged(term.factors), term.coefficient)
    return found


def difference(one: Law, other: Law) -> Law:
    """`one - other`."""
    found = sum_of(one)
    for factors, coefficient in sum_of(other).items():
        _add(found, factors, -coefficient)
    return ordered(found)


def degree_of(factors: Iterable[Factor]) -> int:
    """1 for a step, 0 for what grows up to a cap, the exponent for a power; added up."""
    return sum(f.exponent if isinstance(f, Power) else int(isinstance(f, Step)) for f in factors)


def _sum(node: ast.expr, depth: int) -> Sum:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deep")
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _to_the_power(_sum(left, depth + 1), right)
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(_sum(left, depth + 1), op, _sum(right, depth + 1))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _scaled(_sum(operand, depth + 1), Fraction(-1))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _sum(operand, depth + 1)
        case _:
            return _leaf(node)


def _leaf(node: ast.expr) -> Sum:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return _number(number)
        case ast.Name(id=name):
            return {(Power(name),): Fraction(1)}
        case ast.Call(func=ast.Name(id="ceil"), args=[ast.BinOp(op=ast.Div()) as ratio]):
            return {(_step(ratio.left, _whole(ratio.right)),): Fraction(1)}
        case ast.Call(func=ast.Name(id="min"), args=[size, cap]):
            return {(AtMost(_name(size), _whole(cap)),): Fraction(1)}
        case _:
            raise ValueError(f"`{_shown(node)}` is not allowed in it")


def _combined(left: Sum, op: ast.operator, right: Sum) -> Sum:
    match op:
        case ast.Add():
            return _added(left, right)
        case ast.Sub():
            return _added(left, _scaled(right, Fraction(-1)))
        case ast.Mult():
            return _product(left, right)
        case ast.Div() if set(right) == {()} and right[()]:
            return _scaled(left, 1 / right[()])
        case ast.Div():
            raise ValueError("only a number other than 0 may stand behind `/`")
        case _:
            raise ValueError("an operator other than `+`, `-`, `*`, `/` and `^` is not allowed")


def _added(left: Sum, right: Sum) -> Sum:
    found = dict(left)
    for factors, coefficient in right.items():
        _add(found, factors, coefficient)
    return found


def _scaled(summed: Sum, by: Fraction) -> Sum:
    return {factors: coefficient * by for factors, coefficient in summed.items()}


def _product(left: Sum, right: Sum) -> Sum:
    if len(left) * len(right) > _MOST_TERMS:
        raise ValueError(f"it has more than {_MOST_TERMS} terms when it is multiplied out")
    found: Sum = {}
    for one, first in left.items():
        for other, second in right.items():
            _add(found, _merged((*one, *other)), first * second)
    return found


def _to_the_power(summed: Sum, exponent: ast.expr) -> Sum:
    found: Sum = {(): Fraction(1)}
    for _ in range(_whole(exponent, most=_HIGHEST_POWER)):
        found = _product(found, summed)
    return found


def _merged(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    exponents: dict[str, int] = {}
    rest: list[Factor] = []
    for factor in factors:
        if isinstance(factor, Power):
            exponents[factor.variable] = exponents.get(factor.variable, 0) + factor.exponent
        else:
            rest.append(factor)
    return tuple(sorted((*map(Power, exponents, exponents.values()), *rest), key=_order))


def _add(found: Sum, factors: tuple[Factor, ...], coefficient: Fraction) -> None:
    found[factors] = found.get(factors, Fraction(0)) + coefficient


def _order(factor: Factor) -> tuple[str, str]:
    return (factor.variable, str(factor))


def _plainness(term: Term) -> tuple[bool, int, int, str]:
    return (bool(term.factors), degree_of(term.factors), len(term.factors), str(term.factors))


def _number(value: float) -> Sum:
    try:
        return {(): Fraction(str(value))}
    except ValueError as error:
        raise ValueError(f"`{value}` is no number that can be used") from error


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    raise ValueError(f"`{_shown(node)}` is not the name of a size")


def _step(counted: ast.expr, per: int) -> Step:
    """`labels`, or `labels - 1` with less than `per` taken away."""
    match counted:
        case ast.BinOp(left=size, op=ast.Sub(), right=less):
            return Step(_name(size), per, _whole(less, most=per - 1))
        case _:
            return Step(_name(counted), per)


def _whole(node: ast.expr, most: int = 10**9) -> int:
    number = node.value if isinstance(node, ast.Constant) else None
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= most:
        return number
    raise ValueError(f"`{_shown(node)}` is not a whole number from 1 to {most}")


def _shown(node: ast.expr) -> str:
    text = ast.unparse(node).replace("**", "^")
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
