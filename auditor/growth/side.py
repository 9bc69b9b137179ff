"""One side of a comparison: scenarios profiled by a process of its own, in a revision's files.

    parent ──environment──> python -c, which loads this package, and nothing beside it, from here
       <──lines on a pipe──   {"progress": "sync on sqlite: labels=2"}
       <──a file──            what was measured (`Side`)

The interpreter may be another one than the parent's, without auditor installed. The modules of the
revision come first on `sys.path`.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditor.growth.several import end_in_order, profile_on
from auditor.model.errors import AuditorError
from auditor.model.finding import Problem
from auditor.model.law import LawResult

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
JOB = "AUDITOR_SIDE_JOB"
"""The environment variable that holds the job, as JSON."""


@dataclass(frozen=True, slots=True)
class SideJob:
    """What a child does.

    `checkout` holds the files of the revision, `others` are folders that no module of the project
    may come from. `counts_scenarios` takes their files for the project's own modules; they are not
    where they were copied in. `answer` is the file to write, `pipe` the number of the pipe for
    progress.
    """

    targets: tuple[str, ...]
    databases: tuple[str, ...]
    allow_existing: bool
    checkout: str
    others: tuple[str, ...]
    counts_scenarios: bool
    reach: dict[str, int]
    is_timed: bool
    answer: str
    pipe: int


@dataclass(frozen=True, slots=True)
class Side:
    """What came of it. `failure` says why nothing did. `own` counts the modules that came from the
    checkout, `foreign` names some that came from another checkout of the project."""

    results: tuple[LawResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    failure: str = ""
    own: int = 0
    foreign: tuple[str, ...] = ()


def main() -> None:
    """The body of a child process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end_in_order)
    asked = json.loads(os.environ.pop(JOB))
    values: dict[str, Any] = {name: _tuple(value) for name, value in asked.items()}
    job = SideJob(**values)
    try:
        side = _measured(job)
    except KeyboardInterrupt:
        sys.exit(1)
    Path(job.answer).write_bytes(pickle.dumps(side, protocol=4))


def _measured(job: SideJob) -> Side:
    def progress(text: str) -> None:
        os.write(job.pipe, json.dumps({"progress": text}).encode() + b"\n")

    try:
        results, problems = profile_on(
            job.targets,
            job.databases,
            allow_existing=job.allow_existing,
            progress=progress,
            reach=job.reach,
            is_timed=job.is_timed,
        )
    except AuditorError as error:
        return Side(failure=str(error), own=_own(job), foreign=_foreign(job.others))
    return Side(results, problems, own=_own(job), foreign=_foreign(job.others))


def _own(job: SideJob) -> int:
    scenarios = {os.path.realpath(target.partition("::")[0]) for target in job.targets}
    left_out = set() if job.counts_scenarios else scenarios
    return sum(_is_in(file, job.checkout) and file not in left_out for file in _files())


def _foreign(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(file for file in _files() if any(_is_in(file, folder) for folder in folders))


def _files() -> Iterable[str]:
    """The files of all modules that were imported."""
    files = (getattr(module, "__file__", None) for module in tuple(sys.modules.values()))
    found = {os.path.realpath(file) for file in files if isinstance(file, str)}
    return sorted(file for file in found if not any(mark in file for mark in _INSTALLED))


def _is_in(file: str, folder: str) -> bool:
    return file.startswith(os.path.realpath(folder) + os.sep)


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
