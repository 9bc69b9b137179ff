"""DBA307: all rows are loaded to learn whether there is one."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries import counted_existence
from auditor.rules.queries.loading import loaded_once, only_asked, uses_of
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import loads
from auditor.rules.queries.row_loops import Use
from auditor.rules.queries.run_once import lowered
from auditor.source.facts import (
    FunctionFacts,
    ModuleFacts,
    Name,
)
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Tests for emptiness, and `bool()`, of loaded rows that nothing else looks at."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    seen: set[int] = set()
    for position, expr, at in only_asked(function):
        loaded = loaded_once(project, module, function, position, expr)
        if loaded is None or at.line in seen:
            continue
        if isinstance(expr, Name) and uses_of(function, expr.name):
            continue
        seen.add(at.line)
        fields = {"load": loaded.what}
        sure = Confidence.LOW if loaded.called else None
        yield Hit(span_of(module, at), function.qualname, fields, confidence=sure)


def recorded(tape: Tape, project: Project) -> Hits:
    """Rows that were fetched, and of which the program asked only whether there is one."""
    for load in loads(tape, project, Use.EXISTENCE):
        yield load.hit(_RECORDED, fix=style_of(project, load.first, load.path).asked())


_RECORDED = "{rows} only for {words}, whether there is one: ask the database, with `{fix}`"


_IMPORTS = """
            from sqlalchemy import exists, select
            from sqlalchemy.orm import Session
            from app.models import Label
"""
_RUN = """
            import sqlalchemy as sa
            from sqlalchemy import func, orm

            Base = orm.declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                size = sa.Column(sa.Integer)
                up = sa.Column(sa.Boolean)

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Label(size=number, up=number % 2 == 0) for number in range(30))
                    session.commit()
"""
RULE = Rule(
    code="DBA307",
    name="exists-by-loading",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{load}` loads every row only to see whether there is one: the database can tell",
    why=(
        "Each row crosses the network and becomes an object, to be thrown away for a yes or no."
        " The database stops at the first row when it is asked whether one exists."
    ),
    instead="`session.scalar(select(exists().where(...)))`, or `.limit(1)` and `.first()`.",
    checks=(
        OnFunction(check),
        OnFunction(counted_existence.hits, calls=counted_existence.CALLS),
        OnTape(recorded),
    ),
    bad=(
        *counted_existence.BAD,
        Example(
            "all() as a condition",
            _IMPORTS
            + """
            def delete(session: Session, key):
                if session.query(Label).filter_by(parent=key).all():  # expect: DBA307
                    raise InUse(key)
            """,
        ),
        Example(
            "through a name that nothing else reads",
            _IMPORTS
            + """
            def is_free(session: Session, name):
                rows = session.scalars(select(Label).where(Label.name == name)).all()
                if not rows:  # expect: DBA307
                    return True
                return False
            """,
        ),
        Example(
            "bool() of all()",
            _IMPORTS
            + """
            def is_used(session: Session, key):
                return bool(session.query(Label).filter_by(parent=key).all())  # expect: DBA307
            """,
        ),
        LiveExample(
            "recorded: rows of a table, asked about by the caller",
            _RUN
            + """
            def used(connection, size):
                query = sa.select(Label.__table__.c.id).where(Label.size > size)
                return connection.execute(query).fetchall()

            def run(engine):
                with engine.connect() as connection:
                    if used(connection, 3):  # expect: DBA307
                        return "in use"
            """,
            (
                (
                    "run: 26 rows were fetched at example.py:20 only for a test, whether there is"
                    " one: ask the database, with `select(select(Label).where(...).exists())`"
                ),
            ),
        ),
    ),
    good=(
        *counted_existence.GOOD,
        Example(
            "the database tells",
            _IMPORTS
            + """
            def is_used(session: Session, key):
                return session.scalar(select(exists().where(Label.parent == key)))
            """,
        ),
        Example(
            "one row is enough",
            _IMPORTS
            + """
            def is_used(session: Session, key):
                return session.query(Label).filter_by(parent=key).first() is not None
            """,
        ),
        Example(
            "the rows are used when there are some",
            _IMPORTS
            + """
            def names(session: Session, key):
                rows = session.query(Label).filter_by(parent=key).all()
                if not rows:
                    raise LookupError(key)
                return [row.name for row in rows]
            """,
        ),
        Example(
            "the rows or another list",
            _IMPORTS
            + """
            def labels(session: Session, key):
                rows = session.query(Label).filter_by(parent=key).all()
                return rows or []
            """,
        ),
        Example(
            "rows that are kept by the test",
            _IMPORTS
            + """
            def labels(session: Session, key):
                if rows := session.query(Label).filter_by(parent=key).all():
                    return rows
            """,
        ),
        Example(
            "one row at most",
            _IMPORTS
            + """
            def is_used(session: Session, key):
                return bool(session.query(Label).filter_by(parent=key).limit(1).all())
            """,
        ),
        Example(
            "one of them is used",
            _IMPORTS
            + """
            def first(session: Session, key):
                rows = session.query(Label).filter_by(parent=key).all()
                return rows[0] if rows else None
            """,
        ),
        Example(
            "a list of something else",
            """
            def is_used(names):
                if names.all():
                    return True
            """,
        ),
        Example(
            "a value, which may be empty",
            _IMPORTS
            + """
            def is_named(session: Session, key):
                if session.scalar(select(Label.name).where(Label.id == key)):
                    return True
            """,
        ),
        LiveExample(
            "recorded: the rows are used if there are any",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    labels = session.query(Label).all()
                    if not labels:
                        return None
                    return [label.size for label in labels]
            """,
        ),
    ),
    known_gaps=(
        "`len(...) > 0` is DBA306",
        "rows that a function of the project loads: only a recording tells",
    ),
)
