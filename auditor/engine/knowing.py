"""One Knowledge of all tables: the built-in ones, those of packages, and the user's own rows.

A user's row is written by the kind of row, with the fields that kind has:

    [[tool.auditor.knowledge.callables]]
    name = "ourlib.db.fetch_all"
    effects = ["read"]
    returns = "rows"
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from auditor import registry
from auditor.model.errors import SettingsError
from auditor.model.finding import Problem
from auditor.model.knowledge import (
    CallableRow,
    ContextRow,
    ErrorRow,
    Knowledge,
    ReceiverRow,
    RetryRow,
    Row,
    SinkRow,
    Table,
    merged,
)
from auditor.model.settings import KnowledgeRow

_KINDS: Mapping[str, type[Any]] = {
    "callables": CallableRow,
    "receivers": ReceiverRow,
    "contexts": ContextRow,
    "retries": RetryRow,
    "errors": ErrorRow,
    "sinks": SinkRow,
}
_SOURCE = "settings"


def knowledge_with(
    rows: Iterable[KnowledgeRow] = (), found: Iterable[registry.Door] | None = None
) -> tuple[Knowledge, tuple[Problem, ...]]:
    """All knowledge, the user's `rows` last so that they outrank the others, and the plug-ins that
    did not give tables. Raises SettingsError for a row that cannot be used."""
    plugged, problems = registry.knowledge(found)
    tables: list[Table] = []
    said = list(problems)
    for one in plugged:
        given = (one.value,) if isinstance(one.value, Table) else one.value
        if isinstance(given, (tuple, list)) and all(isinstance(table, Table) for table in given):
            tables.extend(given)
        else:
            said.append(registry.broken(one.door, f"gave `{given!r:.60}`, not knowledge tables"))
    own = tuple(row_of(row) for row in rows)
    return merged((*tables, *((Table(_SOURCE, own),) if own else ()))), tuple(said)


def row_of(written: KnowledgeRow) -> Row:
    """The row that a user wrote as text. Raises SettingsError for an unknown table or field, a
    missing one, or a value that the field cannot have."""
    kind = _KINDS.get(written.table)
    if kind is None:
        raise SettingsError(
            f"`knowledge.{written.table}`: there is no such table; there are {_listed(_KINDS)}"
        )
    hints = get_type_hints(kind)
    values: dict[str, Any] = {"source": _SOURCE}
    for name, text in written.fields:
        if name not in hints:
            raise SettingsError(
                f"`knowledge.{written.table}` has `{name}`; its fields are {_listed(hints)}"
            )
        values[name] = _value(written.table, name, text, hints[name])
    needed = [f.name for f in fields(kind) if _is_needed(f) and f.name not in values]
    if needed:
        raise SettingsError(f"a row of `knowledge.{written.table}` lacks {_listed(needed)}")
    row: Row = kind(**values)
    return row


def _is_needed(field: Any) -> bool:
    return repr(field.default) == repr(field.default_factory)  # both are dataclasses.MISSING


def _value(table: str, name: str, text: str, hint: Any) -> Any:
    try:
        return _reader(hint)(text)
    except ValueError as error:
        raise SettingsError(f"`knowledge.{table}` has `{name} = {text}`: {error}") from error


def _reader(hint: Any) -> Callable[[str], Any]:
    if hint is bool:
        return _flag
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return lambda text: _member(hint, text)
    inner = get_args(hint)
    if inner and get_args(inner[0]):
        return _pairs
    if inner:
        each = _reader(inner[0])
        return lambda text: tuple(each(piece) for piece in _pieces(text))
    return int if hint is int else str


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("it must be true or false")
    return text == "true"


def _member(kind: type[enum.Enum], text: str) -> enum.Enum:
    found = next((member for member in kind if member.value == text), None)
    if found is None:
        raise ValueError(f"it must be one of {_listed(member.value for member in kind)}")
    return found


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [piece.partition("=") for piece in _pieces(text)]
    if not all(right for _, _, right in pairs):
        raise ValueError("it must be a list of `name=value`")
    return tuple((left.strip(), right.strip()) for left, _, right in pairs)


def _pieces(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(",") if piece.strip()]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
