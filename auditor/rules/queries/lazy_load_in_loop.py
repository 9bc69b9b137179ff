"""DBA302: a lazy relationship read on each row of a query that did not load it."""

from __future__ import annotations

from dataclasses import replace

from auditor.model.evidence import SchemaFact, SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.fixes import leads_to_itself, loader_of, option_on_query
from auditor.rules.places import span_of
from auditor.rules.queries import deferred_columns, handed_examples
from auditor.rules.queries.estimated import estimated
from auditor.rules.queries.handed_rows import lazy_relation, read_elsewhere
from auditor.rules.queries.loops import loops_of, repeating_loop
from auditor.rules.queries.rows import (
    RowLoop,
    are_queried,
    is_loaded_eagerly,
    is_of_one_parent,
    row_loops,
)
from auditor.rules.queries.run_once import lowered
from auditor.rules.repetitions import Repetition, repetitions
from auditor.source.facts import At, Call, FunctionFacts, ModuleFacts, Read
from auditor.source.models import Relationship
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import LOOP


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Reads of lazy relationships below loops over rows; one hit for each relationship and loop."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    seen: set[tuple[int, str]] = set()
    loops = loops_of(project, module, function)
    for loop in row_loops(project, function):
        for position in range(loop.region.first, loop.region.last):
            event = function.events[position]
            if not isinstance(event, Read) or event.path[0] != loop.name:
                continue
            found = lazy_relation(project, loop.rows, event.path[1:])
            if found is None or (loop.region.index, found.name) in seen:
                continue
            repeating = repeating_loop(loops, region=event.region, position=position)
            if repeating is None or is_of_one_parent(project, function, loop, found):
                continue
            if not is_loaded_eagerly(project, function, loop, found.name):
                seen.add((loop.region.index, found.name))
                hit = _hit(module, function, loop, event, relation=found)
                hit = replace(hit, evidence=(*hit.evidence, *estimated(project, function)))
                known = are_queried(project, function, loop)
                yield hit if known else replace(hit, confidence=Confidence.LOW)
        yield from read_elsewhere(project, module, function, loop, loops)


def _hit(
    module: ModuleFacts,
    function: FunctionFacts,
    loop: RowLoop,
    event: Read,
    *,
    relation: Relationship,
) -> Hit:
    bound = relation.bound
    owner = bound.scope.module.path if bound is not None else ""
    line = loop.region.at.line
    fields = {
        "read": ".".join(event.path).replace(".[", "["),
        "relation": relation.name,
        "loop": line,
        "where": f"{owner}:{bound.bind.at.line}" if bound is not None else "a backref",
    }
    steps = [Step(span_of(module, At(line, 1, line, 1)), "the loop over rows")]
    if bound is not None:
        steps.append(Step(span_of(bound.scope.module, bound.bind.at), "the lazy relationship"))
    steps.append(Step(span_of(module, event.at), "read on each row"))
    table = relation.target.rpartition(".")[2] or relation.name
    fact = SchemaFact(table, f"relationship `{relation.name}` is lazy: a SELECT when first read")
    evidence = (SourcePath(tuple(steps)), fact)
    return Hit(span_of(module, event.at), function.qualname, fields, evidence)


def check_tape(tape: Tape, project: Project) -> Hits:
    """Relations that were loaded one by one when they were read."""
    for found in repetitions(tape, project, _is_lazy_load):
        relation = found.first.cause.relation
        fields = {
            "relation": relation or "a relationship",
            "count": found.count,
            "turns": found.turns,
            "fix": _fix(tape, project, found, relation),
        }
        yield Hit(
            found.span,
            found.emits.function,
            fields,
            found.evidence,
            confidence=found.confidence,
            message=_RECORDED,
        )


def _is_lazy_load(entry: Entry) -> bool:
    return entry.cause.kind is CauseKind.LAZY_LOAD


def _fix(tape: Tape, project: Project, found: Repetition, relation: str) -> str:
    if not relation:
        return "load it with the query, by an option such as `selectinload(...)`"
    emitting = found.path[0].event
    if isinstance(emitting, Call) and last_step(emitting.func) in _DELETING:
        return (
            "a deleted row's relations are loaded to find what hangs on it: set"
            " `passive_deletes=True` on the relationship, with ON DELETE in the schema, or"
            f" {option_on_query(tape, project, found, loader_of(project, relation))}"
        )
    is_walk = found.turn is not None and found.turn.kind == "while"
    if found.climbs or (is_walk and leads_to_itself(project, relation)):
        owner = relation.partition(".")[0]
        return (
            f"load the whole tree in one query, a recursive CTE over `{owner}`, or"
            f" `selectinload({relation}, recursion_depth=...)`"
        )
    if found.turn is None and not found.is_blind:
        eager = f'`selectinload({relation})` in place of `immediateload` or `lazy="immediate"`'
        return f"{eager}, or in the options of the query whose rows are handed on here"
    return option_on_query(tape, project, found, loader_of(project, relation))


_DELETING = frozenset(("delete", "flush", "commit"))
_RECORDED = "`{relation}` is loaded row by row: {count}, {turns}; {fix}"
_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.String(36), primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.String(36), primary_key=True)
                routers = orm.relationship(Router{lazy})
"""
_LAZY = _MODELS.format(lazy="")
_RUN = (
    _LAZY
    + """
            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Label(id=key, routers=[Router(id=key)]) for key in "abcd")
                    session.commit()
"""
)
_MAPPED = """
            from sqlalchemy import ForeignKey, select
            from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
            from sqlalchemy.orm import relationship, selectinload

            class Base(DeclarativeBase):
                pass

            class Owner(Base):
                __tablename__ = "owners"
                id: Mapped[int] = mapped_column(primary_key=True)
                name: Mapped[str]

            class Pet(Base):
                __tablename__ = "pets"
                id: Mapped[int] = mapped_column(primary_key=True)
                owner_id: Mapped[int] = mapped_column(ForeignKey("owners.id"))
                owner: Mapped["Owner"] = relationship()
"""
RULE = Rule(
    code="DBA302",
    name="lazy-load-in-loop",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{read}` loads `{relation}` for each row of the loop on line {loop}: it is lazy"
    " ({where}) and no option of the query loads it; assumes it was not loaded before",
    why=(
        "The attribute looks like memory and is a SELECT. A loop over n rows issues n of them, and"
        " outside of the session's block the first one raises DetachedInstanceError."
    ),
    instead="an option on the query: `selectinload` for collections, `joinedload` for one row; or"
    " `lazy=` on the relationship when every reader needs it.",
    checks=(
        OnFunction(check, needs=(LOOP,)),
        OnFunction(deferred_columns.hits, calls=deferred_columns.OPTIONS),
        OnTape(check_tape),
    ),
    bad=(
        *deferred_columns.BAD,
        *handed_examples.BAD,
        Example(
            "a collection of each row",
            _LAZY
            + """
            def routers(session: orm.Session):
                found = []
                for label in session.query(Label).all():
                    found.extend(label.routers)  # expect: DBA302
                return found
            """,
        ),
        Example(
            "one row of each row, 2.0 style",
            _MAPPED
            + """
            def names(session: Session):
                pets = session.scalars(select(Pet)).all()
                return [pet.owner.name for pet in pets]  # expect: DBA302
            """,
        ),
        LiveExample(
            "recorded: the loop and the load are in different functions",
            _RUN
            + """
            def names(label):
                return [router.id for router in label.routers]  # expect: DBA302

            def run(engine):
                with orm.Session(engine) as session:
                    labels = session.scalars(sa.select(Label)).all()
                    return {label.id: names(label) for label in labels}
            """,
            (
                (
                    "names: `Label.routers` is loaded row by row: executed 4 times"
                    " in one transaction, once for each iteration of the comprehension at"
                    " example.py:28 over `labels`; add `.options(selectinload(Label.routers))` to"
                    " the query at example.py:27"
                ),
            ),
        ),
        LiveExample(
            "recorded: an async session",
            _RUN
            + """
            from sqlalchemy.ext.asyncio import AsyncSession

            async def run(engine):
                async with AsyncSession(engine) as session:
                    for label in (await session.scalars(sa.select(Label))).all():
                        await session.run_sync(lambda _: label.routers)  # expect: DBA302
            """,
        ),
        Example(
            "each row handed to another function: the option belongs to the query",
            _LAZY
            + """
            def all_labels(session: orm.Session):
                labels = session.query(Label).all()  # expect: DBA302
                return [_shown(label) for label in labels]

            def _shown(label):
                return {"id": label.id, "routers": [router.id for router in label.routers]}
            """,
        ),
    ),
    good=(
        *deferred_columns.GOOD,
        *handed_examples.GOOD,
        Example(
            "loaded by an option of the function that makes the query",
            _MODELS.format(lazy="")
            + """
            def all_labels(session: orm.Session):
                return session.query(Label).options(orm.subqueryload(Label.routers))

            def routers(session: orm.Session):
                found = []
                for label in all_labels(session).all():
                    found.extend(label.routers)
                return found
            """,
        ),
        Example(
            "rows of one owner, which is loaded once",
            _MAPPED
            + """
            def names(session: Session, owner_id):
                pets = session.scalars(select(Pet).where(Pet.owner_id == owner_id)).all()
                return [pet.owner.name for pet in pets]
            """,
        ),
        Example(
            "loaded in batches by the mapping",
            _MODELS.format(lazy=', lazy="selectin"')
            + """
            def routers(session: orm.Session):
                found = []
                for label in session.query(Label).all():
                    found.extend(label.routers)
                return found
            """,
        ),
        Example(
            "loaded by an option",
            _MAPPED
            + """
            def names(session: Session):
                pets = session.scalars(select(Pet).options(selectinload(Pet.owner))).all()
                return [pet.owner.name for pet in pets]
            """,
        ),
        Example(
            "a column of each row",
            _LAZY
            + """
            def ids(session: orm.Session):
                return [label.id for label in session.query(Label).all()]
            """,
        ),
        LiveExample(
            "recorded: one batch for all rows",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Label).options(orm.selectinload(Label.routers))
                    return [len(label.routers) for label in session.scalars(query)]
            """,
        ),
        Example(
            "the other function reads the parent that all rows were asked of",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Event(Base):
                __tablename__ = "events"
                id = sa.Column(sa.Integer, primary_key=True)

            class Talk(Base):
                __tablename__ = "talks"
                id = sa.Column(sa.Integer, primary_key=True)
                event_id = sa.Column(sa.ForeignKey("events.id"))
                event = orm.relationship(Event)

            def scheduled(session: orm.Session, event):
                return [_slot(talk) for talk in session.query(Talk).with_parent(event).all()]

            def _slot(talk):
                return talk.event.id, talk.id
            """,
        ),
        Example(
            "the other function reads it for some rows",
            _LAZY
            + """
            def all_labels(session: orm.Session):
                return [_shown(label) for label in session.query(Label).all()]

            def _shown(label):
                return label.id if label.id == "a" else label.routers
            """,
        ),
        Example(
            "one row, not each row",
            _LAZY
            + """
            def first(session: orm.Session):
                for label in session.query(Label).all():
                    return label.routers
            """,
        ),
    ),
    known_gaps=(
        "reads in functions that each row is handed to, where a branch decides about them",
        "rows of a relationship or an unknown caller: low confidence, their query is not in sight",
        "attributes reached by `getattr`, and rows kept in dicts",
        "an option anywhere in the function that loads the rows counts for all its queries",
        "many-to-one relationships to a few parents are mostly answered by the identity map",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/queryguide/relationships.html",),
)
