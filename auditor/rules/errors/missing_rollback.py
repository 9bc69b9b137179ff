"""DBA222: a session is used on after an error, with no rollback in between."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import SESSION, Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    calls_within,
    database_errors,
    handlers_of,
    is_broad,
    is_called,
    may_raise,
    short,
)
from auditor.rules.errors.open_transactions import (
    SENDS,
    does,
    holds_apart,
    is_apart,
    transaction_around,
    work_within,
)
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    FunctionFacts,
    Jump,
    ModuleFacts,
    Name,
    Raise,
    Region,
    Return,
    dotted,
    walk,
)
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import HANDLER

_WRITTEN = frozenset((Effect.WRITE, Effect.FLUSH, Effect.COMMIT, Effect.STATEMENT))
_FLUSHED = frozenset((Effect.FLUSH, Effect.COMMIT))
_MENDS = ("rollback", "close", "remove", "invalidate", "begin_nested")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers that leave the session as the failed flush left it, with work after them."""
    for handler in handlers_of(project, module, function):
        if not (database_errors(project, handler) or is_broad(handler)):
            continue
        if may_raise(function, handler) or _is_mended(function, handler):
            continue
        if transaction_around(project, module, function, handler.tried.parent) is not None:
            continue
        if holds_apart(project, module, function, handler.tried):
            continue
        failing = _failing(project, function, handler)
        after = failing and _used_after(project, function, handler, failing)
        if not (failing and after):
            continue
        fields = {
            "caught": " or ".join(f"`{short(name)}`" for name in handler.types) or "everything",
            "failing": failing.what,
            "line": failing.at.line,
            "after": after.what,
            "after_line": after.at.line,
            "session": min(_sessions(project, function, failing)),
        }
        yield Hit(span_of(module, handler.line), function.qualname, fields)


def _is_mended(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler or the `finally` of its `try` rolls back or closes something."""
    finals = (
        region
        for region in function.regions
        if region.kind == "finally" and region.partner == handler.tried.index
    )
    return any(is_called(function, region, *_MENDS) for region in (handler.region, *finals))


def _failing(project: Project, function: FunctionFacts, handler: Handler) -> Site | None:
    """The first site of the `try` that writes through a session that was not made in it; under a
    broad handler only a certain flush or commit counts."""
    wanted = _FLUSHED if is_broad(handler) else _WRITTEN
    for site in work_within(project, function, handler.tried, wanted):
        effect = does(project, site, wanted)
        if effect is None or is_apart(project, site, effect, handler.tried):
            continue
        if is_broad(handler) and not (site.callee < 0 and site.sure):
            continue
        if _sessions(project, function, site) and not _is_made_anew(
            project, function, handler, site
        ):
            return site
    return None


def _sessions(project: Project, function: FunctionFacts, site: Site) -> set[str]:
    """The sessions a call works on or is given, as they are written."""
    call = function.events[site.position]
    scope = project.program.scope_of(function)
    if not isinstance(call, Call):
        return set()
    return {
        dotted(part)
        for part in walk(call)
        if isinstance(part, (Name, Attribute))
        and dotted(part)
        and project.inference.value(scope, site.position, part).kind == SESSION
    }


def _is_made_anew(project: Project, function: FunctionFacts, handler: Handler, site: Site) -> bool:
    """Whether the session is made in the `try`, or in the loop around it."""
    names = _sessions(project, function, site)
    regions = [r for r in function.ancestors(handler.tried.index) if r.kind in {"for", "while"}]
    regions.append(handler.tried)
    return any(
        isinstance(event, Bind) and event.target in names
        for region in regions
        for event in function.inside(region)
    )


def _used_after(
    project: Project, function: FunctionFacts, handler: Handler, failing: Site
) -> Site | None:
    """The first work on the same session in the handler, after it, or in the next turn of the loop
    around it."""
    names = _sessions(project, function, failing)

    def first(sites: tuple[Site, ...]) -> Site | None:
        return next((s for s in sites if names & _sessions(project, function, s)), None)

    found = first(work_within(project, function, handler.region, SENDS))
    if found is not None or _leaves(function, handler.region, Return):
        return found
    loop = next((r for r in function.ancestors(handler.tried.parent) if r.kind in _LOOPS), None)
    later = tuple(
        site
        for site in work_within(project, function, function.regions[0], SENDS)
        if site.position >= handler.region.last and _may_follow(function, handler, site)
    )
    if loop is not None and not _breaks(function, handler.region) and not _gives(function, handler):
        again = work_within(project, function, loop, SENDS)
        return first(again)
    return first(later)


_LOOPS = frozenset(("for", "while"))


def _gives(function: FunctionFacts, handler: Handler) -> bool:
    """Whether a function that yields hands the loop to its caller."""
    return function.is_generator and bool(calls_within(function, handler.region))


def _leaves(function: FunctionFacts, region: Region, kind: type) -> bool:
    return any(isinstance(e, kind) and e.region == region.index for e in function.inside(region))


def _breaks(function: FunctionFacts, region: Region) -> bool:
    return any(isinstance(e, Jump) and e.kind == "break" for e in function.inside(region))


def _may_follow(function: FunctionFacts, handler: Handler, site: Site) -> bool:
    """Whether a later site runs after this handler: not in a sibling handler, the `else` of its
    `try`, or the other branch of a test around it."""
    around = {region.index for region in function.ancestors(handler.region.index)}
    if any(
        isinstance(event, (Raise, Return)) and event.region in around
        for event in function.events[handler.region.last : site.position]
    ):
        return False
    for region in function.ancestors(site.region):
        if region.partner == handler.tried.index and region.kind in {"handler", "try-else"}:
            return False
        if region.kind == "else" and region.index not in around and region.partner in around:
            return False
        if region.kind == "lambda":
            return False
    return True


RULE = Rule(
    code="DBA222",
    name="missing-rollback",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{caught} is caught with no rollback, and `{session}` is used again (`{after}` on line"
    " {after_line}): taking it that `{failing}` on line {line} is what failed, that raises"
    " PendingRollbackError",
    why=(
        "After a flush or commit has failed, a session refuses all work until `rollback()` is"
        " called: the next query, in whatever place, raises PendingRollbackError. On PostgreSQL the"
        " same is true for any failed statement."
    ),
    instead="Call `session.rollback()` in the handler, or do the work in"
    " `with session.begin_nested():` or a `with Session.begin() as session:` of its own.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "logged, then the next query",
            """
            from sqlalchemy.exc import IntegrityError

            def get_or_create(session, name):
                try:
                    session.add(Label(name=name))
                    session.commit()
                except IntegrityError:  # expect: DBA222
                    LOG.debug("somebody was faster")
                return session.query(Label).filter_by(name=name).one()
            """,
        ),
        Example(
            "the next row of a loop",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def store(session, rows):
                for row in rows:
                    try:
                        session.add(row)
                        session.flush()
                    except SQLAlchemyError:  # expect: DBA222
                        LOG.exception("skipped")
            """,
        ),
        Example(
            "the handler asks on the broken session",
            """
            from sqlalchemy.exc import IntegrityError
            from sqlalchemy.orm import Session

            class Labels:
                def __init__(self, session: Session):
                    self.session = session

                def ensure(self, label):
                    try:
                        self.session.add(label)
                        self.session.flush()
                    except IntegrityError:  # expect: DBA222
                        return self.session.query(Label).filter_by(name=label.name).one()
            """,
        ),
    ),
    good=(
        Example(
            "rolled back in the handler",
            """
            from sqlalchemy.exc import IntegrityError

            def get_or_create(session, name):
                try:
                    session.add(Label(name=name))
                    session.commit()
                except IntegrityError:
                    session.rollback()
                return session.query(Label).filter_by(name=name).one()
            """,
        ),
        Example(
            "a savepoint",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, rows):
                for row in rows:
                    try:
                        with session.begin_nested():
                            session.add(row)
                    except IntegrityError:
                        LOG.exception("skipped")
                session.commit()
            """,
        ),
        Example(
            "the session ends here",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, row):
                try:
                    session.add(row)
                    session.commit()
                except IntegrityError:
                    return False
                return True
            """,
        ),
        Example(
            "a session for each attempt",
            """
            from sqlalchemy.exc import OperationalError
            from sqlalchemy.orm import Session

            def store(engine, rows):
                for row in rows:
                    session = Session(engine)
                    try:
                        session.add(row)
                        session.commit()
                    except OperationalError:
                        LOG.exception("skipped")
            """,
        ),
        Example(
            "the error goes up",
            """
            from sqlalchemy.exc import IntegrityError

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except IntegrityError as error:
                    raise Taken(row.name) from error
                return session.query(Row).count()
            """,
        ),
    ),
    known_gaps=(
        "a session that the caller uses on after the function has returned",
        "under `except Exception` only a flush or commit written in the `try` itself is looked at",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/faq/sessions.html#this-session-s-transaction-has-been-rolled-back-due-to-a-previous-exception-during-flush-or-similar",
    ),
)
