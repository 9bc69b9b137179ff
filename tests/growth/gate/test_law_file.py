from __future__ import annotations

import os
from pathlib import Path

import pytest

from auditor.cli.main import run
from auditor.cli.output import write_atomically
from auditor.growth.law_file import KnownLaw, LawFile, read, read_to_write, text_of, updated
from auditor.model.errors import SettingsError
from auditor.model.law import LawResult, MeasureLaw
from auditor.model.law_expression import law_written

TEXT = """\
# auditor/laws/1
# scenario  database  measure  law
# agreed in the review of the agent
# and kept since
sync  postgresql  statements  4 + 3*labels
sync  sqlite  statements  4 + 3*labels
sync  sqlite  rows  labels*routers
# nothing below
"""


def result(scenario: str, law: str | None, rows: str = "0") -> LawResult:
    return LawResult(
        scenario=scenario,
        target="lib:sync",
        database="sqlite",
        variables=("labels", "routers"),
        law=None if law is None else law_written(law),
        points=(),
        refusal="" if law else "it is not repeatable",
        measures=(MeasureLaw("rows", law_written(rows)),),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "laws.txt"
    path.write_text(TEXT)
    return path


def test_a_file_that_is_read_and_written_is_the_same(file: Path) -> None:
    assert text_of(read(file)) == TEXT


def test_the_order_and_way_of_writing_do_not_matter(file: Path) -> None:
    lines = TEXT.splitlines()
    mixed = [lines[0], lines[6], *lines[2:6], "", lines[7]]
    file.write_text("\n".join(mixed).replace("4 + 3*labels", "labels*3 +4") + "\n")
    assert text_of(read(file)) == TEXT


def test_what_was_measured_is_renewed_and_all_else_kept(file: Path) -> None:
    results = (result("sync", "5 + labels", "7"), result("other", "1"), result("broken", None))
    assert text_of(updated(read(file), results, ())) == (
        TEXT.replace("sqlite  statements  4 + 3*labels", "sqlite  statements  5 + labels")
        .replace("labels*routers", "7")
        .replace("# agreed", "other  sqlite  statements  1\n# agreed")
    )


def test_a_refused_law_keeps_its_line(file: Path) -> None:
    assert text_of(updated(read(file), (result("sync", None, "labels*routers"),), ())) == TEXT


def test_measures_that_are_asked_for_get_lines() -> None:
    found = updated(LawFile(), (result("one  of\nmine", "1", "2"),), ("rows",))
    assert found == LawFile((KnownLaw("one of mine", "sqlite", "rows", law_written("2")),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: an empty file is not the first line of a baseline of laws, `# auditor/laws/1`"),
        ("# auditor/baseline/1\n", "1: `# auditor/baseline/1` is not the first line of a baseline"),
        (TEXT.rstrip("\n"), "8: the file ends in the middle of a line, as if half written"),
        (f"{TEXT}sync sqlite statements 4\n", "9: `sync sqlite statements 4` is not a line of a"),
        (f"{TEXT}a  sqlite  seconds  4\n", "9: `seconds` is not measured: `statements`, `rows`"),
        (f"{TEXT}a  sqlite  rows  labels*\n", "9: `labels*` is no law: it is not an expression"),
        (f"{TEXT}a  sqlite  rows  4 # x\n", "9: a comment has a line of its own, above the law"),
        (f"{TEXT}sync  sqlite  rows  1\n", "9: the rows of `sync` on sqlite have a law in line 7"),
    ],
)
def test_what_is_no_baseline_is_refused_with_its_line(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read(file)
    assert str(raised.value).startswith(f"{file}:{message}")


def test_a_baseline_that_cannot_be_read_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd").write_bytes(b"# auditor/laws/1\n\xff\n")
    gone = run(["profile", "no.py", "--baseline", str(tmp_path / "gone")])
    odd = run(["profile", "no.py", "--write-baseline", str(tmp_path / "odd")])
    assert (gone, odd, capsys.readouterr().err) == (
        2,
        2,
        (
            f"auditor: cannot read the baseline `{tmp_path / 'gone'}`: No such file or directory\n"
            f"auditor: the baseline `{tmp_path / 'odd'}` is not UTF-8 text\n"
        ),
    )


def test_a_name_that_begins_as_a_comment_has_one_line(file: Path) -> None:
    once = updated(read(file), (result("# odd", "1"),), ())
    file.write_text(text_of(once))
    assert text_of(updated(read(file), (result("# odd", "1"),), ())) == text_of(once)
    assert "\\# odd  sqlite  statements  1" in text_of(once).splitlines()


@pytest.mark.parametrize("written", [TEXT.replace("\n", "\r\n"), f"\ufeff{TEXT}"])
def test_what_editors_of_other_systems_write_is_read(file: Path, written: str) -> None:
    file.write_bytes(written.encode())
    assert text_of(read(file)) == TEXT


def test_a_file_without_anything_in_it_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert read_to_write(tmp_path / "empty") == read_to_write(tmp_path / "none") == LawFile()


@pytest.mark.parametrize("fails", ["fsync", "fdopen"])
def test_a_file_that_cannot_be_written_whole_stays_as_it_was(
    file: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, fails, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "half")
    monkeypatch.undo()
    assert (file.read_text(), [one.name for one in file.parent.iterdir()]) == (TEXT, ["laws.txt"])
