"""DBA110: a connection of the engine is used where a session is at hand."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import ENGINE, SESSION
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Read,
    dotted,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_WRITES = frozenset({"add", "add_all", "delete", "merge", "flush", "bulk_save_objects"})
_ONLY_ASKED = (("bind",), ("get_bind",), ("close",))
_OPENS = frozenset({"raw_connection", "connect", "begin", "execute"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Connections taken from an engine in a function that is given a session."""
    opened = [
        (position, event, event.func)
        for position, event in enumerate(function.events)
        if isinstance(event, Call) and isinstance(event.func, Attribute)
        if event.func.name in _OPENS
    ]
    session = _session(project, module, function) if opened else ""
    if not session:
        return
    for position, event, func in opened:
        engine = func.base
        value = project.value(module, function, position, engine)
        if value.kind == ENGINE or _is_bind(engine, session):
            fields = {"opened": f"{_short(engine)}.{func.name}()", "session": session}
            is_meant = not _is_bind(engine, session) and not _writes(function, session)
            confidence = Confidence.LOW if is_meant else None
            yield Hit(span_of(module, event.at), function.qualname, fields, confidence=confidence)


def _session(project: Project, module: ModuleFacts, function: FunctionFacts) -> str:
    """The session that a function is given and works with; empty if there is none."""
    for parameter in function.parameters:
        value = project.value(module, function, 0, Name(parameter.name))
        if value.kind == SESSION and _works_with(function, parameter.name):
            return parameter.name
    return ""


def _works_with(function: FunctionFacts, session: str) -> bool:
    """Whether more is asked of the session than what it is bound to, or it is handed on."""
    return any(
        isinstance(event, Read) and event.path[0] == session and event.path[1:2] not in _ONLY_ASKED
        for event in function.events
    )


def _writes(function: FunctionFacts, session: str) -> bool:
    """Whether the function writes with the session."""
    return any(
        isinstance(event, Read) and event.path[0] == session and event.path[-1] in _WRITES
        for event in function.events
    )


def _is_bind(expr: Expr, session: str) -> bool:
    """`session.bind`, `session.get_bind()`."""
    if isinstance(expr, Call):
        return dotted(expr.func) == f"{session}.get_bind"
    return dotted(expr) == f"{session}.bind"


def _short(expr: Expr) -> str:
    return f"{dotted(expr.func)}()" if isinstance(expr, Call) else dotted(expr) or last_step(expr)


RULE = Rule(
    code="DBA110",
    name="bypassed-session",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{opened}` works on a connection of its own, outside the transaction of `{session}`"
    " (taking it that both are meant to be one piece of work)",
    why=(
        "What runs there does not see what the session has written and not committed, commits"
        " whether or not the session does, and can wait for a lock that the session itself holds:"
        " on SQLite and with a pool of one connection it waits forever."
    ),
    instead="`session.execute(...)`, or `session.connection()` for the connection the session works"
    " on; its `.connection` is the driver's, in the same transaction.",
    checks=(OnFunction(check, calls=_OPENS),),
    bad=(
        Example(
            "a raw connection beside the session",
            """
            from sqlalchemy.orm import Session

            def load(session: Session, rows):
                session.flush()
                raw = session.get_bind().raw_connection()  # expect: DBA110
                raw.cursor().executemany("INSERT INTO labels VALUES (?)", rows)
                raw.commit()
            """,
        ),
        Example(
            "a connection of the engine",
            """
            from sqlalchemy import create_engine, text
            from sqlalchemy.orm import Session

            engine = create_engine("sqlite://")

            def touch(session: Session, label):
                session.add(label)
                with engine.begin() as connection:  # expect: DBA110
                    connection.execute(text("UPDATE counters SET n = n + 1 WHERE id = 1"))
            """,
        ),
        Example(
            "the bind of the session",
            """
            from sqlalchemy import text

            def count(session, label):
                session.add(label)
                return session.bind.execute(text("SELECT 1")).scalar()  # expect: DBA110
            """,
        ),
    ),
    good=(
        Example(
            "the session's own connection",
            """
            from sqlalchemy import text
            from sqlalchemy.orm import Session

            def load(session: Session, rows):
                session.connection().connection.cursor().executemany("INSERT INTO t", rows)
                return session.execute(text("SELECT 1"))
            """,
        ),
        Example(
            "no session at hand",
            """
            from sqlalchemy import create_engine, text

            def touch(url):
                with create_engine(url).begin() as connection:
                    connection.execute(text("UPDATE counters SET n = n + 1 WHERE id = 1"))
            """,
        ),
        Example(
            "the bind is only asked what it is",
            """
            from sqlalchemy.orm import Session

            def is_sqlite(session: Session):
                return session.get_bind().dialect.name == "sqlite"
            """,
        ),
    ),
    known_gaps=(
        "beside a session that writes nothing, `engine.connect()` has low confidence",
        "sessions that a function opens itself, or keeps on `self`, are not looked at",
        "work that is kept out of the transaction on purpose (a log that survives a rollback)",
    ),
    sources=("SQLAlchemy: Session.connection", "SQLAlchemy: Engine.raw_connection"),
)
