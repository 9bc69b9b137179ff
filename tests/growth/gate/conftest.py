"""A project in a git repository whose law changes once, and a scenario file for it.

v1    1                     one query for all shelves
v2    1 + shelves           one more for each
v3    1 + 1/2*shelves ...   see `COMMITS`
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ONCE = """
import sqlalchemy as sa

def listed(connection):
    return connection.execute(sa.text("SELECT id FROM shelves")).all()
"""
FOR_EACH = """
import sqlalchemy as sa


def listed(connection):
    found = connection.execute(sa.text("SELECT id FROM shelves")).all()
    for shelf in found:
        connection.execute(sa.text("SELECT count(*) FROM books WHERE shelf = :s"), {"s": shelf.id})
    return found
"""
SCENARIOS = """
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import auditor
from shop.listing import listed


@auditor.scenario(sizes={"shelves": (1, 2, 4)}, target="shop.listing:listed")
def listing(database, shelves):
    engine = sa.create_engine(database.url, poolclass=NullPool, future=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS shelves (id INTEGER)"))
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS books (shelf INTEGER)"))
        for number in range(shelves):
            connection.execute(sa.text("INSERT INTO shelves VALUES (:n)"), {"n": number})

    def call():
        with engine.connect() as connection:
            listed(connection)
    return call
"""
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Runs git in the project's folder and gives what it said. What the commands under test put in
    temporary folders lies below `tmp_path` too."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=m")
    for name in [one for one in os.environ if one.startswith("GIT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str) -> str:
        command = ["git", *identity, "-C", str(tmp_path / "project"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return run


@pytest.fixture
def commit(git: Git, tmp_path: Path) -> Callable[[str, str], str]:
    """Commits a new text of `shop/listing.py`, and gives the commit."""

    def committed(listing: str, subject: str) -> str:
        (tmp_path / "project/shop/listing.py").write_text(listing)
        git("add", ".")
        git("commit", "--quiet", "--allow-empty", "-m", subject)
        return git("rev-parse", "HEAD")

    return committed


@pytest.fixture
def project(
    git: Git,
    commit: Callable[[str, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The project with tags `v1` (law `1`) and `v2` (`1 + shelves`), which is checked out and the
    working directory. The scenarios lie beside the repository, in `scenarios/shop_scenarios.py`."""
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop/__init__.py").write_text("")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/shop_scenarios.py").write_text(SCENARIOS)
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    commit(ONCE, "list the shelves")
    git("tag", "v1")
    commit(FOR_EACH, "count the books of each shelf")
    git("tag", "v2")
    return folder


@pytest.fixture
def scenarios(tmp_path: Path) -> str:
    return str(tmp_path / "scenarios/shop_scenarios.py")


@pytest.fixture
def left_over(git: Git, tmp_path: Path) -> Callable[[], list[str]]:
    """What a command left in temporary folders, and worktrees that git still knows."""

    def listed() -> list[str]:
        folders = sorted(one.name for one in (tmp_path / "temporary").iterdir())
        trees = [line for line in git("worktree", "list").splitlines() if "auditor" in line]
        return [*folders, *trees]

    return listed
