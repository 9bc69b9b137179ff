"""What SQLAlchemy knows of a statement that it is about to execute, beside its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from auditor.sql.locks import is_locking_read

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_ROW_OF_VALUES = re.compile(r"_m\d+$")


def isolation_of(connection: Any) -> str:
    """The isolation level, in capitals: that of the connection, the engine or the server's default.
    A level that the program sets with a statement of its own is not known. SQLite in AUTOCOMMIT
    mode is in a transaction nevertheless where oslo.db sends its BEGIN."""
    dialect = connection.dialect
    raw = connection.connection.dbapi_connection
    known = (
        connection._execution_options.get("isolation_level"),  # noqa: SLF001 - get_isolation_level() asks the server
        "AUTOCOMMIT" if getattr(raw, "autocommit", None) is True else None,
        getattr(dialect, "_on_connect_isolation_level", None),  # SQLAlchemy 2
        getattr(dialect, "isolation_level", None),  # SQLAlchemy 1.4
        dialect.default_isolation_level,
    )
    found = str(next(filter(None, known), "")).upper().replace("_", " ")
    is_begun = found == "AUTOCOMMIT" and getattr(raw, "in_transaction", False) is True
    return "SERIALIZABLE" if is_begun else found


def locks_rows(context: Any, shape: str) -> bool:
    """Whether a read locks what it reads, and waits for others to let go of it. SQLite's text does
    not tell, the construct does."""
    if "SKIP LOCKED" in shape:
        return False
    statement = getattr(context.compiled, "statement", None)
    asked = getattr(statement, "_for_update_arg", None)
    return is_locking_read(shape) or (asked is not None and not asked.skip_locked)


def nulls_sent(context: Any) -> frozenset[str]:
    """The columns for which NULL is sent in every row, as far as parameters are named by column."""
    rows: dict[str, bool] = {}
    for sent in getattr(context, "compiled_parameters", None) or ():
        for name, value in sent.items():
            column = _ROW_OF_VALUES.sub("", name)
            rows[column] = rows.get(column, True) and value is None
    return frozenset(column for column, is_null in rows.items() if is_null)


def generated_columns(context: Any) -> frozenset[str]:
    """The columns for which the program makes values that nobody else has: UUIDs, and what a
    default of its own gives."""
    made = (column.key for column in getattr(context.compiled, "insert_prefetch", None) or ())
    uuids = (
        name
        for name, value in values_sent(context).items()
        if isinstance(value, UUID) or (isinstance(value, str) and _UUID.fullmatch(value))
    )
    return frozenset((*made, *uuids))


def values_sent(context: Any) -> Mapping[str, Any]:
    """What the statement sends, by column, as far as it is known; of many rows the first."""
    parameters = getattr(context, "compiled_parameters", None) or []
    return dict(parameters[0]) if parameters else {}


def has_filters(engine: Any) -> bool:
    """Whether oslo.db translates this engine's errors."""
    listeners: list[Callable[..., Any]] = [
        *getattr(engine.dialect.dispatch, "handle_error", ()),  # SQLAlchemy 2
        *getattr(engine.dispatch, "handle_error", ()),  # SQLAlchemy 1.4
    ]
    return any(getattr(one, "__module__", "").startswith("oslo_db.") for one in listeners)
