"""Full scans as real databases plan them."""

from __future__ import annotations

import shutil

import pytest
import sqlalchemy as sa

from auditor.backends.plans import full_scans, rows_in
from auditor.backends.scratch import open_scratch

HAS_MARIADB = any(map(shutil.which, ("mariadbd", "/usr/sbin/mariadbd")))
DATABASES = [
    "sqlite://",
    "postgresql://",
    pytest.param(
        "mysql://",
        marks=pytest.mark.skipif(not HAS_MARIADB, reason="needs a MariaDB server on the PATH"),
    ),
]
STATEMENTS = {
    "SELECT b FROM t WHERE b = 1": {"t"},
    "SELECT b FROM t AS x WHERE x.b = 1": {"x"},
    "SELECT b FROM t WHERE id = 1": set(),
    "SELECT b FROM t WHERE c = 1": set(),
    "SELECT b FROM t WHERE c = 1 AND b = 2": set(),
    "SELECT t.b FROM t JOIN u ON u.t_id = t.id WHERE t.c = 1": {"u"},
    "UPDATE t SET c = 2 WHERE b = 1": {"t"},
}


@pytest.mark.parametrize("url", DATABASES)
def test_a_table_without_a_fitting_index_is_read_whole(url: str) -> None:
    with open_scratch(url) as scratch:
        engine = sa.create_engine(scratch.url)
        with engine.begin() as connection:
            for text in (
                "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER, c INTEGER)",
                "CREATE TABLE u (id INTEGER PRIMARY KEY, t_id INTEGER)",
                "CREATE INDEX t_c ON t (c)",
                "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
            ):
                connection.exec_driver_sql(text)
            raw = connection.connection
            found = {
                statement: {
                    scan.name for scan in full_scans(raw.cursor(), scratch.dialect, statement, ())
                }
                for statement in STATEMENTS
            }
            rows = rows_in(raw.cursor(), "t")
            values = connection.exec_driver_sql("SELECT b, c FROM t ORDER BY id").all()
        engine.dispose()
    assert found == STATEMENTS
    assert rows == 3
    assert values == [(1, 1), (2, 2), (3, 3)]  # the UPDATE was planned, not executed


def test_a_database_without_a_reader_of_its_plans_has_no_scans() -> None:
    assert full_scans(None, "oracle", "SELECT 1", ()) == ()
