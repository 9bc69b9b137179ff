"""DBA409: two transactions lock the same tables in opposite orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from auditor.model.evidence import Executions
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame
from auditor.model.tape import CauseKind, Course, CourseStep, Site, Tape
from auditor.rule import Hit, Hits, LiveExample, OnTape, Rule
from auditor.rules.outside import is_test_code
from auditor.rules.transactions.happened import (
    ended,
    is_prepared,
    line_of,
    path_of_steps,
    span_at,
    times,
)
from auditor.source.project import Project
from auditor.sql.locks import locked_tables

_MOST_COURSES = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """One transaction that locks rows of one table before rows of another. `gates` are the tables
    it has locked before both; `is_flushed` tells that SQLAlchemy chose the order, in one flush."""

    first: CourseStep
    second: CourseStep
    gates: frozenset[str]
    course: Course
    is_flushed: bool


def recorded(tape: Tape, project: Project) -> Hits:
    """Pairs of tables that are locked in both orders, one hit for each pair."""
    orders: dict[tuple[str, str, str], list[Order]] = {}
    flushes = {
        (entry.site, entry.shape)
        for entry in tape.entries
        if entry.cause.kind in {CauseKind.FLUSH, CauseKind.AUTOFLUSH}
    }
    for course in tape.courses[:_MOST_COURSES]:
        for key, order in _orders(course, flushes):
            is_of_test = is_test_code(order.second.site.frame)
            if not is_of_test and not is_prepared(project, order.second.site, course.opened):
                orders.setdefault((course.database, *key), []).append(order)
    for (database, one, other), there in sorted(orders.items()):
        back = orders.get((database, other, one), []) if one < other else []
        found = next(_opposed(there, back), None)
        if found is not None:
            yield _hit(project, *found, (one, other))


def _orders(
    course: Course, flushes: set[tuple[Site, str]]
) -> Iterator[tuple[tuple[str, str], Order]]:
    """The pairs of tables that a course locks one after the other."""
    locked: dict[str, CourseStep] = {}
    for step in course.steps:
        tables = locked_tables(step.shape, step.verb, step.tables, is_locking=step.is_locking)
        for table in tables:
            if table in locked:
                continue
            names = list(locked)
            for number, before in enumerate(names):
                gates = frozenset(names[:number])
                first = locked[before]
                is_one = first.site == step.site and (step.site, step.shape) in flushes
                yield (before, table), Order(first, step, gates, course, is_one)
            locked[table] = step


def _opposed(there: Iterable[Order], back: Iterable[Order]) -> Iterator[tuple[Order, Order]]:
    """Two orders that can meet: no lock that both take first keeps them apart. Those that the
    program chose come first."""
    pairs = [(one, other) for one in there for other in back if not one.gates & other.gates]
    pairs.sort(key=lambda pair: pair[0].is_flushed + pair[1].is_flushed)
    yield from pairs


def _hit(project: Project, one: Order, other: Order, tables: tuple[str, str]) -> Hit:
    """Reported where the rarer order takes its second lock, the later in the source of equals."""
    rare, usual = one, other
    key = (ended(one.course), -one.second.site.frame.line)
    if key > (ended(other.course), -other.second.site.frame.line):
        rare, usual = other, one
        tables = tables[::-1]
    first, second = tables
    at, then = _lines(rare)
    there, after = _lines(usual)
    fields = {
        "second": second,
        "first": first,
        "here": line_of(at.frame, then.frame),
        "often": times(ended(rare.course)),
        "there": f"{there.frame.path}:{there.frame.line} and then"
        f" {line_of(after.frame, there.frame)}",
        "usually": times(ended(usual.course)),
    }
    steps = path_of_steps(
        (
            (replace(rare.first, site=at), f"locks `{first}`"),
            (replace(rare.second, site=then), f"then `{second}`"),
            (replace(usual.first, site=there), f"elsewhere locks `{second}`"),
            (replace(usual.second, site=after), f"then `{first}`"),
        )
    )
    shape, number = rare.second.shape, ended(rare.course)
    seen = Executions(shape, "explicit", number, 0, 0.0, rare.second.site.stack)
    is_chosen = not (rare.is_flushed or usual.is_flushed)
    return Hit(
        span_at(project, then),
        then.frame.function,
        fields,
        (steps, seen),
        confidence=Confidence.MEDIUM if is_chosen else Confidence.LOW,
    )


def _lines(order: Order) -> tuple[Site, Site]:
    """The call paths of both locks from the innermost line that they do not share: not a function
    through which every statement goes."""
    one, other = order.first.site.stack, order.second.site.stack
    if one == other:
        return order.first.site, order.second.site
    shared = set(one) & set(other)
    return _from_first_own(one, shared), _from_first_own(other, shared)


def _from_first_own(stack: tuple[Frame, ...], shared: set[Frame]) -> Site:
    start = next((at for at, frame in enumerate(stack) if frame not in shared), 0)
    return Site(stack[start:])


_TABLES = """
            import sqlalchemy as sa
            from sqlalchemy.orm import Session

            TABLES = sa.MetaData()
            STOCK, ORDERS, GUARD = (
                sa.Table(name, TABLES, sa.Column("id", sa.Integer), sa.Column("n", sa.Integer))
                for name in ("stock", "orders", "guard")
            )

            def prepare(engine):
                TABLES.create_all(engine)

            def add(session, table):
                session.execute(sa.update(table).values(n=table.c.n + 1))
"""
RULE = Rule(
    code="DBA409",
    name="lock-order-inversion",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="rows of `{second}` are locked here after rows of `{first}` ({here}; seen {often}), and"
    " before them in {there} (seen {usually}): two such transactions at once wait for each other"
    " and one dies of a deadlock, taking it that they touch the same rows; lock the tables in one"
    " order everywhere, or first a row that both need",
    why=(
        "A row lock is held until the transaction ends. When one transaction holds A and wants B"
        " while another holds B and wants A, the database kills one of them. Both pieces of code"
        " look right, usually stand in different files, and no test with one connection fails."
    ),
    instead="one order of tables for the whole program (parents first, then by name); or begin both"
    " transactions with `select(...).with_for_update()` of the same row. And retry on deadlock.",
    checks=(OnTape(recorded),),
    bad=(
        LiveExample(
            "two functions, two orders",
            _TABLES
            + """
            def sell(engine):
                with Session(engine) as session, session.begin():
                    add(session, STOCK)
                    add(session, ORDERS)

            def cancel(session):
                session.execute(sa.delete(ORDERS))
                session.execute(sa.update(STOCK).values(n=1))  # expect: DBA409

            def run(engine):
                sell(engine)
                sell(engine)
                with Session(engine) as session, session.begin():
                    cancel(session)
            """,
        ),
        LiveExample(
            "a locking read first",
            _TABLES
            + """
            def run(engine):
                with Session(engine) as session, session.begin():
                    session.execute(sa.select(STOCK.c.n).with_for_update())
                    add(session, ORDERS)
                with engine.begin() as connection:
                    add(connection, ORDERS)
                    add(connection, STOCK)  # expect: DBA409
            """,
        ),
    ),
    good=(
        LiveExample(
            "one order everywhere, and new rows",
            _TABLES
            + """
            def sell(engine, second):
                with Session(engine) as session, session.begin():
                    add(session, STOCK)
                    session.execute(second)

            def note(engine):
                with Session(engine) as session, session.begin():
                    session.execute(sa.insert(ORDERS).values(id=2))
                    add(session, STOCK)

            def run(engine):
                sell(engine, sa.update(ORDERS).values(n=1))
                sell(engine, sa.delete(ORDERS))
                note(engine)
            """,
        ),
        LiveExample(
            "both orders, behind one lock",
            _TABLES
            + """
            def work(engine, tables):
                with Session(engine) as session, session.begin():
                    for table in (GUARD, *tables):
                        add(session, table)

            def run(engine):
                work(engine, (STOCK, ORDERS))
                work(engine, (ORDERS, STOCK))
            """,
        ),
        LiveExample(
            "both orders, in transactions of their own",
            _TABLES
            + """
            def work(engine, table):
                with Session(engine) as session, session.begin():
                    add(session, table)

            def run(engine):
                for table in (STOCK, ORDERS, STOCK):
                    work(engine, table)
            """,
        ),
    ),
    known_gaps=(
        "that two transactions touch the same rows is taken, not seen: values are not recorded",
        "two rows of one table locked in two orders",
        "locks of rows that a foreign key refers to, and locks of plain inserts",
        "two orders inside one flush are SQLAlchemy's choice and only advice",
    ),
    sources=(
        "https://dev.mysql.com/doc/refman/8.4/en/innodb-deadlocks-handling.html",
        "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS",
    ),
)
