"""Which transaction is open where, and what reaches the database in it, for family 2xx."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import ISSUES, KEEPING, ContextRow, Effect, Mode
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, Region
from auditor.source.project import Project
from auditor.source.sites import Site

APART = frozenset((Mode.SAVEPOINT, Mode.INDEPENDENT_READER, Mode.INDEPENDENT_WRITER))
"""Contexts whose failure leaves the transaction around them usable."""
CHANGES = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.PENDING, Effect.COMMIT))
SENDS = ISSUES
"""Effects at which the database can answer with an error."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An open transaction: its context, and the part of the function that runs in it."""

    row: ContextRow
    region: Region
    is_decorator: bool

    @property
    def words(self) -> str:
        """`writer block on line 12`, `writer around the function`."""
        kind = "transaction" if self.row.mode is Mode.PLAIN else self.row.mode.value
        if self.is_decorator:
            return f"{kind} around the function"
        return f"{kind} block on line {self.region.at.line}"


def transaction_around(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int
) -> Opened | None:
    """The innermost transaction that is open at a region and keeps what is written; None if there
    is none in this function, or if the innermost one is a reader or runs later (a lambda)."""
    for around in function.ancestors(region):
        if around.kind == "lambda":
            return None
        if around.kind != "with":
            continue
        for row in reversed(project.block_contexts(module, function, around)):
            if row.mode is not Mode.SESSION_ONLY:
                return Opened(row, around, is_decorator=False) if row.mode in KEEPING else None
    rows = tuple(project.decorating_contexts(module, function))
    if rows and rows[-1].mode in KEEPING:
        return Opened(rows[-1], function.regions[0], is_decorator=True)
    return None


def sites_within(project: Project, function: FunctionFacts, region: Region) -> Iterator[Site]:
    """The sites of a function that stand in a region."""
    for site in project.sites(function):
        if region.first <= site.position < region.last and site.region >= 0:
            yield site


def does(project: Project, site: Site, effects: frozenset[Effect]) -> Effect | None:
    """The first of the effects that a site has, through any depth of calls; None if it has none."""
    found = project.effects.of_site(site)
    return next((e for e in found if isinstance(e, Effect) and e in effects), None)


def work_within(
    project: Project, function: FunctionFacts, region: Region, effects: frozenset[Effect]
) -> tuple[Site, ...]:
    """The sites of a region that have one of the effects."""
    return tuple(s for s in sites_within(project, function, region) if does(project, s, effects))


def is_apart(project: Project, site: Site, effect: Effect, outside: Region) -> bool:
    """Whether an effect happens in a savepoint or a transaction of its own, opened inside the
    region `outside`, here or in a function on the way to it."""
    for number, step in enumerate(project.effects.way(site, effect)):
        scope = project.program.scopes[step.scope]
        within = outside.index if number == 0 else -1
        if _apart_here(project, scope.module, scope.function, step.region, within):
            return True
    return False


def _apart_here(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int, outside: int
) -> bool:
    for around in function.ancestors(region):
        if around.index == outside:
            return False
        if around.kind == "with" and opens_apart(project, module, function, around):
            return True
    return outside < 0 and any(
        row.mode in APART for row in project.decorating_contexts(module, function)
    )


def opens_apart(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: Region
) -> bool:
    """Whether a with statement opens a savepoint or a transaction that is not the one around it:
    `session.begin()` is one of its own unless it says `subtransactions=True`."""
    rows = project.block_contexts(module, function, region)
    if any(row.mode in APART for row in rows):
        return True
    return not joins(region) and any(row.mode is Mode.PLAIN for row in rows)


def joins(region: Region) -> bool:
    """Whether a with statement says that it joins what is open: `begin(subtransactions=True)`."""
    return any(
        isinstance(item.expr, Call) and item.expr.keyword("subtransactions") is not None
        for item in region.items
    )


def holds_apart(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: Region
) -> bool:
    """Whether a with statement inside the region opens a savepoint or an own transaction."""
    return any(
        inner.kind == "with"
        and region.first <= inner.first
        and inner.last <= region.last
        and inner.index > region.index
        and opens_apart(project, module, function, inner)
        for inner in function.regions
    )
