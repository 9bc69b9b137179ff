"""`--diff REV`: only the findings that were not there in an earlier revision of the same folder.

The revision is taken out of git's store into a temporary folder, laid out so that its files are
shown under the same paths, and scanned with the same settings; git's own records are not touched.
A finding is new if its fingerprint is. In a file that was renamed, it is new if none of the same
code, function and message was in the old file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from auditor.baseline import Told, moved, told_of
from auditor.engine.scanning import NO_CACHE, scan
from auditor.model.errors import AuditorError
from auditor.model.finding import Finding, Problem
from auditor.model.report import Report
from auditor.model.settings import Settings

_REGULAR = (b"100644", b"100755")
"""Modes of files in a git tree; links and modules of other repositories are left out."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision as it was named, its commit, and the top folder of the repository."""

    name: str
    commit: str
    top: Path


def revision_of(name: str, roots: Sequence[Path]) -> Revision:
    """The revision of the repository that holds all roots.

    Raises AuditorError if there is no git, no such repository, or no such revision.
    """
    tops = {_top_of(root) for root in roots}
    if len(tops) != 1:
        listed = ", ".join(f"`{top}`" for top in sorted(tops))
        raise AuditorError(f"`--diff {name}`: the paths are in several repositories: {listed}")
    top = tops.pop()
    wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    found = _git(top, *wanted, refused=f"`--diff {name}`: there is no such revision in `{top}`")
    return Revision(name, found.decode().strip(), top)


def introduced(
    report: Report, roots: Sequence[Path], settings: Settings, revision: Revision
) -> Report:
    """The report without the findings that the revision had too; `counted["not_new"]` says how many
    these are. What could not be read in the revision is told, and counts as not there."""
    cache = settings.cache_dir
    where = cache if cache in ("", NO_CACHE) else str(Path(cache).absolute())
    renamed = _renamed(revision)
    looked_at = (*roots, *_moved_in(roots, renamed, revision.top))
    with _laid_out(revision) as placed:
        earlier = _earlier(looked_at, placed, replace(settings, cache_dir=where))
    new = _new(report.findings, earlier.findings, renamed)
    count = len(report.findings) - len(new)
    return replace(
        report,
        findings=new,
        problems=(*report.problems, *_unread(earlier, revision)),
        counted={**report.counted, "not_new": count},
    )


def _moved_in(roots: Sequence[Path], renamed: Mapping[str, str], top: Path) -> Iterator[Path]:
    """The old places of files that are below the roots now and were not."""
    within = [root.resolve() for root in roots]
    for new, old in renamed.items():
        around = [root for root in within if (top / new).is_relative_to(root)]
        if around and not any((top / old).is_relative_to(root) for root in within):
            yield top / old


def _earlier(roots: Sequence[Path], placed: Callable[[Path], Path], settings: Settings) -> Report:
    here = Path.cwd()
    there = placed(here)
    there.mkdir(parents=True, exist_ok=True)
    left = [place for root in roots if (place := placed(root.absolute())).exists()]
    os.chdir(there)  # paths are shown from the working directory
    try:
        return scan(left, settings) if left else Report()
    finally:
        os.chdir(here)


def _new(
    now: Sequence[Finding], earlier: Sequence[Finding], renamed: Mapping[str, str]
) -> tuple[Finding, ...]:
    known = {(finding.code, finding.fingerprint) for finding in earlier}
    still = {(finding.code, finding.fingerprint) for finding in now}
    new = [finding for finding in now if (finding.code, finding.fingerprint) not in known]
    gone = [finding for finding in earlier if (finding.code, finding.fingerprint) not in still]
    pairs = moved([_told(one, renamed) for one in new], [told_of(one) for one in gone])
    return tuple(finding for number, finding in enumerate(new) if number not in pairs)


def _told(finding: Finding, renamed: Mapping[str, str]) -> Told:
    told = told_of(finding)
    return told._replace(path=_ending(told.path, renamed) or told.path)


def _ending(path: str, renamed: Mapping[str, str]) -> str:
    """The old shown path of a renamed file, empty if it was not renamed. Shown paths may leave out
    folders at the front, or have more of them than paths of the repository."""
    for new, old in renamed.items():
        if new == path:
            return old
        if new.endswith(f"/{path}"):
            return old.removeprefix(new.removesuffix(path))
        if path.endswith(f"/{new}"):
            return path.removesuffix(new) + old
    return ""


def _unread(earlier: Report, revision: Revision) -> Iterator[Problem]:
    for problem in earlier.problems:
        if problem.hides_results and problem.subject != "scan":
            told = f"in `{revision.name}`: {problem.message}; what is found there now counts as new"
            yield Problem(problem.subject, told)


@contextmanager
def _laid_out(revision: Revision) -> Iterator[Callable[[Path], Path]]:
    """The Python files of a revision in a temporary folder, and a function from where a path is to
    where it would be in there."""
    shared = Path(os.path.commonpath([revision.top, Path.cwd()]))
    with tempfile.TemporaryDirectory(prefix="auditor-diff-") as made:

        def placed(path: Path) -> Path:
            resolved = path.resolve()
            return Path(made).resolve() / resolved.relative_to(shared)

        _write_files(revision, placed(revision.top))
        yield placed


def _write_files(revision: Revision, folder: Path) -> None:
    listed = _git(revision.top, "ls-tree", "-r", "-z", "--full-tree", revision.commit)
    entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
    wanted = [
        (head.split()[2], os.fsdecode(name))
        for head, _, name in entries
        if head.split()[0] in _REGULAR and name.endswith(b".py")
    ]
    asked = b"".join(identity + b"\n" for identity, _ in wanted)
    given = _git(revision.top, "cat-file", "--batch", told=asked)
    at = 0
    for _, name in wanted:
        end = given.index(b"\n", at)
        size = int(given[at:end].rpartition(b" ")[2])
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(given[end + 1 : end + 1 + size])
        at = end + size + 2


def _renamed(revision: Revision) -> dict[str, str]:
    """Old paths of renamed files by their new ones, in the repository."""
    asked = ("diff", "--no-ext-diff", "--name-status", "-M", "-z", "--diff-filter=R")
    given = os.fsdecode(_git(revision.top, *asked, revision.commit, "--")).split("\0")
    return {new: old for old, new in zip(given[1::3], given[2::3], strict=False)}


def _top_of(root: Path) -> Path:
    folder = root if root.is_dir() else root.parent
    refused = f"`--diff`: `{root}` is not in a git repository"
    return Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel", refused=refused)).strip())


def _git(folder: Path, *arguments: str, told: bytes = b"", refused: str = "") -> bytes:
    """What git says in a folder. Raises AuditorError if there is no git, or if it refuses, then in
    the words of `refused`."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, input=told, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise AuditorError("`--diff` needs git, and there is no program `git`") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        words = refused or f"`git {arguments[0]}` failed in `{folder}`"
        raise AuditorError(f"{words}: {said}" if said else words)
    return done.stdout
