"""DBA315: a relation is loaded eagerly, and nothing reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.queries.recorded_loads import evidence_of
from auditor.rules.queries.rows import mentions
from auditor.rules.queries.whole_entities import hits
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.source.facts import Call, Event, ModuleFacts, Read, dotted, path_of
from auditor.source.program import last_step
from auditor.source.project import Project

LEAST_ROWS = 2
_OPTIONS = frozenset(("joinedload", "selectinload", "subqueryload", "immediateload"))
_CASCADES = frozenset(("delete", "merge", "make_transient"))
"""What works on loaded relations without reading them as attributes."""


class _Place(NamedTuple):
    """A function that loads, in one test: what it loads together is judged together."""

    path: str
    function: str
    test: str


def check(tape: Tape, project: Project) -> Hits:
    """Relations that statements joined or loaded in batches, and that no object was asked for."""
    found: dict[tuple[Frame, str], list[Entry]] = {}
    used: set[tuple[Frame, str]] = set()
    reads = _reads(tape)
    for entry in tape.entries:
        for relation in _eager(entry):
            key = (entry.site.frame, relation)
            if (_place(entry), relation) in reads or ("", entry.test, relation) in reads:
                used.add(key)
            elif entry.rows >= LEAST_ROWS and entry.site.stack:
                found.setdefault(key, []).append(entry)
    for key, entries in found.items():
        path = path_of_entry(project, entries[0])
        if key not in used and not is_set_up(path) and not _cascades(path):
            yield _hit(project, path, key[1], entries)


def _place(entry: Entry) -> _Place:
    frame = entry.site.frame
    return _Place(frame.path, frame.function, entry.test)


def _eager(entry: Entry) -> Iterator[str]:
    """The relations that a statement loads before anybody reads them."""
    for path in entry.joined:
        yield path.rpartition(" > ")[2].removesuffix("[]")
    if entry.cause.kind is CauseKind.EAGER_BATCH and entry.cause.relation:
        yield entry.cause.relation


def _reads(tape: Tape) -> set[object]:
    """Where relations were read: by the function that loaded the objects, and, under no place,
    those read on objects that a statement loaded which did not load the relation: it may have been
    added to them by any other."""
    loaded = {(_place(entry), relation) for entry in tape.entries for relation in _eager(entry)}
    found: set[object] = set()
    for entry in tape.entries:
        for relation in entry.used:
            place = (_place(entry), relation)
            found.add(place if place in loaded else ("", entry.test, relation))
    return found


def _cascades(path: Sequence[Standing]) -> bool:
    """Whether the program deletes or merges objects on the way: that works on what is loaded."""
    calls = (e for s in path if s.function for e in s.function.events if isinstance(e, Call))
    return any(last_step(call.func) in _CASCADES for call in calls)


def _hit(
    project: Project, path: Sequence[Standing], relation: str, entries: Sequence[Entry]
) -> Hit:
    frame = path[0].frame
    option = _option(project, path, relation)
    is_batch = entries[0].cause.kind is CauseKind.EAGER_BATCH
    rows = sum(entry.rows for entry in entries)
    attribute = relation.partition(".")[2]
    fields = {
        "relation": relation,
        "rows": f"{rows:,} rows {'in statements of its own' if is_batch else 'of a join'}",
        "fix": option
        or f"`lazyload({relation})` in this query, or another `lazy=` for `{attribute}` in the"
        " mapping",
    }
    function = path[0].function.qualname if path[0].function is not None else frame.function
    sure = Confidence.MEDIUM if option and not _reads_dict(project) else Confidence.LOW
    evidence = tuple(evidence_of(entries))
    return Hit(Span(frame.path, frame.line), function, fields, evidence, confidence=sure)


def _option(project: Project, path: Sequence[Standing], relation: str) -> str:
    """`` drop `joinedload(Label.routers)` (app/db.py:12) ``; empty if none is in sight."""
    attribute = relation.partition(".")[2]
    for module, call in _options(project, path):
        if any(mentions(argument, attribute) for argument in call.args):
            shown = f"{last_step(call.func)}({relation})"
            return f"drop `{shown}` ({module.path}:{call.at.line})"
    return ""


def _options(project: Project, path: Sequence[Standing]) -> Iterator[tuple[ModuleFacts, Call]]:
    """The loader options of the functions on the path, innermost first, then of all others."""
    near = [(s.module, s.function) for s in path if s.module and s.function]
    for module, function in (*near, *project.functions()):
        for event in function.events:
            if isinstance(event, Call) and last_step(event.func) in _OPTIONS:
                yield module, event


def _reads_dict(project: Project) -> bool:
    """Whether the program looks into the `__dict__` of what may be a row, where loaded relations
    are seen by nobody."""
    return any(
        True
        for module, function in project.functions()
        for event in function.events
        if (path := _dict_of(event)) and _may_be_row(module, path)
    )


def _dict_of(event: Event) -> tuple[str, ...]:
    """What `x.__dict__` and `vars(x)` look into; empty for anything else."""
    if isinstance(event, Read) and "__dict__" in event.path[1:]:
        return event.path[: event.path.index("__dict__", 1)]
    if isinstance(event, Call) and dotted(event.func) == "vars" and event.args:
        return path_of(event.args[0]) or ("?",)
    return ()


def _may_be_row(module: ModuleFacts, path: tuple[str, ...]) -> bool:
    """Anything but a module that the file imports, and a class."""
    return len(path) > 1 or (path[0] not in module.imports and not path[0][:1].isupper())


_MODEL = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                routers = orm.relationship("Router")

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.Integer, primary_key=True)
                label_id = sa.Column(sa.ForeignKey("labels.id"))

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Label(routers=[Router(), Router()]) for _ in range(4))
                    session.commit()
"""
RULE = Rule(
    code="DBA315",
    name="unused-eager-load",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{relation}` is loaded eagerly, {rows}, and nothing reads it: {fix}",
    why=(
        "The rows are found, sent and made into objects, and nobody looks at them. A join repeats"
        " the columns of the parent besides. Such options stay behind when the code that read the"
        " relation goes."
    ),
    instead="no option; or the option only in the query whose rows are read so.",
    checks=(OnFunction(hits, calls=frozenset(("query", "select"))), OnTape(check)),
    bad=(
        Example(
            "an object beside a column, for one column of it",
            """
            from sqlalchemy.orm import Session
            from app.models import Address, Port

            def addresses(session: Session):
                found = {}
                query = session.query(Port, Address.ip)  # expect: DBA315
                query = query.join(Address)
                for port, address in query:
                    found.setdefault(port.network_id, []).append(address)
                return found
            """,
        ),
        LiveExample(
            "a relation joined that only another function reads",
            _MODEL
            + """
            def ids(session):
                query = sa.select(Label).options(orm.joinedload(Label.routers))
                return [label.id for label in session.scalars(query).unique()]  # expect: DBA315

            def sizes(session):
                query = sa.select(Label).options(orm.selectinload(Label.routers))
                return [len(label.routers) for label in session.scalars(query)]

            def run(engine):
                with orm.Session(engine) as session:
                    ids(session)
                with orm.Session(engine) as session:
                    sizes(session)
            """,
            (
                (
                    "ids: `Label.routers` is loaded eagerly, 8 rows of a join, and nothing reads"
                    " it: drop `joinedload(Label.routers)` (example.py:23)"
                ),
            ),
        ),
        LiveExample(
            "a batch that nobody needs, in async code",
            _MODEL
            + """
            from sqlalchemy.ext.asyncio import AsyncSession

            async def run(engine):
                async with AsyncSession(engine) as session:
                    query = sa.select(Label).options(orm.selectinload(Label.routers))
                    labels = await session.scalars(query)  # expect: DBA315
                    return [label.id for label in labels]
            """,
        ),
    ),
    good=(
        Example(
            "an object beside a column, for itself",
            """
            from sqlalchemy.orm import Session
            from app.models import Address, Port

            def addresses(session: Session):
                query = session.query(Port, Address.ip).join(Address)
                return [(str(port), address) for port, address in query]
            """,
        ),
        Example(
            "an object that has one column more, as a migration declares it",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                text = sa.Column(sa.String(99))

            class Store(Base):
                __tablename__ = "stores"
                id = sa.Column(sa.Integer, primary_key=True)
                url = sa.Column(sa.String(99))

            def replace(session: orm.Session):
                for label, store in session.query(Label, Store).join(Store).all():
                    label.text = label.text.replace("%%", "%" if "x" in store.url else "")
            """,
        ),
        LiveExample(
            "read by the caller, after the session",
            _MODEL
            + """
            def labels(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Label).options(orm.selectinload(Label.routers))
                    return session.scalars(query).all()

            def run(engine):
                return [len(label.routers) for label in labels(engine)]
            """,
        ),
        LiveExample(
            "read by what serializes it",
            _MODEL
            + """
            import pickle

            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Label).options(orm.joinedload(Label.routers))
                    return pickle.dumps(session.scalars(query).unique().first())
            """,
        ),
        LiveExample(
            "loaded to be deleted with its parent",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Label).options(orm.selectinload(Label.routers))
                    for label in session.scalars(query):
                        session.delete(label)
                    session.commit()
            """,
        ),
    ),
    known_gaps=(
        "two queries of one function that load the same relation are judged together",
        "what reads `__dict__` in a library is not seen; in the program it lowers the confidence",
        "relations that the mapping loads eagerly are told of with low confidence",
    ),
)
