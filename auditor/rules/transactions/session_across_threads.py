"""DBA411: one session, or one open transaction, is used by two threads or tasks at once."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONNECTION, SESSION
from auditor.model.tape import IncidentKind, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.happened import evidence_of, incidents, opened_words, span_at
from auditor.source.facts import (
    Call,
    Expr,
    FunctionFacts,
    Items,
    ModuleFacts,
    Name,
)
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import LOOP

_STARTERS = frozenset(("Thread", "Timer"))
_SUBMITTERS = frozenset(
    ("submit", "run_in_executor", "to_thread", "spawn", "spawn_n", "apply_async")
)
_LOOPS = frozenset(("for", "while", "comprehension"))
_FIX = "give each thread or task a session of its own, made in it from a `sessionmaker`"


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Calls in a loop that start a thread or task and hand it a session."""
    for position, call in enumerate(function.events):
        if not isinstance(call, Call) or not _starts(call):
            continue
        kinds = {around.kind for around in function.ancestors(call.region)}
        if not kinds & _LOOPS:
            continue
        for given in _given(call):
            if not isinstance(given, Name) or _is_made_inside(function, call, given.name):
                continue
            kind = project.value(module, function, position, given).kind
            if kind in {SESSION, CONNECTION}:
                thing = "session" if kind == SESSION else "connection"
                said = f"the {thing} `{given.name}` is handed to each `{last_step(call.func)}`"
                fields = {"said": f"{said} of a loop: they use it at once", "fix": _FIX}
                yield Hit(span_of(module, call.at), function.qualname, fields)
                break


def _starts(call: Call) -> bool:
    return last_step(call.func) in _STARTERS | _SUBMITTERS


def _given(call: Call) -> Iterator[Expr]:
    """The arguments of a call, and those in its `args=(...)`."""
    values = (*call.args, *(keyword.value for keyword in call.keywords))
    for value in values:
        yield from value.items if isinstance(value, Items) else (value,)


def _is_made_inside(function: FunctionFacts, call: Call, name: str) -> bool:
    """Whether the name gets a new value in each turn of the loop around a call."""
    loops = [r for r in function.ancestors(call.region) if r.kind in _LOOPS]
    return any(
        dotted_target == name
        for loop in loops
        for event in function.inside(loop)
        if (dotted_target := getattr(event, "target", "")) and event is not call
    )


def recorded(tape: Tape, project: Project) -> Hits:
    """Statements of a session or transaction whose last user was at work elsewhere."""
    for seen in incidents(tape, project, IncidentKind.ACROSS_THREADS):
        said = (
            f"a {seen.what} that another thread or task was using is used here at the same time"
            f" ({opened_words(seen, seen.site)})"
        )
        yield Hit(
            span_at(project, seen.site),
            seen.site.frame.function,
            {"said": said, "fix": _FIX},
            evidence_of(seen, "used by two at once"),
        )


RULE = Rule(
    code="DBA411",
    name="session-across-threads",
    since="0.2.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{said}; {fix}",
    why=(
        "A session is one conversation with one transaction: it has no locks of its own. Two"
        " threads in it flush each other's half-made objects, commit each other's work and read"
        " each other's results; what is seen is now and then an error about a closed transaction, a"
        " lost row or a driver that hangs."
    ),
    instead="`with maker() as session:` inside the function that the thread runs, or a"
    " `scoped_session`; hand over keys or plain values, not sessions and not their objects.",
    checks=(OnFunction(check, needs=(LOOP,), calls=_STARTERS | _SUBMITTERS), OnTape(recorded)),
    bad=(
        Example(
            "one session for all",
            """
            import threading
            from sqlalchemy.orm import Session

            def load(engine, keys):
                with Session(engine) as session:
                    threads = []
                    for key in keys:
                        one = threading.Thread(target=fetch, args=(session, key))  # expect: DBA411
                        threads.append(one)
            """,
        ),
        Example(
            "handed to an executor",
            """
            from concurrent.futures import ThreadPoolExecutor
            from sqlalchemy.orm import Session

            def load(session: Session, keys):
                with ThreadPoolExecutor() as pool:
                    return [pool.submit(fetch, session, key) for key in keys]  # expect: DBA411
            """,
        ),
        LiveExample(
            "seen: two threads in one transaction",
            """
            import threading
            import sqlalchemy as sa
            from sqlalchemy.orm import Session

            def fetch(session, meeting):
                meeting.wait()
                session.execute(sa.text("SELECT 1"))  # expect: DBA411
                meeting.wait()

            def run(engine):
                meeting = threading.Barrier(2)
                with Session(engine) as session:
                    session.execute(sa.text("SELECT 2"))
                    threads = [
                        threading.Thread(target=fetch, args=(session, meeting)) for _ in range(2)
                    ]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
            """,
        ),
    ),
    good=(
        Example(
            "a session for each",
            """
            from concurrent.futures import ThreadPoolExecutor
            from sqlalchemy.orm import Session, sessionmaker

            def load(engine, keys):
                maker = sessionmaker(engine)
                with ThreadPoolExecutor() as pool:
                    for key in keys:
                        session = maker()
                        pool.submit(fetch, session, key)
                    return [pool.submit(fetch, maker, key) for key in keys]
            """,
        ),
        Example(
            "handed over once",
            """
            import threading
            from sqlalchemy.orm import Session

            def load(engine, key):
                session = Session(engine)
                thread = threading.Thread(target=fetch, args=(session, key))
                thread.start()
                thread.join()
            """,
        ),
        LiveExample(
            "seen: handed over to a thread that is waited for",
            """
            import threading
            import sqlalchemy as sa
            from sqlalchemy.orm import Session, scoped_session, sessionmaker

            def run(engine):
                with Session(engine) as session:
                    session.execute(sa.text("SELECT 1"))
                    statement = sa.text("SELECT 2")
                    thread = threading.Thread(target=session.execute, args=(statement,))
                    thread.start()
                    thread.join()
                    session.execute(sa.text("SELECT 3"))
            """,
        ),
    ),
    known_gaps=(
        "uses that do not meet: a thread that is between two uses and waits for another one",
        "a session that is kept in a global or on `self`, in the source",
        "objects of a session that are used by another thread without a statement",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/session_basics.html#is-the-session-thread-safe-is-asyncsession-safe-to-share-in-concurrent-tasks",
    ),
    in_tests=True,
)
