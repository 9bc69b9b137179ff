"""Handlers of every database error of oslo.db that then ask which error of the driver it wraps.

except db_exc.DBError as error:
    if isinstance(error.inner_exception, sqlalchemy.exc.IntegrityError):
        ...     a duplicate, a missing parent and a NULL are one here
"""

from __future__ import annotations

from auditor.rules.errors.caught import Handler, calls_within, meant
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    Items,
    ModuleFacts,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_ALL = "oslo_db.exception.DBError"
_WRAPPED = frozenset({"inner_exception", "cause", "__cause__"})
_READS = ("get", "query", "filter", "all", "one", "first", "debug", "info", "execute", "begin")
_DELETES = ("delete", "remove", "purge", "flush", "commit")
_INTEGRITY = "sqlalchemy.exc.IntegrityError"
_SAME = frozenset(("is", "is not", "==", "!=", "in"))


def wrapped_looked_at(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> tuple[At, str] | None:
    """Where a handler of `DBError` asks whether it wraps an IntegrityError, and the attribute that
    it asks; None if it does not."""
    name = handler.region.name
    if not name or handler.types != (_ALL,):
        return None
    kept = _kept(function, handler, name)
    for event in function.inside(handler.region):
        if not isinstance(event, Test):
            continue
        for part in walk(event.expr):
            asked = _asked(project, module, part)
            attribute = kept.get(dotted(asked), "") if asked is not None else ""
            if attribute:
                return event.at, attribute
    return None


def only_deletes(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the `try` but reads and deletes: of the errors meant, only one can come of that."""
    names = {last_step(call.func).strip("_") for call in calls_within(function, handler.tried)}
    changes = {name for name in names if not name.startswith(_READS)}
    return bool(changes) and all(name.startswith(_DELETES) for name in changes)


def _kept(function: FunctionFacts, handler: Handler, name: str) -> dict[str, str]:
    """What stands for the wrapped error: `error.inner_exception`, and names of it."""
    found = {f"{name}.{attribute}": attribute for attribute in sorted(_WRAPPED)}
    for event in function.inside(handler.region):
        if isinstance(event, Bind) and event.value is not None:
            attribute = found.get(".".join(path_of(event.value)), "")
            if attribute:
                found[event.target] = attribute
    return found


def _asked(project: Project, module: ModuleFacts, part: Expr) -> Expr | None:
    """What is asked for being an IntegrityError: by `isinstance`, or by its type."""
    match part:
        case Call(func=func, args=(subject, classes)) if dotted(func) == "isinstance":
            is_meant = _is_integrity(project, module, classes)
            return subject if is_meant else None
        case Compare(left=left, operators=(operator,), rights=(right,)) if operator in _SAME:
            if _is_integrity(project, module, right):
                return _typed(left)
    return None


def _typed(expr: Expr) -> Expr | None:
    """`x` of `type(x)` and of `x.__class__`."""
    if isinstance(expr, Call) and dotted(expr.func) == "type" and expr.args:
        return expr.args[0]
    return expr.base if isinstance(expr, Attribute) and expr.name == "__class__" else None


def _is_integrity(project: Project, module: ModuleFacts, written: Expr) -> bool:
    classes = written.items if isinstance(written, Items) else (written,)
    return any(
        project.knowledge.is_error(meant(project, project.resolve(module, one)), _INTEGRITY)
        for one in classes
    )
