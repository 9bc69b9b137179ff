"""Profiles scenarios: counts at several sizes on a scratch database, the exact law, and why."""

from __future__ import annotations

import inspect
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from auditor.backends.masking import masked
from auditor.backends.scratch import dialect_of, has_server, open_scratch
from auditor.growth.attribute import explained_by, laws_by_part
from auditor.growth.basis import Basis, Sizes
from auditor.growth.count import EAGER_BATCH, Count, Counts, Uncountable
from auditor.growth.fit import Fit, Refusal, infer
from auditor.growth.holdouts import Checked
from auditor.growth.measures import measure_laws
from auditor.growth.places import rows_by_place, statements_by_place
from auditor.growth.plans import table_scans
from auditor.growth.scenario import Scenario
from auditor.growth.timing import timings
from auditor.growth.workload import Workload, prepared
from auditor.model.errors import ScenarioError
from auditor.model.law import Holdout, LawResult, MeasureLaw, Point
from auditor.model.span import Frame
from auditor.runtime.sites import shown_path

_NOTHING_SEEN = (
    "NO STATEMENT WAS SEEN at any size: does the call use the database it is given"
    " (`database.url`), through SQLAlchemy?"
)
Progress = Callable[[str], None]
OnFailure = Callable[[Scenario, ScenarioError], None]


Clock = Callable[[], float]
NO_REACH: Mapping[str, int] = {}
_BATCHES = (
    (EAGER_BATCH, 500, "eager batches load for"),
    ("INSERT", 1000, "INSERT statements hold"),
)


@dataclass(frozen=True, slots=True)
class _Job:
    """A workload to profile, and how. `database` is its name."""

    workload: Workload
    database: str
    progress: Progress
    reach: Mapping[str, int]
    clock: Clock | None


def _raised(_: Scenario, error: ScenarioError) -> None:
    raise error


def profile(
    *scenarios: Scenario,
    database: str = "sqlite://",
    allow_existing: bool = False,
    progress: Progress = lambda _: None,
    on_failure: OnFailure = _raised,
    reach: Mapping[str, int] = NO_REACH,
    clock: Clock | None = None,
    on_result: Callable[[LawResult], None] = lambda _: None,
) -> tuple[LawResult, ...]:
    """The law of each scenario, or why there is none, measured on a scratch database that is
    dropped at the end.

    Scenarios in a row that share a `prepare` share a database. `progress` is told what is being
    measured; `on_failure` may take the ScenarioError of a scenario, so that the others go on.
    `reach` gives sizes up to which a law is put to the test, by variable; under the empty name that
    of all variables. With a `clock` (such as `time.perf_counter`) calls are timed too; times never
    decide anything. `on_result` is given each result at once, so that a database that goes away
    later does not take it along.
    Raises ScenarioError when a scenario fails, DatabaseError when there is no database.
    """
    _refuse_unknown(reach, scenarios)
    results: list[LawResult] = []
    for group in _sharing_prepare(scenarios):
        with open_scratch(database, allow_existing=allow_existing) as scratch, ExitStack() as stack:
            try:
                workloads = stack.enter_context(prepared(scratch, *group))
            except ScenarioError as error:
                on_failure(group[0], error)
                continue
            for workload in workloads:
                job = _Job(workload, database_name(database), progress, reach, clock)
                results += _profiled_unless_it_fails(job, on_failure, on_result)
    return tuple(results)


def _refuse_unknown(reach: Mapping[str, int], scenarios: Sequence[Scenario]) -> None:
    known = {name for scenario in scenarios for name in scenario.variables}
    for name in reach:
        if name and name not in known:
            raise ScenarioError(
                f"--reach: no scenario has a size `{name}`; they have"
                f" {', '.join(f'`{one}`' for one in sorted(known)) or 'none'}"
            )


def database_name(url: str) -> str:
    """What a report calls a database: its dialect, or for a given server its URL, masked."""
    return masked(url) if has_server(url) else dialect_of(url)


def _sharing_prepare(scenarios: Sequence[Scenario]) -> Iterator[tuple[Scenario, ...]]:
    def key(pair: tuple[int, Scenario]) -> int:
        number, scenario = pair
        return id(scenario.prepare) if scenario.prepare is not None else -number - 1

    for _, group in itertools.groupby(enumerate(scenarios), key=key):
        yield tuple(scenario for _, scenario in group)


def _profiled_unless_it_fails(
    job: _Job, on_failure: OnFailure, on_result: Callable[[LawResult], None]
) -> list[LawResult]:
    try:
        result = _profiled(job)
    except ScenarioError as error:
        on_failure(job.workload.scenario, error)
        return []
    on_result(result)
    return [result]


def _profiled(job: _Job) -> LawResult:
    scenario = job.workload.scenario
    counts = Counts(
        job.workload, lambda at: job.progress(f"{scenario.name} on {job.database}: {at}")
    )
    grid = tuple(values for _, values in scenario.sizes)
    outcome: Fit | Refusal
    try:
        outcome = infer(
            counts.statements, scenario.variables, grid, glance=counts.glance, reach=job.reach
        )
        counts.confirm(next(iter(counts.at)))
    except Uncountable as difference:
        outcome = Refusal(str(difference), {})
    found = _result(scenario, job.database, outcome, counts)
    if job.clock is None:
        return found
    return replace(found, timings=timings(job.workload, counts, job.clock))


def _result(scenario: Scenario, database: str, outcome: Fit | Refusal, counts: Counts) -> LawResult:
    checked = {check.sizes for check in outcome.holdouts}
    points = tuple(
        _point(scenario, sizes, count)
        for sizes, count in sorted(counts.at.items())
        if sizes not in checked
    )
    found = LawResult(
        scenario=scenario.name,
        target=scenario.target,
        database=database,
        variables=scenario.variables,
        law=outcome.law if isinstance(outcome, Fit) else None,
        points=points,
        holdouts=tuple(_holdout(scenario, check) for check in outcome.holdouts),
        refusal=outcome.reason if isinstance(outcome, Refusal) else "",
        notes=(*_fixed(scenario), *counts.notes, *_nothing_seen(counts)),
        place=_written_at(scenario),
        contracts=scenario.contracts,
    )
    if isinstance(outcome, Refusal):
        measures = _measures(scenario, counts, None) if outcome.points else ()
        return replace(found, measures=measures)
    return _with_scans(_with_why(found, outcome, counts), counts)


def _with_why(found: LawResult, fit: Fit, counts: Counts) -> LawResult:
    by_part = {sizes: count.parts for sizes, count in counts.at.items()}
    own = laws_by_part(found.variables, fit.basis, by_part)
    target = _looked_for(counts.workload.scenario)
    places = statements_by_place(own, target)
    if "rows" not in counts.unsteady:
        places += rows_by_place(found.variables, fit.basis, counts.at, target=target)
    scenario = counts.workload.scenario
    farthest = tuple(map(max, zip(*counts.at, strict=True)))
    return replace(
        found,
        terms=explained_by(fit.law, own, target=target),
        measures=_measures(scenario, counts, fit.basis),
        measured_to=_named(scenario, farthest),
        notes=(*found.notes, *_batches(counts, farthest)),
        places=places,
    )


def _looked_for(scenario: Scenario) -> str:
    """The function in whose module places are looked for; none where the scenario names only
    itself: a place is then where the statement was executed, not where the scenario calls."""
    qualname = getattr(scenario.populate, "__qualname__", "scenario")
    own = f"{scenario.populate.__module__}:{qualname}"
    return "" if scenario.target == own else scenario.target


def _measures(scenario: Scenario, counts: Counts, basis: Basis | None) -> tuple[MeasureLaw, ...]:
    return measure_laws(scenario.variables, counts.at, counts.unsteady, basis)


def _batches(counts: Counts, farthest: Sizes) -> tuple[str, ...]:
    """What a library sends in batches larger than anything that was measured."""
    seen = {batch for count in counts.at.values() for batch in count.batches}
    return tuple(
        f"{what} up to {size} rows each: beyond that, this grows by steps"
        f" (`--reach {size + 1}` measures them)"
        for batch, size, what in _BATCHES
        if batch in seen and max(farthest, default=size) <= size
    )


def _point(scenario: Scenario, sizes: Sizes, count: Count) -> Point:
    return Point(
        _named(scenario, sizes), count.statements, count.rows, tuple(sorted(count.others.items()))
    )


def _with_scans(found: LawResult, counts: Counts) -> LawResult:
    """With the tables read whole, as planned at the smallest and the largest sizes given."""
    sizes = counts.workload.scenario.sizes
    smaller = {name: min(values) for name, values in sizes}
    larger = {name: max(values) for name, values in sizes}
    if smaller == larger:
        return found
    return replace(found, scans=table_scans(counts.workload, smaller, larger))


def _written_at(scenario: Scenario) -> Frame | None:
    """Where the populate function begins; None for a callable that is not written in Python."""
    code = getattr(inspect.unwrap(scenario.populate), "__code__", None)
    if code is None:
        return None
    return Frame(shown_path(code.co_filename, os.getcwd()), code.co_firstlineno, scenario.name)


def _fixed(scenario: Scenario) -> tuple[str, ...]:
    return tuple(
        f"{name} was {values[0]} throughout: give more sizes to see how the work grows with it"
        for name, values in scenario.sizes
        if len(values) == 1
    )


def _nothing_seen(counts: Counts) -> tuple[str, ...]:
    """The note about a call without statements; none where no call was counted to its end."""
    if not counts.at or any(count.statements for count in counts.at.values()):
        return ()
    return (_NOTHING_SEEN,)


def _holdout(scenario: Scenario, check: Checked) -> Holdout:
    return Holdout(_named(scenario, check.sizes), check.predicted, check.measured)


def _named(scenario: Scenario, sizes: Sizes) -> tuple[tuple[str, int], ...]:
    return tuple(zip(scenario.variables, sizes, strict=True))
