"""What a statement does, in one word: SELECT, INSERT, CREATE, SAVEPOINT, ..."""

from __future__ import annotations

from auditor.sql.tokens import tokens_of

READS = frozenset({"SELECT", "VALUES", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"})
WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"})
DEFINES = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "COMMENT", "RENAME", "GRANT", "REVOKE"})
SAVEPOINTS = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK"})
CONTROLS = frozenset({"BEGIN", "START", "COMMIT", "PRAGMA"})
"""Sent by drivers, SQLAlchemy and oslo.db to run a connection; never counted as statements."""

_AFTER_WITH = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"})


def verb_of(sql: str) -> str:
    """The verb in capitals, of what a `WITH` leads to; empty if the text has no word."""
    return verb_in(tokens_of(sql))


def verb_in(tokens: tuple[str, ...]) -> str:
    """Like `verb_of`, for text that is already in tokens."""
    words = [token for token in tokens if token != "("]
    first = words[0].upper() if words else ""
    if first != "WITH":
        return first if first.isalpha() else ""
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth == 0 and token in _AFTER_WITH:
            return token
    return "SELECT"
