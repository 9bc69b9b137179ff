"""DBA303: an INSERT, UPDATE or DELETE for each turn of a loop, where one statement would do."""

from __future__ import annotations

from dataclasses import replace

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import SESSION, Effect
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.loops import is_conditional, loops_of, repeating_loop
from auditor.rules.queries.needed_writes import are_chosen, is_needed, is_one_by_one
from auditor.rules.queries.recorded_writes import BAD, GOOD, check_tape
from auditor.rules.queries.repeated import NEEDS, hit_of, likeliest, repeated_sites
from auditor.rules.queries.rows import row_loops
from auditor.rules.queries.run_once import lowered
from auditor.rules.queries.unseen import WRITE, unseen_calls, unseen_hit
from auditor.source.facts import (
    Attribute,
    Call,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Region,
)
from auditor.source.project import Project
from auditor.source.sites import Site

_WRITES = (Effect.WRITE, Effect.FLUSH)
_READS = frozenset((Effect.READ, Effect.STATEMENT))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Sites that write and do nothing but write, inside a loop that data makes long."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:

    def write(site: Site) -> Effect | None:
        if not _READS.isdisjoint(project.effects.of_site(site)):
            return None  # DBA301 tells of it; the writes come of what was read
        return likeliest(project, site, _WRITES)

    for repeated in repeated_sites(project, module, function, write):
        if not is_needed(function, repeated) and not is_one_by_one(function, repeated):
            hit = hit_of(project, module, function, repeated)
            certain = hit.confidence is not Confidence.LOW
            simple = certain and not _reads_too(project, function, repeated.loop)
            if repeated.effect is Effect.FLUSH and (
                repeated.site.callee >= 0 or repeated.sometimes
            ):
                simple = False  # a function that is written for one item, or rows chosen one by one
            yield replace(hit, confidence=Confidence.MEDIUM if simple else Confidence.LOW)
    yield from _deletes(project, module, function)
    for unseen in unseen_calls(project, module, function, WRITE):
        yield unseen_hit(module, function, unseen, does="writes to the database")


def _reads_too(project: Project, function: FunctionFacts, loop: Region) -> bool:
    """Whether the turn queries as well: then it is a procedure for each item, which one statement
    can hardly replace."""
    return any(
        loop.first <= site.position < loop.last
        and not _READS.isdisjoint(project.effects.of_site(site))
        for site in project.sites(function)
    )


def _deletes(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`for row in query: session.delete(row)`, for rows that nothing hangs on."""
    loops = loops_of(project, module, function)
    for rows in row_loops(project, function):
        model = project.models.by_name.get(rows.rows.name)
        if model is None or model.relationships:
            continue
        for position in range(rows.region.first, rows.region.last):
            event = function.events[position]
            session = _deleter(event, rows.name)
            if session is None or not isinstance(event, Call):
                continue
            if any(
                r.kind == "try" and r.first >= rows.region.first
                for r in function.ancestors(event.region)
            ):
                continue  # each row may fail for itself
            loop = repeating_loop(loops, region=rows.region.index, position=position)
            of_session = project.value(module, function, position, session)
            if of_session.kind == SESSION and loop and not _reads_too(project, function, loop):
                sometimes = is_conditional(function, loop, event.region)
                fields = {
                    "chain": "session.delete()",
                    "loop": loop.at.line,
                    "turns": "in some turns" if sometimes else "in every turn",
                    "assumes": " (when it is flushed)",
                }
                few = sometimes and are_chosen(project, function, rows)
                sure = Confidence.LOW if few else None
                yield Hit(span_of(module, event.at), function.qualname, fields, confidence=sure)


def _deleter(event: Event, name: str) -> Expr | None:
    """`session` of `session.delete(name)`, None for any other event."""
    match event:
        case Call(func=Attribute(base=base, name="delete"), args=(Name(name=given),)):
            return base if given == name else None
        case _:
            return None


_MODELS = """
            from sqlalchemy import delete, insert, update
            from sqlalchemy.orm import Session
            from app.models import Label, Router
"""
RULE = Rule(
    code="DBA303",
    name="write-in-loop",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{chain}` writes to the database {turns} of the loop on line {loop}{assumes}; one"
    " statement could write all rows, if no turn needs what the one before wrote",
    why=(
        "Each turn is a round trip, and the locks of the first row are held until the last is"
        " written. The database writes a thousand rows of one statement in about the time of ten."
    ),
    instead="one `update(...).where(key.in_(keys))` or `delete(...)`; for values that differ, one"
    " `execute(statement, list_of_parameters)`; for new rows `session.add()` in the loop and one"
    " flush after it.",
    checks=(OnFunction(check, needs=NEEDS), OnTape(check_tape)),
    bad=(
        Example(
            "an UPDATE for each key",
            _MODELS
            + """
            def stop(session: Session, keys):
                for key in keys:
                    session.execute(  # expect: DBA303
                        update(Router).where(Router.id == key).values(status="DOWN")
                    )
            """,
        ),
        Example(
            "a DELETE for each item, through a call",
            _MODELS
            + """
            def remove(session: Session, key):
                session.query(Label).filter_by(id=key).delete()

            def remove_all(session: Session, labels):
                for label in labels:
                    remove(session, label["id"])  # expect: DBA303
            """,
        ),
        Example(
            "a flush for each new row",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    session.add(Label(name=name))
                    session.flush()  # expect: DBA303
            """,
        ),
        Example(
            "an INSERT for each row",
            _MODELS
            + """
            def create(session: Session, rows):
                for row in rows:
                    session.execute(insert(Label).values(**row))  # expect: DBA303
            """,
        ),
        Example(
            "rows loaded to be deleted",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Range(Base):
                __tablename__ = "ranges"
                id = sa.Column(sa.Integer, primary_key=True)

            def clear(session: orm.Session, wanted):
                for found in session.query(Range):
                    if found.id not in wanted:
                        session.delete(found)  # expect: DBA303
            """,
        ),
        Example(
            "through the layer of the database that a driver option names",
            """
            class Manager:
                def reserve(self, context, addresses):
                    for address in addresses:
                        self.db.address_create(context, {"address": address})  # expect: DBA303
            """,
        ),
        *BAD,
    ),
    good=(
        Example(
            "each row may fail for itself, in a savepoint of its own",
            """
            from sqlalchemy.exc import IntegrityError
            from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                id: Mapped[int] = mapped_column(primary_key=True)

            def purge(session: Session):
                for label in session.query(Label).all():
                    try:
                        with session.begin_nested():
                            session.delete(label)
                    except IntegrityError:
                        print("left out", label.id)
            """,
        ),
        Example(
            "a row that is there already is passed over",
            _MODELS
            + """
            import contextlib

            def create(session: Session, names):
                for name in names:
                    with contextlib.suppress(ValueError):
                        session.execute(insert(Label).values(name=name))
            """,
        ),
        Example(
            "each turn takes a list of rows",
            _MODELS
            + """
            def settle(session: Session, waiting):
                while waiting:
                    rows = waiting.pop(0)
                    keys = [row.id for row in rows]
                    session.execute(delete(Label).where(Label.id.in_(keys)))
            """,
        ),
        Example(
            "rows that others hang on",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Range(Base):
                __tablename__ = "ranges"
                id = sa.Column(sa.Integer, primary_key=True)
                addresses = orm.relationship("Address", cascade="all, delete-orphan")

            def clear(session: orm.Session, wanted):
                for found in session.query(Range):
                    session.delete(found)
            """,
        ),
        Example(
            "one statement for all keys",
            _MODELS
            + """
            def stop(session: Session, keys):
                session.execute(update(Router).where(Router.id.in_(keys)).values(status="DOWN"))
            """,
        ),
        Example(
            "one flush after the loop",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    session.add(Label(name=name))
                session.flush()
            """,
        ),
        Example(
            "the key that the flush makes is used",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    label = Label(name=name)
                    session.add(label)
                    session.flush()
                    session.add(Router(label_id=label.id))
            """,
        ),
        Example(
            "a flush for each five hundred",
            _MODELS
            + """
            def create(session: Session, names):
                for number, name in enumerate(names):
                    session.add(Label(name=name))
                    if number % 500 == 0:
                        session.flush()
            """,
        ),
        Example(
            "pieces of a long list",
            _MODELS
            + """
            def remove(session: Session, keys):
                for start in range(0, len(keys), 500):
                    piece = keys[start : start + 500]
                    session.execute(delete(Label).where(Label.id.in_(piece)))
            """,
        ),
        Example(
            "another table in each turn",
            _MODELS
            + """
            def clear(session: Session, models):
                for model in models:
                    session.execute(delete(model))
            """,
        ),
        Example(
            "the result of each row decides",
            _MODELS
            + """
            def take(session: Session, keys):
                for key in keys:
                    taken = session.query(Label).filter_by(id=key, owner=None).update({"owner": 1})
                    if not taken:
                        raise Taken(key)
            """,
        ),
        Example(
            "a row that fails does not stop the others",
            _MODELS
            + """
            def create(session: Session, rows):
                for row in rows:
                    try:
                        with session.begin_nested():
                            session.execute(insert(Label).values(**row))
                    except ValueError:
                        LOG.warning("left out %s", row)
            """,
        ),
        Example(
            "a call to something else",
            """
            class Manager:
                def reserve(self, context, addresses):
                    for address in addresses:
                        self.client.address_create(context, {"address": address})
                        self.db.address_release({"address": address})
            """,
        ),
        *GOOD,
    ),
    known_gaps=(
        "calls that read and write in each turn are left to DBA301",
        "`session.delete(row)` is reported only where the model is read and has no relationship",
        "low confidence in loops that also query, and in migrations and commands",
        "low confidence for chosen rows that only some turns delete, and flushes of some turns",
        "a write whose result or error is looked at in its own turn is not reported",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/dml.html",),
)
