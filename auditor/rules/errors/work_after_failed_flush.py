"""DBA212: a refused statement is answered inside the transaction that it broke."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.broken_by_calls import BAD, GOOD, broken_by_calls
from auditor.rules.errors.caught import (
    Handler,
    always_raises,
    calls_within,
    catches,
    database_errors,
    handlers_of,
    is_called,
    short,
)
from auditor.rules.errors.core_statements import is_of_core
from auditor.rules.errors.deleted_rows import read_again
from auditor.rules.errors.open_transactions import (
    SENDS,
    does,
    holds_apart,
    is_apart,
    joins,
    sites_within,
    transaction_around,
    work_within,
)
from auditor.rules.places import span_of
from auditor.source.facts import (
    FunctionFacts,
    ModuleFacts,
)
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, HANDLER

_DEADLOCK = "oslo_db.exception.DBDeadlock"
_REFUSED = (
    "oslo_db.exception.DBDuplicateEntry",
    "oslo_db.exception.DBReferenceError",
    "oslo_db.exception.DBConstraintError",
    "oslo_db.exception.DBDataError",
    "sqlalchemy.exc.IntegrityError",
    "sqlalchemy.exc.DataError",
    "sqlalchemy.orm.exc.StaleDataError",
)
"""Errors of a statement that the database refused; a flush that meets one rolls back."""
_WRITTEN = frozenset((Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.COMMIT, Effect.PENDING))
_TRUTH = (
    "taking it that the failed statement is a flush, everything after it raises"
    " PendingRollbackError"
)
_UNDONE = frozenset((Effect.ROLLBACK,))
_ROLLS_BACK = ("rollback", "begin_nested")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers of a refused statement that go on in the same transaction, and handlers of a row
    that is gone that read it again."""
    yield from read_again(project, module, function)
    for handler in handlers_of(project, module, function):
        if not _is_for_refusals(project, handler):
            continue
        opened = transaction_around(project, module, function, handler.tried.parent)
        if opened is None or not _breaks(project, module, function, handler):
            continue
        if is_called(function, handler.region, *_ROLLS_BACK):
            continue
        if work_within(project, function, handler.region, _UNDONE):
            continue
        after = _work_after(project, function, handler)
        if after is None and always_raises(function, handler):
            continue
        fields = {
            "caught": " or ".join(f"`{short(name)}`" for name in handler.types),
            "opened": opened.words,
            "what": (
                f"`{after.what}` on line {after.at.line} runs in it"
                if after
                else "goes on to its end"
            ),
            "truth": _TRUTH,
        }
        confidence = Confidence.LOW if is_of_core(project, function, handler.tried) else None
        yield Hit(span_of(module, handler.line), function.qualname, fields, confidence=confidence)


def check_calls(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Calls in a transaction of functions that answer a refused statement and return."""
    yield from broken_by_calls(project, module, function, _breaks_around)


def _breaks_around(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether a handler answers refusals of what fails in a transaction that the caller may have
    open: in SQLAlchemy 1.x the end of a block that joins it flushes, too."""
    return _is_for_refusals(project, handler) and (
        _breaks(project, module, function, handler)
        or any(
            joins(region)
            for region in function.regions
            if region.kind == "with" and handler.tried.first <= region.first < handler.tried.last
        )
    )


def _is_for_refusals(project: Project, handler: Handler) -> bool:
    """Whether all types are errors of a refused statement: wider ones are DBA202's."""
    errors = database_errors(project, handler)
    return (
        bool(errors)
        and not catches(project, handler, _DEADLOCK)
        and any(
            project.knowledge.is_error(meant, refused)
            for error in errors
            for meant in (error, *project.knowledge.errors[error].stands_for)
            for refused in _REFUSED
        )
    )


def _breaks(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether what fails in the `try` fails in the transaction around it. That something fails
    there is what the handler says; known work must not all be apart from it, and work that is
    only noted (`add`) is DBA213's."""
    if holds_apart(project, module, function, handler.tried):
        return False
    known = list(sites_within(project, function, handler.tried))
    sent = [(s, e) for s in known if (e := does(project, s, SENDS | _WRITTEN)) is not None]
    if not sent:
        return any(not _is_known(known, call.at) for call in calls_within(function, handler.tried))
    return any(
        not is_apart(project, site, effect, handler.tried)
        for site, effect in sent
        if site.callee >= 0 or effect is not Effect.PENDING
    )


def _is_known(sites: list[Site], at: object) -> bool:
    return any(site.at == at for site in sites)


def _work_after(project: Project, function: FunctionFacts, handler: Handler) -> Site | None:
    """The first work in the handler that is not apart from the broken transaction."""
    for site in work_within(project, function, handler.region, SENDS):
        effect = does(project, site, SENDS)
        if effect is not None and not is_apart(project, site, effect, handler.region):
            return site
    return None


RULE = Rule(
    code="DBA212",
    name="work-after-failed-flush",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{caught} is answered in what it broke ({opened}), which {what}: {truth}",
    why=(
        "A flush that fails rolls the transaction of the session back, and the session refuses all"
        " further work, the commit at the end of the block included, until the block is left. The"
        " handler's answer is never seen: the caller gets PendingRollbackError. With Core"
        " statements SQLite and MariaDB go on, PostgreSQL refuses every further statement."
    ),
    instead="Put the `try` around the whole transaction, or give what may fail a savepoint"
    " (`with session.begin_nested():` inside the `try`). To turn the error into one of the domain,"
    " raise it from the handler on every path and ask the database nothing there.",
    checks=(
        OnFunction(check, needs=(HANDLER,)),
        OnFunction(check_calls, needs=(BLOCK | DECORATED,)),
    ),
    bad=(
        Example(
            "looks for the row in the broken transaction",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def ensure(context, name):
                label = Label(name=name)
                try:
                    context.session.add(label)
                    context.session.flush()
                except db_exc.DBDuplicateEntry:  # expect: DBA212
                    label = context.session.query(Label).filter_by(name=name).one()
                return label
            """,
        ),
        Example(
            "logged, and the block goes on to its commit",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            def attach(context, port):
                with enginefacade.writer.using(context) as session:
                    try:
                        session.add(port)
                        session.flush()
                    except (db_exc.DBDuplicateEntry, db_exc.DBReferenceError):  # expect: DBA212
                        LOG.debug("there already")
                        return None
            """,
        ),
        Example(
            "the next turn of a loop uses the same transaction",
            """
            from sqlalchemy.exc import IntegrityError

            def allocate(session, numbers):
                with session.begin():
                    for number in numbers:
                        try:
                            return take(session, number)
                        except IntegrityError:  # expect: DBA212
                            continue
            """,
        ),
        Example(
            "a query under save_and_reraise_exception",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade
            from oslo_utils import excutils

            @enginefacade.writer
            def create(context, node):
                try:
                    node.save(context.session)
                except db_exc.DBDuplicateEntry:  # expect: DBA212
                    with excutils.save_and_reraise_exception():
                        context.session.query(Node).filter_by(uuid=node.uuid).first()
            """,
        ),
        Example(
            "the row that is gone is read again for the log",
            """
            from sqlalchemy.orm import exc as sa_exc

            def delete_ports(self, context, ports):
                for port in ports:
                    try:
                        self.delete_port(context, port.id)
                    except sa_exc.ObjectDeletedError:  # expect: DBA212
                        LOG.info("port %s was deleted concurrently", port.id)
            """,
        ),
        *BAD,
    ),
    good=(
        Example(
            "what the handler calls rolls back first",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            def existing(context):
                context.session.rollback()
                return context.session.query(Label).first()

            @enginefacade.writer
            def create(context, name):
                try:
                    context.session.add(Label(name=name))
                    context.session.flush()
                except db_exc.DBDuplicateEntry:
                    raise Conflict(existing(context))
            """,
        ),
        Example(
            "the id was taken out before",
            """
            from sqlalchemy.orm import exc as sa_exc

            def delete_ports(self, context, port_ids):
                for port_id in port_ids:
                    try:
                        self.delete_port(context, port_id)
                    except sa_exc.ObjectDeletedError:
                        LOG.info("port %s was deleted concurrently", port_id)
            """,
        ),
        Example(
            "the handler stands outside the transaction",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            def ensure(context, name):
                try:
                    with enginefacade.writer.using(context) as session:
                        session.add(Label(name=name))
                        session.flush()
                except db_exc.DBDuplicateEntry:
                    return find(context, name)
            """,
        ),
        Example(
            "a savepoint",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def ensure(context, name):
                try:
                    with context.session.begin_nested():
                        context.session.add(Label(name=name))
                except db_exc.DBDuplicateEntry:
                    LOG.debug("there already")
                return context.session.query(Label).filter_by(name=name).one()
            """,
        ),
        Example(
            "turned into an error of the domain, nothing asked",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def create(context, name):
                try:
                    context.session.add(Label(name=name))
                    context.session.flush()
                except db_exc.DBDuplicateEntry as error:
                    LOG.info("in use")
                    raise InUse(name) from error
            """,
        ),
        Example(
            "a savepoint in the function that is called",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer.savepoint
            def add(context, name):
                context.session.add(Label(name=name))
                context.session.flush()

            @enginefacade.writer
            def ensure(context, name):
                try:
                    add(context, name)
                except db_exc.DBDuplicateEntry:
                    pass
                return context.session.query(Label).filter_by(name=name).one()
            """,
        ),
        Example(
            "no row is no failure",
            """
            from oslo_db.sqlalchemy import enginefacade
            from sqlalchemy.orm import exc

            @enginefacade.writer
            def find(context, name):
                try:
                    return context.session.query(Label).filter_by(name=name).one()
                except exc.NoResultFound:
                    context.session.add(Label(name=name))
            """,
        ),
        *GOOD,
    ),
    known_gaps=(
        "a transaction opened by the caller is not seen; for a session that was handed in: DBA222",
        "that the work in the `try` is what fails is taken from the handler; with Core, low",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/faq/sessions.html#this-session-s-transaction-has-been-rolled-back-due-to-a-previous-exception-during-flush-or-similar",
    ),
)
