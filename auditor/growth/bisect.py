"""Finds the commit with which a law changed, by git's own bisection in a worktree of our own.

git chooses the commits, knows about merges and about commits that are skipped; its records of a
bisection belong to a worktree, so that neither the user's checkout nor a bisection of theirs is
touched. Old is what has the law of the good revision, new what has another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auditor.growth.checkouts import Asked, Checkout, measured
from auditor.growth.compare import change_since
from auditor.growth.revisions import Project, Revision, git, subject_of, worktree
from auditor.growth.side import Side
from auditor.model.contract import law_of_measure
from auditor.model.errors import AuditorError
from auditor.model.law import Change, Law, LawChange, LawResult
from auditor.model.law_expression import difference

Progress = Callable[[str], None]
_FOUND = re.compile(r"^([0-9a-f]{40,64}) is the first new commit", re.MULTILINE)
_POSSIBLE = re.compile(r"^# possible first new commit: \[([0-9a-f]+)\]", re.MULTILINE)
_ONLY_SKIPPED = "only skipped commits left"
_STEPS = re.compile(r"\(roughly (\d+) steps?\)")
_SHORT = 10


@dataclass(frozen=True, slots=True)
class Culprit:
    """The commit, or those that could not be told apart because none of them runs; what became of
    the law with it; how many commits were measured, and those that were skipped with the reason."""

    commits: tuple[tuple[str, str], ...]
    change: LawChange
    result: LawResult
    measured: int
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched: where, with which scenario, for a change of which measure."""

    asked: Asked
    project: Project
    measure: str
    progress: Progress

    def result_at(self, commit: str, folder: Path) -> LawResult | str:
        """The law of a commit that is checked out, or why there is none."""
        checkout = Checkout(commit[:_SHORT], folder, is_ours=True)
        (side,) = measured(self.asked, self.project, checkout, self.progress)
        return _only_result(side, self.measure)

    def law_of(self, result: LawResult) -> Law:
        found = law_of_measure(result, self.measure)
        if found is None:  # `_only_result` gives a reason instead
            raise AuditorError(f"there is no law of the {self.measure} of `{result.scenario}`")
        return found


def bisected(search: Search, good: Revision, bad: Revision) -> Culprit:
    """The commit between `good` and `bad` with which the law of the scenario changed.

    Raises AuditorError if the scenario runs in neither of the two, or has the same law in both.
    """
    with worktree(search.project, good.commit) as folder:
        before = _at_end(search, good, folder)
        _cleaned(folder, bad.commit)
        after = _at_end(search, bad, folder)
        change = change_since(str(good), search.measure, search.law_of(before), after)
        if change is None or change.change is Change.SAME:
            raise AuditorError(
                f"the law of `{before.scenario}` on {before.database} is the same at {good} and at"
                f" {bad}: `{search.law_of(before)}`; there is nothing to find"
            )
        return _searched(search, folder, (good, before), (bad, after))


def _at_end(search: Search, at: Revision, folder: Path) -> LawResult:
    found = search.result_at(at.commit, folder)
    if isinstance(found, str):
        raise AuditorError(f"at {at}: {found}; name a revision where the scenario runs")
    return found


def _searched(
    search: Search, folder: Path, old: tuple[Revision, LawResult], new: tuple[Revision, LawResult]
) -> Culprit:
    results = {old[0].commit: old[1], new[0].commit: new[1]}
    skipped: dict[str, str] = {}
    _cleaned(folder, new[0].commit)
    git(folder, "bisect", "start", "--term-old=old", "--term-new=new")
    git(folder, "bisect", "new", new[0].commit)
    said = _told(folder, "old", old[0].commit)
    while not (commits := _outcome(said)):
        commit = git(folder, "rev-parse", "HEAD")
        steps = _STEPS.search(said)
        left = f", about {int(steps[1]) + 1} to go" if steps else ""
        search.progress(f"{commit[:_SHORT]}{left}: {subject_of(search.project, commit)}")
        found = search.result_at(commit, folder)
        _cleaned(folder, commit)
        if isinstance(found, str):
            skipped[commit] = found
            said = _told(folder, "skip")
        else:
            results[commit] = found
            gap = difference(search.law_of(found), search.law_of(old[1]))
            said = _told(folder, "new" if gap.terms else "old")
    return _culprit(search, commits, results, skipped, ends=(old[0].commit, new[0].commit))


def _told(folder: Path, *verdict: str) -> str:
    """What git says to a verdict on a commit; when only skipped commits are left, it says so in its
    log and ends with an error."""
    try:
        return git(folder, "bisect", *verdict)
    except AuditorError:
        log = git(folder, "bisect", "log")
        if _ONLY_SKIPPED not in log:
            raise
        return log


def _outcome(said: str) -> tuple[str, ...]:
    """The commits that git found; empty while it goes on."""
    found = _FOUND.search(said)
    if found:
        return (found[1],)
    return tuple(_POSSIBLE.findall(said)) if _ONLY_SKIPPED in said else ()


def _culprit(
    search: Search,
    commits: tuple[str, ...],
    results: dict[str, LawResult],
    skipped: dict[str, str],
    *,
    ends: tuple[str, str],
) -> Culprit:
    """The law before and after: of the nearest commits on both sides that were measured."""
    first = next((one for one in commits if one in results), ends[1])
    after = results[first]
    before = _before(search, first, commits, results, good=ends[0])
    change = change_since(
        commits[0][:_SHORT] + "^",
        search.measure,
        search.law_of(before),
        after,
        earlier=before.places,
    )
    if change is None:
        raise AuditorError(f"there is no law at `{first}`")
    return Culprit(
        tuple((commit, subject_of(search.project, commit)) for commit in commits),
        change,
        after,
        measured=len(results),
        skipped=tuple(skipped.items()),
    )


def _before(
    search: Search,
    first: str,
    commits: tuple[str, ...],
    results: dict[str, LawResult],
    *,
    good: str,
) -> LawResult:
    """The result of a parent of the commit if one was measured, else that of the good revision:
    their laws are the same."""
    parents = git(search.project.folder, "rev-parse", f"{first}^@").split()
    good_law = search.law_of(results[good])
    near = [results[one] for one in parents if one in results and one not in commits]
    same = (one for one in near if not difference(search.law_of(one), good_law).terms)
    return next(same, results[good])


def _cleaned(folder: Path, commit: str) -> None:
    """Check a commit out as it is: the scenario files that were copied in are taken out."""
    git(folder, "reset", "--quiet", "--hard")
    git(folder, "clean", "--quiet", "-ffdx")
    git(folder, "checkout", "--quiet", "--detach", commit)


def _only_result(side: Side, measure: str) -> LawResult | str:
    """The one law that a side gave, or why it gave none."""
    if side.failure:
        return side.failure
    if side.problems:
        return f"{side.problems[0].subject}: {side.problems[0].message}"
    if len(side.results) != 1:
        named = ", ".join(f"`{one.scenario}`" for one in side.results) or "none"
        raise AuditorError(f"one scenario is searched with, and there are {named}: name one")
    (result,) = side.results
    if law_of_measure(result, measure) is None:
        return result.refusal or f"there is no law of the {measure}"
    if side.foreign or not side.own:
        return "the project was imported from elsewhere: name its folder with `--path`"
    return result
