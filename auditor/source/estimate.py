"""How many statements a function issues, read off its source: `1 + 2*|labels|`, place by place.

    estimate_of(project, function)
      site_cost        one call: its own statement, eager loads, or the function it calls
      of_region        the stretch of a region: sites and inner regions in order
        branches       the dearest and cheapest way; one that returns shuts out what follows
        loops          times the length of what is iterated
        handlers       left out: they run when a statement fails

A call chain is followed to its end; recursion, calls of something unknown and eager loads behind
joined relationships are said in notes. COMMIT and BEGIN are not counted, as in a measured law.
"""

from __future__ import annotations

from typing import NamedTuple

from auditor.model.knowledge import ISSUES, Effect
from auditor.model.predicted import Predicted
from auditor.source import costs
from auditor.source.costs import FREE, Cost
from auditor.source.counts import Count, as_text, names_of
from auditor.source.effects import is_short_circuited
from auditor.source.facts import Call, FunctionFacts, Jump, Raise, Region, Return
from auditor.source.loads import Loads, lazy_loads, option_loads, own_cost, unknown_calls
from auditor.source.lookups import argument
from auditor.source.program import Scope
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.trips import LOOPS, named_length, trips_of

_DEEPEST = 30
"""Calls inside each other that are followed."""
_ITSELF = "calls itself"
_DEEP = "calls deeper"
_COSTLY = (ISSUES - {Effect.COMMIT}) | {Effect.PENDING}
_ALTERNATIVE = frozenset(("if", "else", "case"))


class Estimate(NamedTuple):
    """The statements of a function."""

    scope: Scope
    cost: Cost

    @property
    def text(self) -> str:
        """`1 + |labels|`, `1 to 1 + 2*|labels|` or `at most 3`."""
        return range_text(self.cost.low, self.cost.high)

    @property
    def predicted(self) -> Predicted:
        """The lengths that it grows with."""
        return Predicted(names_of(self.cost.low), names_of(self.cost.high))


class _Asked(NamedTuple):
    """An estimate being made: functions known, and those it is inside of, outermost first."""

    project: Project
    known: dict[int, Cost]
    inside: tuple[int, ...] = ()


class _Item(NamedTuple):
    """Something of a region in order: a cost, or the ways of a branch, of which some leave."""

    position: int
    ways: tuple[tuple[Cost, bool], ...]


def estimate_of(project: Project, function: FunctionFacts) -> Estimate:
    """The estimate of a function of the project."""
    scope = project.program.scope_of(function)
    return Estimate(scope, _of_scope(_Asked(project, {}), scope))


def range_text(low: Count, high: Count) -> str:
    """The two ends of a range in words; one number when they agree."""
    if low == high:
        return as_text(high)
    return f"{as_text(low)} to {as_text(high)}" if low else f"at most {as_text(high)}"


def _of_scope(asked: _Asked, scope: Scope) -> Cost:
    if scope.key in asked.inside:
        return costs.said(f"`{scope.function.name}` {_ITSELF}: the inner calls are not counted")
    if len(asked.inside) >= _DEEPEST:
        return costs.said(f"{_DEEP} than {_DEEPEST} are not followed")
    known = asked.known.get(scope.key)
    if known is None:
        shared: dict[int, Cost] = asked.project.shared.setdefault("estimates", {})
        known = shared.get(scope.key)
        if known is None:
            inner = asked._replace(inside=(*asked.inside, scope.key))
            known = _of_function(inner, scope)
            if _is_whole(known):
                shared[scope.key] = known
        asked.known[scope.key] = known
    return known


def _is_whole(cost: Cost) -> bool:
    """Whether a cost is the same whoever asks: nothing was left out because of where it began."""
    return len(cost.notes) < costs.NOTES and not any(_ITSELF in n or _DEEP in n for n in cost.notes)


def _of_function(asked: _Asked, scope: Scope) -> Cost:
    """From the innermost regions outwards: a region stands after the one around it."""
    function = scope.function
    found = Loads(asked.project, scope)
    items: dict[int, list[_Item]] = {}
    costly = (*_site_costs(asked, scope), *lazy_loads(found), *option_loads(found))
    for inside, position, cost in costly:
        items.setdefault(inside, []).append(_Item(position, ((cost, False),)))
    partners: dict[int, tuple[Cost, bool]] = {}
    total = FREE
    for region in reversed(function.regions):
        own = _in_order(items.pop(region.index, []))
        item = _around(asked, scope, region, own, partners)
        if region.parent < 0:
            total = costs.together(own, *([total] if total.high else []))
        elif item is not None:
            items.setdefault(region.parent, []).append(item)
    return costs.together(total, *(costs.said(note) for note in unknown_calls(found)))


def _around(
    asked: _Asked,
    scope: Scope,
    region: Region,
    own: Cost,
    partners: dict[int, tuple[Cost, bool]],
) -> _Item | None:
    """What a region is for the one around it. An `else` waits for its `if`."""
    if region.kind in {"lambda", "class"}:
        return None
    if region.kind == "handler":
        if not own.high:
            return None
        note = f"statements of the handler at line {region.at.line} come only after a failure"
        return _Item(region.first, ((costs.said(note), False),))
    if region.kind in LOOPS:
        turns = trips_of(asked.project.inference, scope, region)
        cost = costs.repeated(own, turns.count, is_exact=turns.is_exact)
        return _Item(region.first, ((cost, False),))
    if region.kind not in _ALTERNATIVE:
        sooner = region.kind == "loop-else"
        cost = costs.perhaps(own, "in the `else` of a loop") if sooner else own
        return _Item(region.first, ((cost, False),))
    if region.kind == "else":
        partners[region.partner] = (own, _leaves(scope.function, region))
        return None
    other = partners.pop(region.index, (FREE, False))
    return _Item(region.first, ((own, _leaves(scope.function, region)), other))


def _leaves(function: FunctionFacts, region: Region) -> bool:
    """Whether a return, raise, continue or break ends the region in every case."""
    return any(
        event.region == region.index
        and (
            isinstance(event, (Return, Raise)) or (isinstance(event, Jump) and event.kind != "pass")
        )
        for event in function.inside(region)
    )


def _in_order(items: list[_Item]) -> Cost:
    """The items one after the other; a way that leaves and costs something shuts out the rest."""
    after = FREE
    for item in sorted(items, key=lambda item: item.position, reverse=True):
        if len(item.ways) == 1:
            after = costs.together(item.ways[0][0], after)
            continue
        staying = [cost for cost, leaves in item.ways if not leaves]
        leaving = [cost for cost, leaves in item.ways if leaves and cost.high]
        if staying:
            after = costs.together(_one_of(staying), after)
            after = costs.either([after, *leaving]) if leaving else after
        else:
            after = _one_of([cost for cost, _ in item.ways])
    return after


def _one_of(ways: list[Cost]) -> Cost:
    return FREE if not any(way.high or way.notes for way in ways) else costs.either(ways)


def _site_costs(asked: _Asked, scope: Scope) -> list[tuple[int, int, Cost]]:
    """The costs of all sites, as region, position, cost; what one call may run is one of them."""
    calls: dict[tuple[int, int], list[Cost]] = {}
    found: list[tuple[int, int, Cost]] = []
    for site in asked.project.effects.sites[scope.key]:
        if _COSTLY.isdisjoint(asked.project.effects.of_site(site)):
            continue
        if site.callee < 0:
            found.append(
                (site.region, site.position, _limited(scope, site, _own(asked, scope, site)))
            )
            continue
        cost = _limited(scope, site, _callee(asked, scope, site))
        if cost.high or cost.notes:
            calls.setdefault((site.region, site.position), []).append(cost)
    return [*found, *((*place, costs.either(ways)) for place, ways in calls.items())]


def _own(asked: _Asked, scope: Scope, site: Site) -> Cost:
    return own_cost(Loads(asked.project, scope), site)


def _callee(asked: _Asked, scope: Scope, site: Site) -> Cost:
    callee = asked.project.program.scopes[site.callee]
    inner = _of_scope(asked, callee)
    place = costs.Place(scope.module.path, site.at.line, f"{site.what}()")
    call = scope.function.events[site.position]

    def name_here(name: str) -> str:
        return _renamed(asked.project, scope, callee, site, name=name)

    found = costs.called(inner, place, name_here) if isinstance(call, Call) else inner
    if not site.certain:
        return costs.perhaps(found, "which function runs is not certain")
    return found


def _renamed(project: Project, scope: Scope, callee: Scope, site: Site, *, name: str) -> str:
    """What the length `name` of a called function is called where it is called: an argument for a
    parameter; names of its own are told apart by its name."""
    root, dot, rest = name.partition(".")
    parameters = {p.name for p in callee.function.parameters}
    call = scope.function.events[site.position]
    if root not in parameters or not isinstance(call, Call):
        own = root in {binding.partition(".")[0] for binding in project.program.binds[callee.key]}
        return f"{callee.function.name}.{name}" if own and ":" not in name else name
    if root in {"self", "cls"}:
        return name
    passed = argument(callee, root, call)
    here = named_length(project.inference, scope, site.position, passed)
    return f"{here}{dot}{rest}" if here else f"{callee.function.name}.{name}"


def _limited(scope: Scope, site: Site, cost: Cost) -> Cost:
    """A site behind `and`, `or` or a conditional expression, or handed to `map`."""
    if site.per_element:
        call = scope.function.events[site.position]
        items = call.args[1] if isinstance(call, Call) and len(call.args) > 1 else None
        name = getattr(items, "name", "") or f"items of the call at line {site.at.line}"
        return costs.repeated(cost, {(name,): 1}, is_exact=True)
    if is_short_circuited(scope.function, site):
        return costs.perhaps(cost, "behind `and`, `or` or a conditional expression")
    return cost
