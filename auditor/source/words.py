"""Words by which source is known to have nothing to do with databases, before it is looked at.

A file without any of `OF_FILES` and without a statement is not parsed. A function without any of
`OF_FUNCTIONS`, which calls nothing that works with a database either, is given to no rule that is
about databases.
"""

from __future__ import annotations

import re

OF_FILES = re.compile(
    rb"sqlalchemy|oslo_db|sqlmodel|alembic|self\.db\b|[sS]ession\b|\.query\b|cursor|\.execute|db_api|_db\b"
    rb"|\.objects\b|import (?:objects|db)\b|\bmodels\b|psycopg|pymysql|MySQLdb|sqlite3|import \*"
    rb"|auditor: *ignore"
)
_OF_STATEMENTS = (
    b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b" TABLE", b"select ", b"insert into", b"update ",
    b"delete from", b"read_sql", b"asyncpg", b"aiosqlite", b"aiomysql", b"mogrify",
)  # fmt: skip
"""One of them stands in every file of `_STATEMENT`; a plain search is many times faster."""
_STATEMENT = re.compile(
    rb"SELECT\s|INSERT\s+(?:OR|INTO)\s|DELETE\s+FROM\s|UPDATE\s+\S+\s+SET\s"
    rb"|(?:CREATE|DROP|ALTER|TRUNCATE)\s+TABLE\s"
    rb"|[\"'](?:select|insert into|update|delete from) [\w*{%]"
    rb"|read_sql|asyncpg|aiosqlite|aiomysql|mogrify"
)
OF_FUNCTIONS = re.compile(
    OF_FILES.pattern + rb"|\b[sS][qQ][lL]|SELECT\b|INSERT\b|UPDATE\b|DELETE\b|DB[A-Z]|\bdb\b|db_exc"
    rb"|IntegrityError|OperationalError|StaleData|ResultFound|select\(|\btext\(|[qQ]uery|filter"
    rb"|\blike\(|commit|rollback|flush|transaction|[eE]ngine|[cC]onnection|CONTEXT_|retr(?:y|ies)"
    rb"|read_sql|[\"'](?:select|insert into|update|delete from) [\w*{%]"
)
"""Also what errors, statements, transactions and retries are named by without those words."""


def is_of_databases(source: bytes) -> bool:
    """Whether a file may work with a database, or write statements for code that does."""
    return OF_FILES.search(source) is not None or (
        any(word in source for word in _OF_STATEMENTS) and _STATEMENT.search(source) is not None
    )


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
