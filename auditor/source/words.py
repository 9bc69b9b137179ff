"""Words by which source is known to have nothing to do with databases, before it is looked at.

A file without any of them and without a statement is not parsed. A function without any of
`OF_FUNCTIONS`, which calls nothing that works with a database either, is given to no rule that is
about databases. Each branch of the patterns begins with a letter as it is, where it can: such a
pattern is searched twice as fast.
"""

from __future__ import annotations

import re

_NAMES = (
    rb"sqlalchemy|sqlmodel|sqlite3|self\.db\b|session\b|Session\b|oslo_db|alembic|cursor|db_api|_db\b"
    rb"|\.(?:query\b|objects\b)|import (?:\*|(?:objects|db)\b)|models\b(?<!\wmodels)|psycopg"
    rb"|pymysql|MySQLdb|auditor: *ignore"
)
_OF_FILES = re.compile(_NAMES + rb"|down_revision\b")
_EXECUTED = re.compile(
    rb"db\b(?<!\w..)|database|engine\b|conn\b|connection\.execute|cur\.(?<!\w....)"
    rb"|select\s|insert\s+(?:or\s+\w+\s+)?into\s|delete\s+from\s|truncate\s+table|pragma\s"
    rb"|update\s[^\n]*\n?[^\n]*\bset\s|create\s+(?:temp\w*\s+)?(?:table|index|view)\b"
    rb"|drop\s+(?:table|index|view)\b|alter\s+table\b"
)
"""What stands, in small letters, in a file whose `.execute` executes SQL; most run programs."""
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
    _NAMES + rb"|\.execute|s[qQ][lL](?<!\w...)|S[qQ][lL](?<!\w...)|SELECT\b|INSERT\b|UPDATE\b"
    rb"|DELETE\b|DB[A-Z]|db\b(?<!\w..)|db_exc|IntegrityError|OperationalError|StaleData|ResultFound"
    rb"|select\(|text\((?<!\w.....)|query|Query|filter|like\((?<!\w.....)|commit|rollback|flush"
    rb"|transaction|engine|Engine|connection|Connection|CONTEXT_|retr(?:y|ies)|read_sql"
    rb"|\"(?:select|insert into|update|delete from) [\w*{%]"
    rb"|'(?:select|insert into|update|delete from) [\w*{%]|DDL|CREATE |DROP |ALTER |TRUNCATE "
)
"""Also what errors, statements, transactions and retries are named by without those words."""


def is_of_databases(source: bytes) -> bool:
    """Whether a file may work with a database, or write statements for code that does."""
    if _OF_FILES.search(source) is not None:
        return True
    if b".execute" in source and _EXECUTED.search(source.lower()) is not None:
        return True
    is_near = any(word in source for word in _OF_STATEMENTS)
    return is_near and _STATEMENT.search(source) is not None


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
