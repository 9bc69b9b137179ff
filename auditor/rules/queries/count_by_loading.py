"""DBA306: all rows are loaded to learn how many there are."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.fates import NONE_OR_SOME
from auditor.rules.queries.loading import Loaded, loaded_once
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import loads
from auditor.rules.queries.row_loops import Use
from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts, Name, dotted
from auditor.source.program import last_step
from auditor.source.project import Project


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`len()` of rows that nothing else looks at."""
    for position, event in enumerate(function.events):
        if isinstance(event, Call) and dotted(event.func) == "len" and len(event.args) == 1:
            for loaded in _counted(project, module, function, position, event.args[0]):
                fields = {"load": loaded.what}
                sure = _confidence(module, function, loaded)
                yield Hit(span_of(module, event.at), function.qualname, fields, confidence=sure)


def _confidence(module: ModuleFacts, function: FunctionFacts, loaded: Loaded) -> Confidence | None:
    """Low for a function of another module, which others call for the rows, and which gives few;
    and beside `RETURNING`, where the rows are what a write did."""
    if any(isinstance(e, Call) and last_step(e.func) == "returning" for e in function.events):
        return Confidence.LOW
    if loaded.called is None:
        return None
    return Confidence.MEDIUM if loaded.called is module else Confidence.LOW


def _counted(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, expr: Expr
) -> Iterator[Loaded]:
    loaded = loaded_once(project, module, function, position, expr)
    if loaded is not None and not (isinstance(expr, Name) and loaded.reads > 1):
        yield loaded


def recorded(tape: Tape, project: Project) -> Hits:
    """Rows that were fetched, and of which the program wanted the number."""
    for load in loads(tape, project, Use.COUNT):
        style = style_of(project, load.first, load.path)
        only_asks = load.fate.words == NONE_OR_SOME
        yield load.hit(_RECORDED, fix=style.asked() if only_asks else style.counted())


_RECORDED = "{rows} only for {words}: let the database count, with `{fix}`"
_IMPORTS = """
            from sqlalchemy import func, select
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
    code="DBA306",
    name="count-by-loading",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{load}` loads every row only for `len()`: the database can count them",
    why=(
        "Each row crosses the network and becomes an object, with all its eager relations, to be"
        " thrown away for one number. `SELECT count(*)` sends that number."
    ),
    instead="`session.scalar(select(func.count()).select_from(Label).where(...))` or"
    " `query.count()`.",
    checks=(OnFunction(check, calls=frozenset(("len",))), OnTape(recorded)),
    bad=(
        Example(
            "len() of all()",
            _IMPORTS
            + """
            def labels(session: Session):
                return len(session.query(Label).filter_by(shared=True).all())  # expect: DBA306
            """,
        ),
        Example(
            "through a name that nothing else reads",
            _IMPORTS
            + """
            def labels(session: Session):
                rows = session.scalars(select(Label)).all()
                return {"count": len(rows)}  # expect: DBA306
            """,
        ),
        Example(
            "a function loads, its caller counts",
            _IMPORTS
            + """
            def sizes(session: Session):
                found = []
                for label in session.query(Label):
                    found.append({"size": label.size})
                return found

            def has_sizes(session: Session):
                return len(sizes(session)) > 0  # expect: DBA306
            """,
        ),
        Example(
            "in a test",
            _IMPORTS
            + """
            def check(session: Session, project, limit):
                labels = session.query(Label).filter_by(project=project)
                if len(labels.all()) > limit:  # expect: DBA306
                    raise OverLimit(project)
            """,
        ),
        LiveExample(
            "recorded: a function loads, its caller counts",
            _RUN
            + """
            def labels(session):
                return session.scalars(sa.select(Label).where(Label.up)).all()

            def run(engine):
                with orm.Session(engine) as session:
                    return len(labels(session))  # expect: DBA306
            """,
            (
                (
                    "run: 15 rows were fetched at example.py:19 only for `len()`: let the database"
                    " count, with `select(func.count()).select_from(Label).where(...)`"
                ),
            ),
        ),
    ),
    good=(
        Example(
            "the database counts",
            _IMPORTS
            + """
            def labels(session: Session):
                return session.query(Label).filter_by(shared=True).count()
            """,
        ),
        Example(
            "rows that the statement wrote",
            """
            from sqlalchemy.dialects.sqlite import insert
            from sqlalchemy.orm import Session
            from app.models import Label

            def put(session: Session, rows):
                statement = insert(Label).values(rows).on_conflict_do_nothing()
                statement = statement.returning(Label.id)
                return len(session.execute(statement).scalars().all())

            def put_more(session: Session, rows):
                wanted = insert(Label).values(rows).returning(Label.id)
                return len(session.scalars(wanted).all())
            """,
        ),
        Example(
            "a function that inserts, and tells what it inserted",
            """
            from sqlalchemy import insert
            from app.models import Run

            async def inserted(session, runs):
                result = await session.execute(insert(Run).values(runs).returning(Run))
                await session.commit()
                return list(result.scalars())

            async def schedule(session, runs):
                return len(await inserted(session, runs))
            """,
        ),
        Example(
            "the rows are used too",
            _IMPORTS
            + """
            def labels(session: Session):
                rows = session.query(Label).all()
                LOG.debug("%d labels", len(rows))
                return [row.name for row in rows]
            """,
        ),
        Example(
            "len() of something else",
            """
            def labels(session, names):
                return len(names.all())
            """,
        ),
        Example(
            "one column of one row",
            _IMPORTS
            + """
            def size(session: Session, key):
                return len(session.scalar(select(Label.name).where(Label.id == key)))
            """,
        ),
        LiveExample(
            "recorded: the caller uses the rows as well",
            _RUN
            + """
            def labels(session):
                return session.scalars(sa.select(Label)).all()

            def run(engine):
                with orm.Session(engine) as session:
                    found = labels(session)
                    return len(found), [label.id for label in found]
            """,
        ),
        LiveExample(
            "recorded: a page, and one row",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    one = session.scalars(sa.select(Label).where(Label.id < 2)).all()
                    page = session.scalars(sa.select(Label).limit(10)).all()
                    return len(one), len(page)
            """,
        ),
    ),
    known_gaps=(
        "functions that give rows as anything but a list: only a recording tells",
        "functions of other modules that load: low confidence, 1 of 4 read was worth a line",
    ),
)
