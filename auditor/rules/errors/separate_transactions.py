"""Functions that commit one transaction and then begin another: what a retry around both repeats.

with writer.using(context):        a block
store(context, port)               a function that opens its own
port.create()                      a method of the tables that opens its own
session.commit()                   the end of what was added before it
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.knowledge import KEEPING, Effect, Mode
from auditor.rules.errors.caught import always_raises, catches, handlers_of
from auditor.rules.errors.open_transactions import does, transaction_around
from auditor.rules.errors.repeated_bodies import Repeated, is_retried
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, Region
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

_DUPLICATE = "oslo_db.exception.DBDuplicateEntry"
_OWN = KEEPING - {Mode.SAVEPOINT}
_WRITES = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.PENDING))
_ADDS = frozenset(("add", "add_all", "create", "bulk_insert", "bulk_save_objects", "insert"))
_ALWAYS = frozenset(("function", "with", "try", "finally", "try-else"))


@dataclass(frozen=True, slots=True)
class Unit:
    """One transaction: the part of the function it covers, and what it writes."""

    first: int
    last: int
    line: int
    writes: tuple[Site, ...]


def first_of_two(
    project: Project, module: ModuleFacts, function: FunctionFacts, body: Repeated
) -> tuple[Site, Site, int] | None:
    """What an earlier transaction of a repeated body adds each time, a write of a later one, and
    the line where that begins; None where there are no two, or the first is asked about before."""
    if transaction_around(project, module, function, body.region.index) is not None:
        return None
    units = sorted(_units(project, module, function, body), key=lambda unit: unit.first)
    for number, unit in enumerate(units):
        added = next((s for s in unit.writes if _adds(project, s)), None)
        later = next((one for one in units[number + 1 :] if one.first >= unit.last), None)
        if added is None or later is None or not _is_always(function, body, added):
            continue
        if _is_expected_twice(project, module, function, added):
            continue
        failing = [site for site in later.writes if not is_retried(project, site)]
        if any(_is_always(function, body, site) for site in failing):
            return added, failing[0], later.line
    return None


def _is_expected_twice(
    project: Project, module: ModuleFacts, function: FunctionFacts, added: Site
) -> bool:
    """Whether a handler around the row that is added answers that it is there already."""
    return any(
        handler.tried.first <= added.position < handler.tried.last
        and catches(project, handler, _DUPLICATE)
        and not always_raises(function, handler)
        for handler in handlers_of(project, module, function)
    )


def _units(
    project: Project, module: ModuleFacts, function: FunctionFacts, body: Repeated
) -> Iterator[Unit]:
    inside = [
        site
        for site in project.sites(function)
        if body.region.first <= site.position < body.region.last
        and does(project, site, _WRITES | {Effect.COMMIT})
    ]
    blocks = [r for r in function.regions if _is_outermost(project, module, function, r)]
    for block in blocks:
        own = tuple(s for s in inside if block.first <= s.position < block.last)
        if own and body.region.first <= block.first and block.last <= body.region.last:
            yield Unit(block.first, block.last, block.at.line, own)
    free = [s for s in inside if not any(b.first <= s.position < b.last for b in blocks)]
    pending: list[Site] = []
    for site in free:
        if _commits_itself(project, module, function, site):
            yield Unit(site.position, site.position + 1, site.at.line, (site,))
        elif does(project, site, frozenset({Effect.COMMIT})) and site.callee < 0:
            if pending:
                yield Unit(
                    pending[0].position, site.position + 1, pending[0].at.line, tuple(pending)
                )
            pending = []
        else:
            pending.append(site)


def _is_outermost(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: Region
) -> bool:
    if region.kind != "with":
        return False
    rows = project.block_contexts(module, function, region)
    outside = transaction_around(project, module, function, region.parent)
    return outside is None and any(row.mode in _OWN for row in rows)


def _commits_itself(
    project: Project, module: ModuleFacts, function: FunctionFacts, site: Site
) -> bool:
    """Whether a call works in a transaction that it opens, and that has ended when it returns."""
    if site.callee >= 0:
        callee = project.program.scopes[site.callee]
        rows = project.decorating_contexts(callee.module, callee.function)
        blocks = (
            row
            for region in callee.function.regions
            if region.kind == "with" and region.parent == 0
            for row in project.block_contexts(callee.module, callee.function, region)
        )
        return site.certain and any(row.mode in _OWN for row in (*rows, *blocks))
    call = function.events[site.position]
    return isinstance(call, Call) and any(
        target.row is not None and target.row.opens in _OWN
        for target in project.targets(function, site.position, call)
    )


def _adds(project: Project, site: Site) -> bool:
    """Whether a site adds a row: its way ends in `add(...)`, `create()` or `insert()`."""
    effect = does(project, site, _WRITES)
    if effect is None:
        return False
    *between, last = project.effects.way(site, effect)
    if not all(step.certain for step in between):
        return False
    call = project.program.scopes[last.scope].function.events[last.position]
    return isinstance(call, Call) and last_step(call.func) in _ADDS


def _is_always(function: FunctionFacts, body: Repeated, site: Site) -> bool:
    """Whether each run of the body comes to the site, as far as its shape tells."""
    for around in function.ancestors(site.region):
        if around.index == body.region.index:
            return True
        if around.kind not in _ALWAYS:
            return False
    return True
