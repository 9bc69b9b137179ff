"""Profiles scenarios on several databases: each in a process of its own, the results joined.

Programs keep engines and configuration in module globals, so a process works on one database.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from auditor.backends.masking import masked
from auditor.growth.agree import with_agreement
from auditor.growth.load import load_scenarios
from auditor.growth.run import NO_REACH, profile
from auditor.growth.scenario import Scenario
from auditor.model.errors import AuditorError, ScenarioError
from auditor.model.finding import Problem
from auditor.model.law import LawResult

Progress = Callable[[str], None]
_ENDINGS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Job:
    """What to profile, and where. `reach` gives sizes up to which laws are put to the test."""

    targets: tuple[str, ...]
    url: str
    allow_existing: bool
    reach: Mapping[str, int] = field(default_factory=dict)
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class Profiled:
    """What came of the scenarios on one database; `failure` ended it early."""

    results: tuple[LawResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    failure: AuditorError | None = None


def profile_on(
    targets: Sequence[str],
    databases: Sequence[str],
    *,
    allow_existing: bool,
    progress: Progress,
    reach: Mapping[str, int] = NO_REACH,
    is_timed: bool = False,
) -> tuple[tuple[LawResult, ...], tuple[Problem, ...]]:
    """The laws of the scenarios that `targets` name on every database, and the scenarios that
    failed. Raises AuditorError when there is nothing else to report."""
    once = tuple(dict.fromkeys(databases))
    jobs = [Job(tuple(targets), url, allow_existing, dict(reach), is_timed) for url in once]
    outcomes = [_on_one(jobs[0], progress)] if len(jobs) == 1 else _in_children(jobs, progress)
    results = tuple(result for outcome in outcomes for result in outcome.results)
    failures = [outcome.failure for outcome in outcomes if outcome.failure is not None]
    if failures and not results:
        raise failures[0]
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    problems += [
        Problem(masked(url), str(outcome.failure), hides_results=True)
        for url, outcome in zip(once, outcomes, strict=True)
        if outcome.failure is not None
    ]
    return with_agreement(results), tuple(problems)


def _on_one(job: Job, progress: Progress) -> Profiled:
    """The outcome of a job. What the scenarios print goes to stderr: stdout is the report's."""
    with redirect_stdout(sys.stderr):
        return _profiled(job, progress)


def _profiled(job: Job, progress: Progress) -> Profiled:
    failed: list[Problem] = []
    errors: list[AuditorError] = []
    results: list[LawResult] = []

    def note(scenario: Scenario, error: ScenarioError) -> None:
        failed.append(Problem(f"scenario {scenario.name}", str(error), hides_results=True))
        errors.append(error)

    try:
        loaded = load_scenarios(job.targets)
        profile(
            *loaded.scenarios,
            database=job.url,
            allow_existing=job.allow_existing,
            progress=progress,
            on_failure=note,
            reach=job.reach,
            clock=time.perf_counter if job.is_timed else None,
            on_result=results.append,
        )
    except AuditorError as error:  # such as a database that went away
        return Profiled(tuple(results), tuple(failed), failure=error)
    if errors and not results:
        return Profiled(problems=tuple(failed[1:]), failure=errors[0])
    return Profiled(tuple(results), loaded.problems + tuple(failed))


def _in_children(jobs: Sequence[Job], progress: Progress) -> list[Profiled]:
    """The outcome of each job, all run at the same time, in the order of the jobs."""
    context = multiprocessing.get_context("spawn")
    children: list[tuple[BaseProcess, Connection]] = []
    try:
        for job in jobs:
            ours, theirs = context.Pipe(duplex=False)
            child = context.Process(target=_child, args=(theirs, job), daemon=True)
            child.start()
            theirs.close()
            children.append((child, ours))
        received = _received([ours for _, ours in children], progress)
    except BaseException:
        for process, _ in children:
            process.terminate()  # it drops its scratch database and ends
        raise
    finally:
        for process, _ in children:
            process.join()
    return [
        received.get(ours, Profiled(failure=_ended_without_result(job)))
        for job, (_, ours) in zip(jobs, children, strict=True)
    ]


def _received(pipes: Sequence[Connection], progress: Progress) -> dict[Connection, Profiled]:
    """What each child sent as its last message; nothing for one that ended without."""
    found: dict[Connection, Profiled] = {}
    waiting = set(pipes)
    while waiting:
        for pipe in [one for one in wait(list(waiting)) if isinstance(one, Connection)]:
            try:
                message = pipe.recv()
            except EOFError:
                waiting.discard(pipe)
                continue
            if isinstance(message, Profiled):
                found[pipe] = message
            else:
                progress(message)
    return found


def _ended_without_result(job: Job) -> AuditorError:
    return AuditorError(
        f"the process that worked on `{masked(job.url)}` ended without a result; what it said, if"
        " anything, stands above"
    )


def end_in_order(number: int, frame: FrameType | None) -> None:
    """Ends the child in order: its scratch database is dropped. Ctrl-C reaches it from the terminal
    and, as SIGTERM, from its parent: the second must not end the dropping."""
    for each in _ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _child(theirs: Connection, job: Job) -> None:
    """The body of a child process: progress as text, then one `Profiled`, through the pipe."""
    for number in _ENDINGS:
        signal.signal(number, end_in_order)
    try:
        theirs.send(_on_one(job, theirs.send))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(1)
