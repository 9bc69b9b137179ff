"""How a transaction can come to a deadlock, as far as its own statements tell.

query.with_for_update().first(); session.add(row)     what is locked before it is written
query.filter_by(owner=x).delete(); session.add(row)   rows of a range, and others after them
query.filter_by(owner=x).update(values)               rows of a range alone
query.filter_by(id=x, lock=None).update(v)            a row that others want as well
session.execute(table.insert(), rows)                 many rows of a unique key at once
"""

from __future__ import annotations

import enum

from auditor.model.knowledge import KEEPING, QUERY, Effect, Mode
from auditor.rules.errors.open_transactions import does, sites_within
from auditor.rules.errors.oslo_db_used import uses_oslo_db
from auditor.source.facts import (
    Attribute,
    Call,
    Compare,
    Comprehension,
    FunctionFacts,
    Items,
    ModuleFacts,
    Name,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site

WRITES = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.PENDING))
_NOTED = frozenset((Effect.WRITE, Effect.PENDING))
_LOCKS = frozenset({"with_for_update", "with_lockmode"})
_BULK = frozenset({"delete", "update", "soft_delete"})
_FILTERS = frozenset({"filter", "filter_by", "where"})
_KEYS = frozenset({"id", "uuid"})
_ALONE = frozenset({"flush", "commit", "refresh", "expire"})
_SEVERAL = 2
_OF_OSLO_DB = frozenset((Mode.WRITER, Mode.INDEPENDENT_WRITER))
_PLAIN = frozenset(("function", "try", "with"))


class Danger(enum.Enum):
    """What makes a deadlock likely, in words."""

    LOCKED = "it locks rows before it writes"
    RANGE_AND_MORE = "it changes a range of rows, and other rows after or before them"
    SEVERAL = "it writes several rows one after the other"
    RACE = "it changes a row only while nobody else has"
    MANY = "it inserts many rows at once"
    RANGE = "it changes all rows that a condition finds"
    NONE = ""


def writes_of(project: Project, function: FunctionFacts) -> tuple[Site, ...]:
    """The sites of a function that write, through any depth of calls."""
    whole = function.regions[0]
    return tuple(s for s in sites_within(project, function, whole) if does(project, s, WRITES))


def danger_of(project: Project, function: FunctionFacts, writes: tuple[Site, ...]) -> Danger:
    """The worst of what the statements of a function tell."""
    if any(_is_list_insert(function, site) for site in writes):
        return Danger.MANY
    own = [site for site in writes if does(project, site, _NOTED) and not _is_alone(function, site)]
    ranges = [site for site in own if _is_range(project, function, site)]
    if own and any(isinstance(e, Call) and last_step(e.func) in _LOCKS for e in function.events):
        return Danger.LOCKED
    if any(_with_others(function, one, own) for one in ranges):
        return Danger.RANGE_AND_MORE
    if ranges:
        is_race = _KEYS & _compared(function) and not _has_alternatives(function)
        return Danger.RACE if is_race else Danger.RANGE
    return Danger.SEVERAL if len(own) >= _SEVERAL else Danger.NONE


def _with_others(function: FunctionFacts, one: Site, own: list[Site]) -> bool:
    """Whether the transaction of a site has others: of a function that opens one block after the
    other, those of the same block."""
    blocks = [_outer_block(function, site) for site in own]
    alike = len(blocks) if -1 in blocks else blocks.count(_outer_block(function, one))
    return alike >= _SEVERAL


def _outer_block(function: FunctionFacts, site: Site) -> int:
    """The outermost `with` around a site; -1 if there is none."""
    blocks = [r.index for r in function.ancestors(site.region) if r.kind == "with"]
    return blocks[-1] if blocks else -1


def _has_alternatives(function: FunctionFacts) -> bool:
    """Whether a condition of the function is one of several: `or_(id == x, other == x)`."""
    return any(isinstance(e, Call) and last_step(e.func) == "or_" for e in function.events)


def _is_alone(function: FunctionFacts, site: Site) -> bool:
    call = function.events[site.position]
    return isinstance(call, Call) and last_step(call.func) in _ALONE


def _is_range(project: Project, function: FunctionFacts, site: Site) -> bool:
    """Whether a site is one statement for many rows, by a condition that is more than a key."""
    call = function.events[site.position]
    if site.callee >= 0 or not isinstance(call, Call) or not isinstance(call.func, Attribute):
        return False
    scope = project.program.scope_of(function)
    receiver = project.inference.value(scope, site.position, call.func.base)
    return call.func.name in _BULK and receiver.kind == QUERY and bool(_compared(function) - _KEYS)


def _is_list_insert(function: FunctionFacts, site: Site) -> bool:
    """`session.execute(table.insert(), rows)`; one row in braces is not many."""
    call = function.events[site.position]
    return (
        isinstance(call, Call)
        and site.callee < 0
        and Effect.WRITE in site.effects
        and last_step(call.func) == "execute"
        and len(call.args) == _SEVERAL
        and isinstance(call.args[1], (Name, Items, Comprehension))
    )


def _compared(function: FunctionFacts) -> set[str]:
    """The columns that queries of the function compare."""
    found: set[str] = set()
    filters = (e for e in function.events if isinstance(e, Call) and last_step(e.func) in _FILTERS)
    for call in filters:
        found |= {keyword.name for keyword in call.keywords}
        parts = (part for arg in call.args for part in walk(arg) if isinstance(part, Compare))
        found |= {path_of(part.left)[-1] for part in parts if path_of(part.left)}
    return found


def opens_writer(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether the function itself opens a transaction that is kept."""
    kept = KEEPING if uses_oslo_db(project) else _OF_OSLO_DB
    if any(row.mode in kept for row in project.decorating_contexts(module, function)):
        return True
    return any(
        row.mode in kept
        for region in function.regions
        if region.kind == "with"
        and all(around.kind in _PLAIN for around in function.ancestors(region.index))
        for row in project.block_contexts(module, function, region)
    )
