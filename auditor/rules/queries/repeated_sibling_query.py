"""DBA318: one function asks the same query line after line, for one value each, as its source shows
or a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auditor.model.evidence import Executions
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.fixes import class_or_table, compared_column
from auditor.rules.outside import is_of_catalogue, is_of_test
from auditor.rules.queries.sibling_queries import LEAST, in_source
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.rules.turns import repeated_by
from auditor.source.project import Project
from auditor.source.traits import SITE
from auditor.sql.shape import brief
from auditor.sql.verbs import WRITES

_DEPTH = 3
"""Calls below the lines of one function that are looked through."""
_CHOOSING = frozenset(("if", "else", "case", "handler", "try-else", "lambda"))

Fork = tuple[object, ...]


def check(tape: Tape, project: Project) -> Hits:
    """Queries of one shape that differ in the line of one function only."""
    forks: dict[Fork, dict[int, Entry]] = {}
    written = {(e.test, table) for e in tape.entries if e.verb in WRITES for table in e.tables}
    for entry in tape.entries:
        if not _asks_for_one(entry) or _may_ask_again(entry, written):
            continue
        path = path_of_entry(project, entry)
        if not is_set_up(path) and repeated_by(project, entry, path) is None:
            for fork, line in _forks(entry, path):
                forks.setdefault(fork, {}).setdefault(line, entry)
    said: set[str] = set()
    for fork, entries in forks.items():
        first = next(iter(entries.values()))
        if len(entries) >= LEAST and first.shape not in said:
            said.add(first.shape)
            yield _hit(project, fork, entries)


def _asks_for_one(entry: Entry) -> bool:
    """Whether a query compares a column with one value, and runs once in a transaction."""
    return (
        entry.verb == "SELECT"
        and entry.cause.kind is CauseKind.EXPLICIT
        and entry.most_in_unit == 1
        and not is_of_catalogue(entry)
        and " IN (" not in entry.shape
        and compared_column(entry.shape) is not None
    )


def _may_ask_again(entry: Entry, written: set[tuple[str, str]]) -> bool:
    """Whether its value may be that of another line: it is a repeated read, which DBA313 tells of,
    or it reads what was written besides."""
    return entry.repeats > 0 or any((entry.test, table) in written for table in entry.tables)


def _forks(entry: Entry, path: Sequence[Standing]) -> Iterator[tuple[Fork, int]]:
    """For each function near the query: all that entries must share to be siblings in it, and the
    line that makes the difference. A line that only some runs reach is none."""
    for depth, standing in enumerate(path[:_DEPTH]):
        frame = standing.frame
        if not _is_straight(standing) or is_of_test(frame, path[0].frame):
            continue
        inside = tuple((one.frame.path, one.frame.function) for one in path[:depth])
        outside = tuple(one.frame for one in path[depth + 1 :])
        where = (frame.path, frame.function, inside, outside)
        yield (depth, entry.shape, entry.test, entry.database, entry.units, *where), frame.line


def _is_straight(standing: Standing) -> bool:
    function, event = standing.function, standing.event
    if function is None or event is None:
        return False
    return all(around.kind not in _CHOOSING for around in function.ancestors(event.region))


def _hit(project: Project, fork: Fork, entries: dict[int, Entry]) -> Hit:
    depth, *_ = fork
    lines = sorted(entries)
    first = entries[lines[0]]
    at: Frame = first.site.stack[int(str(depth))]
    asked = compared_column(first.shape)
    column = asked[1] if asked is not None else "..."
    fields = {
        "shape": brief(first.shape, 70),
        "lines": ", ".join(str(line) for line in lines),
        "count": len(lines),
        "function": at.function,
        "column": f"{class_or_table(project, first)}.{column}",
    }
    seen = tuple(
        Executions(e.shape, str(e.cause), e.executions, e.rows, e.seconds, e.site.stack)
        for e in (entries[line] for line in lines)
    )
    return Hit(Span(at.path, lines[0]), at.function, fields, seen)


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Quota(Base):
                __tablename__ = "quotas"
                id = sa.Column(sa.Integer, primary_key=True)
                resource = sa.Column(sa.String(20))
                most = sa.Column(sa.Integer)

            def prepare(engine):
                Base.metadata.create_all(engine)

            def limit_of(session, resource):
                return session.scalar(sa.select(Quota.most).where(Quota.resource == resource))
"""
_SOURCE = """
            from sqlalchemy import select
            from sqlalchemy.orm import Session
            from app.models import Quota, Usage
"""
RULE = Rule(
    code="DBA318",
    name="repeated-sibling-query",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{shape}` is asked on {count} lines of `{function}` ({lines}), for one value each: one"
    " query with `{column}.in_(...)` answers all of them",
    why=(
        "Each line is a round trip, and what each asks differs in one value only. The list grows by"
        " a line with each new kind of thing, and nobody sees a loop."
    ),
    instead="one query with `.in_([...])`, its rows kept in a dict by that column.",
    checks=(OnFunction(in_source, needs=(SITE,)), OnTape(check)),
    bad=(
        Example(
            "the query written out for each resource",
            _SOURCE
            + """
            def limits(session: Session):
                routers = session.query(Quota).filter_by(resource="router").one()  # expect: DBA318
                ports = session.query(Quota).filter_by(resource="port").one()
                subnets = session.query(Quota).filter_by(resource="subnet").one()
                return routers.most, ports.most, subnets.most
            """,
        ),
        Example(
            "a function that asks",
            _SOURCE
            + """
            def limit_of(session: Session, resource):
                return session.scalars(select(Quota).where(Quota.resource == resource)).one()

            def limits(session: Session):
                return {
                    "router": limit_of(session, "router"),  # expect: DBA318
                    "port": limit_of(session, "port"),
                    "subnet": limit_of(session, "subnet"),
                }
            """,
        ),
        LiveExample(
            "one query for each resource",
            _MODELS
            + """
            def limits(session):
                return {
                    "router": limit_of(session, "router"),  # expect: DBA318
                    "port": limit_of(session, "port"),
                    "subnet": limit_of(session, "subnet"),
                }

            def run(engine):
                with orm.Session(engine) as session:
                    limits(session)
            """,
            (
                (
                    "limits: `SELECT quotas.most FROM quotas WHERE quotas.resource = ?` is asked"
                    " on 3 lines of `limits` (20, 21, 22), for one value each: one query with"
                    " `Quota.resource.in_(...)` answers all of them"
                ),
            ),
        ),
    ),
    good=(
        Example(
            "statements of their own, under a name each",
            """
            from sqlalchemy import select
            from sqlalchemy.orm import Session

            def page(session: Session, name):
                routers_statement = select(Router.id).where(Router.name == name)
                routers = session.execute(routers_statement).all()
                ports_statement = select(Port.id).where(Port.device == name)
                ports = session.execute(ports_statement).all()
                agents_statement = select(Agent.id).where(Agent.host == name)
                agents = session.execute(agents_statement).all()
                return routers, ports, agents
            """,
        ),
        Example(
            "three tables",
            """
            import sqlalchemy as sa

            def upgrade(connection: sa.Connection, runs, versions, links):
                run = connection.execute(sa.select(runs)).fetchone()
                version = connection.execute(sa.select(versions)).fetchone()
                link = connection.execute(sa.select(links)).fetchone()
                return run, version, link
            """,
        ),
        Example(
            "two lines, and another question",
            _SOURCE
            + """
            def limits(session: Session):
                routers = session.query(Quota).filter_by(resource="router").one()
                ports = session.query(Quota).filter_by(resource="port").one()
                used = session.query(Usage).filter_by(resource="port").count()
                return routers.most, ports.most, used
            """,
        ),
        Example(
            "only one of the lines runs",
            _SOURCE
            + """
            def limit(session: Session, kind):
                if kind == 1:
                    return session.query(Quota).filter_by(resource="router").one()
                if kind == 2:
                    return session.query(Quota).filter_by(resource="port").one()
                return session.query(Quota).filter_by(resource="subnet").one()
            """,
        ),
        Example(
            "two values change from line to line",
            _SOURCE
            + """
            def limits(session: Session):
                one = session.query(Quota).filter_by(resource="router", most=1).one()
                two = session.query(Quota).filter_by(resource="port", most=2).one()
                three = session.query(Quota).filter_by(resource="subnet", most=3).one()
                return one, two, three
            """,
        ),
        Example(
            "each line changes something",
            _SOURCE
            + """
            def use(session: Session, resource):
                session.scalars(select(Quota).where(Quota.resource == resource)).one().used += 1
                session.flush()

            def use_all(session: Session):
                use(session, "router")
                use(session, "port")
                use(session, "subnet")
            """,
        ),
        LiveExample(
            "one query for all",
            _MODELS
            + """
            def limits(session):
                query = sa.select(Quota).where(Quota.resource.in_(["router", "port", "subnet"]))
                return {quota.resource: quota.most for quota in session.scalars(query)}

            def run(engine):
                with orm.Session(engine) as session:
                    limits(session)
            """,
        ),
        LiveExample(
            "two lines",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    limit_of(session, "router")
                    limit_of(session, "port")
            """,
        ),
        LiveExample(
            "each line asks another table",
            _MODELS
            + """
            class Usage(Base):
                __tablename__ = "usages"
                resource = sa.Column(sa.String(20), primary_key=True)

            def run(engine):
                with orm.Session(engine) as session:
                    limit_of(session, "router")
                    limit_of(session, "port")
                    session.get(Usage, "router")
            """,
        ),
    ),
    known_gaps=(
        "in the source: values that are neither literals nor variables",
        "in the source: a query that is put together over several lines",
        "lines that some runs leave out (branches, handlers) are not siblings",
        "whether a later line needs what an earlier one found is not asked",
        "a loop that asks for each item is DBA301",
    ),
)
