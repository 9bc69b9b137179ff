"""DBA215: a row is inserted because a look-up found none, and another worker may be faster."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import SESSION, Effect
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, OnTape, Rule
from auditor.rules.errors.caught import short
from auditor.rules.errors.duplicates import is_answered, is_answered_above
from auditor.rules.errors.insert_seen import insertions
from auditor.rules.errors.open_transactions import does, sites_within
from auditor.rules.errors.rivals_seen import key_taken
from auditor.rules.places import span_of
from auditor.source.database_functions import is_migration
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import SITE

_READS = frozenset((Effect.READ, Effect.STATEMENT))
_NOTES = frozenset((Effect.PENDING, Effect.WRITE))
_CALLERS = 2
"""Calls above the function in which an answer is looked for."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Inserts of a row that a look-up of the same function has just not found."""
    inserts = [] if is_migration(module) else list(_inserts(project, function))
    if not inserts or is_answered(project, module, function):
        return
    for lookup, call in _lookups(project, function):
        model = _looked_up(project, function, lookup, call)
        unique = _unique(model, call) if model is not None else ()
        if model is None or not unique or not _is_tested(function, lookup, call):
            continue
        after = (
            insert
            for insert, inserted in inserts
            if insert.position > lookup.position and inserted.dotted == model.dotted
        )
        insert = next(after, None)
        if insert is None:
            continue
        if not is_answered_above(project, project.program.scope_of(function), _CALLERS):
            fields = {
                "model": short(model.dotted),
                "line": call.at.line,
                "unique": ", ".join(f"`{column}`" for column in unique),
            }
            yield Hit(span_of(module, insert.at), function.qualname, fields)
        return


def recorded(tape: Tape, project: Project) -> Hits:
    """The same, seen to be executed."""
    return insertions(tape, project, is_answered)


def _inserts(project: Project, function: FunctionFacts) -> Iterator[tuple[Site, Model]]:
    """The sites that add a new row: `session.add(M(...))` of a row made in the function, and
    `M(...).create()`."""
    for site in sites_within(project, function, function.regions[0]):
        call = function.events[site.position]
        if site.callee >= 0 or not isinstance(call, Call) or not does(project, site, _NOTES):
            continue
        name = last_step(call.func)
        expr: Expr | None = None
        if name == "add" and call.args:
            expr = call.args[0]
        elif name == "create" and isinstance(call.func, Attribute):
            expr = call.func.base
        made = _made(project, function, site.position, expr)
        if made is not None:
            yield site, made


def _made(
    project: Project, function: FunctionFacts, position: int, expr: Expr | None
) -> Model | None:
    """The model of a row that is constructed in the function, None for any other."""
    name = dotted(expr)
    if name:
        binds = [
            event.value
            for event in function.events[:position]
            if isinstance(event, Bind) and event.target == name
        ]
        expr = binds[-1] if binds else None
    if not isinstance(expr, Call):
        return None
    scope = project.program.scope_of(function)
    return project.models.model_of(project.inference.value(scope, position, expr.func).name)


def _lookups(project: Project, function: FunctionFacts) -> Iterator[tuple[Site, Call]]:
    for site in sites_within(project, function, function.regions[0]):
        call = function.events[site.position]
        if site.callee < 0 and isinstance(call, Call) and does(project, site, _READS):
            yield site, _outermost(function, site.position, call)


def _outermost(function: FunctionFacts, position: int, call: Call) -> Call:
    """The whole chain that a call begins: `session.execute(s).first()`."""
    for event in function.events[position + 1 :]:
        if not isinstance(event, Call) or event.region != call.region:
            break
        if any(part is call for part in walk(event.func)):
            call = event
    return call


def _looked_up(project: Project, function: FunctionFacts, site: Site, call: Call) -> Model | None:
    """The model whose rows a look-up asks for."""
    scope = project.program.scope_of(function)
    for part in walk(call):
        if isinstance(part, Call):
            value = project.inference.value(scope, site.position, part)
            model = project.models.model_of(value.name) if value.kind != SESSION else None
            if model is not None:
                return model
    return None


def _unique(model: Model, call: Call) -> tuple[str, ...]:
    """The unique columns that the look-up is about: all of one constraint of the model, empty if
    it is about none."""
    asked = {
        keyword.name
        for part in walk(call)
        if isinstance(part, Call)
        for keyword in part.keywords
    } | {
        path_of(part.left)[-1]
        for part in walk(call)
        if isinstance(part, Compare) and path_of(part.left)
    }  # fmt: skip
    return next((u for u in model.uniques if u and set(u) <= asked), ())


def _is_tested(function: FunctionFacts, site: Site, call: Call) -> bool:
    """Whether a condition asks if the look-up found something."""
    names = {
        event.target
        for event in function.events
        if isinstance(event, Bind) and any(part is call for part in walk(event.value))
    }
    for event in function.events[site.position :]:
        if isinstance(event, Test):
            parts = list(walk(event.expr))
            if any(part is call for part in parts) or names & {dotted(part) for part in parts}:
                return True
    return False


RULE = Rule(
    code="DBA215",
    name="check-then-insert",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="a `{model}` is inserted because line {line} found none, and nothing here answers a"
    " duplicate: taking it that two workers may do so at once, the slower one breaks the unique"
    " {unique}",
    why=(
        "Between the look-up and the insert another transaction can insert the same row. The"
        " database then refuses the second one, and the error goes up as an internal error instead"
        " of what the look-up was for. A transaction does not help: below SERIALIZABLE both see no"
        " row."
    ),
    instead="Insert and answer the duplicate (`with session.begin_nested():` in a `try`, `except"
    " DBDuplicateEntry` or `IntegrityError`), or use an upsert (`on_conflict_do_nothing`).",
    checks=(OnFunction(check, needs=(SITE,)), OnTape(recorded), OnOutcomes(key_taken)),
    bad=(
        Example(
            "get or create",
            """
            from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                id: Mapped[int] = mapped_column(primary_key=True)
                name: Mapped[str] = mapped_column(unique=True)

            def label(session: Session, name):
                found = session.query(Label).filter_by(name=name).first()
                if found is None:
                    found = Label(name=name)
                    session.add(found)  # expect: DBA215
                return found
            """,
        ),
        Example(
            "refused when it exists",
            """
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class User(Base):
                __tablename__ = "users"
                id = Column(Integer, primary_key=True)
                email = Column(String, unique=True)

            def register(session: Session, email):
                if session.query(User).filter(User.email == email).count():
                    raise Taken(email)
                session.add(User(email=email))  # expect: DBA215
                session.commit()
            """,
        ),
        Example(
            "a constraint over two columns",
            """
            from sqlalchemy import Column, String, UniqueConstraint
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class Tag(Base):
                __tablename__ = "tags"
                __table_args__ = (UniqueConstraint("resource", "name"),)
                id = Column(String, primary_key=True)
                resource = Column(String)
                name = Column(String)

            def tag(session: Session, resource, name):
                known = session.query(Tag).filter_by(resource=resource, name=name).one_or_none()
                if known:
                    return known
                new = Tag(resource=resource, name=name)
                session.add(new)  # expect: DBA215
                session.flush()
                return new
            """,
        ),
    ),
    good=(
        Example(
            "the duplicate is answered",
            """
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.exc import IntegrityError
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class User(Base):
                __tablename__ = "users"
                id = Column(Integer, primary_key=True)
                email = Column(String, unique=True)

            def register(session: Session, email):
                if session.query(User).filter_by(email=email).first():
                    raise Taken(email)
                try:
                    session.add(User(email=email))
                    session.commit()
                except IntegrityError as error:
                    raise Taken(email) from error
            """,
        ),
        Example(
            "repeated on a duplicate",
            """
            from neutron_lib.db import api as db_api
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.orm import declarative_base

            Base = declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)
                name = Column(String, unique=True)

            @db_api.retry_db_errors
            def label(context, name):
                with db_api.CONTEXT_WRITER.using(context) as session:
                    found = session.query(Label).filter_by(name=name).first()
                    if found is None:
                        session.add(Label(name=name))
            """,
        ),
        Example(
            "nothing unique is looked for",
            """
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class Event(Base):
                __tablename__ = "events"
                id = Column(Integer, primary_key=True)
                kind = Column(String)

            def note(session: Session, kind):
                if session.query(Event).filter_by(kind=kind).count() > 1000:
                    return
                session.add(Event(kind=kind))
            """,
        ),
        Example(
            "another class is inserted",
            """
            from sqlalchemy import Column, Integer, String
            from sqlalchemy.orm import Session, declarative_base

            Base = declarative_base()

            class User(Base):
                __tablename__ = "users"
                id = Column(Integer, primary_key=True)
                email = Column(String, unique=True)

            class Visit(Base):
                __tablename__ = "visits"
                id = Column(Integer, primary_key=True)

            def visit(session: Session, email):
                user = session.query(User).filter_by(email=email).first()
                if user is None:
                    raise Unknown(email)
                session.add(Visit(user=user))
            """,
        ),
    ),
    known_gaps=(
        "a look-up or an insert in a function that is called",
        "unique indexes, and constraints that only a migration knows",
        "callers are found by the name of the function",
    ),
    sources=("https://www.postgresql.org/docs/current/transaction-iso.html",),
)
