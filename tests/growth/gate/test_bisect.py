from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.cli.main import run

ONCE = """
import sqlalchemy as sa

def listed(connection):
    return connection.execute(sa.text("SELECT id FROM shelves")).all()
"""
FOR_EACH = f"""{ONCE}

def counted(connection, shelf):
    connection.execute(sa.text("SELECT count(*) FROM books"))

def listed(connection):
    for row in connection.execute(sa.text("SELECT id FROM shelves")).all():
        counted(connection, row)
"""
BROKEN = "import nowhere\n"
Commit = Callable[[str, str], str]
Git = Callable[..., str]


@pytest.fixture
def searched(
    scenarios: str, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Bisects from `start` to `end`: exit status, output and progress."""

    def bisected(*arguments: str) -> tuple[int, str, str]:
        status = run(["bisect", scenarios, "--good", "start", "--bad", "end", *arguments])
        return (status, *capfd.readouterr())

    return bisected


def history(git: Git, commit: Commit, listings: list[str]) -> list[str]:
    """A commit for each listing, the first tagged `start` and the last `end`."""
    commits = [commit(f"{text}# {n}\n", f"step {n}") for n, text in enumerate(listings)]
    git("tag", "start", commits[0])
    git("tag", "end", commits[-1])
    return commits


def test_the_commit_is_found_in_few_steps_past_commits_that_do_not_run(
    project: Path,
    git: Git,
    commit: Commit,
    searched: Callable[..., tuple[int, str, str]],
    left_over: Callable[[], list[str]],
) -> None:
    listings = [ONCE] * 5 + [BROKEN] + [ONCE] + [FOR_EACH] * 6
    commits = history(git, commit, listings)
    git("checkout", "--quiet", "v1")
    before = (git("rev-parse", "HEAD"), git("status", "--porcelain"), git("for-each-ref"))

    status, out, progress = searched()

    lines = out.splitlines()
    assert (status, lines[0]) == (0, f"{commits[7][:10]} step 7")
    assert lines[1].split(" (")[0] == ("    listing on sqlite: 1 -> 1 + shelves: worse")
    assert lines[1].endswith(", because of shop/listing.py:9 in counted (explicit)")
    assert len(progress.splitlines()) <= 5  # of 12 commits, one or two of them skipped
    assert before == (git("rev-parse", "HEAD"), git("status", "--porcelain"), git("for-each-ref"))
    assert left_over() == []


@pytest.mark.slow  # several revisions, each in processes of its own
def test_commits_that_cannot_be_told_apart_are_all_named(
    project: Path, git: Git, commit: Commit, searched: Callable[..., tuple[int, str, str]]
) -> None:
    commits = history(git, commit, [ONCE, BROKEN, FOR_EACH])

    status, out, _ = searched("--format", "json")

    found = json.loads(out)
    assert (status, found["commits"], [one["commit"] for one in found["skipped"]]) == (
        0,
        [
            {"commit": commits[2], "subject": "step 2"},
            {"commit": commits[1], "subject": "step 1"},
        ],
        [commits[1]],
    )
    assert (found["change"]["before"], found["change"]["after"]) == ("1", "1 + shelves")


@pytest.mark.slow  # several revisions, each in processes of its own
def test_a_change_that_came_in_by_a_merge_is_found_on_its_branch(
    project: Path, git: Git, commit: Commit, searched: Callable[..., tuple[int, str, str]]
) -> None:
    start = commit(ONCE, "start")
    git("tag", "start")
    git("checkout", "--quiet", "-b", "change")
    culprit = commit(FOR_EACH, "count the books")
    git("checkout", "--quiet", start)
    git("commit", "--quiet", "--allow-empty", "-m", "meanwhile")
    git("merge", "--quiet", "--no-edit", "change")
    git("tag", "end")

    status, out, _ = searched()

    assert (status, out.splitlines()[0]) == (0, f"{culprit[:10]} count the books")


def test_a_law_that_did_not_change_and_ends_that_do_not_run_are_told(
    project: Path, git: Git, commit: Commit, searched: Callable[..., tuple[int, str, str]]
) -> None:
    commits = history(git, commit, [ONCE, ONCE])
    same = searched()[::2]
    git("tag", "--force", "end", commit(BROKEN, "break it"))
    broken = searched()[::2]

    short = commits[0][:10]
    assert (same[0], same[1].replace(commits[1][:10], "END")) == (
        2,
        (
            f"auditor: the law of `listing` on sqlite is the same at start ({short}) and at end"
            " (END): `1`; there is nothing to find\n"
        ),
    )
    assert broken[0] == 2
    assert broken[1].endswith(
        "No module named 'nowhere' (listing.py:1 in <module>); name a revision where the scenario"
        " runs\n"
    )


def test_more_than_one_scenario_is_refused(
    project: Path, scenarios: str, git: Git, searched: Callable[..., tuple[int, str, str]]
) -> None:
    text = Path(scenarios).read_text()
    second = text[text.index("@auditor") :].replace("def listing", "def other")
    Path(scenarios).write_text(text + second)
    git("tag", "start", "v1")
    git("tag", "end", "v2")

    status, _, err = searched()

    assert (status, err) == (
        2,
        "auditor: one scenario is searched with, and there are `listing`, `other`: name one\n",
    )
