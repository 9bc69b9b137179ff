"""DBA209: work is repeated inside a transaction that its failure has ended."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONTEXT, SESSION, Effect, Mode
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.errors.caught import always_raises, database_errors, handlers_of
from auditor.rules.errors.open_transactions import (
    APART,
    CHANGES,
    does,
    holds_apart,
    is_apart,
    transaction_around,
    work_within,
)
from auditor.rules.errors.retries import context_places, retries_of
from auditor.rules.errors.retry_seen import recorded
from auditor.rules.places import span_of
from auditor.source.facts import Call, FunctionFacts, Jump, ModuleFacts, Name, Read, Region, Return
from auditor.source.project import Project
from auditor.source.traits import BLOCK, DECORATED

_CARRIED = (("session",), ("_session",), ("context",), ("_context",), ("obj_context",))
"""Attributes of `self` by which an object carries the transaction of its maker."""
_DEPTH = 3
"""Calls between the transaction and the retry looked at."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Retries below an open transaction: decorators in the wrong order, calls of functions that
    retry, and functions that retry on a session they were handed."""
    yield from _below_context(project, module, function)
    yield from _called_inside(project, module, function)
    yield from _on_handed_session(project, module, function)


def _below_context(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    contexts = list(context_places(project, module, function))
    for retry in retries_of(project, module, function):
        if any(place < retry.place for place in contexts) and not retry.row.steps_back:
            what = "the retry decorator stands below the one that opens the transaction"
            yield Hit(
                _first_line(module, function),
                function.qualname,
                {"what": what},
                confidence=Confidence.HIGH,
                severity=Severity.ERROR,
            )


def _first_line(module: ModuleFacts, function: FunctionFacts) -> Span:
    at = function.at
    return span_of(module, at._replace(end_line=at.line, end_column=at.column + len("def")))


def _called_inside(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    for site in project.sites(function):
        if site.callee < 0 or not site.certain:
            continue
        way = _way_to_retry(project, site.callee, _DEPTH)
        if way is None:
            continue
        opened = transaction_around(project, module, function, site.region)
        if opened is None:
            continue
        *_, last = way
        names = " -> ".join(f"`{_name(project, key)}`" for key in way)
        fields = {
            "what": f"{names} is called with a transaction open ({opened.words}), and"
            f" `{_name(project, last)}` {_how(project, last)}"
        }
        yield Hit(span_of(module, site.at), function.qualname, fields)


def _name(project: Project, key: int) -> str:
    return project.program.scopes[key].function.name


def _way_to_retry(project: Project, key: int, depth: int) -> tuple[int, ...] | None:
    """The functions from one that is called to one that retries in the transaction of its caller;
    None if there is no such way of that many steps. Each is searched once, whoever calls it."""
    known = project.shared.setdefault("ways to retry", {})
    if (key, depth) not in known:
        known[key, depth] = _searched_way(project, key, depth)
    found: tuple[int, ...] | None = known[key, depth]
    return found


def _searched_way(project: Project, key: int, depth: int) -> tuple[int, ...] | None:
    scope = project.program.scopes[key]
    if _opens_apart(project, scope.module, scope.function):
        return None
    if _how(project, key):
        return (key,) if _is_handed_something(project, scope.function) else None
    if depth == 1:
        return None
    for inner in project.sites(scope.function):
        if inner.callee < 0 or not inner.certain:
            continue
        way = _way_to_retry(project, inner.callee, depth - 1)
        if way and not _is_apart_here(project, scope.module, scope.function, inner.region):
            return (key, *way)
    return None


def _is_handed_something(project: Project, function: FunctionFacts) -> bool:
    """Whether a function gets a session, a context, or an object that may carry one: one that gets
    neither works in a transaction of its own."""
    scope = project.program.scope_of(function)
    handed = (project.inference.value(scope, 0, Name(p.name)).kind for p in function.parameters)
    return any(kind in {SESSION, CONTEXT} for kind in handed) or any(
        isinstance(event, Read) and event.path[0] == "self" and event.path[1:2] in _CARRIED
        for event in function.events
    )


def _opens_apart(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    return any(row.mode in APART for row in project.decorating_contexts(module, function))


def _is_apart_here(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int
) -> bool:
    return any(
        around.kind == "with"
        and any(r.mode in APART for r in project.block_contexts(module, function, around))
        for around in function.ancestors(region)
    )


def _how(project: Project, key: int) -> str:
    """How a function repeats work on the database, empty if it does not: by a decorator that does
    not step back, or by a loop."""
    scope = project.program.scopes[key]
    if any(not r.row.steps_back for r in retries_of(project, scope.module, scope.function)):
        return "repeats on database errors"
    loop = next(iter(_retry_loops(project, scope.module, scope.function)), None)
    return f"tries again in the loop on line {loop.at.line}" if loop is not None else ""


def _retry_loops(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> Iterator[Region]:
    """Loops that a success leaves and a database error repeats, with no savepoint in the try."""
    for handler in handlers_of(project, module, function):
        if not database_errors(project, handler) or always_raises(function, handler):
            continue
        around = function.regions[handler.tried.parent]
        leaves = any(
            isinstance(e, Return) or (isinstance(e, Jump) and e.kind == "break")
            for e in function.inside(handler.tried)
        )
        stays = not any(
            isinstance(e, Return) or (isinstance(e, Jump) and e.kind == "break")
            for e in function.inside(handler.region)
        )
        if around.kind not in {"for", "while"} or not (leaves and stays):
            continue
        changes = work_within(project, function, handler.tried, CHANGES)
        joins = not holds_apart(project, module, function, handler.tried) and any(
            not is_apart(project, s, e, handler.tried)
            for s in changes
            if isinstance(e := does(project, s, CHANGES), Effect)
        )
        if joins:
            yield around


def _on_handed_session(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """A decorated function that works on a session it was handed, opening nothing of its own."""
    handed = next(
        (p.name for p in function.parameters if _is_session(project, function, p.name)), ""
    )
    if not handed or _opens_something(project, module, function):
        return
    for retry in retries_of(project, module, function):
        if retry.row.steps_back or not work_within(project, function, function.regions[0], CHANGES):
            continue
        what = (
            f"the function is repeated on the session it is handed (`{handed}`): taking it that the"
            " caller has begun its transaction, a caller's transaction is repeated in part"
        )
        yield Hit(_first_line(module, function), function.qualname, {"what": what})
        return


def _is_session(project: Project, function: FunctionFacts, name: str) -> bool:
    scope = project.program.scope_of(function)
    return project.inference.value(scope, 0, Name(name)).kind == SESSION


def _opens_something(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    if any(True for _ in project.decorating_contexts(module, function)):
        return True
    return any(
        row.mode is not Mode.SESSION_ONLY
        for region in function.regions
        if region.kind == "with"
        and not any(
            isinstance(i.expr, Call) and i.expr.keyword("subtransactions") for i in region.items
        )
        for row in project.block_contexts(module, function, region)
    )


RULE = Rule(
    code="DBA209",
    name="retry-inside-transaction",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what}; after a failure the transaction is gone, and what came before it is not"
    " repeated",
    why=(
        "A deadlock or a lost connection ends the whole transaction. A retry that runs below the"
        " place where it was begun repeats only its own part: on MariaDB the earlier writes are"
        " lost and the rest is committed, under REPEATABLE READ it reads the same old rows again,"
        " and after a failed flush the session refuses every further attempt."
    ),
    instead="Put the retry around the place that begins the transaction: the retry decorator above"
    " the context decorator, or a savepoint inside the loop for errors of one statement.",
    checks=(OnFunction(check, needs=(BLOCK | DECORATED,)), OnTape(recorded)),
    bad=(
        Example(
            "decorators in the wrong order",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def create(context, name):  # expect: DBA209
                context.session.add(Label(name=name))
            """,
        ),
        Example(
            "a function that retries is called in a transaction",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def bump(context, name):
                context.session.execute(bump_counter(name))

            def create(context, name):
                with enginefacade.writer.using(context) as session:
                    session.add(Label(name=name))
                    bump(context, name)  # expect: DBA209
            """,
        ),
        Example(
            "the session is the caller's",
            """
            from oslo_db import api as oslo_db_api

            class Quotas:
                @oslo_db_api.wrap_db_retry(max_retries=5, retry_on_deadlock=True)
                def update(self, session, project_id, **quota):  # expect: DBA209
                    row = session.query(Quota).filter_by(project_id=project_id).first()
                    row.update(quota)
                    session.add(row)
                    session.flush()
            """,
        ),
        Example(
            "a loop that joins the transaction of its caller",
            """
            from oslo_db import exception as db_exc

            def allocate(context):
                for attempt in range(10):
                    try:
                        with context.session.begin(subtransactions=True):
                            context.session.add(Allocation(random_id()))
                            return attempt
                    except db_exc.DBDuplicateEntry:
                        LOG.info("attempt %d", attempt)

            def create(context, router):
                with context.session.begin(subtransactions=True):
                    router.number = allocate(context)  # expect: DBA209
            """,
        ),
    ),
    good=(
        Example(
            "the retry stands above the transaction",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, name):
                context.session.add(Label(name=name))
            """,
        ),
        Example(
            "called with nothing open, or in a reader",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def bump(context, name):
                context.session.execute(bump_counter(name))

            def create(context, name):
                with enginefacade.writer.using(context) as session:
                    session.add(Label(name=name))
                bump(context, name)
            """,
        ),
        Example(
            "a savepoint for each attempt",
            """
            from oslo_db import exception as db_exc

            def allocate(context):
                for attempt in range(10):
                    try:
                        with context.session.begin_nested():
                            context.session.add(Allocation(random_id()))
                            return attempt
                    except db_exc.DBDuplicateEntry:
                        LOG.info("attempt %d", attempt)

            def create(context, router):
                with context.session.begin():
                    router.number = allocate(context)
            """,
        ),
        Example(
            "the retried function has a transaction of its own",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer.independent
            def bump(context, name):
                context.session.execute(bump_counter(name))

            @enginefacade.writer
            def create(context, name):
                context.session.add(Label(name=name))
                bump(context, name)
            """,
        ),
        Example(
            "the retried function makes its own session",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            def ensure(project_id):
                with enginefacade.writer.get_sessionmaker()() as session:
                    session.add(Quota(project_id))
                    session.commit()

            def create(context, project_id):
                with context.session.begin():
                    ensure(project_id)
                    context.session.add(Pool(project_id))
            """,
        ),
        Example(
            "neutron-lib's decorator that steps back when a transaction is open",
            """
            from neutron_lib.db import api as db_api

            @db_api.retry_if_session_inactive()
            def bump(context, name):
                with db_api.CONTEXT_WRITER.using(context):
                    context.session.add(Counter(name))

            def create(context, name):
                with db_api.CONTEXT_WRITER.using(context):
                    bump(context, name)
            """,
        ),
    ),
    known_gaps=(
        "more than three calls between the transaction and the retry",
        "retries by libraries that are not in the tables (tenacity, retrying)",
    ),
    sources=("https://docs.openstack.org/neutron/latest/contributor/internals/retries.html",),
)
