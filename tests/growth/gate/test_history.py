from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from auditor.backends.scratch import open_scratch
from auditor.cli.main import run
from auditor.growth import history
from auditor.growth.history import Recorded, append, read
from auditor.model.errors import AuditorError
from auditor.model.law import LawResult, MeasureLaw, Timing
from auditor.model.law_expression import law_written

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
AT = "2026-11-23T12:00:00+00:00"


def result(law: str | None, scenario: str = "sync") -> LawResult:
    return LawResult(
        scenario=scenario,
        target="lib:sync",
        database="sqlite",
        variables=("n",),
        law=None if law is None else law_written(law),
        points=(),
        refusal="" if law else "not repeatable",
    )


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with open_scratch("postgresql") as database:
        yield database.url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "history.db")
    return str(request.getfixturevalue("server"))


def test_what_is_appended_is_read_oldest_first(tmp_path: Path) -> None:
    place = str(tmp_path / "history.db")
    timing = Timing((("n", 4),), 3, 0.1, 0.25, 0.5, 4)
    rows = MeasureLaw("rows", law_written("2*n"))
    full = LawResult(
        "sync", "lib:sync", "sqlite", ("n",), law_written("1 + n"), (), measures=(rows,),
        timings=(timing,),
    )  # fmt: skip
    append(place, [full], "abc", now=NOON)
    append(place, [result(None)], "def+", now=NOON)
    assert read(place) == (
        Recorded(AT, "abc", "sync", "sqlite", "statements", "1 + n", 0.25),
        Recorded(AT, "abc", "sync", "sqlite", "rows", "2*n"),
        Recorded(AT, "def+", "sync", "sqlite", "statements", ""),
    )


def test_many_writers_at_once_lose_nothing(place: str) -> None:
    names = [f"writer {number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = pool.map(lambda name: append(place, [result("n", name)] * 3, ""), names)
        assert list(done) == [None] * 8
    found = [one.scenario for one in read(place)]
    assert sorted(found) == sorted(names * 3)
    assert [found[at : at + 3] for at in range(0, 24, 3)] == [[one] * 3 for one in found[::3]]


def test_a_run_that_fails_half_way_is_not_written(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(place, [], "")
    before = read(place)
    rows = history._rows

    def failing(one: LawResult) -> Iterator[dict[str, object]]:
        yield from rows(one)
        raise KeyboardInterrupt

    monkeypatch.setattr(history, "_rows", failing)
    with pytest.raises(KeyboardInterrupt):
        append(place, [result("n")], "half")
    assert read(place) == before


def _other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (a)")


def _later(path: Path) -> None:
    append(str(path), [], "")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE auditor_history SET version = 9")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("a diary"), "`{}` is no SQLite file: name another one"),
        (_other, "`{}` is a database of something else: it holds tables (1, such as `invoices`)"),
        (_later, "the history `{}` has version 9; this auditor writes 1: name another place"),
        (lambda path: path.mkdir(), "the history `{}` cannot be used: Is a directory"),
    ],
)
def test_what_is_no_history_is_refused_before_the_work_and_left_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], object],
    message: str,
) -> None:
    path = tmp_path / "history.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""

    status = run(["profile", "no.py", "--history", str(path)])

    said = f"auditor: {message.format(path)}"
    assert (status, capsys.readouterr().err[: len(said)]) == (2, said)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    url = "postgresql://bob:hunter2@127.0.0.1:1/laws"
    with pytest.raises(AuditorError) as raised:
        read(url)
    assert str(raised.value).startswith(
        "the history `postgresql://bob:***@127.0.0.1:1/laws` cannot be used: "
    )
    assert "hunter2" not in str(raised.value)


def test_the_trend_shows_since_when_a_law_holds_and_what_became_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "history.db")
    for law, revision in (("1", "a"), ("1", "b+"), ("1 + n", "c"), (None, "d"), ("1", "e")):
        append(place, [result(law), result("7", "still")], revision, now=NOON)

    status = run(["history", place])

    assert (status, capsys.readouterr().out) == (
        0,
        (
            "still on sqlite: statements\n"
            f"    {AT}  a  5 runs  7\n"
            "\n"
            "sync on sqlite: statements\n"
            f"    {AT}  a  2 runs  1\n"
            f"    {AT}  c  1 run   1 + n   worse\n"
            f"    {AT}  d  1 run   no law\n"
            f"    {AT}  e  1 run   1       better\n"
        ),
    )
    assert run(["history", place, "--scenario", "sync", "--format", "json"]) == 0
    laws = json.loads(capsys.readouterr().out)["laws"]
    assert [(one["revision"], one["last_revision"], one["runs"], one["law"]) for one in laws] == [
        ("a", "b+", 2, "1"),
        ("c", "c", 1, "1 + n"),
        ("d", "d", 1, ""),
        ("e", "e", 1, "1"),
    ]


def test_asking_for_what_was_never_recorded_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "history.db")
    gone = run(["history", place])
    append(place, [result("1")], "a")
    given = (["--scenario", "snyc"], ["--measure", "rows"])
    statuses = [gone, *(run(["history", place, *arguments]) for arguments in given)]
    assert (statuses, capsys.readouterr().err.splitlines()) == (
        [2, 2, 2],
        [
            f"auditor: the history `{place}` cannot be used: there is no such file",
            "auditor: `snyc` was never recorded in it; `sync` were",
            "auditor: nothing was recorded in it of `rows`",
        ],
    )


def test_a_profile_appends_its_laws(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["profile", f"{program}::library", "--history", "history.db", "-q"]
    statuses = [run(command), run(command)]
    found = [(one.revision, one.law) for one in read("history.db") if one.measure == "statements"]
    assert (statuses, found) == ([0, 0], [("", "2 + shelves")] * 2)
