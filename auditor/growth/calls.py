"""The law of a plain call, measured where the program already is: on its own engine.

    reset() -> setup(n) -> call(n)          once for each measurement; only the call is counted

Each size is measured twice and must repeat itself, so what a call or its set-up leaves behind
(rows, objects in a session) either changes nothing or is seen: then no law is given. `reset` takes
it away.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from auditor.growth.attribute import explained
from auditor.growth.basis import Sizes
from auditor.growth.count import Counts, Uncountable
from auditor.growth.fit import Fit, Refusal, infer
from auditor.growth.scenario import Populate, Scenario, scenario
from auditor.growth.workload import Workload, prepared
from auditor.model.contract import Breach, Unproven, judged
from auditor.model.errors import ScenarioError
from auditor.model.law import Holdout, LawResult, Point

VARIABLE = "n"
SIZES = (1, 2, 4)
_LEAST_SIZES = 2  # one size says nothing about growth
DATABASE = "its own engine"
NOTHING_SEEN = (
    "NO STATEMENT WAS SEEN at any size: does the call use the database, through SQLAlchemy?"
)

Step = Callable[[int], Any]


class UnusableCall(ScenarioError):  # noqa: N818 - named as what it is about
    """The arguments of a scaled call mean nothing."""


@dataclass(frozen=True, slots=True)
class ScaledCall:
    """A call and what it promises. `grows` is a contract such as `constant in n`, `at_most` an
    upper bound such as `20 + n`; empty promises nothing."""

    name: str
    call: Step
    setup: Step | None = None
    reset: Callable[[], Any] | None = None
    sizes: Sequence[int] = SIZES
    grows: str = ""
    at_most: str = ""

    @property
    def is_asynchronous(self) -> bool:
        """Whether one of the functions is `async def`."""
        return any(map(inspect.iscoroutinefunction, (self.call, self.setup, self.reset)))


def law_of_call(scaled: ScaledCall) -> LawResult:
    """The law, or why there is none. Functions may be asynchronous: they run on a loop of their
    own. Raises UnusableCall, and ScenarioError for what the functions raise, with that as cause.
    """
    with prepared(_OwnEngine(), _scenario(scaled)) as (workload,):
        return _measured(workload)


async def law_of_awaited_call(scaled: ScaledCall) -> LawResult:
    """The same inside a running event loop, on which the asynchronous functions run."""
    loop = asyncio.get_running_loop()

    def settled(value: Any) -> Any:
        if not inspect.isawaitable(value):
            return value
        return asyncio.run_coroutine_threadsafe(_result_of(value), loop).result()

    database = _OwnEngine()
    workload = Workload(_scenario(scaled), database, database, settled)
    return await asyncio.to_thread(_measured, workload)


def breaches(result: LawResult) -> tuple[str, ...]:
    """The promises that the law does not keep, or that could not be proven, in words."""
    if result.law is None:
        return ()
    least = {VARIABLE: min((dict(point.sizes)[VARIABLE] for point in result.points), default=1)}
    found = []
    for contract in result.contracts:
        answer = judged(contract, result.law, least)
        if isinstance(answer, Breach):
            at = ", ".join(f"{name}={size}" for name, size in answer.at)
            found.append(f"it is not {contract}{f' (at {at})' if at else ''}")
        elif isinstance(answer, Unproven):
            found.append(f"it could not be proven to be {contract}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _OwnEngine:
    """Stands where a scratch database would: nothing here is made, emptied or dropped."""

    url: str = ""
    masked_url: str = ""
    dialect: str = ""

    def empty(self) -> None:
        """Nothing: `reset` runs with the set-up, where its errors are told as the test's."""

    def drop(self) -> None:
        """Nothing: the engine is the program's."""


def _scenario(scaled: ScaledCall) -> Scenario:
    sizes = tuple(scaled.sizes)
    if len(set(sizes)) < _LEAST_SIZES:
        raise UnusableCall(
            f"`sizes` is `{sizes!r}`: give two different sizes or more, such as `{SIZES!r}`"
        )
    module = getattr(scaled.call, "__module__", "")
    populate = _populate_awaited(scaled) if scaled.is_asynchronous else _populate(scaled)
    try:
        return scenario(
            sizes={VARIABLE: sizes},
            name=scaled.name,
            target=f"{module}:{scaled.name}",
            grows=scaled.grows,
            at_most=scaled.at_most,
        )(populate)
    except ScenarioError as error:
        raise UnusableCall(str(error)) from error


def _populate(scaled: ScaledCall) -> Populate:
    def populate(_: object, n: int) -> Callable[[], Any]:
        if scaled.reset is not None:
            scaled.reset()
        if scaled.setup is not None:
            scaled.setup(n)
        return lambda: scaled.call(n)

    return populate


def _populate_awaited(scaled: ScaledCall) -> Any:
    async def populate(_: object, n: int) -> Callable[[], Any]:
        if scaled.reset is not None:
            await _result_of(scaled.reset())
        if scaled.setup is not None:
            await _result_of(scaled.setup(n))
        return measured(n)

    def measured(n: int) -> Callable[[], Any]:
        async def call() -> Any:
            return await _result_of(scaled.call(n))

        return call

    return populate


async def _result_of(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _measured(workload: Workload) -> LawResult:
    own = workload.scenario
    counts = Counts(workload, lambda _: None)
    grid = tuple(values for _, values in own.sizes)
    outcome: Fit | Refusal
    try:
        outcome = infer(counts.statements, own.variables, grid, glance=counts.glance)
        counts.confirm(next(iter(counts.at)))
    except Uncountable as difference:
        outcome = Refusal(str(difference), {})
    seen = any(count.statements for count in counts.at.values())
    if counts.at and not seen:
        outcome = Refusal(NOTHING_SEEN, {})
    return _result(own, outcome, counts)


def _result(own: Scenario, outcome: Fit | Refusal, counts: Counts) -> LawResult:
    checked = {check.sizes for check in outcome.holdouts}
    found = LawResult(
        scenario=own.name,
        target=own.target,
        database=DATABASE,
        variables=own.variables,
        law=outcome.law if isinstance(outcome, Fit) else None,
        points=tuple(
            Point(_named(sizes), count.statements, count.rows)
            for sizes, count in sorted(counts.at.items())
            if sizes not in checked
        ),
        holdouts=tuple(
            Holdout(_named(one.sizes), one.predicted, one.measured) for one in outcome.holdouts
        ),
        refusal=outcome.reason if isinstance(outcome, Refusal) else "",
        notes=counts.notes,
        contracts=own.contracts,
    )
    if isinstance(outcome, Refusal):
        return found
    by_part = {sizes: count.parts for sizes, count in counts.at.items()}
    terms = explained(outcome.law, own.variables, outcome.basis, by_part, target=own.target)
    return replace(found, terms=terms)


def _named(sizes: Sizes) -> tuple[tuple[str, int], ...]:
    return tuple(zip((VARIABLE,), sizes, strict=True))
