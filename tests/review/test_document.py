"""A review of the sample, and what single points say."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditor.cli.review import review_command

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "metering.md"
"""`auditor review sample_schemas/metering/sync.py --no-cache --config tests/review/golden.toml -o
tests/review/metering.md`, from the root of the checkout, writes it anew; read what changed."""
STORE = """
class Store:
    def find(self, session, userId):
        user_name = session.query(User).filter_by(id=userId).first()
        return user_name.name

    def delete(self, session, id):
        try:
            session.query(User).filter_by(id=id).delete()
        except Exception:
            pass
"""


def reviewed(*arguments: str) -> Result:
    return CliRunner().invoke(review_command, [*arguments, "--no-cache"])


def point(text: str, code: str) -> list[str]:
    """The lines of a point, without its title."""
    own = text.split(f"\n## {code} ")[1].split("\n## ", maxsplit=1)[0]
    return [line for line in own.split("\n")[1:] if line]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store.py").write_text(STORE)
    return tmp_path


def test_the_review_of_the_sample_is_the_golden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = reviewed("sample_schemas/metering/sync.py", "--config", "tests/review/golden.toml")
    assert (done.stdout, done.exit_code) == (GOLDEN.read_text(encoding="utf-8"), 1)


def test_every_point_says_what_was_looked_at(store: Path) -> None:
    text = reviewed("store.py").stdout
    points = [point(text, str(code)) for code in range(601, 611)]
    assert [lines[-1].split(" ")[0] for lines in points] == ["Looked"] * 10
    assert point(text, "601")[0].startswith(
        "- `find:3` `userId` (line 3): camelCase beside 1 name "
    )


def test_the_repaired_twin_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = reviewed("sample_schemas/metering/repaired.py").stdout
    assert "**Security defects in the database layer: none found**" in text


def test_a_module_without_database_work_has_nothing(store: Path) -> None:
    (store / "plain.py").write_text("def add(a, b):\n    return a + b\n")
    done = reviewed("plain.py")
    assert done.exit_code == 0
    assert done.stdout.endswith("## Summary, best witnessed first\n\nNothing was found.\n")


@pytest.mark.parametrize(
    ("source", "want"),
    [
        (None, "`nowhere.py` does not exist"),
        ("def f(:\n", "not parsed: line 1: invalid syntax"),
        ("x = 'a\0b'\n", "not parsed"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(store: Path, source: str | None, want: str) -> None:
    if source is not None:
        (store / "nowhere.py").write_text(source)
    done = reviewed("nowhere.py")
    assert want in str(done.exception)
