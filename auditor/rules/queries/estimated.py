"""The query law of a function, read off its source, as evidence of what repeats in it."""

from __future__ import annotations

from auditor.model.evidence import Estimated
from auditor.source.estimate import estimate_of
from auditor.source.facts import FunctionFacts
from auditor.source.project import Project


def estimated(project: Project, function: FunctionFacts) -> tuple[Estimated, ...]:
    """The estimate of a function; none for a module body, or where nothing is known to be issued.
    Each function is estimated once, whichever rules ask."""
    known: dict[int, tuple[Estimated, ...]] = project.shared.setdefault("query laws", {})
    key = project.program.scope_of(function).key
    if key not in known:
        known[key] = _estimated(project, function)
    return known[key]


def _estimated(project: Project, function: FunctionFacts) -> tuple[Estimated, ...]:
    estimate = estimate_of(project, function)
    if function.name == "<module>" or not estimate.cost.high:
        return ()
    sure, possible = estimate.predicted
    notes = estimate.cost.notes
    return (Estimated(function.qualname, estimate.text, sure, possible, notes),)
