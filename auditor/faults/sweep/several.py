"""Sweeps of several workloads, on several databases, in several modes, and one journal for all."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from auditor.backends.masking import masked
from auditor.backends.scratch import dialect_of
from auditor.faults.aim.plan import applies_to, faults_of
from auditor.faults.catalogue.fault import FaultError, fault_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.faults.suites.suites import SkippedTestError, Test
from auditor.faults.sweep.databases import Databases, databases_at
from auditor.faults.sweep.journal import Identity, Journal, journal_at
from auditor.faults.sweep.run import Entry, Progress, Sweep, Terms, chosen_faults, sizes_for, swept
from auditor.faults.sweep.supervision import INTERRUPTED
from auditor.growth.run import database_name
from auditor.growth.scenario import Scenario
from auditor.model.errors import AuditorError, DatabaseError, ScenarioError
from auditor.model.finding import Problem

BOTH = "both"


@dataclass(frozen=True, slots=True)
class Workload:
    """A scenario or a test, and the words that name it alone on a command line."""

    reference: str
    scenario: Scenario | Test

    @property
    def subject(self) -> str:
        """What problems are told of."""
        kind = "test" if isinstance(self.scenario, Test) else "scenario"
        return f"{kind} {self.scenario.name}"


@dataclass(frozen=True, slots=True)
class Planned:
    """One sweep to make."""

    workload: Workload
    url: str
    terms: Terms

    def identity(self) -> Identity:
        """What a journal of it must agree in."""
        return {
            "workload": self.workload.reference,
            "database": masked(self.url),
            "mode": self.terms.mode,
            "faults": list(self.terms.faults),
            "at": self.terms.at,
            "timeout": self.terms.timeout_seconds,
            "sizes": sizes_for(self.workload.scenario),
        }


@dataclass(frozen=True, slots=True)
class Several:
    """What came of all sweeps, in order, and what went wrong. `is_torn`: the last line of the
    journal had no end."""

    sweeps: tuple[Sweep, ...]
    problems: tuple[Problem, ...]
    is_torn: bool = False


@dataclass(frozen=True, slots=True)
class _Results:
    sweeps: list[Sweep] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    failures: list[AuditorError] = field(default_factory=list)


def sweep_several(
    workloads: Sequence[Workload],
    urls: Sequence[str],
    terms: Terms,
    *,
    allow_existing: bool = False,
    journal: Path | None = None,
    progress: Progress = lambda _: None,
) -> Several:
    """Sweep each workload on each database, in mode `both` once and persistently.

    What goes wrong with one of them is a problem of the result; if nothing else came of all, it is
    raised. An interruption ends the rest. Raises FaultError for faults that do not exist, or that
    none of the databases has, and JournalError.
    """
    planned = tuple(planned_sweeps(workloads, tuple(dict.fromkeys(urls)), terms))
    with ExitStack() as stack:
        kept = None
        if journal is not None:
            identities = tuple(one.identity() for one in planned)
            kept = stack.enter_context(journal_at(journal, identities))
        opened = _Opened(stack, allow_existing=allow_existing)
        results = _all_swept(planned, opened, kept, journal, progress)
    if results.failures and not results.sweeps:
        raise results.failures[0]
    return Several(
        tuple(results.sweeps), tuple(results.problems), kept is not None and kept.is_torn
    )


def planned_sweeps(
    workloads: Sequence[Workload], urls: Sequence[str], terms: Terms
) -> Iterator[Planned]:
    """The sweeps in the order in which they are made and reported."""
    modes = ("once", "persistent") if terms.mode == BOTH else (terms.mode,)
    by_url = {url: faults_on(terms.faults, url, urls) for url in urls}
    if any(isinstance(one.scenario, Test) for one in workloads):
        by_url[""] = terms.faults
    if all(isinstance(one.scenario, Test) for one in workloads):
        by_url = {"": terms.faults}
    for url, names in by_url.items():
        if names:
            chosen_faults(names, url, at=terms.at)
    for workload in workloads:
        own = [""] if isinstance(workload.scenario, Test) else [url for url in urls if by_url[url]]
        for url, mode in itertools.product(own, modes):
            yield Planned(workload, url, replace(terms, faults=by_url[url], mode=mode))


def faults_on(names: Sequence[str], url: str, urls: Sequence[str]) -> tuple[str, ...]:
    """Those of the faults that this database can have, if another of them has the rest.

    Raises FaultError for one that does not exist, or that no database has.
    """
    if "all" in names:
        return ("all",)
    known = []
    for name in dict.fromkeys(names):
        fault = fault_named(name, FAULTS)
        on = [each for each in urls if applies_to(fault, _dialect(each))]
        if not on and len(urls) > 1 and all(faults_of(_dialect(each)) for each in urls):
            everywhere = ", ".join(f"`{_dialect(each)}`" for each in urls)
            raise FaultError(f"none of {everywhere} ever has the fault `{name}`")
        if url in on or not on:
            known.append(name)
    return tuple(known)


def _dialect(url: str) -> str:
    return dialect_of(url).replace("mariadb", "mysql")


class _Opened:
    """The databases behind each URL, opened when they are first asked for."""

    def __init__(self, stack: ExitStack, *, allow_existing: bool) -> None:
        self._stack = stack
        self._allow_existing = allow_existing
        self._known: dict[str, Databases | DatabaseError] = {}

    def at(self, url: str) -> Databases:
        """Raises DatabaseError, the same each time."""
        if url not in self._known:
            opening = (
                databases_at(url, allow_existing=self._allow_existing) if url else _none_needed()
            )
            try:
                self._known[url] = self._stack.enter_context(opening)
            except DatabaseError as error:
                self._known[url] = error
        found = self._known[url]
        if isinstance(found, DatabaseError):
            raise found
        return found


def _none_needed() -> AbstractContextManager[Databases]:
    """In place of the databases of a test, which makes its own."""
    nothing: Any = nullcontext
    return nullcontext(Databases(nothing, is_single=False))


def _all_swept(
    planned: Sequence[Planned],
    opened: _Opened,
    kept: Journal | None,
    journal: Path | None,
    progress: Progress,
) -> _Results:
    results = _Results()
    several = len({one.url for one in planned}) > 1
    for number, one in enumerate(planned):
        entry = None if kept is None else Entry(kept, number)
        subject = one.workload.subject
        subject += _on(one.url) if several else ""
        try:
            found = swept(
                one.workload.scenario,
                one.terms,
                one.url,
                opened.at(one.url),
                reference=one.workload.reference,
                progress=progress,
                entry=entry,
            )
        except (ScenarioError, DatabaseError) as error:
            results.failures.append(error)
            hides = not isinstance(error, SkippedTestError)
            results.problems.append(Problem(subject, str(error), hides_results=hides))
            continue
        except KeyboardInterrupt:
            if not results.sweeps:
                raise
            results.problems.extend(_not_swept(planned[number:]))
            break
        results.sweeps.append(found)
        results.problems.extend(_missing(subject, found, one.terms, journal))
        if found.stopped == INTERRUPTED:
            results.problems.extend(_not_swept(planned[number + 1 :]))
            break
    return results


def _not_swept(planned: Sequence[Planned]) -> Iterator[Problem]:
    for one in planned:
        yield Problem(
            one.workload.subject,
            f"was not swept{_on(one.url)}, mode {one.terms.mode}: {INTERRUPTED}",
            hides_results=True,
        )


def _on(url: str) -> str:
    return f" on {database_name(url)}" if url else ""


def _missing(subject: str, found: Sweep, terms: Terms, journal: Path | None) -> Iterator[Problem]:
    """What a sweep did not try, and why."""
    untried = [one for one in found.coverage if one.left_out]
    if found.stopped:
        counts = ", ".join(
            f"`{one.fault}` at {one.left_out} of {one.statements}" for one in untried
        )
        more = f"; give `--resume {journal}` again to go on" if journal is not None else ""
        yield Problem(
            subject,
            f"{found.stopped}, so that not every statement was tried: {counts} are missing"
            f" in mode {terms.mode}{more}",
            hides_results=True,
        )
    for message in found.left:
        yield Problem(subject, f"a fault could not be tried: {message}", hides_results=True)
