"""Retry decorators: which function is repeated on which errors, and where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import RetryRow
from auditor.rules.errors.own_retries import errors_of, retry_row
from auditor.source.facts import (
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    Items,
    Lambda,
    Logic,
    ModuleFacts,
    Name,
    Return,
    dotted,
)
from auditor.source.project import Project
from auditor.source.results import context_of

RETRY_REQUEST = "oslo_db.exception.RetryRequest"


@dataclass(frozen=True, slots=True)
class Retry:
    """A retry decorator; `place` is its number among the decorators, from 0, outermost first.
    `asks` tells that a function of the user decides about further errors; `asked` are those errors
    when it does nothing but compare classes, and then `asks` is False."""

    row: RetryRow
    errors: tuple[str, ...]
    expr: Expr
    place: int
    asks: bool
    asked: tuple[str, ...] = ()


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
        asked = _asked(project, module, decorator)
        errors = tuple(dict.fromkeys((*errors_of(row, decorator), *asked)))
        yield Retry(row, errors, decorator, place, asks and not asked, asked)


def _asked(project: Project, module: ModuleFacts, decorator: Expr) -> tuple[str, ...]:
    """The errors that `exception_checker` accepts, if it only asks for their classes."""
    checker = decorator.keyword("exception_checker") if isinstance(decorator, Call) else None
    if isinstance(checker, Lambda):
        return _compared(project, module, checker.body)
    if not isinstance(checker, (Name, Attribute)):
        return ()
    scope = project.program.functions.get(project.resolve(module, checker))
    if scope is None:
        return ()
    answers = [e.value for e in scope.function.events if isinstance(e, Return)]
    told = [_compared(project, scope.module, answer) for answer in answers if answer is not None]
    is_whole = len(told) == len(answers) == 1
    return told[0] if is_whole else ()


def _compared(project: Project, module: ModuleFacts, answer: Expr) -> tuple[str, ...]:
    """`isinstance(e, A)`, `isinstance(e, (A, B))`, and several of these with `or`; empty if there
    is anything else, or a class that is not known."""
    if isinstance(answer, Logic) and answer.operator == "or":
        parts = [_compared(project, module, one) for one in answer.items]
        return tuple(name for part in parts for name in part) if all(parts) else ()
    if not (isinstance(answer, Call) and dotted(answer.func) == "isinstance"):
        return ()
    written = answer.args[-1] if answer.args else None
    classes = written.items if isinstance(written, Items) else (written,)
    names = [project.resolve(module, one) if one is not None else "" for one in classes]
    return tuple(names) if all(name in project.knowledge.errors for name in names) else ()


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
