"""Which columns of a statement are compared."""

from __future__ import annotations

import pytest

from auditor.sql.conditions import compared_columns, named_tables


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        pytest.param(
            "SELECT * FROM ports AS p JOIN routers ON p.router_id = routers.id WHERE p.status = ?",
            {"p": ("status",), "routers": ("id",)},
            id="values before other columns",
        ),
        pytest.param("SELECT a FROM t WHERE a = ? OR b = ?", {}, id="an OR demands neither"),
        pytest.param(
            "SELECT a FROM t WHERE (a = ? AND (b IN (?, ?))) AND c BETWEEN ? AND ? AND ? = e",
            {"t": ("a", "b", "c", "e")},
            id="brackets and the AND of a BETWEEN",
        ),
        pytest.param(
            "SELECT a FROM t WHERE lower(a) = ? AND NOT b = ? AND c IS NULL AND d LIKE ?",
            {},
            id="functions, NOT and what no plain index serves",
        ),
        pytest.param(
            "SELECT x.a FROM s.t AS x LEFT OUTER JOIN s.u ON u.id = x.u_id AND u.k > ? LIMIT ?",
            {"u": ("k",), "x": ("u_id",)},
            id="tables of a schema by alias and by last name",
        ),
        pytest.param(
            "SELECT a FROM t, u WHERE t.id = u.t_id AND a = ?",
            {"t": ("id",), "u": ("t_id",)},
            id="a bare column of one of two tables is nobody's",
        ),
        pytest.param(
            "UPDATE t SET a = ? WHERE t.id = ?", {"t": ("id",)}, id="SET compares nothing"
        ),
        pytest.param(
            'SELECT "order".a FROM "order" WHERE "order".k = ?', {"order": ("k",)}, id="quoted"
        ),
        pytest.param(
            "SELECT a FROM t WHERE t.a IN (SELECT u.b FROM u WHERE u.c = ?)",
            {"t": ("a",)},
            id="not what a subquery compares",
        ),
        pytest.param("", {}, id="nothing"),
        pytest.param("SELECT ((( FROM WHERE ) AND", {}, id="no SQL at all"),
    ],
)
def test_columns_that_every_row_is_compared_by(
    sql: str, columns: dict[str, tuple[str, ...]]
) -> None:
    assert compared_columns(sql) == columns


def test_a_table_used_twice_goes_by_both_names() -> None:
    sql = "SELECT * FROM t AS a JOIN t b ON a.id = b.up JOIN s.t ON t.id = a.id"
    assert named_tables(sql) == {"a": "t", "b": "t", "t": "s.t"}
