"""What a handler that does nothing about an error does instead: log, pass, return a default."""

from __future__ import annotations

from auditor.rules.errors.caught import Handler, own_events
from auditor.source.facts import (
    Arithmetic,
    Attribute,
    Bind,
    Call,
    Const,
    Event,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    Name,
    Pairs,
    Read,
    Return,
    Text,
    Yield,
    dotted,
    walk,
)
from auditor.source.program import last_step

_LOGGERS = frozenset({"log", "logger", "logging", "_log", "_logger", "warnings", "self.log",
                      "self.logger", "self._logger", "current_app.logger",
                      "app.logger"})  # fmt: skip
_TRANSLATES = frozenset({"_", "_LW", "_LE", "_LI", "gettext", "str", "repr"})
_PRINTS = frozenset({"print", "traceback.print_exc", "warn"})
_LEVELS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "critical", "log"})
_MAKES_LOGGER = frozenset({"log", "logger", "logging", "getlogger", "get_logger"})
"""Last steps of what has a method for each level: `cls._logger`, `logging.getLogger(__name__)`."""
_MENDS = frozenset({"rollback", "close", "remove", "invalidate", "expunge", "expire"})


def is_lost(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler only logs, passes, sets or returns a constant."""
    events = own_events(function, handler)
    told = _told_to_logs(events)
    return all(
        _does_nothing_about_it(function, event) or any(event is part for part in told)
        for event in events
    )


def _told_to_logs(events: tuple[Event, ...]) -> tuple[Call, ...]:
    """The calls whose result is only a part of what a log is told: `traceback.format_exc()`."""
    return tuple(
        part
        for event in events
        if isinstance(event, Call) and _is_log(event)
        for value in (*event.args, *(k.value for k in event.keywords))
        for part in walk(value)
        if isinstance(part, Call) and last_step(part.func) not in _MENDS
    )


def _does_nothing_about_it(function: FunctionFacts, event: object) -> bool:
    match event:
        case Jump() | Read() | Bind(kind="except"):
            return True
        case Call():
            return _is_log(event) or dotted(event.func) in _TRANSLATES
        case Return(value=Name(name=name)):
            return _is_set_before(function, name)
        case Return(value=value):
            return value is None or _is_default(value)
        case Bind(value=value):
            return value is not None and _is_text(value)
        case _:
            return False


def _is_set_before(function: FunctionFacts, name: str) -> bool:
    """Whether the name is bound to a default at the top of the function."""
    first = next((e for e in function.events if isinstance(e, Bind) and e.target == name), None)
    return (
        first is not None
        and first.kind == "assign"
        and first.value is not None
        and function.regions[first.region].kind == "function"
        and _is_default(first.value)
    )


def _is_text(value: Expr) -> bool:
    """A message that is made for the log."""
    if isinstance(value, Call):
        return dotted(value.func) in _TRANSLATES
    if isinstance(value, Arithmetic):
        return value.left is not None and _is_text(value.left)
    return isinstance(value, Text)


def _is_log(call: Call) -> bool:
    name = dotted(call.func)
    if name in _PRINTS or name.rpartition(".")[0].lower() in _LOGGERS or name in ("str", "repr"):
        return True
    func = call.func
    if not isinstance(func, Attribute) or func.name not in _LEVELS:
        return False
    return last_step(getattr(func.base, "func", func.base)).strip("_").lower() in _MAKES_LOGGER


def _is_default(value: Expr) -> bool:
    match value:
        case Const():
            return True
        case Items(items=items):
            return all(_is_default(item) for item in items)
        case Pairs(values=values):
            return not values
        case _:
            return False


def is_an_answer(function: FunctionFacts, handler: Handler) -> bool:
    """Whether failing is what the function tells: one flag here, the other elsewhere,
    or what the `try` works out."""
    values = returns_in(function, handler.region.index) or _returned_after(function, handler)
    told = _flags(values)
    if any(isinstance(value, Name) and _is_flag(function, value.name) for value in values):
        return True
    told_elsewhere = _flags(returns_in(function, 0)) - told
    computed = told == {False} and any(
        not isinstance(value, Const) for value in returns_in(function, handler.tried.index)
    )
    return (bool(told) and bool(told_elsewhere)) or computed


def _returned_after(function: FunctionFacts, handler: Handler) -> list[Expr]:
    return [
        event.value
        for event in function.events[handler.region.last :]
        if isinstance(event, Return) and event.value is not None and event.region == 0
    ][:1]


def _is_flag(function: FunctionFacts, name: str) -> bool:
    """Whether the name starts as True or False and is set again later."""
    values = [e.value for e in function.events if isinstance(e, Bind) and e.target == name]
    return len(values) > 1 and isinstance(values[0], Const) and isinstance(values[0].value, bool)


def _flags(values: list[Expr]) -> set[bool]:
    return {v.value for v in values if isinstance(v, Const) and isinstance(v.value, bool)}


def returns_in(function: FunctionFacts, region: int) -> list[Expr]:
    """What is returned from a region; returns of nothing left out."""
    return [
        event.value
        for event in function.inside(function.regions[region])
        if isinstance(event, Return) and event.value is not None
    ]


def what_is_done(function: FunctionFacts, handler: Handler) -> str:
    """The end of the handler, in words."""
    if returns_in(function, handler.region.index):
        return "a default is returned"
    return "it is only logged" if is_told(function, handler) else "it is passed over"


def is_told(function: FunctionFacts, handler: Handler) -> bool:
    """Whether a handler that loses the error returns nothing and calls something: a log, as of
    something that should not be."""
    return not returns_in(function, handler.region.index) and any(
        isinstance(event, Call) for event in own_events(function, handler)
    )


def tries_again(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler goes on to the next attempt of a loop that success leaves."""
    in_loop = any(
        region.kind in ("for", "while") for region in function.ancestors(handler.region.parent)
    )
    return in_loop and any(
        isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")
        for event in function.inside(handler.tried)
    )


def returns_after(function: FunctionFacts, handler: Handler) -> bool:
    """Whether something other than None is returned or yielded after the handler."""
    return any(
        isinstance(event, (Return, Yield))
        and event.value is not None
        and not (isinstance(event.value, Const) and event.value.value is None)
        for event in function.events[handler.region.last :]
    )


def returns_as_stored(function: FunctionFacts, handler: Handler) -> bool:
    """Whether what is returned after the handler is the same as when all had gone well: no
    constant, and nothing that the `try` would have worked out."""
    worked_out = {e.target for e in function.inside(handler.tried) if isinstance(e, Bind)}
    return any(
        isinstance(event, (Return, Yield))
        and event.value is not None
        and not isinstance(event.value, Const)
        and not worked_out & {part.name for part in walk(event.value) if isinstance(part, Name)}
        for event in function.events[handler.region.last :]
    )
