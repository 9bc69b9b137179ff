"""Words by which source is known to have nothing to do with databases, before it is looked at.

A file without any of `OF_FILES` is not parsed. A function without any of `OF_FUNCTIONS`, which
calls nothing that works with a database either, is given to no rule that is about databases.
"""

from __future__ import annotations

import re

OF_FILES = re.compile(
    rb"sqlalchemy|oslo_db|sqlmodel|alembic|self\.db\b|[sS]ession\b|\.query\b|cursor|\.execute|db_api|_db\b"
    rb"|\.objects\b|\bmodels\b|psycopg|pymysql|MySQLdb|sqlite3|import \*|auditor: *ignore"
)
OF_FUNCTIONS = re.compile(
    OF_FILES.pattern + rb"|\b[sS][qQ][lL]|SELECT\b|INSERT\b|UPDATE\b|DELETE\b|DB[A-Z]|\bdb\b|db_exc"
    rb"|IntegrityError|OperationalError|StaleData|ResultFound|select\(|\btext\(|[qQ]uery|filter"
    rb"|\blike\(|commit|rollback|flush|transaction|[eE]ngine|[cC]onnection|CONTEXT_|retr(?:y|ies)"
)
"""Also what errors, statements, transactions and retries are named by without those words."""


class Words:
    """Which lines of one source have a word of `OF_FUNCTIONS`."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def between(self, first: int, last: int) -> bool:
        """Whether one stands on lines `first` to `last`, both inside, counted from 1 as Python
        counts them. True for lines that are not there: the encoding has other line ends."""
        if last >= len(self._starts):
            return True
        start, end = self._starts[first - 1], self._starts[last]
        return OF_FUNCTIONS.search(self._source, start, end) is not None
