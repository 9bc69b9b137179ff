"""What a statement writes, in the spellings of SQLAlchemy and of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor.faults.aim.writes import Settled, Write, writes_of


def names(*columns: str) -> frozenset[str]:
    return frozenset(columns)


EVERY = Settled()
CASES: dict[str, tuple[Write, ...]] = {
    "SELECT a FROM t WHERE b = ? FOR UPDATE": (),
    "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)": (Write("INSERT", "t", names("a", "b")),),
    "insert into `t` (`a`) values (%s)": (Write("INSERT", "t", names("a")),),
    'INSERT INTO public."Tab" ("Col", b) VALUES (%(a)s, %(b)s)': (
        Write("INSERT", "public.Tab", names("Col", "b")),
    ),
    "INSERT INTO t VALUES (1, 2)": (Write("INSERT", "t", None),),
    "INSERT INTO t DEFAULT VALUES": (Write("INSERT", "t", names()),),
    "INSERT INTO t (a, b) VALUES (1, NULL), (2, NULL)": (
        Write("INSERT", "t", names("a", "b"), nulls=names("b")),
    ),
    "INSERT INTO t (a, b) VALUES (1, NULL), (2, 3)": (Write("INSERT", "t", names("a", "b")),),
    "INSERT INTO t SET a = 1, b = NULL": (Write("INSERT", "t", names("a", "b"), nulls=names("b")),),
    "INSERT INTO t (a) SELECT u.x FROM u JOIN v ON u.id = v.id WHERE u.k = ?": (
        Write("INSERT", "t", names("a")),
    ),
    "INSERT INTO t (SELECT x FROM u)": (Write("INSERT", "t", None),),
    "INSERT INTO t (a) SELECT p0 FROM (VALUES (%s, %s)) AS s(p0, n) ORDER BY n RETURNING t.id": (
        Write("INSERT", "t", names("a")),
    ),
    "INSERT INTO t (a) VALUES (?) ON CONFLICT DO NOTHING": (
        Write("INSERT", "t", names("a"), settles=EVERY),
    ),
    "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b": (
        Write("INSERT", "t", names("a", "b"), settles=Settled(names("a"), "", names("b"))),
    ),
    "INSERT INTO t (a) VALUES (?) ON CONFLICT ON CONSTRAINT uq DO NOTHING": (
        Write("INSERT", "t", names("a"), settles=Settled(name="uq")),
    ),
    "INSERT INTO t (a, b) VALUES (%s, %s) AS new ON DUPLICATE KEY UPDATE b = new.b": (
        Write("INSERT", "t", names("a", "b"), settles=Settled(updates=names("b"))),
    ),
    "INSERT IGNORE INTO t (a) VALUES (%s)": (
        Write("INSERT", "t", names("a"), ignores=True, ignores_references=True),
    ),
    "INSERT OR IGNORE INTO t (a) VALUES (?)": (Write("INSERT", "t", names("a"), ignores=True),),
    "INSERT OR REPLACE INTO t (a) VALUES (?)": (Write("INSERT", "t", names("a"), settles=EVERY),),
    "REPLACE INTO t (a) VALUES (?)": (Write("REPLACE", "t", names("a"), settles=EVERY),),
    "UPDATE t SET a = ?, b = NULL WHERE t.a = ?": (
        Write("UPDATE", "t", names("a", "b"), nulls=names("b")),
    ),
    "UPDATE ONLY t SET a = (SELECT u.x FROM u WHERE u.k = t.k)": (
        Write("UPDATE", "t", names("a")),
    ),
    "UPDATE t SET (a, b) = (SELECT 1, 2), c = 3": (Write("UPDATE", "t", names("a", "b", "c")),),
    "UPDATE t SET a = 1 FROM u WHERE t.k = u.k": (Write("UPDATE", "t", names("a")),),
    "UPDATE t, u AS w SET t.a = %s, w.b = %s WHERE t.k = w.k": (
        Write("UPDATE", "t", names("a")),
        Write("UPDATE", "u", names("b")),
    ),
    "UPDATE t AS x INNER JOIN u ON x.k = u.k SET x.a = 1": (Write("UPDATE", "t", names("a")),),
    "DELETE FROM s.t AS x WHERE x.a = ?": (Write("DELETE", "s.t"),),
    "DELETE FROM t USING t, u WHERE t.k = u.k": (Write("DELETE", "t"),),
    "DELETE x, u FROM t AS x JOIN u ON x.k = u.k": (Write("DELETE", "t"), Write("DELETE", "u")),
    "DELETE FROM t, u USING t JOIN u ON t.k = u.k": (Write("DELETE", "t"), Write("DELETE", "u")),
    "MERGE INTO t USING u ON t.k = u.k WHEN MATCHED THEN UPDATE SET a = u.a"
    " WHEN NOT MATCHED THEN INSERT (k, a) VALUES (u.k, u.a)": (
        Write("MERGE", "t", names("a", "k")),
    ),
    "WITH gone AS (DELETE FROM t RETURNING id) INSERT INTO u (id) SELECT id FROM gone": (
        Write("DELETE", "t"),
        Write("INSERT", "u", names("id")),
    ),
    "WITH made AS (INSERT INTO t (a) VALUES (1) RETURNING id) SELECT id FROM made": (
        Write("INSERT", "t", names("a")),
    ),
    "WITH seen AS (SELECT 1 AS x) SELECT x FROM seen": (),
}


@pytest.mark.parametrize("sql", CASES)
def test_a_statement_writes(sql: str) -> None:
    assert writes_of(sql) == CASES[sql]


WORDS = " ".join(CASES).split()


@given(st.lists(st.sampled_from([*WORDS, "(", ")", ",", "."]), max_size=20))
def test_no_text_is_too_broken_to_be_read(words: list[str]) -> None:
    assert all(isinstance(write, Write) for write in writes_of(" ".join(words)))
