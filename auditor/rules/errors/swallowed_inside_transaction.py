"""DBA202: an error that may have ended the transaction is lost, and the transaction goes on."""

from __future__ import annotations

from auditor.knowledge.dialects import MYSQL
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    first_for,
    handlers_of,
    is_broad,
    is_called,
    may_raise,
    short,
)
from auditor.rules.errors.handed_sessions import Handed, handed_within
from auditor.rules.errors.open_transactions import (
    CHANGES,
    SENDS,
    Opened,
    does,
    holds_apart,
    is_apart,
    transaction_around,
    work_within,
)
from auditor.rules.places import span_of
from auditor.rules.raw_sql.dialects_compared import named_dialects
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, Name
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, HANDLER

_ENDING = (
    "oslo_db.exception.DBDeadlock",
    "oslo_db.exception.DBConnectionError",
    "sqlalchemy.exc.OperationalError",
)
"""Errors after which the server may have rolled the transaction back."""


_REFUSED = (
    "{caught} is caught and lost inside an open transaction ({opened}) that also does `{other}` on"
    " line {other_line}: taking it that `{failing}` on line {line} fails in the database,"
    " PostgreSQL refuses every further statement of it"
)
Work = Site | Handed


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers inside a transaction that let it go on after a deadlock or a lost connection."""
    for handler, opened, failing, other in swallowed(project, module, function):
        fields = {
            "caught": " or ".join(f"`{short(name)}`" for name in handler.types) or "everything",
            "opened": opened.words,
            "failing": failing.what,
            "line": failing.at.line,
            "other": other.what,
            "other_line": other.at.line,
        }
        message = "" if _may_be_mysql(project) else _REFUSED
        yield Hit(span_of(module, handler.line), function.qualname, fields, message=message)


def _may_be_mysql(project: Project) -> bool:
    named = named_dialects(project)
    return not named or MYSQL in named


def swallowed(
    project: Project, module: ModuleFacts, function: FunctionFacts
) -> list[tuple[Handler, Opened, Work, Work]]:
    """The handlers in question, each with the transaction, the work that may fail in the `try`,
    and other work in the same transaction."""
    handlers = tuple(handlers_of(project, module, function))
    found: dict[int, tuple[Handler, Opened, Work, Work]] = {}
    for handler in handlers:
        opened = transaction_around(project, module, function, handler.tried.parent)
        if opened is None or not _takes_ending(project, handlers, handler):
            continue
        if may_raise(function, handler) or is_called(function, handler.region, "rollback"):
            continue
        if holds_apart(project, module, function, handler.tried):
            continue
        failing = _failing(project, function, handler, opened) or _handed(
            project, function, handler, opened
        )
        other = failing and (
            _other_work(project, function, handler, opened)
            or _handed_elsewhere(project, function, handler, opened)
        )
        if failing is not None and other is not None:
            found[handler.region.index] = (handler, opened, failing, other)
    return list(found.values())


def _takes_ending(project: Project, handlers: tuple[Handler, ...], handler: Handler) -> bool:
    return any(
        taker == handler for taker, _ in first_for(project, handlers, handler.tried, _ENDING)
    )


def _failing(
    project: Project, function: FunctionFacts, handler: Handler, opened: Opened
) -> Site | None:
    """The first site of the `try` that sends something in the transaction around it. A broad
    handler has to stand around certain work: it may be there for something else."""
    for site in work_within(project, function, handler.tried, SENDS):
        effect = does(project, site, SENDS)
        if effect is None or is_apart(project, site, effect, handler.tried):
            continue
        if _gets_another(project, function, site, opened):
            continue
        if not is_broad(handler) or project.effects.of_site(site)[effect]:
            return site
    return None


def _gets_another(project: Project, function: FunctionFacts, site: Site, opened: Opened) -> bool:
    """Whether a call gets what a `with` inside the transaction is for, which is no part of it:
    `with connected_to(context, cell) as other: find(other)`."""
    call = function.events[site.position]
    given = (*call.args, *(k.value for k in call.keywords)) if isinstance(call, Call) else ()
    names = {value.name for value in given if isinstance(value, Name)}
    module = project.program.scope_of(function).module
    return any(
        region.kind == "with"
        and region.index > opened.region.index
        and not project.block_contexts(module, function, region)
        and any(item.name in names for item in region.items)
        for region in function.ancestors(site.region)
    )


def _other_work(
    project: Project, function: FunctionFacts, handler: Handler, opened: Opened
) -> Site | None:
    """Another change in the same transaction, before or after; in a loop, that of the next turn."""
    tried = handler.tried
    in_loop = _is_in_loop(function, handler, opened)
    for site in work_within(project, function, opened.region, CHANGES):
        effect = does(project, site, CHANGES)
        inside = tried.first <= site.position < handler.region.last
        if effect is None or (inside and not in_loop):
            continue
        if not is_apart(project, site, effect, opened.region):
            return site
    return None


def _is_in_loop(function: FunctionFacts, handler: Handler, opened: Opened) -> bool:
    """Whether the transaction is open around a loop with the handler."""
    return any(
        around.kind in {"for", "while"} and around.index > opened.region.index
        for around in function.ancestors(handler.tried.parent)
    )


def _handed(
    project: Project, function: FunctionFacts, handler: Handler, opened: Opened
) -> Handed | None:
    """In a loop in the transaction, the first call of the `try` that gets its session."""
    if not _is_in_loop(function, handler, opened):
        return None
    return next(handed_within(project, function, handler.tried, opened), None)


def _handed_elsewhere(
    project: Project, function: FunctionFacts, handler: Handler, opened: Opened
) -> Handed | None:
    """Another call that gets the session after the loop, or else that of the next turn."""
    calls = tuple(handed_within(project, function, opened.region, opened))
    after = (c for c in calls if c.position >= handler.region.last)
    again = handler.tried if _is_in_loop(function, handler, opened) else handler.region
    own = (c for c in calls if again.first <= c.position < again.last)
    return next(after, next(own, None))


RULE = Rule(
    code="DBA202",
    name="swallowed-inside-transaction",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{caught} is caught and lost inside an open transaction ({opened}) that also does"
    " `{other}` on line {other_line}: taking it that `{failing}` on line {line} ends in a deadlock,"
    " MariaDB has rolled back what came before and keeps what comes after",
    why=(
        "A deadlock ends the transaction on the server. The session does not know it: it goes on,"
        " the next statement begins a new transaction, and the commit at the end succeeds. What"
        " was written before the deadlock is gone, what is written after it stays, and nobody is"
        " told. PostgreSQL refuses every further statement, so there the error comes up later and"
        " elsewhere. SQLite never shows any of this, so tests pass."
    ),
    instead="Let the error leave the transaction and retry the whole of it, or give the work that"
    " may fail a savepoint (`session.begin_nested()`) and catch only the error that is meant"
    " outside of that.",
    checks=(OnFunction(check, needs=(HANDLER, BLOCK | DECORATED)),),
    bad=(
        Example(
            "the rest of the transaction goes on",
            """
            from oslo_db.sqlalchemy import enginefacade
            from oslo_db import exception as db_exc

            @enginefacade.writer
            def create(context, network):
                context.session.add(Network(id=network["id"]))
                try:
                    context.session.execute(bump_counter(network))
                except db_exc.DBError:  # expect: DBA202
                    LOG.warning("counter not changed")
                context.session.add(Segment(network_id=network["id"]))
            """,
        ),
        Example(
            "one row after the other in one transaction",
            """
            def store(session, rows):
                with session.begin():
                    for row in rows:
                        try:
                            session.add(row)
                            session.flush()
                        except Exception:  # expect: DBA202
                            LOG.exception("skipped %s", row)
            """,
        ),
        Example(
            "through a function of the project, on a plain engine",
            """
            from sqlalchemy import exc
            from sqlalchemy.orm import Session

            def touch(session: Session, user):
                session.execute(seen(user))

            def login(session: Session, user):
                with session.begin():
                    session.add(Login(user))
                    try:
                        touch(session, user)
                    except exc.SQLAlchemyError:  # expect: DBA202
                        pass
            """,
        ),
        Example(
            "calls that get the session, one after the other in one transaction",
            """
            from app import runs

            class Service:
                async def once(self, db):
                    session = await db.session()
                    async with session.begin():
                        for deployment in await runs.due(session):
                            try:
                                await self.plan(session=session, deployment=deployment)
                            except Exception:  # expect: DBA202
                                self.logger.exception("not planned")
                        await runs.insert(session, self.planned)

                async def plan(self, session, deployment):
                    return await runs.plan(session=session, deployment=deployment)

            def store(session, rows):
                with session.begin():
                    for row in rows:
                        try:
                            runs.store(session, row)
                        except Exception:  # expect: DBA202
                            LOG.exception("not stored")
            """,
        ),
    ),
    good=(
        Example(
            "handled outside the transaction",
            """
            from oslo_db import exception as db_exc

            def store(session, rows):
                try:
                    with session.begin():
                        session.add_all(rows)
                        session.flush()
                except db_exc.DBError:
                    LOG.warning("not stored")
            """,
        ),
        Example(
            "a savepoint around what may fail",
            """
            def store(session, rows):
                with session.begin():
                    for row in rows:
                        try:
                            with session.begin_nested():
                                session.add(row)
                                session.flush()
                        except Exception:
                            LOG.exception("skipped %s", row)
            """,
        ),
        Example(
            "raised again, the deadlock goes its way",
            """
            from oslo_db import exception as db_exc

            def store(session, network):
                with session.begin():
                    session.add(network)
                    try:
                        session.execute(bump_counter(network))
                    except db_exc.DBDeadlock:
                        raise
                    except Exception as error:
                        raise NotStored(network) from error
            """,
        ),
        Example(
            "nothing of the database in the try",
            """
            def store(session, network):
                with session.begin():
                    session.add(network)
                    try:
                        parse(network.options)
                    except Exception:
                        LOG.exception("odd options")
                    session.flush()
            """,
        ),
        Example(
            "a reader has nothing to lose",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def names(context):
                try:
                    first = context.session.query(Network).all()
                except Exception:
                    first = []
                return first + context.session.query(Segment).all()
            """,
        ),
        Example(
            "each turn has its own transaction or savepoint, or nothing is done with the session",
            """
            from app import runs

            def store(session, rows):
                for row in rows:
                    try:
                        with session.begin():
                            runs.store(session, row)
                    except Exception:
                        LOG.exception("not stored")

            def update(session, rows):
                with session.begin():
                    for row in rows:
                        try:
                            with session.begin_nested():
                                runs.store(session, row)
                        except Exception:
                            LOG.exception("not stored")

            def names(session, rows):
                with session.begin():
                    for row in rows:
                        try:
                            name(session, row)
                        except Exception:
                            LOG.exception("no name")
                    runs.store(session, rows)

            def name(session, row):
                row.name = row.name or "none"
            """,
        ),
    ),
    known_gaps=(
        "a transaction opened by the caller of the function is not seen",
        (
            "on MariaDB a deadlock inside a savepoint loses the transaction as well; a handler"
            " around a savepoint is not reported, because it is right for every other error"
        ),
    ),
    sources=(
        "https://dev.mysql.com/doc/refman/8.0/en/innodb-error-handling.html",
        "https://mariadb.com/kb/en/innodb-lock-modes/",
    ),
)
