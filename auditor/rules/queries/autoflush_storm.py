"""DBA322: queries in a loop make the session write its pending rows again and again."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit, Hits, LiveExample, OnTape, Rule
from auditor.rules.fixes import class_or_table
from auditor.rules.repetitions import repetitions
from auditor.source.project import Project
from auditor.sql.shape import brief


def check(tape: Tape, project: Project) -> Hits:
    """Writes that a query caused, below a loop."""
    for found in repetitions(tape, project, _is_autoflush):
        entry = found.first
        owner = class_or_table(project, entry)
        fields = {
            "shape": brief(entry.shape, 60),
            "count": found.count,
            "turns": found.turns,
            "owner": f"`{owner}`" if owner else "what is new or changed",
        }
        yield Hit(
            found.span, found.emits.function, fields, found.evidence, confidence=found.confidence
        )


def _is_autoflush(entry: Entry) -> bool:
    return entry.cause.kind is CauseKind.AUTOFLUSH


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Tag(Base):
                __tablename__ = "tags"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.String(40))

            class Use(Base):
                __tablename__ = "uses"
                id = sa.Column(sa.Integer, primary_key=True)
                tag_id = sa.Column(sa.ForeignKey("tags.id"))

            NAMES = "abcdef"

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Tag(name=name) for name in NAMES)
                    session.commit()
"""
RULE = Rule(
    code="DBA322",
    name="autoflush-storm",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="the query on this line makes the session write first: `{shape}` was {count}, {turns};"
    " query before the loop, or wrap the loop in `with session.no_autoflush:`, so that one flush"
    " writes all of {owner}",
    why=(
        "Before each query a session writes what is pending. A loop that adds a row and then asks"
        " for another writes row by row: one more round trip in each turn, with nothing left for"
        " the session to write in one statement. An error of the write is raised by the query, a"
        " line that writes nothing."
    ),
    instead="query for all items before the loop and keep them in a dict; or"
    " `with session.no_autoflush:` around the loop, when no turn reads what an earlier one added.",
    checks=(OnTape(check),),
    bad=(
        LiveExample(
            "a row is added and another one looked up",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for name in list(NAMES):
                        query = sa.select(Tag.id).where(Tag.name == name)
                        session.add(Use(tag_id=session.scalar(query)))  # expect: DBA322
                    session.commit()
            """,
        ),
    ),
    good=(
        LiveExample(
            "the look-up is made before the loop",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    tags = {tag.name: tag.id for tag in session.scalars(sa.select(Tag))}
                    for name in NAMES:
                        session.add(Use(tag_id=tags[name]))
                    session.commit()
            """,
        ),
        LiveExample(
            "the session waits",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    with session.no_autoflush:
                        for name in list(NAMES):
                            query = sa.select(Tag.id).where(Tag.name == name)
                            session.add(Use(tag_id=session.scalar(query)))
                    session.commit()
            """,
        ),
    ),
    known_gaps=("fewer than three writes in one transaction",),
    sources=("https://docs.sqlalchemy.org/en/20/orm/session_basics.html#flushing",),
)
