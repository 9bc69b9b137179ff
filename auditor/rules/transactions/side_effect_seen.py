"""The recorded half of DBA401: a message, a wait or a lock while a transaction was open."""

from __future__ import annotations

from auditor.model.finding import Confidence
from auditor.model.knowledge import Effect
from auditor.model.tape import IncidentKind, Tape
from auditor.rule import Hit, Hits, LiveExample
from auditor.rules.transactions.happened import (
    call_at,
    evidence_of,
    incidents,
    opened_words,
    seconds_in_all,
    span_at,
    times,
)
from auditor.source.project import Project

HARMS = {
    Effect.MESSAGE: "others act on it before the commit, and on a rollback or a retry it cannot be"
    " taken back",
    Effect.SLEEP: "every lock and the connection are held while it waits",
    Effect.LOCK: "rows stay locked while it waits for the lock, whose holder may wait for the rows",
}
_SEEN = {"sleep": Effect.SLEEP, "lock": Effect.LOCK, "file lock": Effect.LOCK}
_HELD = "its connection, and what it has read stays as it was, while it waits"
_MOVED = {
    Effect.MESSAGE: "collect inside what is to be sent, and send it after the transaction",
    Effect.SLEEP: "wait before the transaction begins or after it has ended",
    Effect.LOCK: "take the lock around the transaction",
}


def recorded(tape: Tape, project: Project) -> Hits:
    """Such an effect while a transaction was open that had done work."""
    for seen in incidents(tape, project, IncidentKind.SIDE_EFFECT):
        is_writing = seen.work == "writes"
        effect = _SEEN.get(seen.what, Effect.MESSAGE)
        if effect is Effect.LOCK and not is_writing:
            continue
        happened = f"{times(seen.times)}{seconds_in_all(seen.seconds)}"
        harm = HARMS[effect] if is_writing else f"the transaction keeps {_HELD}"
        yield Hit(
            span_at(project, seen.site),
            seen.site.frame.function,
            {
                "what": call_at(project, seen.site, seen.what).strip("`"),
                "way": f" ({seen.what}, {happened})",
                "opened": opened_words(seen, seen.site),
                "harm": f"{harm}; {_MOVED[effect]}",
            },
            evidence_of(seen),
            confidence=Confidence.MEDIUM if is_writing or seen.is_block else Confidence.LOW,
        )


LIVE_BAD = (
    LiveExample(
        "seen to happen: below a call, with rows locked",
        """
        import subprocess
        import time
        import sqlalchemy as sa
        from sqlalchemy.orm import Session

        def prepare(engine):
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))

        def tell():
            subprocess.run(["true"], check=True)  # expect: DBA401

        def run(engine):
            with Session(engine) as session, session.begin():
                session.execute(sa.text("INSERT INTO t VALUES (1)"))
                tell()
                time.sleep(0.001)  # expect: DBA401
        """,
    ),
)
LIVE_GOOD = (
    LiveExample(
        "seen to happen between transactions, and where nothing is done yet",
        """
        import time
        import sqlalchemy as sa
        from sqlalchemy.orm import Session

        def prepare(engine):
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))

        def run(engine):
            for number in range(3):
                with Session(engine) as session, session.begin():
                    time.sleep(0.001)
                    session.execute(sa.text("INSERT INTO t VALUES (1)"))
                time.sleep(0.001)
        """,
    ),
)
