"""DBA206: an attribute of a database error that another backend fills in differently, or not."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import Handler, handlers_of, short
from auditor.rules.errors.wrapped_errors import only_deletes, wrapped_looked_at
from auditor.rules.places import span_of
from auditor.source.facts import (
    Call,
    Compare,
    Const,
    FunctionFacts,
    ModuleFacts,
    Not,
    Raise,
    Read,
    Test,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_REFERENCE = "oslo_db.exception.DBReferenceError"
_DUPLICATE = "oslo_db.exception.DBDuplicateEntry"
_CHECK = "oslo_db.exception.DBConstraintError"
_NONE = "it is None on SQLite"
"""Told to somebody, None only makes a poor message, on a backend that few run in production; many
projects do not run on it at all."""
_TRUTHS = {
    (_REFERENCE, name): _NONE for name in ("key", "constraint")
} | {
    (_REFERENCE, name): "it is None on SQLite, and when a delete is refused `table` and"
    " `key_table` change places between PostgreSQL and MariaDB"
    for name in ("table", "key_table")
} | {
    (_DUPLICATE, "columns"): "it holds column names on SQLite, the name of the key on MySQL"
    " (`PRIMARY`), a piece of the constraint's name on PostgreSQL; only constraints named"
    " `uniq_<table>0<column>` give columns everywhere",
    (_DUPLICATE, "value"): _NONE,
    (_CHECK, "check_name"): "the error itself is raised on PostgreSQL only",
}  # fmt: skip
_ONE_FOR_ALL = (
    "an IntegrityError is wrapped for a duplicate, a missing parent and a NULL alike, and oslo.db"
    " has classes to tell them apart"
)
_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Attributes of oslo.db's errors read in their handlers to decide or to tell something."""
    for handler in handlers_of(project, module, function):
        wrapped = wrapped_looked_at(project, module, function, handler)
        if wrapped is not None:
            at, attribute = wrapped
            fields = {"attribute": attribute, "error": "DBError", "truth": _ONE_FOR_ALL}
            is_one = only_deletes(function, handler) or _is_taken(
                project, module, function, handler
            )
            confidence = Confidence.LOW if is_one else None
            yield Hit(span_of(module, at), function.qualname, fields, confidence=confidence)
        told: set[str] = set()
        for read, attribute, truth in _reads(project, function, handler):
            if attribute in told or not _counts(project, function, handler, read):
                continue
            told.add(attribute)
            fields = {"attribute": attribute, "error": short(handler.types[0]), "truth": truth}
            span = span_of(module, read.at)
            yield Hit(span, function.qualname, fields, confidence=Confidence.LOW)


def _is_taken(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether a handler of the same `try`, above this one, takes the duplicates: what is left is of
    one kind for whoever calls."""
    return any(
        other.tried.index == handler.tried.index
        and other.region.index < handler.region.index
        and any(project.knowledge.is_error(name, _DUPLICATE) for name in other.types)
        for other in handlers_of(project, module, function)
    )


def _reads(
    project: Project, function: FunctionFacts, handler: Handler
) -> Iterator[tuple[Read, str, str]]:
    """Reads of the caught error's attributes, with what is wrong with each."""
    name = handler.region.name
    if not name or len(handler.types) != 1:
        return
    names = project.knowledge.error_bases(handler.types[0])[:1]
    for event in function.inside(handler.region):
        if isinstance(event, Read) and event.path[0] == name and event.path[1:2]:
            truth = _TRUTHS.get((names[0], event.path[1]))
            if truth is not None:
                yield event, event.path[1], truth


def _counts(project: Project, function: FunctionFacts, handler: Handler, read: Read) -> bool:
    """Whether the read decides or tells something that goes wrong elsewhere."""
    if _falls_back(function, handler, read):
        return False
    test = _test_of(function, handler, read)
    if test is None:
        return not _is_logged(function, handler, read) and read.path[1] != "columns"
    return not _refuses(function, test, read) and not _is_portable_name(project, test, read)


def _falls_back(function: FunctionFacts, handler: Handler, read: Read) -> bool:
    """Whether the handler asks if the attribute, or its like, is there at all."""
    for event in function.inside(handler.region):
        if not isinstance(event, Test):
            continue
        for part in walk(event.expr):
            match part:
                case Compare(left=left, operators=("is",) | ("is not",)):
                    asked = left
                case Not(operand=operand):
                    asked = operand
                case _:
                    asked = event.expr
            path = path_of(asked)
            if path[:1] == read.path[:1] and path[1:2]:
                return True
    return False


def _test_of(function: FunctionFacts, handler: Handler, read: Read) -> Test | None:
    """The condition in which the attribute stands, None if it stands in none."""
    for event in function.inside(handler.region):
        if isinstance(event, Test) and any(path_of(p) == read.path for p in walk(event.expr)):
            return event
    return None


def _refuses(function: FunctionFacts, test: Test, read: Read) -> bool:
    """`if error.key != "x": raise`: what cannot be told goes up as it is."""
    unequal = any(
        isinstance(part, Compare) and part.operators in {("!=",), ("not in",)}
        for part in walk(test.expr)
    )
    branch = next((r for r in function.regions if r.kind == "if" and r.expr is test.expr), None)
    return (
        unequal
        and branch is not None
        and any(isinstance(e, Raise) and e.error is None for e in function.inside(branch))
    )


def _is_logged(function: FunctionFacts, handler: Handler, read: Read) -> bool:
    for event in function.inside(handler.region):
        if isinstance(event, Call) and last_step(event.func) in _LOGS:
            values = (*event.args, *(k.value for k in event.keywords))
            if any(path_of(part) == read.path for v in values for part in walk(v)):
                return True
    return False


def _is_portable_name(project: Project, test: Test, read: Read) -> bool:
    """Whether the columns asked for are those of a constraint named the portable way."""
    if read.path[1] != "columns":
        return False
    asked = {p.value for p in walk(test.expr) if isinstance(p, Const) and isinstance(p.value, str)}
    portable = {column for columns in _portable_constraints(project) for column in columns}
    return bool(asked) and asked <= portable


def _portable_constraints(project: Project) -> Iterator[tuple[str, ...]]:
    """The columns of all unique constraints named `uniq_...`."""
    for entry in project.program.classes.values():
        arguments = entry.own.get("__table_args__")
        for part in walk(arguments.bind.value if arguments else None):
            if isinstance(part, Call) and last_step(part.func) == "UniqueConstraint":
                name = getattr(part.keyword("name"), "value", None)
                columns = tuple(str(a.value) for a in part.args if isinstance(a, Const))
                yield from (columns,) if str(name).startswith("uniq_") else ()


RULE = Rule(
    code="DBA206",
    name="unportable-error-attribute",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{attribute}` of `{error}` is relied on, taking it that more than one backend is"
    " supported: {truth}",
    why=(
        "oslo.db reads these attributes out of the message of the server. The servers say"
        " different things, and SQLite says nothing, so the branch that was written with one"
        " backend at hand is the wrong one on another, and the unit tests run on SQLite."
    ),
    instead="Ask `is None` first and have an answer for that, or raise what cannot be told on as it"
    " is; name unique constraints `uniq_<table>0<column>0<column>`.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "which key, with no answer for SQLite",
            """
            from oslo_db import exception as db_exc

            def create(self, values):
                try:
                    self.store(values)
                except db_exc.DBReferenceError as error:
                    raise InvalidOption(
                        value=values.get(error.key),  # expect: DBA206
                        option=error.key,
                    ) from error
            """,
        ),
        Example(
            "columns of a constraint with any name",
            """
            from oslo_db import exception as db_exc

            def create(self, values):
                try:
                    self.store(values)
                except db_exc.DBDuplicateEntry as error:
                    if "flavorid" in error.columns:  # expect: DBA206
                        raise FlavorIdExists(values["flavorid"]) from error
                    raise FlavorExists(values["name"]) from error
            """,
        ),
        Example(
            "the table a refused delete names",
            """
            from oslo_db import exception as db_exc

            def delete(self, context):
                try:
                    self.remove(context)
                except db_exc.DBReferenceError as error:
                    if error.key_table == "ports":  # expect: DBA206
                        raise PortInUse(self.id) from error
                    raise NetworkInUse(self.id) from error
            """,
        ),
        Example(
            "every error caught, and the one of the driver asked",
            """
            from oslo_db import exception as db_exc
            from oslo_utils import excutils
            from sqlalchemy import exc as sql_exc
            from sqlalchemy.exc import IntegrityError

            def delete(session, network):
                try:
                    with session.begin():
                        session.delete(network)
                except db_exc.DBError as error:
                    with excutils.save_and_reraise_exception() as context:
                        if isinstance(error.inner_exception, IntegrityError):  # expect: DBA206
                            context.reraise = False

            def create(session, network):
                try:
                    session.add(network)
                    session.flush()
                except db_exc.DBError as error:
                    inner = error.inner_exception
                    if type(inner) is sql_exc.IntegrityError:  # expect: DBA206
                        raise Taken(network.id) from error
                    raise
            """,
        ),
    ),
    good=(
        Example(
            "an answer for the backend that does not tell",
            """
            from oslo_db import exception as db_exc

            def create(self, values):
                try:
                    self.store(values)
                except db_exc.DBReferenceError as error:
                    table = error.key_table
                    if error.key_table is None:
                        table = self.find_missing(values)
                    raise Missing(table) from error
            """,
        ),
        Example(
            "what is not this key goes up",
            """
            from oslo_db import exception as db_exc

            def save(self, context):
                try:
                    self.store(context)
                except db_exc.DBReferenceError as error:
                    if error.key != "instance_uuid":
                        raise
                    raise InstanceNotFound(self.uuid) from error
            """,
        ),
        Example(
            "only logged",
            """
            from oslo_db import exception as db_exc

            def ensure(self, context):
                try:
                    self.store(context)
                except db_exc.DBDuplicateEntry as error:
                    LOG.debug("there is one already: %s %s", error.columns, error.value)
            """,
        ),
        Example(
            "the constraint is named the way oslo.db can read",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import Column, String, UniqueConstraint
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Service(Base):
                __tablename__ = "services"
                __table_args__ = (
                    UniqueConstraint("host", "binary", name="uniq_services0host0binary"),
                )
                host = Column(String, primary_key=True)
                binary = Column(String)

            def create(session, values):
                try:
                    with session.begin():
                        session.add(Service(**values))
                except db_exc.DBDuplicateEntry as error:
                    if "binary" in error.columns:
                        raise BinaryExists(values["binary"]) from error
                    raise TopicExists(values["topic"]) from error
            """,
        ),
        Example(
            "the class of oslo.db is caught, or the wrapped error is another",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import exc as sql_exc

            def create(session, network):
                try:
                    session.add(network)
                    session.flush()
                except db_exc.DBDuplicateEntry as error:
                    raise Taken(network.id) from error
                except db_exc.DBError as error:
                    if isinstance(error.inner_exception, sql_exc.TimeoutError):
                        raise Busy() from error
                    LOG.error("not stored: %s", error.inner_exception)
                    raise
            """,
        ),
    ),
    known_gaps=(
        "an error that is handed to another function and looked at there",
        "a handler for several classes",
    ),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html",),
)
