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


MANY = """
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.models import User

""" + "".join(
    f"def find{n}(session: Session, names):\n    for name in names:\n"
    f"        session.execute(select(User).where(User.name == name)).all()\n\n"
    for n in range(6)
)
MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""
CALLING = """
from app import first

def nightly(session, names):
    return first.find0(session, names)
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with six queries in a loop in each of six modules, and one that calls them."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "models.py").write_text(MODELS)
    for name in ("first", "second", "third", "fourth", "fifth", "sixth"):
        (folder / f"{name}.py").write_text(MANY)
    (folder / "calling.py").write_text(CALLING)
    return folder


def test_many_findings_are_told_by_file_and_what_to_do_first_is_short(app: Path) -> None:
    text = reviewed("app").stdout
    assert text.startswith("# Review of the database layer: `app`, 9 modules\n")
    first = text.split("## What to do first\n")[1].split("\n## ")[0].strip().split("\n")
    assert [line[:3] for line in first] == ["1. ", "   ", "2. ", "   ", "", "Mos"]
    assert first[0].startswith("1. `find0` (app/fifth.py:8) `session.execute()` issues a query in")
    assert first[1].startswith("   Instead: one query before the loop for all items")
    files = "app/fifth.py (6), app/first.py (6), app/fourth.py (6), app/second.py (6)"
    files += ", app/sixth.py (6), app/third.py (6)"
    assert first[-1] == f"Most findings are in {files}."
    assert f"36 places query-in-loop (point 607): {files}\n" in text


def test_what_calls_database_work_elsewhere_is_counted_and_its_growth_told(app: Path) -> None:
    text = reviewed("app/calling.py").stdout
    assert (
        "1 function, 0 of which work on the database at 0 places, and 1 more call functions"
        " elsewhere that do; 8 other modules of the program were known.\n"
    ) in text
    assert point(text, "607")[0] == (
        "- `nightly:4` issues |names| statements, as far as the source tells"
    )


def test_a_few_findings_need_no_order(store: Path) -> None:
    assert "## What to do first" not in reviewed("store.py").stdout


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
