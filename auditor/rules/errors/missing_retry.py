"""DBA216: a transaction that can deadlock, without the retry that its neighbours have."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import KEEPING, Effect
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.errors.caught import catches, handlers_of, is_broad
from auditor.rules.errors.open_transactions import does, sites_within
from auditor.rules.errors.retries import repeats_on, retries_of
from auditor.rules.places import span_of
from auditor.source.facts import Call, FunctionFacts, ModuleFacts
from auditor.source.program import Scope, last_step
from auditor.source.project import Project

_DEADLOCK = "oslo_db.exception.DBDeadlock"
_WRITES = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.PENDING))
_LOCKS = frozenset({"with_for_update", "with_lockmode"})
_BULK = frozenset({"delete", "update", "soft_delete", "bulk_insert_mappings"})
_CALLERS = 3
_ENOUGH = 2
"""Neighbours that retry before it counts as a convention."""


@dataclass(frozen=True, slots=True)
class Writer:
    """A function that opens a transaction of its own and writes in it."""

    function: FunctionFacts
    is_retried: bool
    is_risky: bool


def check(project: Project, module: ModuleFacts) -> Hits:
    """Writers with no retry among writers that have one, class by class and module by module."""
    writers = [w for f in module.functions if (w := _writer(project, module, f)) is not None]
    for owner in dict.fromkeys(w.function.class_name for w in writers):
        own = [w for w in writers if w.function.class_name == owner]
        retried = [w for w in own if w.is_retried]
        if len(retried) < 1:
            continue
        is_convention = len(retried) >= _ENOUGH and len(retried) * 2 > len(own)
        for writer in own:
            if writer.is_retried or not (is_convention or writer.is_risky):
                continue
            if _is_retried_above(project, project.program.scope_of(writer.function), _CALLERS):
                continue
            fields = {
                "name": writer.function.name,
                "count": f"{len(retried)} of {len(own)}",
                "where": f"class `{owner}`" if owner else "this module",
                "sibling": retried[0].function.name,
            }
            yield Hit(
                _span(module, writer.function),
                writer.function.qualname,
                fields,
            )


def _span(module: ModuleFacts, function: FunctionFacts) -> Span:
    at = function.at
    return span_of(module, at._replace(end_line=at.line, end_column=at.column + len("def")))


def _writer(project: Project, module: ModuleFacts, function: FunctionFacts) -> Writer | None:
    if function is module.body or not _opens(project, module, function):
        return None
    writes = [
        site
        for site in sites_within(project, function, function.regions[0])
        if does(project, site, _WRITES)
    ]
    if not writes:
        return None
    names = {last_step(event.func) for event in function.events if isinstance(event, Call)}
    risky = bool(names & (_LOCKS | _BULK)) or len(writes) > 1
    return Writer(function, _is_retried(project, module, function), risky)


def _opens(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    if any(row.mode in KEEPING for row in project.decorating_contexts(module, function)):
        return True
    return any(
        row.mode in KEEPING
        for region in function.regions
        if region.kind == "with" and region.parent == 0
        for row in project.block_contexts(module, function, region)
    )


def _is_retried(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a decorator repeats it on deadlocks, a function of the user decides about that, or
    a handler of the function itself answers them."""
    return any(
        retry.asks or repeats_on(project, retry, _DEADLOCK)
        for retry in retries_of(project, module, function)
    ) or any(
        catches(project, handler, _DEADLOCK) and not is_broad(handler)
        for handler in handlers_of(project, module, function)
    )


def _is_retried_above(project: Project, scope: Scope, depth: int) -> bool:
    """Whether a caller, or one of its callers, is repeated on deadlocks."""
    if depth == 0:
        return False
    callers = {
        found.scope.key: found.scope
        for found in project.program.calls.get(scope.function.name, ())
        if found.scope.key != scope.key
    }
    return any(
        _is_retried(project, caller.module, caller.function)
        or _is_retried_above(project, caller, depth - 1)
        for caller in callers.values()
    )


RULE = Rule(
    code="DBA216",
    name="missing-retry",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="`{name}` writes in a transaction of its own with no retry on deadlocks, where {count}"
    " writers of {where} have one (`{sibling}`): taking it that the same workers run it, a deadlock"
    " goes to the caller",
    why=(
        "Deadlocks are normal under concurrent writes: the database ends one of the transactions"
        " and expects it to be repeated. Where the neighbours of a function are repeated, the"
        " callers count on that, and the one without it fails now and then under load."
    ),
    instead="Give it the same retry decorator, above the one that opens the transaction.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "one of three",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, label):
                context.session.add(label)

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def update(context, label_id, values):
                context.session.query(Label).filter_by(id=label_id).update(values)

            @enginefacade.writer
            def delete(context, label_id):  # expect: DBA216
                context.session.query(Label).filter_by(id=label_id).delete()
            """,
        ),
        Example(
            "row locks, next to one that retries",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            class Quotas:
                @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
                def reserve(self, context, project_id):
                    with enginefacade.writer.using(context) as session:
                        row = session.query(Quota).with_for_update().first()
                        session.add(row)

                def commit(self, context, project_id):  # expect: DBA216
                    with enginefacade.writer.using(context) as session:
                        row = session.query(Quota).with_for_update().first()
                        session.add(row)
            """,
        ),
        Example(
            "a block in a method",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            class Trusts:
                @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
                def create(self, context, trust):
                    with enginefacade.writer.using(context) as session:
                        session.add(trust)

                @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
                def delete(self, context, trust):
                    with enginefacade.writer.using(context) as session:
                        session.delete(trust)

                def consume(self, context, trust):  # expect: DBA216
                    with enginefacade.writer.using(context) as session:
                        session.query(Trust).filter_by(id=trust.id).update({"used": True})
            """,
        ),
    ),
    good=(
        Example(
            "all retry",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, label):
                context.session.add(label)

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def delete(context, label):
                context.session.delete(label)
            """,
        ),
        Example(
            "nobody does: the retry stands elsewhere",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def create(context, label):
                context.session.add(label)

            @enginefacade.writer
            def delete(context, label):
                context.session.delete(label)
            """,
        ),
        Example(
            "the caller is repeated",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, label):
                context.session.add(label)

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def delete(context, label):
                _forget(context, label)

            @enginefacade.writer
            def _forget(context, label):
                context.session.query(Rule).filter_by(label=label).delete()
            """,
        ),
        Example(
            "readers need none",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def create(context, label):
                context.session.add(label)

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def delete(context, label):
                context.session.delete(label)

            @enginefacade.reader
            def find(context, label_id):
                return context.session.query(Label).get(label_id)
            """,
        ),
    ),
    known_gaps=(
        (
            "where less than half of the neighbours retry it is reported only for row locks, bulk"
            " statements and several writes"
        ),
        "a retry around every request of an API is not seen: low confidence",
        "callers are found by the name of the function",
    ),
    sources=("https://dev.mysql.com/doc/refman/8.0/en/innodb-deadlocks-handling.html",),
)
