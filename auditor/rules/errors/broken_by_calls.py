"""Transactions that a called function breaks: it passes over a refused statement.

def ensure(session, label):              def create(session, network):
    try:                                     with session.begin():
        session.add(label)                       session.add(network)
        session.flush()                          ensure(session, network.label)   # DBA212
    except IntegrityError:
        pass

Alone, `ensure` is right. Inside the transaction of its caller the flush that was refused has rolled
that back, and nobody tells the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence
from auditor.model.knowledge import KEEPING, Mode
from auditor.rule import Example, Hit, Hits
from auditor.rules.errors.caught import Handler, handlers_of, is_called, may_raise, short
from auditor.rules.errors.core_statements import is_of_core
from auditor.rules.errors.open_transactions import (
    APART,
    CHANGES,
    SENDS,
    does,
    is_apart,
    transaction_around,
)
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import Open, contexts_around, is_handed, names_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.program import Scope
from auditor.source.project import Project
from auditor.source.sites import Site

_DEPTH = 3
"""Calls from the transaction to the handler at most."""
_MENDS = ("rollback", "close", "remove", "invalidate", "begin_nested", "savepoint")
_WORK = SENDS | CHANGES
_SELF = frozenset(("self", "cls"))

Breaks = Callable[[Project, ModuleFacts, FunctionFacts, Handler], bool]
"""Whether a handler answers an error of a refused statement that broke the transaction around."""


class Search(NamedTuple):
    """What is looked for: `breaks` says of which handlers, `depth` how many calls away."""

    project: Project
    breaks: Breaks
    depth: int = _DEPTH


class Passed(NamedTuple):
    """A handler that passes over the error, and the calls that lead to its function."""

    scope: Scope
    handler: Handler
    way: tuple[Site, ...]


def broken_by_calls(
    project: Project, module: ModuleFacts, function: FunctionFacts, breaks: Breaks
) -> Hits:
    """Calls inside a transaction of functions that pass over what broke it."""
    told: set[int] = set()
    for site in project.sites(function):
        opened = _opened(project, module, function, site) if site.callee >= 0 else None
        if opened is None or opened.region.index in told or not does(project, site, _WORK):
            continue
        found = _passed(Search(project, breaks), function, site, _names(opened))
        if found is None:
            continue
        told.add(opened.region.index)
        yield _hit(project, module, function, opened, found)


def _opened(
    project: Project, module: ModuleFacts, function: FunctionFacts, site: Site
) -> Open | None:
    """The transaction that is open at a site and is to be kept; None in a savepoint."""
    around = contexts_around(project, module, function, site.region)
    is_kept = bool(around) and around[0].mode in KEEPING - {Mode.SAVEPOINT}
    return around[0] if is_kept else None


def _names(opened: Open) -> frozenset[str]:
    return names_of(opened) - (_SELF if not opened.whose.startswith("self.") else frozenset())


def _passed(
    search: Search, function: FunctionFacts, site: Site, names: frozenset[str]
) -> Passed | None:
    """The first handler below a call that passes over what broke the transaction it is handed."""
    project = search.project
    scope = project.program.scopes[site.callee]
    if not is_handed(function, site.position, names) or _opens_apart(project, scope):
        return None
    for handler in _passing(search, scope):
        return Passed(scope, handler, (site,))
    own = frozenset(p.name for p in scope.function.parameters) - _SELF
    inward = search._replace(depth=search.depth - 1)
    for inner in project.sites(scope.function) if inward.depth else ():
        is_way = inner.callee >= 0 and inner.callee != inner.scope and does(project, inner, _WORK)
        if not is_way or _is_inside(project, scope, inner):
            continue
        found = _passed(inward, scope.function, inner, own)
        if found is not None:
            return found._replace(way=(site, *found.way))
    return None


def _passing(search: Search, scope: Scope) -> Iterator[Handler]:
    """The handlers of a function, outside any transaction of its own, that let it go on."""
    project = search.project
    known: dict[int, tuple[Handler, ...]] = project.shared.setdefault("passed over", {})
    if scope.key not in known:
        module, function = scope.module, scope.function
        known[scope.key] = tuple(
            handler
            for handler in handlers_of(project, module, function)
            if transaction_around(project, module, function, handler.tried.parent) is None
            and not may_raise(function, handler)
            and not is_called(function, handler.region, *_MENDS)
            and not is_called(function, handler.tried, *_MENDS)
            and search.breaks(project, module, function, handler)
            and _writes_here(project, function, handler)
        )
    yield from known[scope.key]


def _writes_here(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    """Whether something in the `try` certainly sends what it is about."""
    return any(
        handler.tried.first <= site.position < handler.tried.last
        and (effect := does(project, site, _WORK)) is not None
        and not is_apart(project, site, effect, handler.tried)
        for site in project.sites(function)
    )


def _opens_apart(project: Project, scope: Scope) -> bool:
    rows = project.decorating_contexts(scope.module, scope.function)
    return any(row.mode in APART for row in rows)


def _is_inside(project: Project, scope: Scope, site: Site) -> bool:
    """Whether a context of the function itself, a savepoint say, is open around a site; those of
    enginefacade join the one around."""
    around = contexts_around(project, scope.module, scope.function, site.region)
    return any(one.mode in APART for one in around)


def _hit(
    project: Project, module: ModuleFacts, function: FunctionFacts, opened: Open, found: Passed
) -> Hit:
    caught = " or ".join(f"`{short(name)}`" for name in found.handler.types)
    inner = found.scope.function.name
    steps = [Step(span_of(module, opened.region.at), opened.words)]
    for site in found.way:
        scope = project.program.scopes[site.scope]
        steps.append(Step(span_of(scope.module, site.at), f"`{site.what}` is called in it"))
    steps.append(
        Step(span_of(found.scope.module, found.handler.line), f"{caught} is passed over here")
    )
    fields = {
        "caught": f"{caught} in `{inner}` (line {found.handler.line.line})",
        "opened": opened.words,
        "what": f"calls `{found.way[0].what}` and goes on",
        "truth": "taking it that both work on one session, its commit raises PendingRollbackError",
    }
    at = found.way[0].at
    way = (SourcePath(tuple(steps)),)
    is_core = is_of_core(project, found.scope.function, found.handler.tried)
    confidence = Confidence.LOW if is_core else None
    return Hit(span_of(module, at), function.qualname, fields, way, confidence=confidence)


BAD = (
    Example(
        "a function that is right alone, called in a transaction",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import Session

        def ensure(session: Session, name):
            try:
                session.add(Label(name=name))
                session.flush()
            except IntegrityError:
                LOG.debug("somebody was faster")

        def create(session: Session, network):
            with session.begin():
                session.add(network)
                ensure(session, network.label)  # expect: DBA212
        """,
    ),
    Example(
        "two calls down, in a block that joins the one around",
        """
        from oslo_db import exception as db_exc

        class Scheduler:
            def bind(self, context, router_id, agent):
                try:
                    with context.session.begin(subtransactions=True):
                        context.session.add(Binding(router_id=router_id, agent_id=agent))
                except db_exc.DBDuplicateEntry:
                    return

            def choose(self, context, router_id):
                self.bind(context, router_id, self.agents[0])

        class Chance(Scheduler):
            def schedule(self, context, router_id):
                with context.session.begin(subtransactions=True):
                    return self.choose(context, router_id)  # expect: DBA212
        """,
    ),
    Example(
        "below a decorator, in another module",
        """
        # --- app/labels.py
        from oslo_db import exception as db_exc

        def ensure(context, name):
            try:
                context.session.add(Label(name=name))
                context.session.flush()
            except db_exc.DBDuplicateEntry:
                return False
            return True

        # --- app/networks.py
        from oslo_db.sqlalchemy import enginefacade
        from app import labels

        @enginefacade.writer
        def create(context, network):
            for name in network["labels"]:
                labels.ensure(context, name)  # expect: DBA212
            context.session.add(Network(id=network["id"]))
        """,
    ),
    Example(
        "with awaits",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.ext.asyncio import AsyncSession

        async def ensure(session: AsyncSession, name):
            try:
                session.add(Label(name=name))
                await session.flush()
            except IntegrityError:
                pass

        async def create(session: AsyncSession, names):
            async with session.begin():
                for name in names:
                    await ensure(session, name)  # expect: DBA212
        """,
    ),
)
GOOD = (
    Example(
        "the function that is called has a savepoint",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import Session

        def ensure(session: Session, name):
            try:
                with session.begin_nested():
                    session.add(Label(name=name))
            except IntegrityError:
                LOG.debug("somebody was faster")

        def create(session: Session, network):
            with session.begin():
                session.add(network)
                ensure(session, network.label)
        """,
    ),
    Example(
        "the function that is called works in a transaction of its own",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import Session

        def ensure(factory, name):
            try:
                with factory.begin() as own:
                    own.add(Label(name=name))
                    own.flush()
            except IntegrityError:
                LOG.debug("somebody was faster")

        def create(factory, session: Session, network):
            with session.begin():
                session.add(network)
                ensure(factory, network.label)
        """,
    ),
    Example(
        "the function that is called tells its caller",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import Session

        def store(session: Session, name):
            try:
                session.add(Label(name=name))
                session.flush()
            except IntegrityError as error:
                raise Taken(name) from error

        def create(session: Session, network):
            with session.begin():
                session.add(network)
                store(session, network.label)
        """,
    ),
    Example(
        "the transaction has ended before the call",
        """
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import Session

        def ensure(session: Session, name):
            try:
                session.add(Label(name=name))
                session.flush()
            except IntegrityError:
                session.rollback()

        def create(session: Session, network):
            with session.begin():
                session.add(network)
            ensure(session, network.label)
        """,
    ),
)
