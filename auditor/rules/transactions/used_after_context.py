"""DBA404: a query or a lazy relationship used after the block whose session it needs has ended."""

from __future__ import annotations

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import (
    QUERY,
    ROW,
    ROW_OR_NONE,
    SESSION,
    SESSION_FACTORY,
    ContextRow,
    Effect,
    Mode,
)
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import (
    Open,
    comes_from,
    contexts_around,
    last_bind,
    names_of,
)
from auditor.source.attributes import attribute_of, relationship_of
from auditor.source.facts import (
    At,
    Bind,
    Call,
    FunctionFacts,
    ModuleFacts,
    Name,
    Read,
    Region,
    Return,
    dotted,
    walk,
)
from auditor.source.project import Project, position_of
from auditor.source.traits import BLOCK, DECORATED
from auditor.source.value import Value

_ENDING = frozenset((Mode.READER, Mode.WRITER, Mode.INDEPENDENT_READER, Mode.INDEPENDENT_WRITER))
_ROWS = frozenset((ROW, ROW_OR_NONE))
_CALLERS = 40
"""Callers of a function looked at."""
_DEPTH = 4
"""Calls outwards looked at, to somebody who has a context open."""
_QUERY = (
    "it runs on a session that is closed, which silently begins another transaction that nobody"
    " ends"
)
_LAZY = "a lazy relationship is loaded by the session, which is closed: DetachedInstanceError"


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Queries that leave their block unrun, and relationships first read after it."""
    for position, event in enumerate(function.events):
        if isinstance(event, Return):
            yield from _returned(project, module, function, position)
        elif isinstance(event, Bind) and event.kind == "assign" and event.target.isidentifier():
            yield from _kept(project, module, function, position)


def _returned(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int
) -> Hits:
    event = function.events[position]
    if not isinstance(event, Return) or event.value is None:
        return
    value = project.value(module, function, position, event.value)
    if value.kind != QUERY:
        return
    opened = _ending(project, module, function, event.region)
    if opened is None or not comes_from(function, position, event.value, names_of(opened)):
        return
    if not _are_callers_inside(project, function):
        what = "the query returned here runs when somebody iterates over it"
        yield _hit(module, function, opened, event.at, what=what, so=_QUERY, sure=value.sure)


def _kept(project: Project, module: ModuleFacts, function: FunctionFacts, position: int) -> Hits:
    """Uses of a name, bound inside a block, after that block."""
    bind = function.events[position]
    if not isinstance(bind, Bind) or bind.value is None:
        return
    opened = _ending(project, module, function, bind.region)
    if opened is None or opened.is_decorator:
        return
    if contexts_around(project, module, function, opened.region.parent):
        return
    value = project.value(module, function, position + 1, Name(bind.target))
    if not comes_from(function, position, bind.value, names_of(opened)):
        return
    for later in range(opened.region.last, len(function.events)):
        used = function.events[later]
        if isinstance(used, (Bind, Read, Call)) and last_bind(function, later, bind.target) is bind:
            found = _used(project, function, opened.region, bind, value=value, used=used)
            if found is not None:
                what, so = found
                yield _hit(module, function, opened, used.at, what=what, so=so, sure=value.sure)
                return


def _used(
    project: Project, function: FunctionFacts, region: Region, bind: Bind, *,
    value: Value, used: Bind | Read | Call,
) -> tuple[str, str] | None:  # fmt: skip
    """What an event after the block does with what was bound in it, and what comes of that."""
    if value.kind == QUERY:
        if isinstance(used, Call) and _runs(project, function, used, bind.target):
            return f"`{dotted(used.func)}()` runs a query that was made in the block", _QUERY
        if isinstance(used, Bind) and used.kind == "loop" and dotted(used.value) == bind.target:
            return f"the loop runs the query `{bind.target}`, made in the block", _QUERY
    if value.kind in _ROWS and isinstance(used, Read) and used.path[0] == bind.target:
        relation = _lazy(project, value, used.path[1:])
        if relation and not _is_loaded(function, region, bind, relation):
            return f"`{'.'.join(used.path)}` is first read here", _LAZY
    return None


def _runs(project: Project, function: FunctionFacts, call: Call, name: str) -> bool:
    position = position_of(function, call)
    return dotted(call.func).partition(".")[0] == name and any(
        target.row is not None and target.row.on == QUERY and Effect.READ in target.row.effects
        for target in project.targets(function, position, call)
    )


def _lazy(project: Project, value: Value, steps: tuple[str, ...]) -> str:
    """The first lazy relationship on a chain of attributes from a row."""
    for step in steps:
        relation = relationship_of(project.inference, value, step)
        if relation is not None and relation.is_lazy:
            return relation.name
        value = attribute_of(project.inference, value, step)
    return ""


def _is_loaded(function: FunctionFacts, region: Region, bind: Bind, relation: str) -> bool:
    """Whether the block may have loaded the relationship: it is read there, or the query has
    options, or the row is handed to somebody."""
    for event in function.inside(region):
        if isinstance(event, Read) and relation in event.path:
            return True
        if isinstance(event, Call) and any(
            isinstance(a, Name) and a.name == bind.target for a in event.args
        ):
            return True
    return any(
        isinstance(part, Call)
        and (getattr(part.func, "name", "") == "options" or part.keyword("options") is not None)
        for event in (bind, *function.inside(region))
        for part in walk(event.value if isinstance(event, Bind) else None)
    )


def _ending(
    project: Project, module: ModuleFacts, function: FunctionFacts, region: int
) -> Open | None:
    """The innermost context at a region whose end closes the session."""
    found = contexts_around(project, module, function, region)
    return next((opened for opened in found if _closes(opened.row)), None)


def _closes(row: ContextRow) -> bool:
    if row.mode in _ENDING:
        return True
    if row.mode is Mode.SESSION_ONLY:
        return row.on == SESSION
    return row.mode is Mode.PLAIN and row.on == SESSION_FACTORY


def _are_callers_inside(project: Project, function: FunctionFacts, depth: int = _DEPTH) -> bool:
    """Whether somebody calls the function, and all who do have a context open or are called by
    such themselves."""
    known = 0
    for site in project.program.calls.get(function.name, ())[:_CALLERS]:
        scope = site.scope
        found = project.callee(scope.module, scope.function, site.call)
        if found is None or found[1] is not function:
            continue
        known += 1
        around = contexts_around(project, scope.module, scope.function, site.call.region)
        if not around and not (depth and _are_callers_inside(project, scope.function, depth - 1)):
            return False
    return known > 0


def _hit(
    module: ModuleFacts, function: FunctionFacts, opened: Open, at: At, *,
    what: str, so: str, sure: bool,
) -> Hit:  # fmt: skip
    fields = {"what": what, "opened": opened.words, "so": so}
    path = SourcePath(
        (Step(span_of(module, opened.region.at), opened.words), Step(span_of(module, at), what))
    )
    confidence = Confidence.MEDIUM if sure else Confidence.LOW
    return Hit(span_of(module, at), function.qualname, fields, (path,), confidence=confidence)


RULE = Rule(
    code="DBA404",
    name="used-after-context",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what}, after {opened} has ended: with no other one open around it, {so}",
    why=(
        "A query is run when it is iterated, and a lazy relationship when it is first read. After"
        " the block its session is closed. A closed session is not a dead one: a query on it takes"
        " a new connection and begins a transaction that no block ends, so the connection goes back"
        " to the pool when the garbage collector comes by, and what is read is not what the block"
        " saw. A row of a closed session has none to load from, and raises DetachedInstanceError."
    ),
    instead="Run the query inside the block (`.all()`), and load there what is read later"
    " (`selectinload`), or give back plain values.",
    checks=(OnFunction(check, needs=(BLOCK | DECORATED,)),),
    bad=(
        Example(
            "a query is returned from the block",
            """
            from oslo_db.sqlalchemy import enginefacade

            def labels(context, name):
                with enginefacade.reader.using(context) as session:
                    query = session.query(Label)
                    return query.filter_by(name=name)  # expect: DBA404
            """,
        ),
        Example(
            "from a decorated function",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def labels(context, name):
                return context.session.query(Label).filter_by(name=name)  # expect: DBA404
            """,
        ),
        Example(
            "made in a session, run after it",
            """
            from sqlalchemy.orm import Session

            def count(engine):
                with Session(engine) as session:
                    query = session.query(Label)
                return query.count()  # expect: DBA404
            """,
        ),
        Example(
            "a relationship that the block did not load",
            """
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase, Session, relationship

            class Base(DeclarativeBase):
                pass

            class Owner(Base):
                __tablename__ = "owners"
                id = Column(String(36), primary_key=True)
                name = Column(String(36))

            class Pet(Base):
                __tablename__ = "pets"
                id = Column(String(36), primary_key=True)
                owner_id = Column(ForeignKey("owners.id"))
                owner = relationship(Owner)

            def owner_of(engine, key):
                with Session(engine) as session:
                    pet = session.get(Pet, key)
                return pet.owner.name  # expect: DBA404
            """,
        ),
    ),
    good=(
        Example(
            "run inside the block",
            """
            from oslo_db.sqlalchemy import enginefacade

            def labels(context, name):
                with enginefacade.reader.using(context) as session:
                    return session.query(Label).filter_by(name=name).all()
            """,
        ),
        Example(
            "a part of a query, for those who have the block open",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def _labels(context):
                return context.session.query(Label)

            @enginefacade.reader
            def labels(context, name):
                return _labels(context).filter_by(name=name).all()
            """,
        ),
        Example(
            "the session is the caller's",
            """
            def labels(session, name):
                with session.begin():
                    session.add(Label(name="default"))
                    return session.query(Label).filter_by(name=name)
            """,
        ),
        Example(
            "loaded in the block, or a column",
            """
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase, Session, relationship, selectinload

            class Base(DeclarativeBase):
                pass

            class Owner(Base):
                __tablename__ = "owners"
                id = Column(String(36), primary_key=True)

            class Pet(Base):
                __tablename__ = "pets"
                id = Column(String(36), primary_key=True)
                owner_id = Column(ForeignKey("owners.id"))
                owner = relationship(Owner)

            def owner_of(engine, key):
                with Session(engine) as session:
                    pet = session.get(Pet, key, options=[selectinload(Pet.owner)])
                return pet.owner

            def owner_of_first(engine):
                with Session(engine) as session:
                    pet = session.query(Pet).options(selectinload(Pet.owner)).first()
                return pet.owner

            def owner_id(engine, key):
                with Session(engine) as session:
                    pet = session.get(Pet, key)
                return pet.owner_id
            """,
        ),
        Example(
            "bound anew",
            """
            from sqlalchemy.orm import Session

            def count(engine, other):
                with Session(engine) as session:
                    query = session.query(Label)
                    first = query.first()
                query = other.query(Label)
                return first, query.count()
            """,
        ),
    ),
    known_gaps=(
        "a function whose callers, outside of the scan, all hold a block open works",
        "columns of a row that a commit inside the block has expired",
        "rows in lists, and rows that are returned and read by the caller",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/errors.html#parent-instance-x-is-not-bound-to-a-session-lazy-load-deferred-load-refresh-etc-operation-cannot-proceed",
        "https://docs.sqlalchemy.org/en/20/orm/session_basics.html#closing",
    ),
)
