"""Retry decorators: which function is repeated on which errors, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import RetryRow
from auditor.rules.errors.own_retries import errors_of, retry_row
from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.results import context_of

RETRY_REQUEST = "oslo_db.exception.RetryRequest"


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry decorator; `place` is its number among the decorators, from 0, outermost first.
    `asks` tells that a function of the user decides about further errors."""

    row: RetryRow
    errors: tuple[str, ...]
    expr: Expr
    place: int
    asks: bool


def retries_of(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Retry]:
    """The retry decorators of a function, outermost first."""
    for place, decorator in enumerate(function.decorators):
        func = decorator.func if isinstance(decorator, Call) else decorator
        row = retry_row(project, module, func)
        if row is None:
            continue
        keywords = decorator.keywords if isinstance(decorator, Call) else ()
        given = {k.name for k in keywords if getattr(k.value, "value", None) is not False}
        asks = "exception_checker" in given or "" in given
        yield Retry(row, errors_of(row, decorator), decorator, place, asks)


def context_places(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[int]:
    """The numbers of the decorators that open a transaction."""
    body = project.program.bodies[module.name]
    end = len(body.function.events)
    for place, decorator in enumerate(function.decorators):
        found = context_of(project.inference, body, end, decorator)
        if found is not None and found.decorator:
            yield place


def repeats_on(project: Project, retry: Retry, error: str) -> bool:
    """Whether the decorator repeats the function when this error comes out of it."""
    return any(project.knowledge.is_error(error, repeated) for repeated in retry.errors)
