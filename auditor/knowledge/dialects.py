"""SQL that only some databases parse, as patterns over the text of a statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

POSTGRESQL = "postgresql"
MYSQL = "mysql"
SQLITE = "sqlite"
ORACLE = "oracle"
MSSQL = "mssql"

_PG = "https://www.postgresql.org/docs/current/"
_MYSQL = "https://dev.mysql.com/doc/refman/8.4/en/"
_SQLITE = "https://www.sqlite.org/"


@dataclass(frozen=True, slots=True)
class DialectRow:
    """A construct: `pattern` finds it in a text whose string literals are emptied; `parsed_by` are
    the databases that take it. MariaDB counts as `mysql`."""

    name: str
    pattern: re.Pattern[str]
    parsed_by: frozenset[str]
    source: str
    samples: tuple[str, ...]
    near_misses: tuple[str, ...]


def _row(
    name: str, pattern: str, *parsed_by: str, source: str, sample: str, near_miss: str
) -> DialectRow:
    compiled = re.compile(pattern, re.IGNORECASE)
    return DialectRow(name, compiled, frozenset(parsed_by), source, (sample,), (near_miss,))


DIALECTS: tuple[DialectRow, ...] = (
    _row(
        "ON DUPLICATE KEY UPDATE", r"\bon\s+duplicate\s+key\b", MYSQL,
        source=_MYSQL + "insert-on-duplicate.html",
        sample="INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
        near_miss="INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
    ),
    _row(
        "ON CONFLICT", r"\bon\s+conflict\b", POSTGRESQL, SQLITE, source=_PG + "sql-insert.html",
        sample="INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        near_miss="SELECT conflict FROM t",
    ),
    _row(
        "INSERT IGNORE", r"\binsert\s+ignore\b", MYSQL, source=_MYSQL + "insert.html",
        sample="INSERT IGNORE INTO t VALUES (1)", near_miss="INSERT INTO t VALUES (1)",
    ),
    _row(
        "ILIKE", r"\bilike\b", POSTGRESQL, source=_PG + "functions-matching.html",
        sample="SELECT a FROM t WHERE a ILIKE :b", near_miss="SELECT a FROM t WHERE a LIKE :b",
    ),
    _row(
        "a cast with `::`", r"[\w)'\]]::\w", POSTGRESQL, source=_PG + "sql-expressions.html",
        sample="SELECT a::text FROM t", near_miss="SELECT a FROM t WHERE b = :c",
    ),
    _row(
        "DISTINCT ON", r"\bdistinct\s+on\s*\(", POSTGRESQL, source=_PG + "sql-select.html",
        sample="SELECT DISTINCT ON (a) a FROM t", near_miss="SELECT DISTINCT a FROM t",
    ),
    _row(
        "GROUP_CONCAT", r"\bgroup_concat\s*\(", MYSQL, SQLITE,
        source=_MYSQL + "aggregate-functions.html",
        sample="SELECT group_concat(a) FROM t", near_miss="SELECT concat(a) FROM t",
    ),
    _row(
        "a quote of backticks", r"`\w+`", MYSQL, SQLITE, source=_MYSQL + "identifiers.html",
        sample="SELECT `a` FROM t", near_miss='SELECT "a" FROM t',
    ),
    _row(
        "PRAGMA", r"^\s*pragma\b", SQLITE, source=_SQLITE + "pragma.html",
        sample="PRAGMA foreign_keys = ON", near_miss="SELECT pragma FROM t",
    ),
    _row(
        "SHOW", r"^\s*show\s+(?:tables|databases|create|index|columns|engine|variables)\b", MYSQL,
        source=_MYSQL + "show.html", sample="SHOW TABLES", near_miss="SELECT show FROM t",
    ),
    _row(
        "SET FOREIGN_KEY_CHECKS", r"\bforeign_key_checks\b", MYSQL,
        source=_MYSQL + "server-system-variables.html",
        sample="SET FOREIGN_KEY_CHECKS = 0", near_miss="SET CONSTRAINTS ALL DEFERRED",
    ),
    _row(
        "a function of PostgreSQL",
        r"\b(?:pg_\w+|string_agg|array_agg|to_tsvector|jsonb_\w+|generate_series|nextval)\s*\(",
        POSTGRESQL, source=_PG + "functions.html",
        sample="SELECT pg_advisory_lock(1)", near_miss="SELECT max(a) FROM pg_users",
    ),
    _row(
        "a function of MySQL",
        r"\b(?:unix_timestamp|from_unixtime|date_sub|date_add|str_to_date|last_insert_id|uuid_short"
        r"|get_lock|release_lock)\s*\(",
        MYSQL, source=_MYSQL + "functions.html",
        sample="SELECT unix_timestamp(a) FROM t", near_miss="SELECT unix_timestamp FROM t",
    ),
    _row(
        "LIMIT with an offset before a comma", r"\blimit\s+[\w:?]+\s*,\s*[\w:?]+", MYSQL, SQLITE,
        source=_MYSQL + "select.html",
        sample="SELECT a FROM t LIMIT 10, 20", near_miss="SELECT a FROM t LIMIT 10 OFFSET 20",
    ),
)  # fmt: skip
