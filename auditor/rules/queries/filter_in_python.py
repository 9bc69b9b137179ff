"""DBA305: rows loaded, then skipped by a test on a column that the query could have made."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import loads
from auditor.rules.queries.row_loops import Use
from auditor.rules.queries.rows import RowLoop, is_column, mentions, row_loops, sources_of
from auditor.rules.queries.run_once import lowered
from auditor.rules.queries.skipped_rows import is_joined, skips
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Expr,
    FunctionFacts,
    Items,
    Logic,
    ModuleFacts,
    Name,
    Not,
    Read,
    Test,
    dotted,
    path_of,
    walk,
)
from auditor.source.project import Project
from auditor.source.traits import LOOP

_OPERATORS = frozenset(("==", "!=", "<", "<=", ">", ">=", "is", "is not", "in", "not in"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Loops over rows that begin by skipping some of them for the value of a column."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    for loop in row_loops(project, function):
        for test in skips(function, loop):
            column = _column(project, function, loop, test.expr)
            if (
                column
                and not is_joined(function, loop, test.expr)
                and _could_filter(project, function, loop, column)
            ):
                yield _hit(module, function, loop, test, column)
                break


def recorded(tape: Tape, project: Project) -> Hits:
    """Rows that were fetched, and some of which a loop skips for the value of a column."""
    for load in loads(tape, project, Use.SELECTION):
        column = load.fate.column
        if load.has_column(column) and not load.asks_for(column):
            fix = style_of(project, load.first, load.path).filtered(column)
            yield load.hit(_RECORDED, column=column, fix=fix)


_RECORDED = (
    "{rows}, and some of them skipped here for the value of `{column}`: the query could leave them"
    " out, with `{fix}`"
)


def _column(project: Project, function: FunctionFacts, loop: RowLoop, test: Expr) -> str:
    """The column a test compares with something that is the same for all rows; empty for any other
    test."""
    match test:
        case Not(operand=operand):
            return _column(project, function, loop, operand)
        case Logic():
            return ""
        case Compare(left=left, operators=(operator,), rights=(right,)) if operator in _OPERATORS:
            if _is_fixed(function, loop, right) and not _is_looked_up(function, loop, right):
                return _column(project, function, loop, left)
            return ""
        case _:
            path = path_of(test)
            if len(path) != 2 or path[0] != loop.name:  # noqa: PLR2004 - the row and its column
                return ""
            name = path[1].strip("[]")
            return name if is_column(project, loop.rows, name) else ""


def _is_fixed(function: FunctionFacts, loop: RowLoop, expr: Expr) -> bool:
    """Whether a value is the same for every row: constants, and names not bound in the loop."""
    bound = {e.target for e in function.inside(loop.region) if isinstance(e, Bind)}
    for found in walk(expr):
        if isinstance(found, Call) or (isinstance(found, Name) and found.name in bound):
            return False
        if not isinstance(found, (Const, Name, Attribute, Items)):
            return False
    return True


def _is_looked_up(function: FunctionFacts, loop: RowLoop, expr: Expr) -> bool:
    """`if row.key in known: ... known[row.key]`: a guard, not a filter."""
    name = dotted(expr)
    reads = [e for e in function.inside(loop.region) if isinstance(e, Read) and e.path[0] == name]
    return "." not in name and len(reads) > 1


def _could_filter(project: Project, function: FunctionFacts, loop: RowLoop, column: str) -> bool:
    """Whether the rows come straight from queries in this function, none of which looks at the
    column, and whether the rows that are skipped serve nothing else."""
    scope = project.program.scope_of(function)
    position = max(loop.region.first - 1, 0)
    sources = list(sources_of(project, scope, position, loop.region.expr))
    loaded = [s for s in sources if not isinstance(s[2], Const)]
    for found, at, expr in loaded:
        if found.key != scope.key or not isinstance(expr, Call) or mentions(expr, column):
            return False
        if any(mentions(made, column) for made in _made_of(function, at, expr)):
            return False
        targets = project.targets(function, at, expr)
        if not targets or any(target.row is None for target in targets):
            return False
    return bool(loaded) and _is_only_iterated(function, loop.region.expr)


def _made_of(function: FunctionFacts, position: int, call: Call) -> Iterator[Expr]:
    """What the names in a call were bound to before: `session.scalars(query)`."""
    names = {part.name for part in walk(call) if isinstance(part, Name)}
    for event in function.events[:position]:
        if isinstance(event, Bind) and event.target in names and event.value is not None:
            yield event.value


def _is_only_iterated(function: FunctionFacts, rows: Expr | None) -> bool:
    """Whether a name is read by this loop and by tests for being empty, and by nothing else."""
    name = dotted(rows)
    if not name:
        return True
    reads = [e for e in function.events if isinstance(e, Read) and ".".join(e.path) == name]
    longer = any(
        isinstance(e, Read) and len(e.path) > 1 and e.path[0] == name for e in function.events
    )
    tests = {
        e.at.line
        for e in function.events
        if isinstance(e, Test) and dotted(getattr(e.expr, "operand", e.expr)) == name
    }
    return not longer and sum(read.at.line not in tests for read in reads) == 1


def _hit(
    module: ModuleFacts, function: FunctionFacts, loop: RowLoop, test: Test, column: str
) -> Hit:
    line = loop.region.at.line
    fields = {
        "column": f"{loop.rows.name.rpartition('.')[2]}.{column}",
        "loop": line,
    }
    steps = (
        Step(span_of(module, At(line, 1, line, 1)), "all rows are loaded"),
        Step(span_of(module, test.at), "some are skipped"),
    )
    return Hit(span_of(module, test.at), function.qualname, fields, (SourcePath(steps),))


_MODEL = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Router(Base):
                __tablename__ = "routers"
                id = sa.Column(sa.String(36), primary_key=True)
                admin_state_up = sa.Column(sa.Boolean)
                status = sa.Column(sa.String(16))

                @property
                def is_strange(self):
                    return self.status not in ("ACTIVE", "DOWN")
"""
_RUN = """
            import sqlalchemy as sa
            from sqlalchemy import func, orm

            Base = orm.declarative_base()

            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                size = sa.Column(sa.Integer)
                up = sa.Column(sa.Boolean)

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Port(size=number, up=number % 2 == 0) for number in range(30))
                    session.commit()
"""
RULE = Rule(
    code="DBA305",
    name="filter-in-python",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="rows are loaded and then skipped for `{column}` in the loop on line {loop}; the query"
    " could filter them, if nobody needs the others",
    why=(
        "Every skipped row was read by the server, sent, and made into an object with its eager"
        " relationships, to be thrown away. The share of such rows grows with the age of the data."
    ),
    instead="the test as a filter of the query, where an index can serve it.",
    checks=(OnFunction(check, needs=(LOOP,)), OnTape(recorded)),
    bad=(
        Example(
            "skipped at the top of the loop",
            _MODEL
            + """
            def names(session: orm.Session):
                routers = session.query(Router).all()
                for router in routers:
                    if not router.admin_state_up:  # expect: DBA305
                        continue
                    yield router.id
            """,
        ),
        Example(
            "the condition of a comprehension",
            _MODEL
            + """
            def ids(session: orm.Session, status):
                rows = session.scalars(sa.select(Router)).all()
                return [row.id for row in rows if row.status == status]  # expect: DBA305
            """,
        ),
        Example(
            "all of the body is under one condition",
            _MODEL
            + """
            def stop(session: orm.Session):
                for router in session.query(Router):
                    if router.status in ("ACTIVE", "BUILD"):  # expect: DBA305
                        router.status = "DOWN"
            """,
        ),
        LiveExample(
            "recorded: rows of another function, skipped by the caller",
            _RUN
            + """
            def ports(session):
                return session.scalars(sa.select(Port)).all()

            def run(engine):
                with orm.Session(engine) as session:
                    for port in ports(session):
                        if not port.up:  # expect: DBA305
                            continue
                        port.size += 1
            """,
            (
                (
                    "run: 30 rows were fetched at example.py:19, and some of them skipped here for"
                    " the value of `up`: the query could leave them out, with `.where(Port.up ...)`"
                ),
            ),
        ),
    ),
    good=(
        Example(
            "the query filters",
            _MODEL
            + """
            def names(session: orm.Session):
                for router in session.query(Router).filter_by(admin_state_up=True):
                    yield router.id
            """,
        ),
        Example(
            "the statement filters",
            _MODEL
            + """
            def names(session: orm.Session, wanted):
                query = sa.select(Router).where(Router.status.in_(wanted))
                for router in session.scalars(query).all():
                    if router.status is not None:
                        yield router.id
            """,
        ),
        Example(
            "another turn wants what this one skips",
            _MODEL
            + """
            def by_status(session: orm.Session, states):
                routers = session.query(Router).all()
                for state in states:
                    for router in routers:
                        if router.status == state:
                            print(state, router.id)
            """,
        ),
        Example(
            "the other rows are needed too",
            _MODEL
            + """
            def count(session: orm.Session):
                routers = session.query(Router).all()
                up = [router for router in routers if router.admin_state_up]
                return len(up), len(routers)
            """,
        ),
        Example(
            "both branches do something",
            _MODEL
            + """
            def split(session: orm.Session):
                up, down = [], []
                for router in session.query(Router):
                    if router.admin_state_up:
                        up.append(router)
                    else:
                        down.append(router)
                return up, down
            """,
        ),
        Example(
            "no column, but code",
            _MODEL
            + """
            def strange(session: orm.Session):
                return [router for router in session.query(Router) if router.is_strange]
            """,
        ),
        Example(
            "a value of each row",
            _MODEL
            + """
            def wanted(session: orm.Session, states):
                for router in session.query(Router):
                    wanted = states[router.id]
                    if router.status == wanted:
                        continue
                    yield router
            """,
        ),
        LiveExample(
            "recorded: a property, and a column that the query looks at",
            _RUN
            + """
            Port.is_even = property(lambda port: port.size % 2 == 0)

            def run(engine):
                with orm.Session(engine) as session:
                    even = [p.id for p in session.scalars(sa.select(Port)) if p.is_even]
                    ports = session.scalars(sa.select(Port).where(Port.size > 3)).all()
                    return even, [port.id for port in ports if port.size < 9]
            """,
        ),
    ),
    known_gaps=(
        "conditions joined by `and` and `or`, and calls on columns (`startswith`)",
        "rows of another function of the project, whose other callers may need all: only recorded",
        "`filter()` and nested loops",
        "a class whose columns were not read: any attribute is taken for a column",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/tutorial/data_select.html#the-where-clause",),
)
