"""Queries that load whole objects, with what the mapping loads along, for one or two columns.

query = session.query(Port, IPAllocation.ip_address).join(IPAllocation)
for port, address in query:
    found[port.network_id].append(address)          one column of `Port` is read
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from auditor.rule import Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.queries.chains import Chain, chains_of, class_named
from auditor.rules.queries.holders import Holders, holders_of
from auditor.rules.queries.run_once import lowered
from auditor.source.eager import eager_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Region,
    Subscript,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_FEW = 2
"""Columns for which nobody needs a whole object."""
_ENDS = frozenset(("all", "list", "scalars", "unique", "yield_per", "tuples"))
_EAGER = frozenset(("joined", "False", "selectin", "subquery", "immediate"))
_STEPS = 6
"""Expressions that stand for the rows, followed at most."""
_DECIDED = frozenset(
    ("with_for_update", "with_lockmode", "load_only", "defer", "noload", "lazyload", "options",
     "distinct", "from_statement")
)  # fmt: skip
"""Links after which the query says itself what it loads, or loads in order to lock."""


class _Loaded(NamedTuple):
    """An object among what a query selects: the name each row has it under, its class as written,
    and whether columns are selected beside it."""

    name: str
    entity: str
    is_beside: bool


def hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Objects that a loop unpacks or goes through, in the function of the query, for a column."""
    for chain in chains_of(function):
        if not chain.named(*_DECIDED):
            found = _of_chain(project, module, function, chain)
            yield from lowered(project, module, found)


def _of_chain(project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain) -> Hits:
    for loop in _loops_over(project, function, chain):
        for loaded in _objects(project, module, function, chain, loop=loop):
            columns = _columns(holders_of(project, function), loaded.name)
            if columns and _is_much(project, loaded, columns):
                yield _hit(project, module, function, chain, loaded=loaded, columns=columns)


def _loops_over(project: Project, function: FunctionFacts, chain: Chain) -> Iterator[Region]:
    """The one loop that goes through the rows, and nothing else gets them."""
    holders = holders_of(project, function)
    rows: Expr = chain.links[-1]
    for _ in range(_STEPS):
        found = holders.of(rows)
        if len(found) != 1:
            return
        holder = found[0]
        if isinstance(holder, Region):
            if holder.kind in {"for", "comprehension"}:
                yield holder
            return
        follow = _followed(holders, rows, holder)
        if follow is None:
            return
        rows = follow


def _followed(holders: Holders, rows: Expr, holder: object) -> Expr | None:
    """The expression that stands for the rows next: `.all()` of them, or the name they get."""
    if isinstance(holder, Attribute) and holder.name in _ENDS:
        calls = [h for h in holders.of(holder) if isinstance(h, Call) and h.func is holder]
        return calls[0] if calls else None
    if isinstance(holder, Call) and last_step(holder.func) in _ENDS:
        return holder
    if isinstance(holder, Bind) and holder.kind == "assign" and "." not in holder.target:
        mentions = [m for m in holders.mentions_of(holder.target) if _is_used(holders, m)]
        return mentions[0] if len(mentions) == 1 else None
    return None


def _is_used(holders: Holders, mention: Name) -> bool:
    """Whether a mention is more than the base of a further link: `query = query.join(...)`."""
    return not all(isinstance(h, Attribute) and h.name not in _ENDS for h in holders.of(mention))


def _objects(
    project: Project, module: ModuleFacts, function: FunctionFacts, chain: Chain, *, loop: Region
) -> Iterator[_Loaded]:
    selected = chain.start.args
    if len(selected) != len(loop.target):
        return
    for name, expr in zip(loop.target, selected, strict=True):
        entity = class_named(project, module, function, expr)
        if entity:
            yield _Loaded(name, entity, len(selected) > 1)


def _columns(holders: Holders, name: str) -> tuple[str, ...]:
    """The attributes that are read of a name, if nothing else is done with it."""
    found: dict[str, None] = {}
    if not holders.is_seen_whole(name) or _is_written(holders.function, name):
        return ()
    for mention in holders.mentions_of(name):
        for holder in holders.of(mention):
            read = _read_of(holders, mention, holder)
            if not read:
                return ()
            found[read] = None
    return tuple(found)


def _is_written(function: FunctionFacts, name: str) -> bool:
    starts = (f"{name}.", f"{name}[")
    return any(isinstance(e, Bind) and e.target.startswith(starts) for e in function.events)


def _read_of(holders: Holders, mention: Name, holder: object) -> str:
    """`port.mac`, `port["mac"]`, `getattr(port, "mac", None)`; empty for any other use."""
    match holder:
        case Attribute(name=read):
            called = any(isinstance(h, Call) and h.func is holder for h in holders.of(holder))
            return "" if called else read
        case Subscript(base=base, index=Const(value=str() as read)) if base is mention:
            return read
        case Call(func=Name(name="getattr"), args=(first, Const(value=str() as read), *_)):
            return read if first is mention else ""
        case _:
            return ""


def _is_much(project: Project, loaded: _Loaded, columns: tuple[str, ...]) -> bool:
    """Whether the object is more than what is read of it: beside columns an object is chosen with
    care or not at all, if it has more than one more; alone it has to bring unread relations."""
    if len(columns) > _FEW:
        return False
    model = project.models.model_of(loaded.entity)
    if any(project.program.method(loaded.entity, column) is not None for column in columns):
        return False  # a property needs the object
    if loaded.is_beside:
        return model is None or len(model.columns) > len(columns) + 1
    eager = [r.name for r in model.relationships.values() if r.lazy in _EAGER] if model else []
    return bool(eager) and not set(eager) & set(columns)


def _hit(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    chain: Chain,
    *,
    loaded: _Loaded,
    columns: tuple[str, ...],
) -> Hit:
    eager = eager_of(project.models, loaded.entity)
    along = [label.partition(".")[2] for label in eager.batches]
    fields = {
        "entity": loaded.entity.rpartition(".")[2],
        "columns": " and ".join(f"`{loaded.name}.{column}`" for column in columns),
        "is_": "is" if len(columns) == 1 else "are",
        "that": "that column" if len(columns) == 1 else "these columns",
        "along": f" with `{along[0]}` and what else is eager" if along else "",
    }
    return Hit(span_of(module, chain.start.at), function.qualname, fields, message=_MESSAGE)


_MESSAGE = "`{entity}` is loaded whole{along}, and of each only {columns} {is_} read: select {that}"
