"""What the body of a `try` does to the database: each place it comes to, through its calls.

    Work
     ├ done        Done(verb, model, site, ...) of each place that reads, writes or flushes
     ├ unknown     a call of which nothing is known, empty if there is none
     ├ flushes     changes that are only noted in it are sent before it is left
     └ opens       it opens a transaction of its own

A place is left out where a handler on the way to it takes the error that is asked about.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from auditor.handlers.done import FLUSH, FLUSHING, READ, Done, Way, done_at
from auditor.model.knowledge import CONTEXT, KEEPING, SESSION, Effect, Mode
from auditor.rules.errors.caught import (
    Handler,
    calls_within,
    catches,
    handlers_of,
    own_events,
    reraises,
)
from auditor.rules.errors.open_transactions import sites_within
from auditor.rules.errors.retries import repeats_on, retries_of
from auditor.source.facts import Bind, Call, Expr, FunctionFacts, Name, Raise, Region, Yield, dotted
from auditor.source.program import Scope, last_step
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.value import CLASS

_MOST = 150
"""Functions that are followed from one body at most."""
_COMPUTED = "getattr(...)"
YIELDED = "yield"
"""What is not known of the body of a context manager: the block that it stands around."""
_READING = (Mode.READER, Mode.INDEPENDENT_READER)
_STRAIGHT = frozenset(("with", "try", "try-else", "finally", "for", "comprehension"))
"""Regions that run when what is around them runs; a loop's collection is not empty."""
_HARMLESS = frozenset({
    "str", "int", "len", "dict", "list", "set", "tuple", "getattr", "setattr", "isinstance", "bool",
    "debug", "info", "warning", "error", "exception", "format", "join", "get", "append", "update",
    "items", "keys", "values", "utcnow", "now", "uuid4", "generate_uuid", "dumps", "loads", "pop",
    "lower", "upper", "strip", "extend", "split", "sorted", "range", "zip", "enumerate", "hasattr",
    "super", "type", "print", "min", "max", "sum", "any", "all", "startswith", "endswith", "_",
})  # fmt: skip
"""Last steps of calls that send nothing by themselves, when the tables do not know them."""


@dataclass(frozen=True, slots=True)
class Work:
    """All that is done; see the module. `raises` are errors that something called raises by itself
    (`.one()`), each with whether the body calls it directly; `unseen` are changes that a flush may
    write without a call for them: attributes that are set, objects made of mapped classes."""

    done: tuple[Done, ...]
    unknown: str
    flushes: bool
    opens: bool
    raises: tuple[tuple[str, bool], ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether everything that the body calls is known."""
        return not self.unknown

    @property
    def writes(self) -> tuple[Done, ...]:
        """The places that change rows, or may."""
        return tuple(one for one in self.done if one.verb not in (READ, FLUSH))


@dataclass(frozen=True, slots=True)
class _Walk:
    """A breadth-first walk through the calls of a body, and what it has found so far."""

    project: Project
    errors: tuple[str, ...]
    waiting: deque[tuple[Scope, Region, Way]] = field(default_factory=deque)
    seen: set[int] = field(default_factory=set)
    done: list[Done] = field(default_factory=list)
    raises: dict[tuple[str, bool], None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    opened: list[bool] = field(default_factory=list)
    unseen: dict[str, None] = field(default_factory=dict)

    def visit(self, scope: Scope, within: Region, way: Way) -> None:
        """Take in one function, or the region of it that is asked about."""
        unknown, raised = _called(self.project, scope, within)
        self.unknown.extend([unknown] if unknown else [])
        self.raises.update(dict.fromkeys((error, not way.path) for error in raised))
        first = within.first if way.path else 0
        self.unseen.update(dict.fromkeys(_changed(self.project, scope, first, within.last)))
        if not way.path:
            self.opened.append(_opens(self.project, scope, within))
        for site in sites_within(self.project, scope.function, within):
            if not any(_is_taken(self.project, scope, site, within, e) for e in self.errors):
                certain = way.certain and site.certain and _is_straight(scope, site, within)
                self._step(scope, site, replace(way, certain=certain))

    def _step(self, scope: Scope, site: Site, way: Way) -> None:
        if site.callee < 0:
            self.done.extend(done_at(self.project, scope, site, way))
        elif site.callee not in self.seen:
            self.seen.add(site.callee)
            callee = self.project.program.scopes[site.callee]
            retried = (*way.retried, *_retrying(self.project, callee, self.errors))
            if not way.path:
                self.opened.append(_opens_around(self.project, callee))
            onwards = replace(way, path=(*way.path, site.callee), retried=retried)
            self.waiting.append((callee, callee.function.regions[0], onwards))


def work_of(project: Project, scope: Scope, region: Region, errors: tuple[str, ...] = ()) -> Work:
    """What is done in a region of a function that no handler for one of the errors stands around;
    everything if none is given."""
    walk = _Walk(project, errors)
    walk.visit(scope, region, Way())
    while walk.waiting and len(walk.seen) < _MOST:
        walk.visit(*walk.waiting.popleft())
    unknown = [*walk.unknown, *(scope.function.name for scope, _, _ in walk.waiting), ""][0]
    opens = any(walk.opened)
    flushes = opens or any(FLUSHING & set(one.site.effects) for one in walk.done)
    before = _noted_before(project, scope, region) if flushes else ()
    raises, unseen = tuple(walk.raises), tuple(walk.unseen)
    return Work((*walk.done, *before), unknown, flushes, opens, raises, unseen)


def _noted_before(project: Project, scope: Scope, region: Region) -> Iterator[Done]:
    """Changes that the function noted in a session before the region, which may be sent in it."""
    whole = scope.function.regions[0]
    for site in project.sites(scope.function):
        if site.position < region.first and Effect.PENDING in site.effects:
            certain = site.certain and _is_straight(scope, site, whole)
            yield from done_at(project, scope, site, Way(certain))


def _changed(project: Project, scope: Scope, first: int, last: int) -> Iterator[str]:
    """Attributes that are set between two events, but for those of `self`, as they are written, and
    the names of mapped classes of which objects are made."""
    for position in range(first, last):
        event = scope.function.events[position]
        if isinstance(event, Bind) and "." in event.target and event.kind != "delete":
            if not event.target.startswith(("self.", "cls.")):
                yield event.target
        elif isinstance(event, Call):
            if last_step(event.func) == "setattr":
                yield "setattr()"
            value = project.inference.value(scope, position, event.func)
            if value.kind == CLASS and project.models.model_of(value.name) is not None:
                yield value.name


def _retrying(project: Project, callee: Scope, errors: tuple[str, ...]) -> Iterator[str]:
    for retry in retries_of(project, callee.module, callee.function):
        if any(repeats_on(project, retry, error) for error in errors):
            yield callee.function.name


def _is_straight(scope: Scope, site: Site, within: Region) -> bool:
    """Whether the site runs whenever the region does; a branch may pass it by."""
    for around in scope.function.ancestors(site.region):
        if around.index == within.index:
            return True
        if around.kind not in _STRAIGHT:
            return False
    return False


def _is_taken(project: Project, scope: Scope, site: Site, within: Region, error: str) -> bool:
    """Whether a handler between the site and the region takes the error and lets it not go on."""
    function = scope.function
    around = {region.index for region in function.ancestors(site.region)}
    tried = around - {region.index for region in function.ancestors(within.index)}
    return bool(tried) and any(
        handler.tried.index in tried
        and catches(project, handler, error)
        and not lets_go_on(function, handler)
        for handler in handlers_of(project, scope.module, function)
    )


def lets_go_on(function: FunctionFacts, handler: Handler) -> bool:
    """Whether a handler may raise again what it has caught."""
    return reraises(function, handler) or any(
        isinstance(event, Raise) and (event.error is None or _is_caught(event.error, handler))
        for event in own_events(function, handler)
    )


def _is_caught(error: Expr, handler: Handler) -> bool:
    return isinstance(error, Name) and error.name == handler.region.name


def _opens(project: Project, scope: Scope, within: Region) -> bool:
    """Whether the region holds a block that opens a transaction or a savepoint."""
    return any(
        row.mode in KEEPING or row.mode in _READING
        for region in scope.function.regions
        if region.kind == "with" and within.first <= region.first and region.last <= within.last
        for row in project.block_contexts(scope.module, scope.function, region)
    )


def _opens_around(project: Project, callee: Scope) -> bool:
    rows = project.decorating_contexts(callee.module, callee.function)
    return any(row.mode in KEEPING for row in rows)


def _called(project: Project, scope: Scope, within: Region) -> tuple[str, tuple[str, ...]]:
    """The first call in the region of which nothing is known, as it is written, and the errors that
    the tables say some of it raises by itself. A class that is instantiated is taken to send
    nothing."""
    known = {site.position for site in project.sites(scope.function)}
    called = {id(call) for call in calls_within(scope.function, within)}
    entered = {
        id(item.expr)
        for region in scope.function.regions
        if region.kind == "with" and project.block_contexts(scope.module, scope.function, region)
        for item in region.items
    }
    yields = any(isinstance(event, Yield) for event in scope.function.inside(within))
    unknown = YIELDED if yields else ""
    raised: dict[str, None] = {}
    for position in range(within.first, within.last):
        call = scope.function.events[position]
        if not isinstance(call, Call) or id(call) not in called or id(call) in entered:
            continue
        targets = project.targets(scope.function, position, call)
        for target in targets:
            raised |= dict.fromkeys(target.row.raises if target.row is not None else ())
        if not targets and position not in known and not _is_harmless(project, scope, call):
            unknown = unknown or dotted(call.func) or last_step(call.func) or _COMPUTED
    return unknown, tuple(raised)


def _is_harmless(project: Project, scope: Scope, call: Call) -> bool:
    """Whether a call sends nothing: a class is instantiated, or it is one of the well-known calls
    and is not handed a session, as `repository.update(session, port)` is."""
    name = last_step(call.func)
    if name[:1].isupper() or name not in _HARMLESS:
        return name[:1].isupper()
    position = next(i for i, event in enumerate(scope.function.events) if event is call)
    values = (*call.args, *(keyword.value for keyword in call.keywords))
    kinds = (project.inference.value(scope, position, value).kind for value in values)
    return not any(kind in (SESSION, CONTEXT) for kind in kinds)
