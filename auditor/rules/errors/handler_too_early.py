"""DBA213: a handler around work that is only noted; the error comes when it is flushed."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import SESSION, Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import Handler, calls_within, database_errors, handlers_of, short
from auditor.rules.errors.open_transactions import sites_within
from auditor.rules.places import span_of
from auditor.source.facts import Call, FunctionFacts, ModuleFacts, dotted
from auditor.source.program import last_step
from auditor.source.project import Project, position_of
from auditor.source.sites import Site
from auditor.source.traits import HANDLER

_NOTED = "add", "add_all", "delete"
_HARMLESS = frozenset({
    "str", "int", "len", "dict", "list", "set", "tuple", "getattr", "setattr", "isinstance", "bool",
    "debug", "info", "warning", "error", "exception", "format", "join", "get", "append", "update",
    "items", "keys", "values", "utcnow", "now", "uuid4", "generate_uuid", "dumps", "pop", "lower",
    "upper", "strip", "extend", "split",
})  # fmt: skip
"""Last steps of calls that send nothing, when the tables do not know them."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for database errors around nothing but `session.add()` and its like."""
    for handler in handlers_of(project, module, function):
        errors = tuple(
            e for e in database_errors(project, handler) if _comes_with_flush(project, e)
        )
        noted = _only_noted(project, module, function, handler) if errors else None
        if noted is None:
            continue
        fields = {
            "caught": " or ".join(f"`{short(name)}`" for name in errors),
            "noted": noted.what,
            "line": noted.at.line,
        }
        yield Hit(span_of(module, handler.line), function.qualname, fields)


def _comes_with_flush(project: Project, error: str) -> bool:
    """Whether a statement raises it; what the session itself raises on `add()` is another matter:
    `UnmappedInstanceError`, a closed session."""
    row = project.knowledge.errors[error]
    return row.library != "sqlalchemy" or any(
        project.knowledge.is_error(raised, error)
        for raised in ("sqlalchemy.exc.IntegrityError", "sqlalchemy.exc.OperationalError")
    )


def _only_noted(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> Site | None:
    """The first site of the `try` if all of them only note a change in the session, and no call is
    left that may do more; None otherwise."""
    sites = tuple(sites_within(project, function, handler.tried))
    inside = function.regions[handler.tried.index + 1 :]
    if any(region.kind == "with" for region in inside if _is_in(handler, region.first)):
        return None
    if not all(_notes(project, site) for site in sites if _does_something(project, site)):
        return None
    known = {site.at for site in sites if _does_something(project, site)}
    for call in calls_within(function, handler.tried):
        if call.at not in known and not _is_harmless(project, module, function, call):
            return None
    return next((s for s in sites if s.what.rpartition(".")[2].rstrip("()") in _NOTED), None)


def _is_in(handler: Handler, position: int) -> bool:
    return handler.tried.first <= position < handler.tried.last


def _does_something(project: Project, site: Site) -> bool:
    return bool(project.effects.of_site(site))


def _notes(project: Project, site: Site) -> bool:
    return set(project.effects.of_site(site)) == {Effect.PENDING}


def _is_harmless(
    project: Project, module: ModuleFacts, function: FunctionFacts, call: Call
) -> bool:
    """Whether a call sends nothing: a class is instantiated without a session, or it is one of
    the well-known calls. Functions of the project have shown their effects already."""
    name = last_step(call.func)
    position = position_of(function, call)
    values = (*call.args, *(k.value for k in call.keywords))
    if any(project.value(module, function, position, v).kind == SESSION for v in values):
        return False
    if name in _HARMLESS or project.callee(module, function, call) is not None:
        return True
    return name[:1].isupper() and dotted(call.func) != ""


RULE = Rule(
    code="DBA213",
    name="handler-too-early",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the handler for {caught} does not run for what `{noted}` on line {line} will meet:"
    " nothing in the `try` is sent to the database before a later flush or commit",
    why=(
        "`add()` and `delete()` only note a change. The statement goes out at the next flush: at"
        " the commit, at the end of the transaction's block, or before some later query. The"
        " duplicate or the missing parent is reported there, after the `try` has been left, to"
        " whoever stands around that place."
    ),
    instead="Put `session.flush()` into the `try`, or better the whole block: `try: with"
    " session.begin_nested(): session.add(row)`.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "the error comes at the end of the block",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            def create(context, name):
                with enginefacade.writer.using(context) as session:
                    try:
                        session.add(Label(name=name))
                    except db_exc.DBDuplicateEntry as error:  # expect: DBA213
                        raise LabelExists(name) from error
            """,
        ),
        Example(
            "the commit stands after the try",
            """
            from sqlalchemy.exc import IntegrityError

            def register(session, name):
                user = User(name=name)
                try:
                    session.add(user)
                except IntegrityError:  # expect: DBA213
                    session.rollback()
                    return None
                session.commit()
                return user
            """,
        ),
        Example(
            "a delete, in a writer",
            """
            from oslo_db import exception as db_exc
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def remove(context, label):
                try:
                    LOG.debug("removing %s", label.id)
                    context.session.delete(label)
                except db_exc.DBReferenceError as error:  # expect: DBA213
                    raise LabelInUse(label.id) from error
            """,
        ),
    ),
    good=(
        Example(
            "flushed in the try",
            """
            from sqlalchemy.exc import IntegrityError

            def register(session, name):
                try:
                    session.add(User(name=name))
                    session.flush()
                except IntegrityError as error:
                    raise Taken(name) from error
            """,
        ),
        Example(
            "the block ends in the try",
            """
            from sqlalchemy.exc import IntegrityError

            def register(session, name):
                try:
                    with session.begin_nested():
                        session.add(User(name=name))
                except IntegrityError as error:
                    raise Taken(name) from error
            """,
        ),
        Example(
            "a function that may do anything gets the session",
            """
            from sqlalchemy.exc import IntegrityError
            from elsewhere import store

            def register(session, name):
                user = User(name=name)
                try:
                    session.add(user)
                    store(session, user)
                except IntegrityError as error:
                    raise Taken(name) from error
            """,
        ),
        Example(
            "a query flushes first",
            """
            from sqlalchemy.exc import IntegrityError

            def register(session, name):
                try:
                    session.add(User(name=name))
                    return session.query(User).filter_by(name=name).one()
                except IntegrityError as error:
                    raise Taken(name) from error
            """,
        ),
        Example(
            "not an error of the database",
            """
            from sqlalchemy.orm.exc import UnmappedInstanceError

            def remove(session, user):
                try:
                    session.delete(user)
                except UnmappedInstanceError:
                    return False
                return True
            """,
        ),
    ),
    known_gaps=(
        "a `try` that also reads is not reported, though the read before the `add` flushes nothing",
        "changes of attributes of a row alone are not seen as noted work",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/session_basics.html#flushing",),
)
