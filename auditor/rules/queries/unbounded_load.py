"""DBA309: a whole table is loaded at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.outside import is_test_code
from auditor.rules.places import span_of
from auditor.rules.queries.chains import STARTS, Chain, chains_of, class_named
from auditor.rules.queries.fates import fate_of
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import evidence_of, is_bounded, rows_each
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.source.facts import Attribute, Call, Expr, FunctionFacts, ModuleFacts
from auditor.source.program import last_step
from auditor.source.project import Project

MANY_ROWS = 100
"""Rows of one execution from which a table is no small table of settings."""
_NARROWED = re.compile(r" (?:WHERE|HAVING|GROUP BY) |^SELECT DISTINCT | JOIN .* ON .* = \?")
_AGGREGATE = re.compile(r"^SELECT (?:\w+\()?(?:count|max|min|sum|avg)\(", re.IGNORECASE)
_STREAMS = frozenset(
    ("yield_per", "partitions", "stream", "stream_scalars", "fetchmany", "stream_results")
)
_SENDING = frozenset(("scalars", "execute"))
_PASSING = frozenset(("scalars", "unique", "mappings"))
_WHOLE = frozenset(
    ("query", "select", "all", "options", "order_by", "execution_options", "unique", "distinct")
)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Queries of a mapped class that end in `all()` and have nothing that narrows them."""
    for chain in chains_of(function):
        entity = class_named(project, module, function, chain.start.args[0])
        loads = _load_of(function, chain) if entity in project.models.by_name else None
        if loads is not None:
            fields = {"what": f"`{entity.rpartition('.')[2]}`", "rows": "All rows"}
            yield Hit(span_of(module, loads.at), function.qualname, fields)


def _load_of(function: FunctionFacts, chain: Chain) -> Call | None:
    """The call that loads all rows of a query that nothing narrows: its own `all()`, or that of
    `session.scalars(select(...)).all()`; None if there is none."""
    names = [last_step(link.func) for link in chain.links]
    if not chain.is_whole or not _WHOLE.issuperset(names):
        return None
    if names[0] == "query":
        return chain.links[-1] if names[-1] == "all" else None
    called = (event for event in function.events if isinstance(event, Call))
    return next((call for call in called if _loads(call, chain.links[-1])), None)


def _loads(call: Call, statement: Call) -> bool:
    """Whether a call is `.all()` on what a session gives for this very statement."""
    links: list[str] = []
    inner: Expr = call
    while isinstance(inner, Call) and isinstance(inner.func, Attribute):
        links.append(inner.func.name)
        if inner.args:
            is_sent = inner.args[0] is statement and links[-1] in _SENDING
            return is_sent and links[0] == "all" and _PASSING.issuperset(links[1:-1])
        inner = inner.func.base
    return False


def recorded(tape: Tape, project: Project) -> Hits:
    """Statements that fetched all of a table that has many rows."""
    found: dict[Frame, list[Entry]] = {}
    for entry in tape.entries:
        if _is_unbounded(entry):
            path = path_of_entry(project, entry)
            is_test = all(is_test_code(standing.frame) for standing in path)
            if not is_set_up(path) and not is_test and not _streams(path):
                found.setdefault(entry.site.frame, []).append(entry)
    for frame, entries in found.items():
        path = path_of_entry(project, entries[0])
        if fate_of(project, path) is None:  # else another rule knows what would be better
            yield _hit(project, frame, entries, path)


def _is_unbounded(entry: Entry) -> bool:
    return (
        entry.verb == "SELECT"
        and entry.cause.kind is CauseKind.EXPLICIT
        and bool(entry.tables and entry.site.stack)
        and rows_each(entry) >= MANY_ROWS
        and not is_bounded(entry)
        and not _NARROWED.search(entry.shape)
        and not _AGGREGATE.search(entry.shape)
    )


def _streams(path: Sequence[Standing]) -> bool:
    """Whether the rows are fetched piece by piece."""
    functions = [standing.function for standing in path[:2] if standing.function is not None]
    calls = [e for function in functions for e in function.events if isinstance(e, Call)]
    options = {keyword.name for call in calls for keyword in call.keywords}
    names = {last_step(call.func) for call in calls} | options
    return not names.isdisjoint(_STREAMS)


def _hit(project: Project, frame: Frame, entries: Sequence[Entry], path: Sequence[Standing]) -> Hit:
    most = max(rows_each(entry) for entry in entries)
    style = style_of(project, entries[0], path)
    function = path[0].function.qualname if path[0].function is not None else frame.function
    fields = {"what": f"`{style.entity}`", "rows": f"All {round(most):,} rows"}
    return Hit(Span(frame.path, frame.line), function, fields, tuple(evidence_of(entries)))


_MODEL = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Flow(Base):
                __tablename__ = "flows"
                id = sa.Column(sa.Integer, primary_key=True)
                up = sa.Column(sa.Boolean)
"""
_RUN = (
    _MODEL
    + """
            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Flow(up=number % 2 == 0) for number in range(300))
                    session.commit()
"""
)
RULE = Rule(
    code="DBA309",
    name="unbounded-load",
    since="0.2.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="{rows} of {what} are loaded at once, with no condition and no limit: a page"
    " (`.limit()`, by key or offset), or a stream (`yield_per`), if the table can grow",
    why=(
        "It is fast while the table is small, and it becomes slow, and then large in memory, with"
        " nobody changing the code. A table that stays small is no case of it: this is advice."
    ),
    instead="`select(Flow).where(Flow.id > last).order_by(Flow.id).limit(500)`, or"
    " `.execution_options(yield_per=500)` where all rows are needed.",
    checks=(OnFunction(check, calls=STARTS), OnTape(recorded)),
    bad=(
        Example(
            "all rows of a class",
            _MODEL
            + """
            def flows(session: orm.Session):
                return session.query(Flow).order_by(Flow.id).all()  # expect: DBA309
            """,
        ),
        Example(
            "all rows of a statement",
            _MODEL
            + """
            def flows(session: orm.Session):
                found = session.scalars(sa.select(Flow)).all()  # expect: DBA309
                query = sa.select(Flow).order_by(Flow.id)
                return found, session.execute(query).scalars().all()
            """,
        ),
        LiveExample(
            "recorded: three hundred rows",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    flows = session.scalars(sa.select(Flow)).all()  # expect: DBA309
                    return {flow.id: flow.up for flow in flows}
            """,
        ),
    ),
    good=(
        Example(
            "a condition, a page",
            _MODEL
            + """
            def flows(session: orm.Session, after):
                up = session.query(Flow).filter_by(up=True).all()
                return up, session.query(Flow).filter(Flow.id > after).limit(500).all()
            """,
        ),
        Example(
            "a statement with a condition, in parts, or of which one row is wanted",
            _MODEL
            + """
            def flows(session: orm.Session):
                up = session.scalars(sa.select(Flow).where(Flow.up)).all()
                parts = session.scalars(sa.select(Flow)).partitions(100)
                return up, parts, session.scalars(sa.select(Flow)).first()
            """,
        ),
        LiveExample(
            "recorded: streamed, paged, counted by the database",
            _RUN
            + """
            def stream(session):
                query = sa.select(Flow).execution_options(yield_per=50)
                return [flow.id for flow in session.scalars(query)]

            def page(session):
                return session.scalars(sa.select(Flow).limit(200)).all()

            def run(engine):
                with orm.Session(engine) as session:
                    return stream(session), page(session), session.query(Flow).count()
            """,
        ),
    ),
    known_gaps=(
        "the scan reports `.all()` on a query or on what a session gives for a `select(...)`",
        "a recording reports all forms",
    ),
)
