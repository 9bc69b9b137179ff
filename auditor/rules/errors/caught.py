"""Handlers as the rules of family 2xx see them: which errors, around what, ending how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.span import Span
from auditor.source.facts import (
    At,
    Bind,
    Call,
    Event,
    Expr,
    FunctionFacts,
    Items,
    ModuleFacts,
    Name,
    Raise,
    Region,
    dotted,
)
from auditor.source.project import Project

NOT_FAILURES = ("sqlalchemy.exc.InvalidRequestError", "sqlalchemy.orm.exc.StaleDataError")
"""Errors that tell about rows (`NoResultFound`, `ObjectDeletedError`) or about how the ORM is used,
not about the database: a caller may well answer them."""


@dataclass(frozen=True, slots=True)
class Handler:
    """One `except` clause. `types` are absolute dotted names as written, aliases not replaced;
    empty for a bare `except:`. `tried` is the body it guards."""

    region: Region
    tried: Region
    types: tuple[str, ...]

    @property
    def line(self) -> At:
        """The `except` line itself."""
        at = self.region.at
        return At(at.line, at.column, at.line, at.column + len("except"))


def handlers_of(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Handler]:
    """The handlers of a function, in order; a tuple of classes kept in a constant is looked up."""
    for region in function.regions:
        if region.kind == "handler":
            types = tuple(
                project.resolve(module, expr)
                for written in region.types
                for expr in _classes(module, written)
            )
            yield Handler(region, function.regions[region.partner], types)


def _classes(module: ModuleFacts, written: Expr) -> tuple[Expr, ...]:
    if isinstance(written, Name):
        for event in module.body.events:
            if isinstance(event, Bind) and event.target == written.name:
                return event.value.items if isinstance(event.value, Items) else (written,)
    return (written,)


def database_errors(project: Project, handler: Handler) -> tuple[str, ...]:
    """The types of the handler that are known database errors (see `NOT_FAILURES`)."""
    return tuple(
        name
        for name in handler.types
        if name in project.knowledge.errors
        and not any(project.knowledge.is_error(name, other) for other in NOT_FAILURES)
    )


def own_events(function: FunctionFacts, handler: Handler) -> tuple[Event, ...]:
    """The events of the handler that are not inside a handler nested in it."""
    return tuple(
        event
        for event in function.inside(handler.region)
        if innermost_handler(function, event.region) == handler.region.index
    )


def innermost_handler(function: FunctionFacts, region: int) -> int:
    """The index of the handler a region is in, -1 if it is in none; lambdas are not looked into."""
    for found in function.ancestors(region):
        if found.kind == "handler":
            return found.index
        if found.kind == "lambda":
            return -1
    return -1


def always_raises(function: FunctionFacts, handler: Handler) -> bool:
    """Whether every path through the handler ends in a raise, as far as its own shape tells."""
    return any(
        isinstance(event, Raise) and event.region == handler.region.index
        for event in function.inside(handler.region)
    ) or _reraises(function, handler)


def _reraises(function: FunctionFacts, handler: Handler) -> bool:
    """`with save_and_reraise_exception():`, the idiom of oslo.utils."""
    return any(
        isinstance(event, Call) and dotted(event.func).endswith("save_and_reraise_exception")
        for event in function.inside(handler.region)
    )


def short(name: str) -> str:
    """The last part of a dotted name, as people say it: `DBReferenceError`."""
    return name.rpartition(".")[2]


def span_of(module: ModuleFacts, at: At) -> Span:
    """The span of a place in a module."""
    return Span(module.path, at.line, at.column, at.end_line, at.end_column)
