"""Revisions of a git project, each in a temporary worktree of its own.

The user's checkout is never touched: worktrees lie in a temporary folder, no hook runs, and they
are removed however the work ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from auditor.backends.leftovers import folder_prefix, mention_left_behind
from auditor.model.errors import AuditorError

_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")
_OF_HOOKS = frozenset(
    """
    GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_COMMON_DIR GIT_PREFIX
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_QUARANTINE_PATH
    """.split()
)
_SHORT = 10
PREFIX = "auditor-revision-"


@dataclass(frozen=True, slots=True)
class Project:
    """A git repository: `folder` is its top folder, or the repository itself if it is bare, and
    `inside` the working directory below the top."""

    folder: Path
    inside: Path
    bare: bool


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit, and how the user named it."""

    name: str
    commit: str

    def __str__(self) -> str:
        short = self.commit[:_SHORT]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


def project_at(folder: Path) -> Project:
    """The git project that a folder is in. Raises AuditorError if there is no git or no project."""
    if not folder.is_dir():
        raise AuditorError(f"`{folder}`: there is no such folder")
    refused = f"`{folder}` is not in a git repository"
    is_bare = git(folder, "rev-parse", "--is-bare-repository", refused=refused) == "true"
    if is_bare:
        return Project(Path(git(folder, "rev-parse", "--absolute-git-dir")), Path(), bare=True)
    top = git(folder, "rev-parse", "--show-toplevel", refused=refused)
    here = Path(os.path.realpath(folder))
    return Project(Path(top), here.relative_to(os.path.realpath(top)), bare=False)


def revision(project: Project, name: str) -> Revision:
    """The commit of a name. Raises AuditorError if there is none."""
    wanted = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    refused = f"`{name}`: there is no such revision in `{project.folder}`{_if_shallow(project)}"
    return Revision(name, git(project.folder, *wanted, refused=refused))


def _if_shallow(project: Project) -> str:
    with contextlib.suppress(AuditorError):
        if git(project.folder, "rev-parse", "--is-shallow-repository") == "true":
            return ", a shallow clone: `git fetch --unshallow` brings all of them"
    return ""


def head_of(project: Project) -> str:
    """The commit that is checked out, with `+` behind it if tracked files were changed."""
    commit = git(project.folder, "rev-parse", "--verify", "HEAD", refused="there is no commit yet")
    if project.bare:
        return commit
    changed = git(project.folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}+" if changed else commit


def subject_of(project: Project, commit: str) -> str:
    """The first line of a commit's message."""
    return git(project.folder, "show", "--no-patch", "--format=%s", commit)


@contextmanager
def worktree(project: Project, commit: str) -> Iterator[Path]:
    """The files of a commit in a temporary folder, with git's own records beside them. Raises
    AuditorError if git cannot check it out."""
    made = _made()
    place = made / "tree"
    try:
        adding = ("worktree", "add", "--detach", "--force", "--quiet", str(place), commit)
        git(project.folder, *adding, refused=f"`{commit[:_SHORT]}` cannot be checked out")
        yield place
    finally:
        with _undisturbed():
            _remove(project, place)
            shutil.rmtree(made, ignore_errors=True)


def _made() -> Path:
    """A new temporary folder. Raises AuditorError if there can be none."""
    try:
        made = Path(tempfile.mkdtemp(prefix=folder_prefix(PREFIX)))
    except OSError as error:
        raise AuditorError(
            f"a revision needs a temporary folder, and none can be made: {error.strerror};"
            " TMPDIR names another place"
        ) from error
    mention_left_behind(made.parent, PREFIX, "files of revisions")
    return made


def _remove(project: Project, place: Path) -> None:
    """Remove a worktree, and what git remembers of it."""
    with contextlib.suppress(AuditorError):
        git(project.folder, "worktree", "remove", "--force", "--force", str(place), alone=True)
    shutil.rmtree(place, ignore_errors=True)
    with contextlib.suppress(AuditorError):
        git(project.folder, "worktree", "prune", alone=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No second Ctrl-C ends what is being tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def git(folder: Path, *arguments: str, refused: str = "", alone: bool = False) -> str:
    """What git says in a folder, without the last newline; `alone` keeps the terminal's Ctrl-C from
    it. Raises AuditorError if there is no git or it refuses, then in the words of `refused`."""
    try:
        done = subprocess.run(
            _command(folder, arguments),
            capture_output=True,
            check=False,
            start_new_session=alone,
            env={**outside_of_hooks(), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise AuditorError("this needs git, and there is no program `git`") from error
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())
        words = refused or f"`git {arguments[0]}` failed in `{folder}`"
        raise AuditorError(f"{words}: {said}" if said else words)
    return os.fsdecode(done.stdout).rstrip("\n")


def outside_of_hooks() -> dict[str, str]:
    """The environment without what git tells its hooks: it would lead every git to that one
    repository."""
    return {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}


def _command(folder: Path, arguments: Sequence[str]) -> list[str]:
    return ["git", *_QUIET, "-C", str(folder), *arguments]
