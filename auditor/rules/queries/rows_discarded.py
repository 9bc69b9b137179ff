"""DBA317: many rows are fetched, and the first is taken."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import Tape
from auditor.rule import Hits, LiveExample, OnTape, Rule
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import loads
from auditor.rules.queries.row_loops import Use
from auditor.source.project import Project


def check(tape: Tape, project: Project) -> Hits:
    """Rows that were fetched, and all but the first of which nobody looked at."""
    for load in loads(tape, project, Use.FIRST):
        style = style_of(project, load.first, load.path)
        yield load.hit(
            RULE.message,
            each=f"{max(1, round(load.most)):,}",
            order=_order(load.fate.words, is_text=style.how == "text"),
            fix=style.limited(),
        )


def _order(words: str, *, is_text: bool) -> str:
    """What else the query needs where the last row is wanted."""
    if not words.startswith("`[-"):
        return ""
    return " and the order turned round" + (" (`DESC`)" if is_text else " (`.desc()`)")


_MODEL = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Event(Base):
                __tablename__ = "events"
                id = sa.Column(sa.Integer, primary_key=True)
                kind = sa.Column(sa.String(10))

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Event(kind="up") for _ in range(40))
                    session.commit()
"""
RULE = Rule(
    code="DBA317",
    name="rows-discarded",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{rows}, {each} each time, and {words} takes one of them: add `{fix}`{order}",
    why=(
        "The server finds and sends every row, and SQLAlchemy makes objects of them, for the sake"
        " of one. `Result.first()` closes the result after its first row, but an ORM result has"
        " fetched them all by then, and so have most drivers. A limit stops the database early."
    ),
    instead="`session.scalars(select(Event).order_by(Event.id).limit(1)).first()`; `Query.first()`"
    " adds the limit itself.",
    checks=(OnTape(check),),
    bad=(
        LiveExample(
            "first() of a result without a limit",
            _MODEL
            + """
            def latest(session):
                query = sa.select(Event).order_by(Event.id.desc())
                return session.scalars(query).first()  # expect: DBA317

            def run(engine):
                with orm.Session(engine) as session:
                    latest(session)
            """,
            (
                (
                    "latest: 40 rows were fetched at example.py:19, 40 each time, and `.first()`"
                    " takes one of them: add `.limit(1)`"
                ),
            ),
        ),
        LiveExample(
            "the first of a list, taken by the caller",
            _MODEL
            + """
            def events(session, kind):
                return session.query(Event).filter_by(kind=kind).all()

            def run(engine):
                with orm.Session(engine) as session:
                    found = events(session, "up")
                    if found:
                        return found[0].id  # expect: DBA317
            """,
        ),
        LiveExample(
            "a loop that never turns twice",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for event in session.scalars(sa.select(Event)):
                        return event.id  # expect: DBA317
            """,
        ),
    ),
    good=(
        LiveExample(
            "Query.first() limits",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    return session.query(Event).order_by(Event.id).first()
            """,
        ),
        LiveExample(
            "the others are used too",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    events = session.scalars(sa.select(Event)).all()
                    return events[0].id, [event.kind for event in events]
            """,
        ),
        LiveExample(
            "the condition finds one row",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    return session.scalars(sa.select(Event).where(Event.id == 7)).first()
            """,
        ),
    ),
    known_gaps=(
        "Core results read one row for `first()`: what the driver fetched behind it is not counted",
        "objects joined to many rows each are DBA311",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/core/connections.html",),
)
