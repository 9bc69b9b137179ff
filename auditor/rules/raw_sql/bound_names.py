"""Names that a `text()` has, and names that are bound to it: `:name`, `bindparams`, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from auditor.rules.raw_sql.statements import HOLE, texts_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Items,
    Keyword,
    Name,
    Pairs,
)
from auditor.source.pieces import Place

_NAME = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""As `sqlalchemy.sql.elements.TextClause` reads them, also between quotes."""
_KEEPS = frozenset({"bindparams", "columns", "execution_options", "self_group"})


@dataclass(frozen=True, slots=True)
class BoundText:
    """A `text()` with what is bound to it at once. `is_whole` tells that its text is known, and
    `is_closed` that all names bound to it are."""

    call: Call
    names: tuple[str, ...]
    bound: tuple[str, ...]
    is_whole: bool
    is_closed: bool


def is_text(place: Place, call: Call) -> bool:
    """Whether a call is SQLAlchemy's `text()`."""
    resolved = place.project.resolve(place.module, call.func)
    return resolved.endswith(".text") and ("", resolved) in place.project.knowledge.sinks


def bound_text(place: Place, expr: Expr | None) -> BoundText | None:
    """The text that an expression is: `text(...)` with links such as `.bindparams(...)`, also
    through a local that is bound once."""
    expr = only_value(place.function, expr.name) if isinstance(expr, Name) else expr
    bound: list[str] = []
    is_closed = True
    while isinstance(expr, Call) and isinstance(expr.func, Attribute) and expr.func.name in _KEEPS:
        if expr.func.name == "bindparams":
            names = tuple(names_bound(expr))
            is_closed = is_closed and "" not in names
            bound.extend(name for name in names if name)
        expr = expr.func.base
        expr = only_value(place.function, expr.name) if isinstance(expr, Name) else expr
    if not isinstance(expr, Call) or not is_text(place, expr) or not expr.args:
        return None
    texts = texts_of(place, expr.args[0])
    names = tuple(dict.fromkeys(name for text in texts for name in _NAME.findall(text)))
    is_whole = len(texts) == 1 and HOLE not in texts[0]
    return BoundText(expr, names, tuple(bound), is_whole, is_closed)


def only_value(function: FunctionFacts, name: str) -> Expr | None:
    """What a local is bound to, if it is bound once and nothing is put into it later."""
    binds = [
        event
        for event in function.events
        if isinstance(event, Bind) and event.target.partition("[")[0] == name
    ]
    changes = any(
        isinstance(event, Call)
        and isinstance(event.func, Attribute)
        and isinstance(event.func.base, Name)
        and event.func.base.name == name
        and event.func.name in {"update", "setdefault", "pop", "append", "extend"}
        for event in function.events
    )
    is_one = len(binds) == 1 and binds[0].kind == "assign" and not changes
    return binds[0].value if is_one else None


def names_bound(call: Call) -> Iterator[str]:
    """The names a `.bindparams(...)` binds; an empty one for each that is not known."""
    for keyword in call.keywords:
        yield keyword.name
    for arg in call.args:
        is_plain = isinstance(arg, Call) and bool(arg.args) and not _is_unique(arg)
        first = arg.args[0] if isinstance(arg, Call) and is_plain else None
        yield first.value if isinstance(first, Const) and isinstance(first.value, str) else ""


def _is_unique(call: Call) -> bool:
    return isinstance(unique := call.keyword("unique"), Const) and bool(unique.value)


def names_passed(place: Place, call: Call) -> tuple[str, ...] | None:
    """The names of the parameters an `execute` is given; None if they are not all known."""
    if len(call.args) > 2:  # noqa: PLR2004 - a statement and its parameters
        return None
    given = call.args[1] if len(call.args) > 1 else None
    rest: tuple[Keyword, ...] = call.keywords
    for name in ("params", "parameters"):
        given = given if given is not None else call.keyword(name)
    rest = tuple(k for k in rest if k.name not in {"params", "parameters", "execution_options"})
    if any(not keyword.name or keyword.name == "bind_arguments" for keyword in rest):
        return None
    named = tuple(keyword.name for keyword in rest)
    return named if given is None else _keys(place, given, named)


def _keys(place: Place, given: Expr, named: tuple[str, ...]) -> tuple[str, ...] | None:
    if isinstance(given, Name):
        value = only_value(place.function, given.name)
        return None if value is None else _keys(place, value, named)
    if isinstance(given, Items) and given.kind == "list" and given.items:
        given = given.items[0]
    if isinstance(given, Call) and isinstance(given.func, Name) and given.func.name == "dict":
        is_known = not given.args and all(keyword.name for keyword in given.keywords)
        return (*named, *(keyword.name for keyword in given.keywords)) if is_known else None
    if not isinstance(given, Pairs):
        return named if isinstance(given, Const) and given.value is None else None
    keys = tuple(key.value if isinstance(key, Const) else None for key in given.keys)
    known = tuple(key for key in keys if isinstance(key, str))
    return (*named, *known) if len(known) == len(keys) else None
