"""What is known of a statement before it runs: shape, verb, tables. Worked out once, kept small.

A compiled construct carries its facts in an attribute of its own, so the hot path neither hashes
nor reads SQL text. Plain text goes through a small table; text that never repeats (values pasted
into it) costs one look at the text each time and no memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from auditor.model.tape import CauseKind
from auditor.runtime.relations import joined_relations, may_load_eagerly
from auditor.sql.shape import shape_of
from auditor.sql.tables import tables_of
from auditor.sql.verbs import CONTROLS, DEFINES, READS, WRITES, verb_of

MOST_KEPT = 8192  # statements kept by shape; the table starts anew when it is full
_LITERAL = re.compile(
    r"(?:\b(?:LIMIT|OFFSET|FETCH|TOP)\s+\d+)|(?P<value>'[^']*'|(?<![\w:$%.])\d+(?:\.\d+)?(?!\w))",
    re.IGNORECASE,
)
FACTS = "_auditor_facts"
"""Attribute of a compiled construct that holds its facts."""


@dataclass(frozen=True, slots=True, eq=False)
class StatementFacts:
    """One statement shape. Compared by identity: equal facts are one object.

    `path` tells relations apart that load with the same SQL. `counted` is false for BEGIN, PRAGMA
    and the like. `kind_by_verb` is the cause if the verb alone decides it. `is_read` is false for
    a `WITH` that writes; `joined` are the relations that the statement loads by join;
    `may_load_eagerly` says whether loaders follow it, or joins make it larger. `has_literals` is
    true for texts of the program's own with values in them.
    """

    shape: str
    verb: str
    tables: tuple[str, ...]
    path: str
    counted: bool
    returns_rows: bool
    is_read: bool = False
    joined: tuple[str, ...] = ()
    may_load_eagerly: bool = False
    has_literals: bool = False

    @property
    def kind_by_verb(self) -> CauseKind | None:
        return CauseKind.DDL if self.verb in DEFINES else None


@lru_cache(maxsize=MOST_KEPT)
def _facts(
    shape: str,
    path: str = "",
    joined: tuple[str, ...] = (),
    *,
    may_load_eagerly: bool = False,
    has_literals: bool = False,
) -> StatementFacts:
    verb = verb_of(shape)
    return StatementFacts(
        shape=shape,
        verb=verb,
        tables=tables_of(shape),
        path=path,
        counted=verb not in CONTROLS and not _ends_transaction(shape),
        returns_rows=verb in READS or (verb in WRITES and " RETURNING " in shape),
        is_read=verb in READS and not _writes_within(shape),
        joined=joined,
        may_load_eagerly=may_load_eagerly,
        has_literals=has_literals,
    )


@lru_cache(maxsize=2048)
def _facts_of_short_text(sql: str) -> StatementFacts:
    return _facts_of_text(sql)


def _facts_of_text(sql: str) -> StatementFacts:
    return _facts(shape_of(sql), has_literals=has_literals(sql))


def has_literals(sql: str) -> bool:
    """Says whether values stand in a text: in quotes, or as numbers that are no LIMIT."""
    return any(found["value"] for found in _LITERAL.finditer(sql))


def facts_of_text(sql: str) -> StatementFacts:
    """The facts of SQL text as it went to the driver."""
    return _facts_of_short_text(sql) if len(sql) < 4096 else _facts_of_text(sql)  # noqa: PLR2004 - characters


def facts_of_execution(statement: str, context: Any) -> StatementFacts:
    """The facts of what an execution context is about to send, or has sent."""
    compiled = context.compiled
    if compiled is None or (statement is not context.statement and not _is_page(context)):
        return facts_of_text(statement)
    found: StatementFacts | None = getattr(compiled, FACTS, None)
    return _facts_of_compiled(compiled, statement) if found is None else found


def _is_page(context: Any) -> bool:
    """Says whether the text is one page of an `INSERT` with many rows (SQLAlchemy 2)."""
    return getattr(getattr(context, "execute_style", None), "name", "") == "INSERTMANYVALUES"


def _facts_of_compiled(compiled: Any, executed: str) -> StatementFacts:
    """Works the facts out and leaves them on the compiled construct. The text that went to the
    driver is read instead where the compiled text has schema names still to be filled in."""
    text = str(compiled.string)
    if "__[SCHEMA_" in text:
        return facts_of_text(executed)
    found = _facts(
        shape_of(text),
        path_text(compiled),
        joined_relations(compiled),
        may_load_eagerly=may_load_eagerly(compiled),
        has_literals=bool(getattr(compiled, "isplaintext", False)) and has_literals(text),
    )
    setattr(compiled, FACTS, found)
    return found


def path_text(compiled: Any) -> str:
    """The relation path a loader runs for, as text; empty at top level or if it cannot be known."""
    path = getattr(getattr(compiled, "compile_state", None), "current_path", None)
    return str(path) if path else ""


def _writes_within(shape: str) -> bool:
    return shape.startswith("WITH ") and any(
        f"({verb} " in shape for verb in ("INSERT", "UPDATE", "DELETE", "MERGE")
    )


def _ends_transaction(shape: str) -> bool:
    return shape in {"ROLLBACK", "END", "ROLLBACK TRANSACTION", "END TRANSACTION"}
