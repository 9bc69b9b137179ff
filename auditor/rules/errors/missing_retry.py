"""DBA216: a transaction that can deadlock, without the retry that its neighbours have."""

from __future__ import annotations

from dataclasses import dataclass

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.rules.errors.caught import short
from auditor.rules.errors.deadlocks import Danger, danger_of, opens_writer, writes_of
from auditor.rules.errors.missing_retry_examples import WITHOUT_RETRY
from auditor.rules.errors.repeated_above import (
    is_repeated,
    is_retried,
    is_retried_above,
    repeats_by_name,
)
from auditor.rules.errors.retries import retries_of
from auditor.rules.places import span_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project

_CALLERS = 3
_ENOUGH = 2
"""Neighbours that retry before it counts as a convention."""
_SHARE = 2
"""One in so many writers of a kind with a retry speaks for one on the others."""
_GREAT = (Danger.LOCKED, Danger.RANGE_AND_MORE)
_LIKELY = (*_GREAT, Danger.MANY)


@dataclass(frozen=True, slots=True)
class Writer:
    """A function that opens a transaction of its own and writes in it."""

    function: FunctionFacts
    is_retried: bool
    danger: Danger
    asked: tuple[str, ...] = ()
    """The errors on which its own retry repeats, when deadlocks are none of them."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """Writers with no retry among functions that have one, and those that lock much with none."""
    writers = [w for f in module.functions if (w := _writer(project, module, f)) is not None]
    others = [f for f in module.functions if f.decorators and is_repeated(project, module, f)]
    for writer in writers:
        own = [w for w in writers if w.function.class_name == writer.function.class_name]
        retried = [w for w in own if w.is_retried]
        is_convention = len(retried) >= _ENOUGH and len(retried) * 2 > len(own)
        confidence = _confidence(writer, own, others, is_convention=is_convention)
        if writer.is_retried or confidence is None:
            continue
        if repeats_by_name(project):
            confidence = Confidence.LOW
        if is_retried_above(project, project.program.scope_of(writer.function), _CALLERS):
            continue
        neighbours = [w.function for w in retried] or others
        where = _where(writer, neighbours, is_own=bool(retried))
        name, danger = writer.function.name, writer.danger.value or "it writes"
        yield Hit(
            _span(module, writer.function),
            writer.function.qualname,
            {"name": name, "danger": danger, "where": where},
            confidence=confidence,
        )


def _confidence(
    writer: Writer, own: list[Writer], others: list[FunctionFacts], *, is_convention: bool
) -> Confidence | None:
    """How much speaks for a retry: the danger, and neighbours with one; None if nothing does."""
    danger = writer.danger
    if danger in _GREAT or writer.asked:
        return Confidence.MEDIUM
    if is_convention:  # one row that is inserted or deleted hardly ever deadlocks
        return Confidence.LOW if danger is Danger.NONE else Confidence.MEDIUM
    if danger is Danger.NONE or not (others or any(w.is_retried for w in own)):
        return None
    if danger is Danger.MANY:
        return Confidence.MEDIUM
    alike = [w for w in own if w.danger in (*_LIKELY, danger)]
    share = sum(w.is_retried for w in alike) * _SHARE
    return Confidence.MEDIUM if share >= len(alike) else Confidence.LOW


def _where(writer: Writer, others: list[FunctionFacts], *, is_own: bool) -> str:
    """What its own retry or the neighbours do, for the message."""
    function = writer.function
    if writer.asked:
        return f"its own repeats on {' and '.join(f'`{short(e)}`' for e in writer.asked)} alone"
    if not others:
        return "nor has anything that calls it"
    home = f"class `{function.class_name}`" if is_own and function.class_name else "this module"
    return f"where others of {home} have one (`{others[0].name}`)"


def _span(module: ModuleFacts, function: FunctionFacts) -> Span:
    at = function.at
    return span_of(module, at._replace(end_line=at.line, end_column=at.column + len("def")))


def _writer(project: Project, module: ModuleFacts, function: FunctionFacts) -> Writer | None:
    if function is module.body or not opens_writer(project, module, function):
        return None
    writes = writes_of(project, function)
    if not writes:
        return None
    danger = danger_of(project, function, writes)
    asked = tuple(e for retry in retries_of(project, module, function) for e in retry.asked)
    return Writer(function, is_retried(project, module, function), danger, asked)


RULE = Rule(
    code="DBA216",
    name="missing-retry",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{name}` has no retry on deadlocks for its transaction, {where}: {danger}, so taking"
    " it that two workers may run it at once, a deadlock goes to the caller",
    why=(
        "Deadlocks are normal under concurrent writes: the database ends one of the transactions"
        " and expects it to be repeated. Where the neighbours of a function are repeated, the"
        " callers count on that, and the one without it fails now and then under load."
    ),
    instead="Give it the same retry decorator, above the one that opens the transaction.",
    checks=(OnModule(check),),
    bad=WITHOUT_RETRY,
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
            "a row of its own by its key",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db.sqlalchemy import enginefacade

            @oslo_db_api.wrap_db_retry(retry_on_deadlock=True)
            @enginefacade.writer
            def forget(context, owner):
                context.session.query(Label).filter_by(owner=owner).delete()

            @enginefacade.writer
            def rename(context, label_id, name):
                context.session.query(Label).filter_by(id=label_id).update({"name": name})
            """,
        ),
        Example(
            "an engine without oslo.db, where errors of deadlocks have other names",
            """
            from sqlalchemy.orm import Session

            def forget(engine, owner):
                with Session(engine) as session, session.begin():
                    session.query(Label).filter_by(owner=owner).delete()
                    session.query(Rule).filter_by(owner=owner).delete()
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
            "the caller goes on after a deadlock",
            """
            from oslo_db import exception as db_exc

            def update(session, project_id, limit):
                with session.begin():
                    quota = session.query(Quota).filter_by(project_id=project_id)
                    row = quota.with_for_update().first() or Quota(project_id=project_id)
                    row.limit = limit
                    session.add(row)

            def reserve(session, project_id):
                for _ in range(3):
                    try:
                        return update(session, project_id, 10)
                    except db_exc.DBDeadlock:
                        continue
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
        Example(
            "checkers that take deadlocks, or decide by more than the class",
            """
            from oslo_db import api as oslo_db_api
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            def is_transient(error):
                return isinstance(error, db_exc.DBDeadlock) or isinstance(
                    error, db_exc.DBDuplicateEntry
                )

            @oslo_db_api.wrap_db_retry(exception_checker=is_transient)
            @enginefacade.writer
            def tag(context, name):
                context.session.query(Tag).filter_by(name=name).update({"used": True})

            @oslo_db_api.wrap_db_retry(exception_checker=lambda e: is_transient(e) or e.again)
            @enginefacade.writer
            def untag(context, name):
                context.session.query(Tag).filter_by(name=name).delete()
            """,
        ),
    ),
    known_gaps=(
        (
            "a statement for a range is reported at medium confidence where half of its kind have"
            " a retry, or most of the writers of the class; one row written by itself is not"
        ),
        (
            "where an API that repeats every request gets its functions by name, who is called from"
            " there cannot be told: low confidence"
        ),
        "where nobody in the module retries, only row locks and ranges with other writes count",
        "callers that cannot be followed are found by the name of the function",
        "changes of attributes that a flush writes are no writes here",
    ),
    sources=("https://dev.mysql.com/doc/refman/8.0/en/innodb-deadlocks-handling.html",),
)
