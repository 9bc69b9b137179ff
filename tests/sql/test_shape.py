from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.sql.shape import brief, shape_of
from auditor.sql.tables import tables_of
from auditor.sql.verbs import verb_of

PAGE = [
    ("", ""),
    ("   -- nothing\n", ""),
    ("select  1", "SELECT ?"),
    ("SELECT a FROM t WHERE a = 'it''s' AND b = -1.5e3", "SELECT a FROM t WHERE a = ? AND b = ?"),
    ("SELECT a FROM t WHERE a = :a AND b = %(b)s", "SELECT a FROM t WHERE a = ? AND b = ?"),
    ("SELECT a FROM t WHERE a = ? AND b = $1", "SELECT a FROM t WHERE a = ? AND b = ?"),
    (
        "SELECT a FROM t WHERE a = %s LIMIT 10 OFFSET 20",
        "SELECT a FROM t WHERE a = ? LIMIT ? OFFSET ?",
    ),
    ("SELECT a FROM t WHERE id IN (1, 2, 3)", "SELECT a FROM t WHERE id IN (?)"),
    ("SELECT a FROM t WHERE id IN (__[POSTCOMPILE_id_1])", "SELECT a FROM t WHERE id IN (?)"),
    ("SELECT a FROM t WHERE id IN ?", "SELECT a FROM t WHERE id IN (?)"),
    ("DELETE FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "DELETE FROM t WHERE (a, b) IN ((?, ?))"),
    (
        "SELECT a FROM t WHERE id IN (SELECT b FROM u)",
        "SELECT a FROM t WHERE id IN (SELECT b FROM u)",
    ),
    ("insert into t values (1, 'x'), (2, NULL)", "INSERT INTO t VALUES (?, ?)"),
    (
        "INSERT INTO t (a, b) VALUES (%(a_1)s::VARCHAR, %(b_1)s::TIMESTAMP WITHOUT TIME ZONE)",
        "INSERT INTO t (a, b) VALUES (?, ?)",
    ),
    ("SELECT count(*) AS count_7 FROM t AS t_12", "SELECT COUNT(*) AS count_1 FROM t AS t_1"),
    ("SELECT anon_9.a FROM (SELECT 1) AS anon_9", "SELECT anon_1.a FROM (SELECT ?) AS anon_1"),
    ("SAVEPOINT sa_savepoint_12", "SAVEPOINT sa_savepoint_1"),
    ("ROLLBACK TO SAVEPOINT sa_savepoint_12", "ROLLBACK TO SAVEPOINT sa_savepoint_1"),
    ("SELECT /* hint */ a -- why\nFROM t;", "SELECT a FROM t"),
    ("SELECT a FROM t WHERE b IS TRUE AND c = true", "SELECT a FROM t WHERE b IS TRUE AND c = ?"),
    ('SELECT `a`, "b" FROM "Mixed"', 'SELECT a, b FROM "Mixed"'),
    ('SELECT a FROM t WHERE b = "a string of MySQL"', "SELECT a FROM t WHERE b = ?"),
    (
        "SELECT t.a AS t_a, s.t.b AS s_t_b, t.c AS c, t.d AS d_1, t.e AS t_e__2 FROM t",
        "SELECT t.a, s.t.b, t.c, t.d, t.e FROM t",
    ),
    (
        'SELECT "T"."B" AS "T_B", t_9.a AS t_9_a FROM t AS t_9',
        'SELECT "T"."B", t_1.a FROM t AS t_1',
    ),
    (
        "SELECT DISTINCT t.a AS t_a FROM t UNION SELECT t.a AS t_a",
        "SELECT DISTINCT t.a FROM t UNION SELECT t.a",
    ),
    (
        "INSERT INTO t (a) VALUES (1) RETURNING t.id AS t_id",
        "INSERT INTO t (a) VALUES (?) RETURNING t.id",
    ),
    (
        (
            "SELECT networksegments.segmentation_id AS networksegments_segmentatio_1f"
            " FROM networksegments"
        ),
        "SELECT networksegments.segmentation_id FROM networksegments",
    ),
    ("SELECT port.id AS port_id, x.port_id AS y FROM x", "SELECT port.id, x.port_id AS y FROM x"),
    (
        "SELECT t.a AS b, t.a AS t_b, -t.a AS t_a FROM t",
        "SELECT t.a AS b, t.a AS t_b, - t.a AS t_a FROM t",
    ),
    ("SELECT a FROM s.t AS t, s.u AS s_u", "SELECT a FROM s.t AS t, s.u AS s_u"),
    ("SELECT t.a AS t_a FROM t ORDER BY t_a", "SELECT t.a AS t_a FROM t ORDER BY t_a"),
    (
        "SELECT anon_4.t_a AS anon_4_t_a FROM (SELECT t.a AS t_a, t.b AS t_b FROM t) AS anon_4",
        "SELECT anon_1.t_a FROM (SELECT t.a AS t_a, t.b FROM t) AS anon_1",
    ),
    (
        "WITH c AS (SELECT t.a AS t_a FROM t) SELECT c.t_a FROM c",
        "WITH c AS (SELECT t.a AS t_a FROM t) SELECT c.t_a FROM c",
    ),
    ("SELECT $tag$ it's $tag$ FROM t", "SELECT ? FROM t"),
    ("UPDATE t SET n = n + 1 WHERE id = 0x1F", "UPDATE t SET n = n + ? WHERE id = ?"),
    ("SELECT a FROM t WHERE b = E'it\\'s'", "SELECT a FROM t WHERE b = ?"),
]


@pytest.mark.parametrize(("sql", "shape"), PAGE)
def test_a_statement_has_this_shape(sql: str, shape: str) -> None:
    assert shape_of(sql) == shape


@pytest.mark.parametrize(("sql", "shape"), PAGE)
def test_a_shape_is_its_own_shape(sql: str, shape: str) -> None:
    assert shape_of(shape) == shape


@pytest.mark.parametrize(
    ("sql", "verb", "tables"),
    [
        ("SELECT 1", "SELECT", ()),
        ("select a from x, y as z join s.w on 1=1", "SELECT", ("x", "y", "s.w")),
        ("SELECT a FROM (SELECT b FROM inside) AS i, other", "SELECT", ("inside", "other")),
        ("WITH c AS (SELECT 1 FROM x) INSERT INTO t SELECT * FROM c", "INSERT", ("x", "t")),
        ("INSERT INTO t (a) VALUES (1)", "INSERT", ("t",)),
        ("UPDATE ONLY t SET a = 1 FROM u", "UPDATE", ("t", "u")),
        ("DELETE FROM t WHERE a IN (SELECT b FROM u)", "DELETE", ("t", "u")),
        ("CREATE TABLE IF NOT EXISTS t (a INT)", "CREATE", ("t",)),
        ("CREATE INDEX i ON t (a)", "CREATE", ("t",)),
        ("SELECT EXTRACT(year FROM d) FROM t FOR UPDATE OF t", "SELECT", ("t",)),
        ("SELECT * FROM generate_series(1, 2)", "SELECT", ()),
        ("RELEASE SAVEPOINT x", "RELEASE", ()),
        ("(SELECT a FROM t) UNION (SELECT b FROM u)", "SELECT", ("t", "u")),
        ("", "", ()),
        ("?!", "", ()),
    ],
)
def test_verb_and_tables_are_read(sql: str, verb: str, tables: tuple[str, ...]) -> None:
    assert (verb_of(sql), tables_of(sql)) == (verb, tables)


@given(st.lists(st.integers(), min_size=1, max_size=50), st.text(alphabet=" \t\n", min_size=1))
def test_list_lengths_values_and_spaces_leave_the_shape_alone(items: list[int], gap: str) -> None:
    listed = f",{gap}".join(str(item) for item in items)
    sql = f"select{gap}a from{gap}t where{gap}a in ({listed}) and b ={gap}{items[0]}"
    assert shape_of(sql) == "SELECT a FROM t WHERE a IN (?) AND b = ?"


@given(st.text(alphabet=st.characters(exclude_characters="'", exclude_categories=["Cs"])))
def test_what_stands_in_quotes_never_shows(secret: str) -> None:
    assert shape_of(f"SELECT a FROM t WHERE a = '{secret}'") == "SELECT a FROM t WHERE a = ?"


@given(st.text())
def test_any_text_has_a_shape(text: str) -> None:
    shape = shape_of(text)
    assert (type(shape), type(verb_of(text)), type(tables_of(text))) == (str, str, tuple)


@pytest.mark.parametrize(
    "hostile",
    ["(" * 70_000, "'" * 70_001, "$" * 70_000, "$a$" * 30_000, "/*" * 40_000, '"' * 70_001,
     "a_1 AS " * 10_000, "-" * 70_000, "IN(" * 30_000, "VALUES(" * 30_000, "WITH a(" * 20_000],
)  # fmt: skip
def test_hostile_text_ends(hostile: str) -> None:
    assert len(shape_of(hostile)) <= 2 * 65_536
    verb_of(hostile)
    tables_of(hostile)


def test_a_huge_insert_is_cut_and_keeps_its_shape() -> None:
    rows = ",".join(f"({number},'{number}')" for number in range(100_000))
    assert shape_of(f"INSERT INTO t VALUES {rows}") == "INSERT INTO t VALUES (?, ?)"


def test_a_brief_shape_leaves_long_lists_out() -> None:
    columns = ", ".join(f"routers.column_{number}" for number in range(9))
    assert (
        brief(f"SELECT {columns} FROM routers WHERE id = ?") == "SELECT … FROM routers WHERE id = ?"
    )
    assert brief("SELECT a FROM b WHERE " + "x" * 99, width=30) == "SELECT a FROM b WHERE xxxxxxx…"
