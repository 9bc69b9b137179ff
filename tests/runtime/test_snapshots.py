from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auditor.model.errors import SettingsError
from auditor.model.tape import Tape
from auditor.runtime import snapshots
from auditor.runtime.recorder import record


@pytest.fixture
def connection() -> Iterator[sa.engine.Connection]:
    engine = sa.create_engine("sqlite://", future=True)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def recorded(connection: sa.engine.Connection, *statements: str) -> Tape:
    with record() as recording:
        for statement in statements:
            connection.execute(sa.text(statement))
    return recording.tape


def test_a_snapshot_has_each_statement_once_in_order_without_values_and_ddl(
    connection: sa.engine.Connection,
) -> None:
    tape = recorded(
        connection,
        "create table t (a integer)",
        "select a from t where a in (1, 2)",
        "insert into t values (3)",
        "select a from t where a in (7)",
    )
    assert snapshots.snapshot_of(tape) == (
        (2, "SELECT a FROM t WHERE a IN (?)"),
        (1, "INSERT INTO t VALUES (?)"),
    )
    assert snapshots.difference(snapshots.snapshot_of(tape), tape) == ""


def test_a_difference_shows_both_sides_and_who_executes_what_is_new(
    connection: sa.engine.Connection,
) -> None:
    known = ((1, "SELECT 1"), (1, "SELECT ? FROM gone"))
    tape = recorded(connection, "select 1", "select 1 limit 1")
    line = tape.entries[0].site.frame.line
    function = tape.entries[0].site.frame.function
    assert snapshots.difference(known, tape).replace("tests/runtime/", "").splitlines() == [
        "the statements are not those of the snapshot",
        "-     1  SELECT 1",
        "-     1  SELECT ? FROM gone",
        "+     1  SELECT ?",
        "+     1  SELECT ? LIMIT ?",
        "executed at",
        f"       1 x  test_snapshots.py:{line} in {function}: explicit: SELECT ? (0 rows)",
        f"       1 x  test_snapshots.py:{line} in {function}: explicit: SELECT ? LIMIT ? (0 rows)",
    ]


def test_a_file_is_sorted_by_test_and_reads_back(tmp_path: Path) -> None:
    kept = {
        "test_b[x [1] ]": ((3, "SELECT a FROM t"), (1, "SELECT b FROM t")),
        "test_a / after": (),
        "test_a": ((12, "DELETE FROM t  -- flush"),),
    }
    text = snapshots.text_of(kept, "pytest --auditor-update")
    assert text == (
        "# auditor/queries/1\n"
        "# statements of blocks under `queries.snapshot()`, for review;"
        " `pytest --auditor-update` writes them\n"
        "\n[test_a]\n    12  DELETE FROM t  -- flush\n"
        "\n[test_a / after]\n"
        "\n[test_b[x [1] ]]\n     3  SELECT a FROM t\n     1  SELECT b FROM t\n"
    )
    file = tmp_path / "kept.txt"
    file.write_text(text)
    assert snapshots.read(file, "pytest") == kept
    assert snapshots.read(tmp_path / "none.txt", "pytest") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: an empty file is not the first line, `# auditor/queries/1`"),
        ("[a]\n", ":1: `[a]` is not the first line, `# auditor/queries/1`"),
        ("# auditor/queries/1\n[a]\n  1  x", ": the file ends in the middle of a line"),
        ("# auditor/queries/1\n  1  x\n", ":2: `  1  x` is neither `[section]` nor a count and"),
        ("# auditor/queries/1\n\n[a]\n<<<<<<< ours\n", ":4: `<<<<<<< ours` is neither `[section]`"),
        ("# auditor/queries/1\n[a]\n[a]\n", ":3: section `[a]` is there twice"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "kept.txt"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        snapshots.read(file, "pytest --auditor-update")
    assert str(error.value).startswith(f"{file}{message}")
    assert str(error.value).endswith("`pytest --auditor-update` writes it anew")
