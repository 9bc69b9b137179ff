"""A scenario on a scratch database: prepared once, then populated and called at any sizes.

What the user's code raises becomes a ScenarioError that names the scenario, the sizes and the
error. Functions may be asynchronous: they all run on one event loop.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from auditor.backends.database import ScratchDatabase
from auditor.growth.blame import blamed
from auditor.growth.load_order import settle_load_order
from auditor.growth.scenario import Scenario
from auditor.growth.seeded import create_seeded_tables, seed_tables
from auditor.model.errors import DatabaseError, ScenarioError

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """A scenario that is ready to be populated. `subject` is what its `prepare` returned, or the
    database."""

    scenario: Scenario
    database: ScratchDatabase
    subject: Any
    settled: Callable[[Any], Any]
    """Gives a value as it is, and the result of an awaitable."""

    def populated(self, sizes: Mapping[str, int]) -> Call:
        """Empty the database and fill it to `sizes`; the call to measure."""
        self._empty()
        seed_tables(self.scenario, self.database, sizes)
        at = f"with {in_words(sizes)}" if sizes else "without sizes"
        try:
            call = self.settled(self.scenario.populate(self.subject, **sizes))
        except (Exception, SystemExit) as error:
            raise_if_interrupted(error)
            raise ScenarioError(
                f"scenario `{self.scenario.name}` failed while it was populated {at}:"
                f" {blamed(error)}"
            ) from error
        if not callable(call):
            raise ScenarioError(
                f"scenario `{self.scenario.name}` returned `{call!r:.80}` {at}: it must return the"
                " call to measure, such as `lambda: sync(session)`"
            )
        settle_load_order()
        return lambda: self.settled(call())

    def called(self, call: Call, sizes: Mapping[str, int]) -> None:
        """Make the call; an error that the scenario declares is part of its work."""
        try:
            call()
        except (Exception, SystemExit) as error:
            raise_if_interrupted(error)
            if not is_declared(error, self.scenario.declared):
                raise ScenarioError(
                    f"scenario `{self.scenario.name}` failed in the measured call with"
                    f" {in_words(sizes) or 'no sizes'}: {blamed(error)}"
                ) from error

    def _empty(self) -> None:
        try:
            self.database.empty()
        except DatabaseError:
            gc.collect()  # a session that nobody holds any more may keep a lock until collected
            self.database.empty()


@contextmanager
def prepared(database: ScratchDatabase, *scenarios: Scenario) -> Iterator[tuple[Workload, ...]]:
    """The workloads of scenarios that share one `prepare`, which runs once."""
    settle_load_order()
    with _event_loop() as settled:
        first = scenarios[0]
        subject: Any = database
        if first.prepare is not None:
            try:
                subject = settled(first.prepare(database))
            except (Exception, SystemExit) as error:
                raise ScenarioError(
                    f"scenario `{first.name}` could not be prepared: {blamed(error)}"
                ) from error
        for one in scenarios:
            create_seeded_tables(one, database)
        yield tuple(Workload(one, database, subject, settled) for one in scenarios)


def raise_if_interrupted(error: BaseException) -> None:
    """Raises KeyboardInterrupt where one brought the error about. oslo.db on SQLite makes a
    PendingRollbackError of a Ctrl-C that ends a statement: no failure of the scenario."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) and cause not in chain:
        chain.append(cause)
    if any(isinstance(one, KeyboardInterrupt) for one in chain):
        raise KeyboardInterrupt from error


def is_declared(error: BaseException, declared: tuple[str, ...]) -> bool:
    """Whether the error or a base class of it is among `module.Class` or bare class names."""
    names = {
        name
        for cls in type(error).__mro__
        for name in (cls.__name__, f"{cls.__module__}.{cls.__qualname__}")
    }
    return not names.isdisjoint(declared)


def in_words(sizes: Mapping[str, int]) -> str:
    """`labels=2, routers=1`."""
    return ", ".join(f"{name}={size}" for name, size in sizes.items())


@contextmanager
def _event_loop() -> Iterator[Callable[[Any], Any]]:
    loop = asyncio.new_event_loop()

    def settled(value: Any) -> Any:
        return loop.run_until_complete(_result(value)) if inspect.isawaitable(value) else value

    try:
        yield settled
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _result(awaitable: Any) -> Any:
    return await awaitable
