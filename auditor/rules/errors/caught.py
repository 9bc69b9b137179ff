"""Handlers as the rules of family 2xx see them: which errors, around what, ending how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from auditor.source.facts import (
    At,
    Attribute,
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
    walk,
)
from auditor.source.project import Project

NOT_FAILURES = ("sqlalchemy.exc.InvalidRequestError", "sqlalchemy.orm.exc.StaleDataError")
"""Errors that tell about rows (`NoResultFound`, `ObjectDeletedError`) or about how the ORM is used,
not about the database: a caller may well answer them."""
_ALIASES = 3
"""Assignments of one name to another followed at most."""
_BROAD = frozenset(("Exception", "BaseException", "builtins.Exception", "builtins.BaseException"))
_ENDS = frozenset(("exit", "_exit", "abort", "fail", "reraise", "raise_with_traceback"))


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
                meant(project, project.resolve(module, expr))
                for written in region.types
                for expr in _classes(module, written)
            )
            yield Handler(region, function.regions[region.partner], types)


def handlers_inside(
    project: Project, module: ModuleFacts, func: Expr
) -> Iterator[tuple[FunctionFacts, Handler]]:
    """The handlers of a function of the project, such as a decorator, and of those defined in it,
    each with the function it stands in; none if `func` names no function of the project."""
    found = project.program.functions.get(project.resolve(module, func))
    if found is None:
        return
    for function in found.module.functions:
        if function.qualname.startswith(found.function.qualname):
            for handler in handlers_of(project, found.module, function):
                yield function, handler


def _classes(module: ModuleFacts, written: Expr) -> tuple[Expr, ...]:
    if isinstance(written, Name):
        for event in module.body.events:
            if isinstance(event, Bind) and event.target == written.name:
                return event.value.items if isinstance(event.value, Items) else (written,)
    return (written,)


def meant(project: Project, name: str) -> str:
    """The class that a dotted name stands for: `NotFound = orm.exc.NoResultFound` in the module it
    leads to is followed."""
    for _ in range(_ALIASES):
        home, _, last = name.rpartition(".")
        module = project.modules.get(home)
        bound = (
            project.program.binds[project.program.bodies[home].key].get(last) if module else None
        )
        if module is None or not bound:
            break
        event = module.body.events[bound[-1]]
        if not (isinstance(event, Bind) and isinstance(event.value, (Name, Attribute))):
            break
        name = project.resolve(module, event.value) or name
    return name


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
    return _raises_at_end(function, handler.region) or reraises(function, handler)


def _raises_at_end(function: FunctionFacts, region: Region) -> bool:
    """Whether a region raises by itself, in a with block, or in both branches of a test."""
    if any(isinstance(e, Raise) and e.region == region.index for e in function.inside(region)):
        return True
    inner = [r for r in function.regions if r.parent == region.index]
    if any(r.kind == "with" and _raises_at_end(function, r) for r in inner):
        return True
    return any(
        r.kind == "else"
        and function.regions[r.partner].kind == "if"
        and _raises_at_end(function, r)
        and _raises_at_end(function, function.regions[r.partner])
        for r in inner
    )


def names_error(expr: Expr | None, handler: Handler) -> bool:
    """Whether an expression holds the caught error, by the name that the handler gives it."""
    caught = handler.region.name
    return any(isinstance(part, Name) and part.name == caught for part in walk(expr))


def runs_operations(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the `try` works through Alembic's operations: DDL, whose errors mostly have no class
    of their own."""
    return any(
        isinstance(event, Call) and dotted(event.func).startswith("op.")
        for event in function.inside(handler.tried)
    )


def reraises(function: FunctionFacts, handler: Handler) -> bool:
    """`with save_and_reraise_exception():`, the idiom of oslo.utils."""
    return any(
        isinstance(event, Call) and dotted(event.func).endswith("save_and_reraise_exception")
        for event in function.inside(handler.region)
    )


def catches(project: Project, handler: Handler, error: str) -> bool:
    """Whether the handler is for the error class of this name or for one above it."""
    return is_broad(handler) or any(
        project.knowledge.is_error(error, name) for name in handler.types if name
    )


def are_all(project: Project, errors: Iterable[str], kinds: Iterable[str]) -> bool:
    """Whether each error is one of some kinds, by name."""
    kinds = tuple(kinds)
    return all(any(project.knowledge.is_error(error, kind) for kind in kinds) for error in errors)


def is_broad(handler: Handler) -> bool:
    """Whether the handler takes everything: `except:`, `except Exception:`."""
    return not handler.types or any(name in _BROAD for name in handler.types)


def first_for(
    project: Project, handlers: Iterable[Handler], tried: Region, errors: Iterable[str]
) -> Iterator[tuple[Handler, str]]:
    """For each of the errors, the handler of a `try` that it gets to, if there is one."""
    own = [handler for handler in handlers if handler.tried.index == tried.index]
    for error in errors:
        found = next((handler for handler in own if catches(project, handler, error)), None)
        if found is not None:
            yield found, error


def may_raise(function: FunctionFacts, handler: Handler) -> bool:
    """Whether some path through the handler raises, or ends the program or the request."""
    return reraises(function, handler) or any(
        isinstance(event, Raise)
        or (isinstance(event, Call) and short(f".{dotted(event.func)}") in _ENDS)
        for event in function.inside(handler.region)
    )


def calls_within(function: FunctionFacts, region: Region) -> tuple[Call, ...]:
    """The calls of a region, those in a lambda left out."""
    return tuple(
        event
        for event in function.inside(region)
        if isinstance(event, Call)
        and not any(r.kind == "lambda" for r in function.ancestors(event.region))
    )


def is_called(function: FunctionFacts, region: Region, *names: str) -> bool:
    """Whether a call in the region is written with one of the names as its last step."""
    return any(
        isinstance(call.func, (Attribute, Name)) and call.func.name in names
        for call in calls_within(function, region)
    )


def short(name: str) -> str:
    """The last part of a dotted name, as people say it: `DBReferenceError`."""
    return name.rpartition(".")[2]
