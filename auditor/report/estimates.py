"""A static estimate as text, and whether a measured law agrees with it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from auditor.model.law import LawResult, Power, Term
from auditor.model.predicted import is_target, matched, verdict
from auditor.source.costs import Part
from auditor.source.counts import as_text, names_of
from auditor.source.estimate import Estimate
from auditor.source.loads import EAGER

_WIDTH = 100
_NOTES = 12
_EAGER_CAUSE = "eager batch "


def rendered(
    estimate: Estimate, laws: Sequence[LawResult] = (), partners: Sequence[str] = ()
) -> str:
    """The estimate with a line for each place that issues statements, and what `laws` measured.
    `partners` are calls of which nothing can be told, for an estimate of no statement at all."""
    return "\n".join(_lines(estimate, laws, partners)) + "\n"


def _lines(estimate: Estimate, laws: Sequence[LawResult], partners: Sequence[str]) -> Iterator[str]:
    scope = estimate.scope
    yield f"{scope.module.path}:{scope.function.at.line} {scope.function.qualname}"
    notes = [*estimate.cost.notes, *(f"what {one} does is not known" for one in partners)]
    below = ", and what is named below" if not estimate.cost.high and notes else ""
    yield f"statements, as far as the source tells: {estimate.text}{below}"
    if estimate.cost.parts:
        yield ""
    for part in estimate.cost.parts:
        yield from _part(part, scope.module.path)
    names = names_of(estimate.cost.high)
    if names:
        yield ""
        yield from _wrapped(f"lengths: {', '.join(f'|{name}|' for name in names)}", "    ")
    yield from _notes(notes)
    for law in laws:
        yield ""
        yield from (line for told in compared(estimate, law) for line in _wrapped(told, "    "))


def _part(part: Part, path: str) -> Iterator[str]:
    """One place; a file is named only where it is not the one before."""
    many = as_text(part.high) if part.low == part.high else f"up to {as_text(part.high)}"
    steps: list[str] = []
    for place in part.way:
        steps.append(
            f"{'line ' if place.path == path else f'{place.path}:'}{place.line} {place.what}"
        )
        path = place.path
    yield from _wrapped(f"  {many}: {' -> '.join(steps)}", "      ")
    if part.why:
        yield f"      {part.why}"


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if not notes:
        return
    yield ""
    yield "not in the estimate:"
    for note in notes[:_NOTES]:
        yield from _wrapped(f"  {note}", "      ")
    if len(notes) > _NOTES:
        yield f"  and {len(notes) - _NOTES} more like these"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def is_law_of(law: LawResult, estimate: Estimate) -> bool:
    """Whether a law was measured on the function of an estimate."""
    scope = estimate.scope
    return is_target(law.target, scope.module.name, scope.function.qualname)


def compared(estimate: Estimate, law: LawResult) -> tuple[str, ...]:
    """What a law says, and whether the estimate agrees; a law that was refused says nothing."""
    if law.law is None:
        return (f"measured, {law.scenario} on {law.database}: no law, {law.refusal}",)
    title = f"measured, {law.scenario} on {law.database}: {law.law}"
    predicted = estimate.predicted
    growing = matched(law.law, predicted)
    return (
        title,
        f"  {verdict(law.law, predicted)}",
        *_differences(estimate, law, growing),
    )


def _differences(estimate: Estimate, law: LawResult, growing: Mapping[str, str]) -> Iterator[str]:
    """Each term of the law whose coefficient is outside of the estimate's range, and why."""
    for term in law.law.terms if law.law is not None else ():
        product = _product(term, growing)
        if product is None:
            continue
        low, high = (c.get(product, 0) for c in (estimate.cost.low, estimate.cost.high))
        if low <= term.coefficient <= high:
            yield f"  {term}: within {low} to {high} of the estimate"
        else:
            way = "more" if term.coefficient > high else "fewer"
            why = _because(estimate, law, term)
            yield f"  {term}: {way} than the {low} to {high} of the estimate{why}"


def _product(term: Term, growing: Mapping[str, str]) -> tuple[str, ...] | None:
    """The term's product in the names of the estimate; None for steps and caps."""
    names: list[str] = []
    for factor in term.factors:
        if not isinstance(factor, Power) or not growing.get(factor.variable):
            return None
        names += [growing[factor.variable]] * factor.exponent
    return tuple(sorted(names))


def _because(estimate: Estimate, law: LawResult, term: Term) -> str:
    """The measured causes of a term that no place of the estimate has."""
    eager = " ".join(p.what for part in estimate.cost.parts for p in part.way if EAGER in p.what)
    missing: list[str] = []
    for told in law.terms:
        if told.term == term:
            missing += [s.cause for s in told.sites if s.cause.startswith(_EAGER_CAUSE)]
    causes = [c for c in dict.fromkeys(missing) if c.removeprefix(_EAGER_CAUSE) not in eager]
    if causes:
        return f"; measured and not in the estimate: {_and(causes)}"
    if not term.factors and estimate.cost.notes:
        return "; what is not in the estimate stands above"
    return ""


def _and(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
