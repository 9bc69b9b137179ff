"""`auditor scan --diff REV` on real git repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def git(*arguments: str) -> str:
    names = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *names, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(folder: Path) -> Path:
    """The folder with one bad and one good file, committed; cache folders are not there."""
    git("init", "-q", "-b", "main")
    (folder / ".gitignore").write_text(".cache\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return folder


def places(done: Any) -> list[str]:
    found = [line.split(" ")[0] for line in done.stdout.splitlines()]
    return [place for place in found if ".py:" in place and not place.endswith(".py:")]


def test_only_what_a_change_introduced_is_reported(run: Run, repository: Path) -> None:
    bad = repository / "bad.py"
    nothing = run("scan", ".", "--diff", "HEAD")
    assert (nothing.returncode, places(nothing)) == (0, [])
    assert "not shown: 1 in the earlier revision too" in nothing.stdout
    added = bad.read_text().replace("def find", "def find_more")
    bad.write_text("import os\n\n" + bad.read_text() + "\n\n" + added)
    done = run("scan", ".", "--diff", "HEAD")
    assert (done.returncode, places(done)) == (1, ["bad.py:14:28"])
    git("commit", "-q", "-a", "-m", "second")
    assert places(run("scan", ".", "--diff", "HEAD")) == []
    assert places(run("scan", ".", "--diff", "HEAD~1")) == ["bad.py:14:28"]
    assert git("status", "--porcelain") == git("worktree", "list", "--porcelain")[:0] == ""


def test_a_change_elsewhere_that_makes_a_call_bad_is_reported(run: Run, repository: Path) -> None:
    (repository / "lib.py").write_text(
        "import sqlalchemy\n\n\ndef get(session, x):\n    return x\n"
    )
    (repository / "use.py").write_text(
        "import sqlalchemy\nfrom lib import get\n\n\ndef all(session, xs):\n    for x in xs:\n"
        "        get(session, x)\n"
    )
    git("add", ".")
    git("commit", "-q", "-m", "second")
    (repository / "lib.py").write_text(
        "import sqlalchemy\nfrom sqlalchemy.orm import Session\nfrom m import M\n\n\n"
        "def get(session: Session, x):\n    return session.query(M).filter(M.x == x).all()\n"
    )
    done = run("scan", ".", "--diff", "HEAD")
    assert places(done) == ["use.py:7:9"]


def test_a_renamed_file_is_not_a_new_one(run: Run, repository: Path) -> None:
    git("mv", "bad.py", "worse.py")
    assert places(run("scan", ".", "--diff", "HEAD")) == []
    (repository / "sub").mkdir()
    git("mv", "worse.py", "sub/worst.py")
    assert places(run("scan", "sub", "--diff", "HEAD")) == []


def test_a_new_folder_is_new_all_of_it(run: Run, repository: Path) -> None:
    (repository / "fresh").mkdir()
    (repository / "fresh" / "worse.py").write_bytes((repository / "bad.py").read_bytes())
    assert places(run("scan", "fresh", "--diff", "HEAD")) == ["fresh/worse.py:5:28"]


def test_paths_are_the_same_from_a_folder_inside_and_from_one_above(
    run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "pkg").mkdir()
    (repository / "pkg" / "__init__.py").touch()
    (repository / "pkg" / "bad.py").write_bytes((repository / "bad.py").read_bytes())
    git("add", ".")
    git("commit", "-q", "-m", "second")
    for here in (repository / "pkg", repository.parent, Path("/")):
        monkeypatch.chdir(here)
        done = run("scan", str(repository / "pkg"), "--diff", "HEAD")
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 in the earlier revision too" in done.stdout


def test_what_cannot_be_read_in_the_revision_is_told(run: Run, repository: Path) -> None:
    good = (repository / "bad.py").read_text()
    (repository / "bad.py").write_text("import sqlalchemy\n)")
    git("commit", "-q", "-a", "-m", "broken")
    (repository / "bad.py").write_text(good)
    done = run("scan", ".", "--diff", "HEAD")
    assert places(done)[0] == "bad.py:5:28"
    told = "in `HEAD`: not parsed: line 2: unmatched ')'; what is found there now counts as new"
    assert told in done.stdout


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "", "HEAD:bad.py", "HEAD~9"])
def test_a_revision_that_is_none_ends_with_2(run: Run, repository: Path, revision: str) -> None:
    done = run("scan", ".", f"--diff={revision}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"auditor: `--diff {revision}`: there is no such revision in `")
    assert not (repository / "x").exists()


def test_a_folder_without_repository_ends_with_2(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    done = run("scan", ".", "--diff", "HEAD")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("auditor: `--diff`: `.` is not in a git repository: fatal: not a")


def test_no_git_ends_with_2(run: Run, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    done = run("scan", ".", "--diff", "HEAD")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "auditor: `--diff` needs git, and there is no program `git`\n"


def test_a_baseline_is_not_written_from_a_part(run: Run, repository: Path) -> None:
    done = run("scan", ".", "--diff", "HEAD", "--write-baseline", "known.txt")
    assert (done.returncode, os.path.exists("known.txt")) == (2, False)
    assert "`--write-baseline` writes all findings: leave `--diff` out" in done.stderr


def test_a_baseline_is_not_judged_by_a_part(run: Run, repository: Path) -> None:
    run("scan", ".", "--write-baseline", "known.txt")
    done = run("scan", ".", "--diff", "HEAD", "--baseline", "known.txt")
    assert (done.returncode, "any more" in done.stdout) == (0, False)


def test_what_was_rewritten_or_moved_to_another_file_is_not_new(run: Run, repository: Path) -> None:
    bad = repository / "bad.py"
    written = bad.read_text()
    bad.write_text(written.replace("text(f", "text(\n        f").replace('"))', '"\n    ))'))
    assert places(run("scan", ".", "--diff", "HEAD")) == []
    bad.write_text("")
    (repository / "good.py").write_text(written)
    assert places(run("scan", ".", "--diff", "HEAD")) == []
