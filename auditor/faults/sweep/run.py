"""Sweeps scenarios: every statement fails once, and what the code does then is judged.

The runs are made in child processes, forked after the scenarios are loaded: a workload that ends
its process, hangs or forks costs one run, and the sweep goes on in a new child.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from auditor.backends.masking import masked
from auditor.backends.scratch import dialect_of
from auditor.faults.aim.certificate import reached_coverage
from auditor.faults.aim.plan import MODES, applies_to, faults_of
from auditor.faults.catalogue.fault import Fault, FaultError, Moment, faults_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.suites.suites import Test
from auditor.faults.sweep.databases import Databases, databases_at
from auditor.faults.sweep.journal import Journal
from auditor.faults.sweep.supervision import Task, outcomes_of
from auditor.faults.sweep.worker import work, work_on_test
from auditor.faults.verdicts.outcomes import Request
from auditor.growth.run import database_name
from auditor.growth.scenario import Scenario
from auditor.model.outcome import FaultOutcome, SweepCoverage

DEFAULT_FAULTS = ("deadlock",)
SECONDS_A_RUN = 30.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a workload is swept. `mode` is `once` or `persistent`; `at` asks for one statement only;
    `budget_seconds` are for the whole sweep, `timeout_seconds` for one run of it."""

    faults: tuple[str, ...] = DEFAULT_FAULTS
    mode: str = "once"
    at: int | None = None
    budget_seconds: float | None = None
    timeout_seconds: float = SECONDS_A_RUN
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Sweep:
    """What came of a sweep: outcomes in the order of faults and statements, and for each scenario
    and fault what was covered. `stopped` says why it ended before all was tried, `left` why single
    runs could not be made; both are empty if all went well."""

    outcomes: tuple[FaultOutcome, ...]
    coverage: tuple[SweepCoverage, ...]
    stopped: str = ""
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """The part of a journal that one sweep writes: its number there."""

    journal: Journal
    sweep: int

    def known(self, runs: int, code: Mapping[str, str]) -> Mapping[int, FaultOutcome]:
        """The outcomes of earlier."""
        return self.journal.known(self.sweep, runs, code)

    def ended(self, number: int, outcome: FaultOutcome) -> None:
        """Keep an outcome."""
        self.journal.ended(self.sweep, number, outcome)


def sweep(
    scenario: Scenario,
    *,
    faults: Sequence[str] = DEFAULT_FAULTS,
    database: str = "sqlite://",
    mode: str = "once",
    at: int | None = None,
    budget_seconds: float | None = None,
    timeout_seconds: float = SECONDS_A_RUN,
    allow_existing: bool = False,
    workers: int = 1,
) -> tuple[FaultOutcome, ...]:
    """The outcome of each fault at each statement of a scenario, equal statements folded into one.

    `mode` is `once` (the statement fails when it comes first) or `persistent` (whenever it comes).
    `at` asks for one statement only. `workers` processes share the runs, with a scratch database
    each; the outcomes are the same. Raises FaultError for a fault or statement that does not
    exist, ScenarioError for a scenario that fails by itself or does not repeat itself.
    """
    return sweep_with_coverage(
        scenario,
        faults=faults,
        database=database,
        mode=mode,
        at=at,
        budget_seconds=budget_seconds,
        timeout_seconds=timeout_seconds,
        allow_existing=allow_existing,
        workers=workers,
    ).outcomes


def sweep_with_coverage(
    scenario: Scenario,
    *,
    faults: Sequence[str] = DEFAULT_FAULTS,
    database: str = "sqlite://",
    mode: str = "once",
    at: int | None = None,
    budget_seconds: float | None = None,
    timeout_seconds: float = SECONDS_A_RUN,
    allow_existing: bool = False,
    workers: int = 1,
    reference: str = "",
    progress: Progress = lambda _: None,
) -> Sweep:
    """Like `sweep`, with the coverage. `reference` is how the user names the scenario, for the
    commands that replay an outcome; `progress` is told what is being done. Of a sweep that is
    interrupted, what was done by then."""
    terms = Terms(tuple(faults), mode, at, budget_seconds, timeout_seconds, workers)
    chosen_faults(faults, database, at=at)
    with databases_at(database, allow_existing=allow_existing) as databases:
        return swept(scenario, terms, database, databases, reference=reference, progress=progress)


def swept(
    scenario: Scenario | Test,
    terms: Terms,
    url: str,
    databases: Databases,
    *,
    reference: str = "",
    progress: Progress = lambda _: None,
    entry: Entry | None = None,
) -> Sweep:
    """Sweep a workload on databases that are open already (a test: on none, its URL is empty);
    `entry` keeps the outcomes and gives those of earlier. Raises what `sweep` does, and
    JournalError."""
    made = outcomes_of(
        Task(
            name=scenario.name,
            request=_request(scenario, terms, url, reference, tells_code=entry is not None),
            work=work_on_test if isinstance(scenario, Test) else work,
            database=databases.open,
            workers=1 if databases.is_single else terms.workers,
            deadline=None if terms.budget_seconds is None else monotonic() + terms.budget_seconds,
            progress=progress,
            memory=entry,
        )
    )
    coverage = tuple(reached_coverage(one, made.outcomes) for one in made.planned)
    return Sweep(made.outcomes, coverage, made.stopped, made.left)


def _request(
    scenario: Scenario | Test, terms: Terms, url: str, reference: str, *, tells_code: bool
) -> Request:
    if terms.mode not in MODES:
        raise FaultError(f"there is no mode `{terms.mode}`: known are `once` and `persistent`")
    return Request(
        scenario=scenario,
        faults=chosen_faults(terms.faults, url, at=terms.at),
        mode=terms.mode,
        at=terms.at,
        sizes=sizes_for(scenario),
        database=database_name(url) if url else "",
        replay=f"auditor faults {shlex.quote(reference or scenario.name)}"
        + (f" --db {shlex.quote(masked(url))}" if url else ""),
        seconds=terms.timeout_seconds,
        root=os.getcwd(),
        tells_code=tells_code,
    )


def chosen_faults(
    names: Sequence[str], database: str, *, at: int | None = None
) -> tuple[Fault, ...]:
    """The faults of these names, each once; `all` is every one that the database knows.

    Raises FaultError for an unknown one, one that this database never has, or several together
    with a statement, whose number means statements for some and COMMITs for others.
    """
    if not database:
        return faults_for_tests(names, at=at)
    dialect = dialect_of(database).replace("mariadb", "mysql")
    found = faults_of(dialect) if "all" in names else faults_named(names, FAULTS)
    for fault in found:
        known = ", ".join(f"`{one.name}`" for one in faults_of(dialect))
        if known and not applies_to(fault, dialect):  # no faults at all: no scratch database either
            raise FaultError(f"`{dialect}` never has the fault `{fault.name}`: it has {known}")
    _refuse_ambiguous(found, at)
    return found


def faults_for_tests(names: Sequence[str], *, at: int | None = None) -> tuple[Fault, ...]:
    """The faults of these names, for a test, which has its own database: `all` is every one but
    those in which a second session acts. Raises FaultError."""
    alone = tuple(fault for fault in FAULTS if fault.moment is not Moment.RIVAL)
    chosen = alone if "all" in names else faults_named(names, FAULTS)
    for fault in chosen:
        if fault.moment is Moment.RIVAL:
            raise FaultError(
                f"the fault `{fault.name}` needs a database that a second session can be opened on,"
                " and a test has its own: write a scenario for it"
            )
    _refuse_ambiguous(chosen, at)
    return tuple(dict.fromkeys(chosen))


def _refuse_ambiguous(faults: Sequence[Fault], at: int | None) -> None:
    if at is not None and len({fault.moment.unit for fault in faults}) > 1:
        raise FaultError(
            f"`--at {at}` means a statement for some of these faults and a COMMIT for others;"
            " name one fault"
        )


def sizes_for(scenario: Scenario | Test) -> dict[str, int]:
    """For each variable its least size of 2 or more, so that loops run twice; else its largest."""
    return {
        name: next((value for value in values if value > 1), values[-1])
        for name, values in scenario.sizes
    }
