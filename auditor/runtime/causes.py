"""Why SQLAlchemy executed a statement, read from its execution context when it ran.

The private parts used here, the same in SQLAlchemy 1.4, 2.0 and 2.1:

    execution_options["_sa_orm_load_options"]._lazy_loaded_from   state of the parent: a lazy load
                                           ._refresh_state       state that is loaded again
    compiled.compile_state.current_path    relation a loader runs for; with no parent: eager batch

Each is optional: what is missing is made up for by the names of SQLAlchemy's own functions on the
stack, and what then cannot be told is `explicit`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import CodeType
from typing import Any

from auditor.model.tape import Cause, CauseKind
from auditor.runtime.statements import StatementFacts

_LAZY = "_emit_lazyload"
_SELECTIN = "_load_for_path"
_EXPIRED = frozenset({"_load_expired"})
_DEFERRED = frozenset({"_load_for_state"})
_SUBCLASS = frozenset({"_load_subclass_via_in", "load_subclass_via_in"})


def cause_of(context: Any, facts: StatementFacts, inner: Iterable[CodeType]) -> Cause:
    """The cause of one execution. `inner` are SQLAlchemy's frames between the statement and the
    user's code, innermost first."""
    if facts.kind_by_verb is not None:
        return Cause(facts.kind_by_verb)
    names = tuple(code.co_name for code in inner)
    callers = set(names)
    options = _load_options(context)
    path = _path(context)
    if _is_lazy(options, path, names):
        return Cause(CauseKind.LAZY_LOAD, _relation(path))
    if _SUBCLASS & callers and not _relation(path):
        return Cause(CauseKind.POLYMORPHIC, _mapped_class(path))
    if _relation(path):
        return Cause(CauseKind.EAGER_BATCH, _relation(path))
    state = getattr(options, "_refresh_state", None)
    if state is not None:
        return _reload(context, state, facts, callers)
    if callers & {"_autoflush", "_run_autoflush"}:
        return Cause(CauseKind.AUTOFLUSH)
    return Cause(CauseKind.FLUSH if "_flush" in callers else CauseKind.EXPLICIT)


def _is_lazy(options: Any, path: tuple[Any, ...], names: tuple[str, ...]) -> bool:
    """Says whether a relation is loaded when it is read. What is loaded by selectin along with such
    a relation carries the same parent state: there the inner one of the two loaders tells."""
    loader = next((name for name in names if name in {_LAZY, _SELECTIN}), "")
    from_parent = getattr(options, "_lazy_loaded_from", None) is not None
    return loader != _SELECTIN and (from_parent or (bool(path) and loader == _LAZY))


def _reload(context: Any, state: Any, facts: StatementFacts, callers: set[str]) -> Cause:
    """A column load for one object: deferred, of a subclass table, or of something expired."""
    name = str(state.class_.__name__)
    if callers & _EXPIRED:
        if not state.expired and _is_subclass_only(state, facts):
            return Cause(CauseKind.POLYMORPHIC, _with_columns(context, name))
        return Cause(CauseKind.REFRESH, name)
    if callers & _DEFERRED:
        return Cause(CauseKind.DEFERRED, _with_columns(context, name))
    return Cause(CauseKind.REFRESH, name)


def _is_subclass_only(state: Any, facts: StatementFacts) -> bool:
    """Says whether the table of the base class took no part: only subclass columns were missing."""
    mapper = state.mapper
    base = getattr(mapper.base_mapper.local_table, "fullname", "")
    return mapper.inherits is not None and base not in facts.tables


def _with_columns(context: Any, name: str) -> str:
    """`Class.column`, or the class alone if several columns are loaded."""
    options = getattr(getattr(context.compiled, "compile_state", None), "compile_options", None)
    columns = sorted(getattr(options, "_only_load_props", None) or ())
    return f"{name}.{columns[0]}" if len(columns) == 1 else name


def _load_options(context: Any) -> Any:
    options = getattr(context, "execution_options", None) or {}
    return options.get("_sa_orm_load_options")


def _path(context: Any) -> tuple[Any, ...]:
    """Mappers and relationships, outermost first; empty at top level."""
    state = getattr(getattr(context, "compiled", None), "compile_state", None)
    path = getattr(state, "current_path", None)
    return tuple(getattr(path, "path", ()) or ())


def _relation(path: tuple[Any, ...]) -> str:
    """`Parent.attribute` of the last relationship on a path; empty if there is none."""
    for part in reversed(path):
        parent = getattr(part, "parent", None)
        if parent is not None and hasattr(part, "key") and not getattr(part, "is_mapper", False):
            return f"{parent.class_.__name__}.{part.key}"
    return ""


def _mapped_class(path: tuple[Any, ...]) -> str:
    for part in reversed(path):
        if getattr(part, "is_mapper", False):
            return str(part.class_.__name__)
    return ""
