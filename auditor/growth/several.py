"""Profiles scenarios on several databases: each in a process of its own, the results joined.

Programs keep engines and configuration in module globals, so a process works on one database.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from auditor.backends.masking import masked
from auditor.growth.agree import with_agreement
from auditor.growth.load import load_scenarios
from auditor.growth.run import profile
from auditor.growth.scenario import Scenario
from auditor.model.errors import AuditorError, ScenarioError
from auditor.model.finding import Problem
from auditor.model.law import LawResult

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What to profile, and where."""

    targets: tuple[str, ...]
    url: str
    allow_existing: bool


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
) -> tuple[tuple[LawResult, ...], tuple[Problem, ...]]:
    """The laws of the scenarios that `targets` name on every database, and the scenarios that
    failed. Raises AuditorError when there is nothing else to report."""
    once = tuple(dict.fromkeys(databases))
    jobs = [Job(tuple(targets), url, allow_existing) for url in once]
    if len(jobs) == 1:
        outcomes = [_on_one(jobs[0], progress)]
    else:
        load_scenarios(targets)  # a missing scenario is said once, before any server is started
        outcomes = [_in_child(job, progress) for job in jobs]
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
    failed: list[Problem] = []
    errors: list[AuditorError] = []

    def note(scenario: Scenario, error: ScenarioError) -> None:
        failed.append(Problem(f"scenario {scenario.name}", str(error), hides_results=True))
        errors.append(error)

    try:
        loaded = load_scenarios(job.targets)
        results = profile(
            *loaded.scenarios,
            database=job.url,
            allow_existing=job.allow_existing,
            progress=progress,
            on_failure=note,
        )
    except AuditorError as error:
        return Profiled(failure=error)
    if errors and not results:
        return Profiled(problems=tuple(failed[1:]), failure=errors[0])
    return Profiled(results, loaded.problems + tuple(failed))


def _in_child(job: Job, progress: Progress) -> Profiled:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, job), daemon=True)
    child.start()
    theirs.close()
    try:
        received = _received(ours, job.url, progress)
    except BaseException:
        child.terminate()  # it drops its scratch database and ends
        raise
    finally:
        child.join()
    return received


def _received(ours: Connection, url: str, progress: Progress) -> Profiled:
    while True:
        try:
            message = ours.recv()
        except EOFError:
            return Profiled(
                failure=AuditorError(
                    f"the process that worked on `{masked(url)}` ended without a result; what it"
                    " said, if anything, stands above"
                )
            )
        if isinstance(message, Profiled):
            return message
        progress(message)


def _child(theirs: Connection, job: Job) -> None:
    """The body of a child process: progress as text, then one `Profiled`, through the pipe."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that scratch databases are dropped
    try:
        theirs.send(_on_one(job, theirs.send))
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(1)
