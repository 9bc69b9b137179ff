"""DBA414: a connection that is given back only if nothing goes wrong."""

from __future__ import annotations

from collections.abc import Sequence

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONNECTION, DRIVER_CONNECTION, ENGINE
from auditor.model.span import Frame
from auditor.model.tape import IncidentKind, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.outside import is_of_test
from auditor.rules.places import span_of
from auditor.rules.raw_sql.sinks import uses_sqlalchemy
from auditor.rules.recorded import Standing
from auditor.rules.transactions.happened import evidence_of, incidents, path_of, span_at, times
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Return,
    Subscript,
    Yield,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project, position_of

_OPENS = frozenset(("connect", "raw_connection"))
_ENDS = frozenset(("close", "invalidate", "detach"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Connections of an engine, kept in a local, that no `with` and no `finally` closes."""
    for event in function.events:
        if not isinstance(event, Bind) or event.kind != "assign" or not event.target.isidentifier():
            continue
        if not _opens(project, module, function, event) or _is_handed_on(function, event):
            continue
        closed = _closes(function, event.target)
        if closed is None or not any(_always(function, call) for call in closed):
            how = "only where nothing was raised before" if closed else "nowhere"
            said = _SAID.format(name=event.target, how=how)
            yield Hit(span_of(module, event.at), function.qualname, {"said": said})


def recorded(tape: Tape, project: Project) -> Hits:
    """Connections that the garbage collector gave back, or nobody before the recording ended. What
    a test hands to the program is the test's to close."""
    for seen in incidents(tape, project, IncidentKind.LEAKED):
        maker = _maker(path_of(project, seen.site))
        if maker is not None and is_of_test(maker, seen.site.frame):
            continue
        thing, _, how = seen.what.partition(": ")
        said = _LEAKED.format(
            thing=thing, how=_HOW[how], times=times(seen.times), close=_CLOSE[thing]
        )
        yield Hit(
            span_at(project, seen.site),
            seen.site.frame.function,
            {"said": said},
            evidence_of(seen, "checked out")[-1:],
            confidence=Confidence.LOW if maker is None and seen.test else Confidence.MEDIUM,
        )


def _maker(path: Sequence[Standing]) -> Frame | None:
    """The innermost line whose function was not handed what it works with as an argument."""
    for standing in path:
        function, event = standing.function, standing.event
        if function is None or not isinstance(event, Call) or last_step(event.func) in _OPENS:
            return standing.frame
        given = {p.name for p in function.parameters} - {"self", "cls"}
        if given.isdisjoint(_handed(function, event)):
            return standing.frame
    return None


def _handed(function: FunctionFacts, call: Call) -> set[str]:
    """The names that a call works with, and those that they were made of: `session` of
    `session.query(A).all()`, of `f(session)` and of `query.all()` after `query = f(session)`."""
    names: set[str] = set()
    waiting: list[Expr | None] = [call]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, Name) and expr.name not in names:
            names.add(expr.name)
            binds = (e for e in function.events if isinstance(e, Bind))
            waiting.extend(bind.value for bind in binds if bind.target == expr.name)
        elif isinstance(expr, (Attribute, Subscript)):
            waiting.append(expr.base)
        elif isinstance(expr, Call) and not _makes(expr):
            waiting.extend((expr.func, *expr.args, *(k.value for k in expr.keywords)))
    return names


def _makes(call: Call) -> bool:
    """Whether a call makes a session or a connection of what it is given: `Session(engine)`."""
    name = last_step(call.func)
    return name in _OPENS or name[:1].isupper()


_SAID = (
    "the connection `{name}` is closed {how}: after an error it stays checked out of the pool until"
    " the collector finds it (taking it that something in between can raise)"
)
_LEAKED = (
    "a connection that a {thing} checked out here was closed by nobody ({times}): {how}; {close}"
)
_HOW = {
    "garbage collector": "the garbage collector gave it back when it found it",
    "end of the recording": "it was still checked out when the recording ended",
}
_CLOSE = {
    "session": "close the session: `with Session(engine) as session:`, or `close()` in a `finally`",
    "connection": "`with engine.connect() as connection:` closes it on every path",
}


def _opens(project: Project, module: ModuleFacts, function: FunctionFacts, bind: Bind) -> bool:
    call = bind.value
    if not isinstance(call, Call) or last_step(call.func) not in _OPENS:
        return False
    position = position_of(function, call)
    made = project.value(module, function, position, call)
    base = project.value(module, function, position, getattr(call.func, "base", None))
    if base.kind == ENGINE:
        return made.kind in (CONNECTION, DRIVER_CONNECTION)
    return not base.kind and _is_named_engine(call) and uses_sqlalchemy(module)


def _is_named_engine(call: Call) -> bool:
    """`engine.connect()`, `get_engine(context).connect()`, where the maker is not in the scan."""
    base = getattr(call.func, "base", None)
    name = last_step(base.func) if isinstance(base, Call) else dotted(base)
    return name.rpartition(".")[2] in _ENGINES


_ENGINES = frozenset(("engine", "_engine", "get_engine", "get_main_engine", "db_engine"))


def _is_handed_on(function: FunctionFacts, bind: Bind) -> bool:
    """Whether somebody else gets the connection: returned, yielded, stored, entered, passed on."""
    name = bind.target
    entered = (item.expr for region in function.regions for item in region.items)
    return any(event is not bind and _takes(event, name) for event in function.events) or any(
        dotted(expr) == name or _passes(expr, name) for expr in entered
    )


def _takes(event: Event, name: str) -> bool:
    match event:
        case Return(value=value) | Yield(value=value) | Bind(value=value):
            return any(isinstance(e, Name) and e.name == name for e in _values(value))
        case Call():
            return _passes(event, name)
        case _:
            return False


def _values(value: object) -> tuple[object, ...]:
    """The expression itself, or the items of a display: not what it is a part of."""
    return (value, *getattr(value, "items", ()), *getattr(value, "values", ()))


def _passes(expr: object, name: str) -> bool:
    if not isinstance(expr, Call):
        return False
    values = (*expr.args, *(keyword.value for keyword in expr.keywords))
    return any(isinstance(e, Name) and e.name == name for v in values for e in walk(v))


def _closes(function: FunctionFacts, name: str) -> list[Call] | None:
    """The calls that give the connection back; None if there is none."""
    found = [
        event
        for event in function.events
        if isinstance(event, Call) and dotted(event.func) in {f"{name}.{end}" for end in _ENDS}
    ]
    return found or None


def _always(function: FunctionFacts, call: Call) -> bool:
    """Whether it runs also when something was raised."""
    return any(region.kind == "finally" for region in function.ancestors(call.region))


_IMPORTS = """
            import contextlib
            import sqlalchemy as sa

            engine = sa.create_engine("sqlite://")
"""
RULE = Rule(
    code="DBA414",
    name="leaked-connection",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{said}",
    why=(
        "A connection that is not given back is one that the pool lends to nobody else. With its"
        " transaction still open it holds locks; a few such errors, and every request waits for"
        " `QueuePool limit ... overflow`. CPython's reference counts hide it until a traceback"
        " keeps the frame alive."
    ),
    instead="`with engine.connect() as connection:`, or `engine.begin()` for a unit that commits.",
    checks=(OnFunction(check, calls=_OPENS), OnTape(recorded)),
    bad=(
        Example(
            "closed at the end",
            _IMPORTS
            + """
            def rows(statement):
                connection = engine.connect()  # expect: DBA414
                found = connection.execute(statement).fetchall()
                connection.close()
                return found
            """,
        ),
        Example(
            "closed nowhere",
            _IMPORTS
            + """
            def count(statement):
                connection = engine.connect()  # expect: DBA414
                return connection.execute(statement).scalar()
            """,
        ),
        Example(
            "closed in a handler and at the end",
            _IMPORTS
            + """
            def load(path):
                raw = engine.raw_connection()  # expect: DBA414
                try:
                    raw.cursor().execute(path.read_text())
                except ValueError:
                    raw.close()
                    raise
                raw.close()
            """,
        ),
        Example(
            "an engine by its name",
            """
            import sqlalchemy as sa
            from app.managers import manager_of

            def hosts(context):
                engine = manager_of(context).writer.get_engine()
                connection = engine.connect()  # expect: DBA414
                found = connection.execute(sa.text("SELECT host FROM nodes")).fetchall()
                connection.close()
                return found
            """,
        ),
        LiveExample(
            "seen: dropped, and kept to the end",
            """
            import sqlalchemy as sa
            from sqlalchemy.orm import Session

            KEPT = []

            def names(engine):
                session = Session(engine)
                return session.execute(sa.text("SELECT 1")).all()  # expect: DBA414

            def run(engine):
                names(engine)
                KEPT.append(engine.connect())  # expect: DBA414
            """,
        ),
    ),
    good=(
        Example(
            "a with statement",
            _IMPORTS
            + """
            def rows(statement):
                with engine.connect() as connection:
                    return connection.execute(statement).fetchall()
            """,
        ),
        Example(
            "finally",
            _IMPORTS
            + """
            def rows(statement):
                connection = engine.connect()
                try:
                    return connection.execute(statement).fetchall()
                finally:
                    connection.close()
            """,
        ),
        Example(
            "entered later",
            _IMPORTS
            + """
            def rows(statement):
                connection = engine.connect()
                with connection:
                    return connection.execute(statement).fetchall()

            def more(statement):
                raw = engine.raw_connection()
                with contextlib.closing(raw):
                    return raw.cursor().execute(statement)
            """,
        ),
        Example(
            "the caller's business",
            _IMPORTS
            + """
            class Store:
                def open(self):
                    connection = engine.connect()
                    self.connection = connection

                def fresh(self):
                    connection = engine.connect()
                    return connection
            """,
        ),
        Example(
            "a connection to something else",
            """
            def rows(client, statement):
                connection = client.connect()
                found = connection.execute(statement)
                connection.close()
                return found
            """,
        ),
        Example(
            "an engine of another kind",
            """
            from app.workflows import get_engine

            def run(flow):
                engine = get_engine(flow)
                connection = engine.connect()
                connection.send(flow)
            """,
        ),
        LiveExample(
            "seen: closed late, in another function",
            """
            import sqlalchemy as sa

            def open_one(engine, held):
                held.append(engine.connect())

            def run(engine):
                held = []
                open_one(engine, held)
                held[0].execute(sa.text("SELECT 1"))
                for connection in held:
                    connection.close()
            """,
        ),
    ),
    known_gaps=(
        "sessions that are not closed are not reported: closing one late loses less",
        "a connection kept in an attribute is not followed",
    ),
    sources=("SQLAlchemy: Working with Engines and Connections; FAQ on QueuePool limits",),
    in_tests=True,
)
