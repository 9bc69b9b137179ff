"""DBA413: an error from an inner block is caught, and what the block had written is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect, Mode
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    database_errors,
    handlers_of,
    is_broad,
    is_called,
    may_raise,
    short,
)
from auditor.rules.errors.open_transactions import does
from auditor.rules.places import span_of
from auditor.rules.transactions.nesting import Nested, innermost, nested_contexts
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, Raise, Region, dotted
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, HANDLER

_JOINED = frozenset((Mode.WRITER, Mode.INDEPENDENT_WRITER))
_LOGS = ("LOG", "log", "logger", "logging")
_MISSING = re.compile(r"NotFound|DoesNotExist|NoSuch|Missing")
_CHANGES = frozenset((Effect.WRITE, Effect.PENDING))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers around an inner writer, inside the outer one, that let the outer one commit."""
    nested: list[Nested] | None = None
    for handler in handlers_of(project, module, function):
        outer = innermost(project, module, function, handler.tried.parent)
        if outer is None or outer.mode not in _JOINED or not _goes_on(project, function, handler):
            continue
        nested = list(nested_contexts(project, module, function)) if nested is None else nested
        for inner in _inner(nested, handler):
            written = _written_first(project, inner)
            if written is None or inner.outer.region.first > handler.tried.first:
                continue
            fields = {
                "caught": " or ".join(f"`{short(n)}`" for n in handler.types) or "everything",
                "inner": inner.words,
                "outer": outer.words,
                "written": written.what,
                "line": written.at.line,
            }
            evidence = inner.evidence(project, module)
            is_early = _is_of_lookup(function, handler, inner)
            confidence = Confidence.LOW if is_early else None
            at = span_of(module, handler.line)
            yield Hit(at, function.qualname, fields, evidence, confidence=confidence)
            break


def _is_of_lookup(function: FunctionFacts, handler: Handler, inner: Nested) -> bool:
    """Whether what is caught says that something is not there, and the `try` looks for it before it
    comes to the inner block."""
    return all(_MISSING.search(short(name)) for name in handler.types) and any(
        isinstance(event, Call) for event in function.events[handler.tried.first : inner.position]
    )


def _goes_on(project: Project, function: FunctionFacts, handler: Handler) -> bool:
    """Whether a handler lets the outer block end well, for errors that leave the session usable."""
    only_database = len(database_errors(project, handler)) == len(handler.types)
    if only_database and not is_broad(handler):
        return False
    return not may_raise(function, handler) and not is_called(function, handler.region, "rollback")


def _inner(nested: list[Nested], handler: Handler) -> Iterator[Nested]:
    """The writers opened in the `try` that join the transaction around it."""
    for found in nested:
        if found.mode is Mode.WRITER and (
            handler.tried.first <= found.position < handler.tried.last
        ):
            yield found


def _written_first(project: Project, inner: Nested) -> Site | None:
    """The first change inside the inner block that something may fail after; None if there is
    none, or if the inner block is one of the tables."""
    if inner.way and inner.way[-1].callee < 0:
        return None
    scope = inner.scope
    region = next(
        (r for r in scope.function.regions if r.kind == "with" and r.at.line == inner.line),
        scope.function.regions[0],
    )
    for site in project.sites(scope.function):
        if not region.first <= site.position < region.last:
            continue
        if does(project, site, _CHANGES) and _fails_after(scope.function, region, site):
            return site
    return None


def _fails_after(function: FunctionFacts, region: Region, site: Site) -> bool:
    return any(
        isinstance(event, Raise)
        or (isinstance(event, Call) and dotted(event.func).partition(".")[0] not in _LOGS)
        for event in function.events[site.position + 1 : region.last]
    )


RULE = Rule(
    code="DBA413",
    name="inner-failure-kept",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{caught} is caught around {inner}, inside {outer}: taking it that the inner block"
    " fails after `{written}` on line {line}, that is kept and committed, because an inner block"
    " joins the transaction around it and is not rolled back alone",
    why=(
        "An inner `using` or a function below `@writer` does not begin a transaction when one is"
        " open: it works in that one. If it fails half-way and the error is caught inside the outer"
        " block, nothing is undone, and the outer block commits the first half of the inner one."
        " Alone, the same inner function is rolled back as a whole."
    ),
    instead="Give the inner work a savepoint (`writer.savepoint.using(context)` or"
    " `session.begin_nested()`) and catch the error outside of it, or let the error leave the"
    " outer block.",
    checks=(OnFunction(check, needs=(HANDLER, BLOCK | DECORATED)),),
    bad=(
        Example(
            "one block in the other",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, network):
                with enginefacade.writer.using(context) as session:
                    session.add(network)
                    try:
                        with enginefacade.writer.using(context):
                            session.add(Segment(network.id))
                            check_quota(network)
                    except QuotaExceeded:  # expect: DBA413
                        LOG.info("no segment for %s", network.id)
            """,
        ),
        Example(
            "a decorated function",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def bind(context, port, host):
                context.session.add(Binding(port, host))
                if not host.is_alive():
                    raise HostDown(host)

            @enginefacade.writer
            def create(context, port, host):
                context.session.add(port)
                try:
                    bind(context, port, host)
                except Exception:  # expect: DBA413
                    LOG.exception("port is not bound")
            """,
        ),
        Example(
            "one after the other in a loop",
            """
            from oslo_db.sqlalchemy import enginefacade

            def store(context, row):
                with enginefacade.writer.using(context) as session:
                    session.add(row)
                    session.add(owner_of(row))

            @enginefacade.writer
            def store_all(context, rows):
                for row in rows:
                    try:
                        store(context, row)
                    except (KeyError, ValueError):  # expect: DBA413
                        continue
            """,
        ),
    ),
    good=(
        Example(
            "a savepoint",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, network):
                with enginefacade.writer.using(context) as session:
                    session.add(network)
                    try:
                        with enginefacade.writer.savepoint.using(context):
                            session.add(Segment(network.id))
                            check_quota(network)
                    except QuotaExceeded:
                        LOG.info("no segment for %s", network.id)
            """,
        ),
        Example(
            "raised again",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def bind(context, port, host):
                context.session.add(Binding(port, host))
                host.check()

            @enginefacade.writer
            def create(context, port, host):
                context.session.add(port)
                try:
                    bind(context, port, host)
                except HostDown as error:
                    raise NotBound(port) from error
            """,
        ),
        Example(
            "the failing check comes before the change",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def bind(context, binding):
                if binding.host is None:
                    raise HostDown(binding)
                context.session.add(binding)

            @enginefacade.writer
            def create(context, port, binding):
                context.session.add(port)
                try:
                    bind(context, binding)
                except HostDown:
                    LOG.info("port is not bound")
            """,
        ),
        Example(
            "no transaction around it",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def bind(context, port, host):
                context.session.add(Binding(port, host))
                host.check()

            def create(context, port, host):
                try:
                    bind(context, port, host)
                except HostDown:
                    LOG.info("port is not bound")
            """,
        ),
        Example(
            "another transaction",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer.independent
            def bind(context, port, host):
                context.session.add(Binding(port, host))
                host.check()

            @enginefacade.writer
            def create(context, port, host):
                context.session.add(port)
                try:
                    bind(context, port, host)
                except HostDown:
                    LOG.info("port is not bound")
            """,
        ),
    ),
    known_gaps=(
        "handlers for database errors only, which DBA212 and DBA222 look at",
        "a transaction opened by the caller of the function with the `try`",
        "a call that cannot fail is not told from one that can",
    ),
    sources=("oslo.db 18.1.1, enginefacade: _TransactionContext._produce_block",),
)
