"""DBA203: a handler for an error that the engine's filters never let through."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import ErrorRow
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import Handler, handlers_of, short
from auditor.rules.places import span_of
from auditor.source.facts import Bind, Call, FunctionFacts, Items, ModuleFacts, Name, Region
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_OSLO_DB = ("oslo_db.", "neutron_lib.db.")
_ASSUMED = (
    " (taking it that the work in its `try` is done on an engine of oslo.db, which this module"
    " imports)"
)
_BUILTIN = frozenset({"TimeoutError", "Warning", "Error"})
_OWN_ENGINE = ("sqlalchemy.create_engine", "sqlalchemy.engine.create_engine")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for SQLAlchemy or driver errors around work on an engine made by oslo.db."""
    yield from _meaning_nothing(project, module, function)
    if not _runs_on_oslo_db(module):
        return
    for handler in handlers_of(project, module, function):
        for name in handler.types:
            row = project.knowledge.errors.get(name)
            if row is None or row.under_oslo_db not in ("never", "partly"):
                continue
            if not _guards_database_work(project, module, function, handler, row):
                continue
            yield Hit(
                span_of(module, handler.line),
                function.qualname,
                {"error": short(row.name), "truth": _truth(row), "assumed": _ASSUMED},
                confidence=None if row.under_oslo_db == "never" else Confidence.LOW,
            )


def _meaning_nothing(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for a class of SQLAlchemy or oslo.db by a bare name that the module never binds."""
    if any(name.startswith("*") for name in module.imports):
        return
    for region, name in _bare_names(function):
        if _is_unbound(project, module, name):
            fields = {
                "error": name,
                "truth": "the module never binds that name, so an error in the `try` ends in"
                " NameError",
                "assumed": "",
            }
            yield Hit(
                span_of(module, region.at._replace(end_line=region.at.line)),
                function.qualname,
                fields,
                confidence=Confidence.HIGH,
                severity=Severity.ERROR,
            )


def _bare_names(function: FunctionFacts) -> Iterator[tuple[Region, str]]:
    """The bare names in the handlers of a function."""
    for region in function.regions:
        for written in region.types if region.kind == "handler" else ():
            exprs = written.items if isinstance(written, Items) else (written,)
            yield from ((region, expr.name) for expr in exprs if isinstance(expr, Name))


def _is_unbound(project: Project, module: ModuleFacts, name: str) -> bool:
    """Whether a name of a known database error is bound nowhere in the module."""
    if all(short(known) != name for known in project.knowledge.errors) or name in _BUILTIN:
        return False
    if name in module.imports or any(c.name == name for c in module.classes):
        return False
    return not any(
        isinstance(event, Bind) and event.target == name
        for other in module.functions
        for event in other.events
    ) and not any(p.name == name for other in module.functions for p in other.parameters)


def _runs_on_oslo_db(module: ModuleFacts) -> bool:
    """Whether the module works on oslo.db's engines: it imports oslo.db and makes no engine."""
    targets = module.imports.values()
    return any(f"{target}.".startswith(_OSLO_DB) for target in targets) and not any(
        target in _OWN_ENGINE for target in targets
    )


def _guards_database_work(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler, row: ErrorRow
) -> bool:
    """Whether the guarded body calls anything, and nothing of the error's own library directly."""
    own = row.name.partition(".")[0]
    called = [
        project.resolve(module, event.func)
        for event in function.inside(handler.tried)
        if isinstance(event, Call)
    ]
    return bool(called) and not any(
        name.partition(".")[0] == own and own != "sqlalchemy" for name in called
    )


def _truth(row: ErrorRow) -> str:
    instead = " or ".join(f"`{short(name)}`" for name in row.becomes) or "a class of oslo.db"
    if row.under_oslo_db == "never":
        return f"oslo.db turns it into {instead} before it gets here"
    return f"oslo.db turns some of its cases into {instead} before they get here"


RULE = Rule(
    code="DBA203",
    name="dead-handler",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the handler for `{error}` does not run{assumed}: {truth}",
    why=(
        "An engine made by oslo.db translates errors as they leave the driver. Every"
        " `sqlalchemy.exc.IntegrityError` becomes DBDuplicateEntry, DBReferenceError,"
        " DBConstraintError or plain DBError; errors of the driver itself never come out of"
        " SQLAlchemy at all. A handler for the class before translation is dead code, and the error"
        " it was written for goes past it."
    ),
    instead="Catch the class of `oslo_db.exception` that the error becomes.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "a name that the module never binds",
            """
            import sqlalchemy.exc as sqlalchemy_exc

            def set_state(session, trial):
                try:
                    session.add(trial)
                    session.commit()
                except IntegrityError:  # expect: DBA203
                    return False
                return True
            """,
        ),
        Example(
            "IntegrityError under oslo.db",
            """
            from oslo_db.sqlalchemy import enginefacade
            from sqlalchemy import exc

            @enginefacade.writer
            def attach(context, port):
                try:
                    with context.session.begin_nested():
                        context.session.add(port)
                except exc.IntegrityError as error:  # expect: DBA203
                    raise ValueError(port.id) from error
            """,
        ),
        Example(
            "the driver's own class",
            """
            import pymysql
            from oslo_db import api

            @api.wrap_db_retry(retry_on_deadlock=True)
            def save(session, row):
                try:
                    session.add(row)
                    session.flush()
                except pymysql.err.IntegrityError as error:  # expect: DBA203
                    raise ValueError(row.id) from error
            """,
        ),
        Example(
            "beside a class that does come",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy.exc import IntegrityError

            def save(session, row):
                try:
                    session.flush()
                except (db_exc.DBDuplicateEntry, IntegrityError) as error:  # expect: DBA203
                    raise ValueError(row.id) from error
            """,
        ),
    ),
    good=(
        Example(
            "the class it becomes",
            """
            from oslo_db import exception as db_exc

            def attach(session, port):
                try:
                    session.flush()
                except db_exc.DBDuplicateEntry as error:
                    raise ValueError(port.id) from error
            """,
        ),
        Example(
            "a plain engine raises IntegrityError",
            """
            from sqlalchemy import create_engine, exc

            def attach(session, port):
                try:
                    session.flush()
                except exc.IntegrityError as error:
                    raise ValueError(port.id) from error
            """,
        ),
        Example(
            "oslo.db lets these through as they are",
            """
            from oslo_db.sqlalchemy import enginefacade
            from sqlalchemy.orm import exc

            @enginefacade.reader
            def find(context, query):
                try:
                    return query.one()
                except exc.NoResultFound:
                    return None
            """,
        ),
        Example(
            "the driver is called directly",
            """
            import pymysql
            from oslo_db import exception as db_exc

            def ping(host):
                try:
                    pymysql.connect(host=host).ping()
                except pymysql.err.OperationalError as error:
                    raise ValueError(host) from error
            """,
        ),
    ),
    known_gaps=(
        "a module that imports nothing of oslo.db but works on its engines is left alone",
        "a class of which oslo.db lets some cases through is reported with low confidence only",
    ),
    sources=("oslo.db 18.1.1, oslo_db/sqlalchemy/exc_filters.py",),
)
