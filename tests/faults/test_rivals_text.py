from __future__ import annotations

from typing import Any

import pytest

from auditor.faults.rivals.text import rows_query, sent_values


@pytest.mark.parametrize(
    ("sql", "parameters", "want"),
    [
        (
            "INSERT INTO labels (id, name, shared) VALUES (?, ?, NULL)",
            ("a", "b"),
            {"id": "a", "name": "b", "shared": None},
        ),
        (
            (
                'INSERT INTO "La bels" ("id", name, n) VALUES (%(id)s::VARCHAR(3), %(name)s, now())'
                " RETURNING labels.id"
            ),
            {"id": 1, "name": 2},
            {"id": 1, "name": 2},
        ),
        (
            "UPDATE labels SET name=?, n=(n + ?), shared=? WHERE labels.id = ?",
            ("a", 1, True, 7),
            {"name": "a", "shared": True},
        ),
        ("UPDATE labels SET a=$2, b=$1 WHERE id = $3", (1, 2, 3), {"a": 2, "b": 1}),
        ("INSERT INTO labels (id) SELECT id FROM others WHERE id = ?", (1,), {}),
        ("DELETE FROM labels WHERE id = ?", (1,), {}),
        ("INSERT INTO labels (name) VALUES ('it''s ?')", (), {}),
    ],
)
def test_only_values_that_are_sent_as_they_are_are_read(
    sql: str, parameters: Any, want: dict[str, Any]
) -> None:
    assert sent_values(sql, parameters) == want


def table_of(sql: str) -> str:
    return "Org Units" if "Org Units" in sql else "labels"


@pytest.mark.parametrize(
    ("sql", "parameters", "want"),
    [
        (
            "UPDATE labels SET name=?, n=(n + ?) WHERE labels.id = ? AND labels.v = ?",
            ("a", 1, 7, 3),
            ("SELECT labels.* FROM labels WHERE labels.id = ? AND labels.v = ?", (7, 3)),
        ),
        (
            (
                "SELECT l.id, (SELECT count(*) FROM rules WHERE x = %s) FROM labels AS l LEFT JOIN"
                " rules AS r ON r.label_id = l.id WHERE l.id = %s AND l.x = 'order by' ORDER BY"
                " l.id LIMIT %s FOR UPDATE"
            ),
            (1, 7, 3),
            (
                (
                    "SELECT l.* FROM labels AS l LEFT JOIN rules AS r ON r.label_id = l.id WHERE"
                    " l.id = %s AND l.x = 'order by' "
                ),
                (7,),
            ),
        ),
        (
            (
                "SELECT l.id FROM labels AS l WHERE l.id = %s AND l.x = 'order by' ORDER BY"
                " l.id LIMIT %s FOR UPDATE"
            ),
            (7, 3),
            ("SELECT l.* FROM labels AS l WHERE l.id = %s AND l.x = 'order by' ", (7,)),
        ),
        (
            "DELETE FROM labels WHERE labels.id = %(id_1)s::INTEGER",
            {"id_1": 1},
            ("SELECT labels.* FROM labels WHERE labels.id = %(id_1)s::INTEGER", {"id_1": 1}),
        ),
        (
            'UPDATE "Org Units" SET code=?',
            ("x",),
            ('SELECT "Org Units".* FROM "Org Units" ', ()),
        ),
        ("SELECT id FROM rules WHERE id = ?", (1,), None),
        ("SELECT id FROM labels WHERE id = ? UNION SELECT id FROM b", (1,), None),
        ("WITH x AS (SELECT 1) DELETE FROM labels", (), None),
        ("UPDATE labels SET a=1 FROM rules WHERE rules.id = labels.id", (), None),
        ("CREATE TABLE x (id INTEGER)", (), None),
    ],
)
def test_the_rows_of_a_statement_are_asked_for_by_its_own_criteria(
    sql: str, parameters: Any, want: Any
) -> None:
    assert rows_query(sql, parameters, table_of(sql)) == want
