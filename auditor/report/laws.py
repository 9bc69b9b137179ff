"""A law as JSON and as text: the law, its growth in plain words, the points, and why.

metering_sync on sqlite: 4 + 3*labels statements
    linear in labels; constant in routers, rules
    labels  routers  rules  statements  rows
         1        1      1          18    12
    hold-out labels=9, routers=9, rules=9: predicted 31, measured 31
    12 more hold-outs came out as predicted; measured to labels=25, routers=25, rules=25
    rows fetched: 2 + labels*rules

    3*labels = 1 explicit statement + 2 eager batches at metering/sync.py:57 in get (DBA301)
        executed at metering/objects.py:12 in get_objects
        eager batch Router.ports
            SELECT ...
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from auditor.model.law import (
    AtMost,
    ExplainedTerm,
    Factor,
    Holdout,
    Law,
    LawResult,
    Point,
    Power,
    Step,
    Term,
    TermSite,
)
from auditor.model.span import Frame
from auditor.report.contracts import contracts_as_json, lines_of
from auditor.report.measures import measure_lines, measures_as_json, time_lines
from auditor.report.scans import scan_lines, scans_as_json

_COLUMNS = re.compile(r"^SELECT [^()]*? FROM ")
_MOST_SITES = 12
_MOST_ROWS = 40
_LONGEST_SHAPE = 84
_NAMES = {
    "explicit": ("explicit statement", "explicit statements"),
    "lazy load": ("lazy load", "lazy loads"),
    "deferred column": ("deferred column", "deferred columns"),
    "refresh": ("refresh", "refreshes"),
    "polymorphic load": ("polymorphic load", "polymorphic loads"),
    "flush": ("flushed statement", "flushed statements"),
    "autoflush": ("autoflushed statement", "autoflushed statements"),
    "eager batch": ("eager batch", "eager batches"),
}
_ORDER = {kind: place for place, kind in enumerate(_NAMES)}
_DEGREES = {1: "linear", 2: "quadratic", 3: "cubic"}


def law_as_json(result: LawResult) -> dict[str, Any]:
    """The law as plain values; `law` and `holdout` are null and `refusal` says why if there is
    none."""
    checks = [_holdout_as_json(check) for check in result.holdouts]
    return {
        "scenario": result.scenario,
        "target": result.target,
        "database": result.database,
        "variables": list(result.variables),
        "law": None if result.law is None else str(result.law),
        "growth": None if result.law is None else growth_in_words(result.law, result.variables),
        "points": [
            {
                "sizes": dict(point.sizes),
                "statements": point.statements,
                "rows": point.rows,
                "counts": dict(point.counts),
            }
            for point in result.points
        ],
        "holdout": checks[0] if checks else None,
        "holdouts": checks,
        "terms": [_term_as_json(term) for term in result.terms],
        "refusal": result.refusal,
        "notes": list(result.notes),
        **measures_as_json(result, growth_in_words),
        **contracts_as_json(result),
        **scans_as_json(result.scans),
    }


def law_as_text(result: LawResult) -> str:
    """The law for people, some lines with a last newline."""
    return "".join(f"{line}\n" for line in _lines(result))


def growth_in_words(law: Law, variables: Sequence[str]) -> str:
    """`linear in labels; labels × routers; constant in rules`."""
    guards = _guards(law)
    inside = {term for pair in guards for term in pair[:2]}
    said = [f"more beyond {cap} {variable}" for _, _, variable, cap in guards]
    said = [_term_in_words(term, law) for term in law.growing if term not in inside] + said
    said = list(dict.fromkeys(said))
    growing = {factor.variable for term in law.growing for factor in term.factors}
    constant = [name for name in variables if name not in growing]
    if constant:
        said.append(f"constant in {', '.join(constant)}")
    return "; ".join(part for part in said if part) or "constant"


def _guards(law: Law) -> list[tuple[Term, Term, str, int]]:
    """The pairs `c*min(n, k+1) - c*min(n, k)`: `c` more where `n` is over `k`."""
    alone = {
        (term.factors[0].variable, term.factors[0].cap): term
        for term in law.growing
        if len(term.factors) == 1 and isinstance(term.factors[0], AtMost)
    }
    return [
        (term, alone[variable, cap + 1], variable, cap)
        for (variable, cap), term in alone.items()
        if (variable, cap + 1) in alone
        and alone[variable, cap + 1].coefficient == -term.coefficient
    ]


def _term_in_words(term: Term, law: Law) -> str:
    """Empty for a power below the highest of the same variable: `quadratic` says it all."""
    if len(term.factors) > 1:
        return " × ".join(_factor_in_words(factor) for factor in term.factors)
    factor = term.factors[0]
    if not isinstance(factor, Power):
        return _factor_in_words(factor)
    highest = max(
        other.factors[0].exponent
        for other in law.growing
        if len(other.factors) == 1
        and isinstance(other.factors[0], Power)
        and other.factors[0].variable == factor.variable
    )
    if factor.exponent < highest:
        return ""
    degree = _DEGREES.get(factor.exponent, f"of degree {factor.exponent}")
    return f"{degree} in {factor.variable}"


def _factor_in_words(factor: Factor) -> str:
    if isinstance(factor, Step):
        return f"stepwise in {factor.variable} (every {factor.per})"
    if isinstance(factor, AtMost) and factor.cap == 1:
        return f"more once there are {factor.variable}"
    if isinstance(factor, AtMost):
        return f"growing up to {factor.cap} {factor.variable}"
    return str(factor)


def _lines(result: LawResult) -> Iterator[str]:
    on = f"{result.scenario} on {result.database}"
    if result.law is None:
        yield f"{on}: no law"
        yield f"    {result.refusal}"
    else:
        yield f"{on}: {result.law} {'statement' if str(result.law) == '1' else 'statements'}"
        yield f"    {growth_in_words(result.law, result.variables)}"
    if result.target:
        yield f"    measured: {result.target}"
    yield from (f"    {line}" for line in _table(result.variables, result.points))
    yield from (f"    {line}" for line in _holdout_lines(result))
    yield from (f"    {line}" for line in measure_lines(result, growth_in_words))
    yield from (f"    {line}" for line in time_lines(result.timings))
    yield from (f"    {line}" for line in lines_of(result))
    yield from (f"    {line}" for line in scan_lines(result.scans))
    yield from (f"    note: {note}" for note in result.notes)
    for term in result.terms:
        yield ""
        yield from (f"    {line}" for line in _term_lines(term))


def _table(variables: Sequence[str], points: Sequence[Point]) -> Iterator[str]:
    if not points:
        return
    heads = (*variables, "statements", "rows")
    rows = [
        tuple(str(cell) for cell in (*dict(point.sizes).values(), point.statements, point.rows))
        for point in points
    ]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows[:_MOST_ROWS]):
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
    if len(rows) > _MOST_ROWS:
        yield f"and {len(rows) - _MOST_ROWS} more points (JSON has all)"


def _holdout_lines(result: LawResult) -> Iterator[str]:
    """The first hold-out, those that do not hold, and how many others there are."""
    failed = [check for check in result.holdouts if check.predicted != check.measured]
    shown = failed or result.holdouts[:1]
    yield from (f"hold-out {_check_in_words(check)}" for check in shown)
    more = len(result.holdouts) - len(shown)
    if more and not failed:
        to = ", ".join(f"{name}={size}" for name, size in result.measured_to)
        said = f"{more} more hold-out{'s' if more > 1 else ''} came out as predicted"
        yield f"{said}; measured to {to}" if to else said


def _check_in_words(check: Holdout) -> str:
    at = ", ".join(f"{name}={size}" for name, size in check.sizes)
    holds = "" if check.predicted == check.measured else "  DOES NOT HOLD"
    return f"{at}: predicted {check.predicted}, measured {check.measured}{holds}"


def _term_lines(explained: ExplainedTerm) -> Iterator[str]:
    rest = explained.term.coefficient - _sum_of(explained.sites, explained.term).coefficient
    places = tuple(dict.fromkeys(site.frame for site in explained.sites))
    if len(places) == 1 and not rest:
        yield from _place_lines(explained, places[0])
        return
    counted = f"{len(places)} place{'s' if len(places) != 1 else ''}" if places else ""
    yield f"{explained.term} comes from{f' {counted}' if counted else ''}"
    if rest:
        missing = Term(rest, explained.term.factors)
        yield f"    {missing} in places whose own counts follow no law of this kind"
    for frame in places:
        yield from (f"    {line}" for line in _place_lines(explained, frame))


def _place_lines(explained: ExplainedTerm, frame: Frame) -> Iterator[str]:
    """`8*labels = 1 explicit statement + 7 eager batches at path:line in function (DBA301)`."""
    sites = [site for site in explained.sites if site.frame == frame]
    codes = sorted({code for site in sites for code in site.codes})
    said = f" ({', '.join(codes)})" if codes else ""
    causes = _causes_of(sites, explained.term)
    yield f"{_sum_of(sites, explained.term)} = {causes} at {frame}{said}"
    executed = {_executed_at(site) for site in sites}
    if executed != {""} and len(executed) == 1:
        yield f"    {next(iter(executed))}"
    for site in sites[:_MOST_SITES]:
        own = _executed_at(site) if len(executed) > 1 else ""
        yield f"    {site.cause}{f', {own}' if own else ''}"
        yield f"        {_cut(site.shape)}"
    if len(sites) > _MOST_SITES:
        yield f"    and {len(sites) - _MOST_SITES} more"


def _sum_of(sites: Sequence[TermSite], term: Term) -> Term:
    """What the sites have of the term together."""
    return Term(sum((_times(site, term) for site in sites), Fraction(0)), term.factors)


def _times(site: TermSite, term: Term) -> Fraction:
    """The coefficient of a share: 7 for `7*labels`."""
    factors = str(Term(Fraction(1), term.factors))
    times = site.share[: -len(factors)].removesuffix("*")
    return Fraction(f"{times}1" if times in {"", "-"} else times)


def _causes_of(sites: Sequence[TermSite], term: Term) -> str:
    """`1 explicit statement + 7 eager batches`: how many of each kind for each of the term."""
    kinds: dict[str, Fraction] = {}
    for site in sites:
        kind = _kind_of(site.cause)
        kinds[kind] = kinds.get(kind, Fraction(0)) + _times(site, term)
    text = ""
    for kind, times in sorted(kinds.items(), key=lambda pair: _ORDER.get(pair[0], len(_ORDER))):
        one, many = _NAMES.get(kind, (kind, kind))
        sign = " - " if times < 0 else " + "
        named = f"{abs(times)} {one if abs(times) == 1 else many}"
        text += f"{sign}{named}" if text else f"{'-' if times < 0 else ''}{named}"
    return text


def _kind_of(cause: str) -> str:
    """The cause without the relation, which begins with a capital."""
    return " ".join(itertools.takewhile(lambda word: word.islower(), cause.split())) or cause


def _executed_at(site: TermSite) -> str:
    return f"executed at {site.stack[0]}" if site.stack and site.stack[0] != site.frame else ""


def _cut(shape: str) -> str:
    """The statement on one line: the columns of a long SELECT left out, then its end."""
    if len(shape) > _LONGEST_SHAPE:
        shape = _COLUMNS.sub("SELECT ... FROM ", shape, count=1)
    return shape if len(shape) <= _LONGEST_SHAPE else f"{shape[:_LONGEST_SHAPE]}..."


def _term_as_json(explained: ExplainedTerm) -> dict[str, Any]:
    return {
        "term": str(explained.term),
        "sites": [
            {
                "path": site.frame.path,
                "line": site.frame.line,
                "function": site.frame.function,
                "shape": site.shape,
                "cause": site.cause,
                "share": site.share,
                "codes": list(site.codes),
                "stack": [
                    {"path": frame.path, "line": frame.line, "function": frame.function}
                    for frame in site.stack
                ],
            }
            for site in explained.sites
        ],
    }


def _holdout_as_json(check: Holdout) -> Mapping[str, Any]:
    return {
        "sizes": dict(check.sizes),
        "predicted": _number(check.predicted),
        "measured": check.measured,
    }


def _number(value: Fraction) -> int | str:
    """A whole number as such; a fraction as `7/2`, so that nothing is rounded."""
    return value.numerator if value.denominator == 1 else str(value)
