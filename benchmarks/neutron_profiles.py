"""Profiles every scenario on the installed Neutron, on several databases, against a plain listener.

    python benchmarks/neutron_profiles.py                          SQLite and PostgreSQL
    python benchmarks/neutron_profiles.py sqlite:// mysql://       these

Two databases are worked on at a time. Prints, for each scenario and database, the law, and at how
many points and hold-outs a listener of a few lines counted the same; then where the laws of two
databases differ, and the seconds that it took: of the processor in the process of each database
(that of servers left out), and on the clock. The listener knows nothing of the recorder: it hears
every call that is measured. Exit status 1 if a count or a law differs, or if a scenario has no
law. Times depend on the machine and on what else it does.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sqlalchemy

from auditor.growth.run import profile
from auditor.growth.scenario import Scenario
from auditor.model.law import LawResult
from auditor_openstack import scenarios

ALL: tuple[Scenario, ...] = tuple(getattr(scenarios, name) for name in scenarios.__all__)
PROCESSES = 2
NOT_COUNTED = ("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")

Heard = dict[tuple[tuple[str, int], ...], set[int]]
"""By sizes, how many statements were heard in the calls."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A law on a database, and how many of its points a plain listener confirmed."""

    result: LawResult
    confirmed: int
    points: int

    @property
    def is_good(self) -> bool:
        return self.result.law is not None and self.confirmed == self.points


def main(databases: Sequence[str]) -> int:
    """Print what came of all scenarios on the databases; the exit status."""
    began = time.perf_counter()
    # A process for each database: Neutron keeps its engine for life.
    with multiprocessing.get_context("spawn").Pool(PROCESSES, maxtasksperchild=1) as pool:
        by_database = pool.map(outcomes_on, databases, chunksize=1)
    outcomes = [one for found, _ in by_database for one in found]
    differing = differences([found for found, _ in by_database])
    print(*map(line, outcomes), *differing, sep="\n")
    good = all(one.is_good for one in outcomes) and not differing
    print(f"{len(ALL)} scenarios on {len(databases)} databases: {'good' if good else 'NOT GOOD'}")
    spent = ", ".join(f"{seconds:.0f}" for _, seconds in by_database)
    print(f"seconds of processor: {spent}; on the clock: {time.perf_counter() - began:.0f}")
    return 0 if good else 1


def outcomes_on(url: str) -> tuple[list[Outcome], float]:
    """What came of all scenarios on one database, and the seconds of processor that it took."""
    began = time.process_time()
    heard: dict[str, Heard] = {one.name: {} for one in ALL}
    listened = (overheard(one, heard[one.name]) for one in ALL)
    results = profile(*listened, database=url, on_result=say)
    outcomes = [Outcome(one, *confirmed(one, heard[one.scenario])) for one in results]
    return outcomes, time.process_time() - began


def say(result: LawResult) -> None:
    """Tell a result on stderr as soon as it is there."""
    found = result.law if result.law is not None else result.refusal
    print(f"{result.scenario} on {result.database}: {found}", file=sys.stderr, flush=True)


def overheard(scenario: Scenario, heard: Heard) -> Scenario:
    """The scenario, each call of it in the hearing of the plain listener."""

    def populate(subject: object, **sizes: int) -> Callable[[], None]:
        call = scenario.populate(subject, **sizes)

        def listened() -> None:
            with listening() as statements:
                call()
            heard.setdefault(tuple(sizes.items()), set()).add(len(statements))

        return listened

    return replace(scenario, populate=populate)


def confirmed(result: LawResult, heard: Heard) -> tuple[int, int]:
    """At how many points of a law the plain listener always counted the same, and how many there
    are."""
    measured = {one.sizes: one.statements for one in result.points}
    measured |= {one.sizes: one.measured for one in result.holdouts}
    same = sum(heard[sizes] == {statements} for sizes, statements in measured.items())
    return same, len(measured)


@contextmanager
def listening() -> Iterator[list[str]]:
    """The statements that every engine executes meanwhile."""
    heard: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(NOT_COUNTED):
            heard.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        yield heard
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def line(outcome: Outcome) -> str:
    """One outcome as a line of the table."""
    result = outcome.result
    law = str(result.law) if result.law is not None else f"NO LAW: {result.refusal}"
    counted = f"{outcome.confirmed} of {outcome.points} points confirmed"
    return f"{result.scenario:32}{result.database:12}{law:40}{counted}"


def differences(by_database: Sequence[Sequence[Outcome]]) -> list[str]:
    """A line for each scenario that has another law on another database than the first."""
    first, *others = by_database
    return [
        f"DIFFERS: {one.result.scenario}: {one.result.law} on {one.result.database},"
        f" {other.result.law} on {other.result.database}"
        for outcomes in others
        for one, other in zip(first, outcomes, strict=True)
        if one.result.law != other.result.law
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["sqlite://", "postgresql://"]))
