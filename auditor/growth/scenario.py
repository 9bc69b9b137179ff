"""A scenario: how to fill a fresh database to given sizes, and the call to measure on it.

    @scenario(sizes={"labels": (1, 2, 4), "routers": (1, 2)})
    def metering_sync(database, labels, routers):
        engine = create_engine(database.url)
        ...                                            # populate: not measured
        return lambda: get_sync_data_metering(session) # the call: measured

A scenario that needs costly set-up names it with `prepare`: it runs once for each database and
process, and what it returns is passed to the scenario in place of the database. Between two
points the rows of all tables are deleted and the schema stays, so engines may be kept.

With `seed=Base.metadata` the sizes are numbers of rows of tables: they are created, and filled by
`auditor.seed` before the scenario is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor.backends.database import ScratchDatabase
from auditor.model.contract import contracts_written
from auditor.model.errors import ScenarioError
from auditor.model.law import Contract

Populate = Callable[..., Callable[[], Any]]
Prepare = Callable[[ScratchDatabase], Any]
Promised = str | int | Sequence[str] | Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named workload. `sizes` gives, for each variable, the values of the grid, ascending.

    `target` is the function under measurement as `module:qualname` (shown in reports; the
    populate function's own name if not given). `volatile` names columns (`table.column` or
    `column`) whose values may differ between equal runs. `declared` names the exception classes
    the call may raise as part of its contract (`module.Class` or a bare class name). `contracts`
    are what `grows` and `at_most` promise of its laws. `seed` is the metadata of the tables that
    the sizes name, None to leave the filling to the scenario; `hooks` are those of the seeding.
    """

    name: str
    populate: Populate
    sizes: tuple[tuple[str, tuple[int, ...]], ...]
    target: str = ""
    prepare: Prepare | None = None
    volatile: tuple[str, ...] = ()
    declared: tuple[str, ...] = ()
    doc: str = ""
    contracts: tuple[Contract, ...] = ()
    seed: Any = None
    hooks: tuple[tuple[str, Any], ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The size variables, in the order they were written."""
        return tuple(name for name, _ in self.sizes)


def scenario(
    *,
    sizes: Mapping[str, Sequence[int]],
    name: str = "",
    target: str = "",
    prepare: Prepare | None = None,
    volatile: Sequence[str] = (),
    declared: Sequence[str] = (),
    grows: Promised = "",
    at_most: Promised = "",
    seed: Any = None,
    hooks: Mapping[str, Any] | None = None,
) -> Callable[[Populate], Scenario]:
    """Turn a populate function into a `Scenario`; the name is the function's unless given.

    `grows` (`"constant in routers; linear in labels"`) and `at_most` (`"20 + labels"`) are promises
    about the number of statements, or of what a mapping names: `{"rows": "labels*10"}`.
    `seed` is a MetaData or a declarative base whose tables the sizes name, `hooks` are for it.

    Raises ScenarioError if a size has no values, or values that are not distinct integers of at
    least 0, and for a promise that cannot be read.
    """
    grid = tuple((variable, _values(variable, values)) for variable, values in sizes.items())

    def decorate(populate: Populate) -> Scenario:
        own = getattr(populate, "__qualname__", "scenario")
        return Scenario(
            name=name or own,
            populate=populate,
            sizes=grid,
            target=target or f"{populate.__module__}:{own}",
            prepare=prepare,
            volatile=tuple(volatile),
            declared=tuple(declared),
            doc=(populate.__doc__ or "").strip(),
            contracts=_contracts(name or own, grows, at_most, sizes),
            seed=seed,
            hooks=tuple((hooks or {}).items()),
        )

    return decorate


def _contracts(
    name: str, grows: Promised, at_most: Promised, sizes: Iterable[str]
) -> tuple[Contract, ...]:
    try:
        return contracts_written(grows, at_most, tuple(sizes))
    except ValueError as error:
        raise ScenarioError(f"scenario `{name}`: {error}") from error


def _values(variable: str, values: Sequence[int]) -> tuple[int, ...]:
    found = tuple(values)
    whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in found)
    if not found or not whole or len(set(found)) != len(found):
        raise ScenarioError(
            f"sizes[`{variable}`] is `{values!r}`: give one or more distinct whole numbers,"
            f" 0 or more, such as `{variable}=(1, 2, 4)`"
        )
    return tuple(sorted(found))
