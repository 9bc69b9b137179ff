"""DBA308: rows are loaded for the largest, smallest or sum of a column."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.loading import uses_of
from auditor.rules.queries.queries_instead import style_of
from auditor.rules.queries.recorded_loads import loads
from auditor.rules.queries.row_loops import Use
from auditor.rules.queries.rows import MANY, is_column, sources_of
from auditor.source.facts import (
    Bind,
    Call,
    Comprehension,
    Expr,
    FunctionFacts,
    Lambda,
    ModuleFacts,
    Name,
    Region,
    path_of,
)
from auditor.source.project import Project, position_of
from auditor.source.value import Value

_AGGREGATES = frozenset(("max", "min", "sum"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`max()`, `min()` and `sum()` of one column of rows that serve nothing else."""
    for event in function.events:
        if not isinstance(event, Call) or not isinstance(event.func, Name) or not event.args:
            continue
        name = event.func.name
        if name in _AGGREGATES:
            column = _of_loop(project, function, event) or _by_key(project, function, event)
            if column:
                fields = {"what": f"{name}()", "column": column}
                sure = Confidence.HIGH if "." in column else Confidence.MEDIUM
                span = span_of(module, event.at)
                yield Hit(span, function.qualname, fields, confidence=sure)


def recorded(tape: Tape, project: Project) -> Hits:
    """Rows that were fetched, and of which the program wanted one value of a column."""
    for load in loads(tape, project, Use.AGGREGATE):
        column = load.fate.column or load.only_column
        if column and load.has_column(column):
            function = _FUNCTIONS.get(load.fate.words, "sum")
            fix = style_of(project, load.first, load.path).aggregated(function, column)
            yield load.hit(_RECORDED, column=column, fix=fix)


_FUNCTIONS = {"`max()`": "max", "`min()`": "min", "a set": "distinct"}
_RECORDED = "{rows} only for {words} of column `{column}`: let the database find it, with `{fix}`"


def _of_loop(project: Project, function: FunctionFacts, call: Call) -> str:
    """The column of `max(row.size for row in rows)`; empty for anything else."""
    made: Expr | None = call.args[0]
    if isinstance(made, Name) and not call.keywords:
        made = _made_once(function, made.name)
    if not isinstance(made, Comprehension) or made.key is not None:
        return ""
    loop = function.regions[made.region]
    before = max(loop.first - 1, 0)
    rows = project.inference.value(project.program.scope_of(function), before, loop.expr)
    if rows.kind not in MANY or len(loop.target) != 1 or not _is_plain(function, loop):
        return ""
    if not _serves_only_this(project, function, before, loop.expr):
        return ""
    return _column(project, rows, loop.target[0], made.element)


def _made_once(function: FunctionFacts, name: str) -> Expr | None:
    """What a name is bound to, when it is bound once and read, tests left out, once."""
    binds = [e for e in function.events if isinstance(e, Bind) and e.target == name]
    if len(binds) != 1 or binds[0].kind != "assign" or uses_of(function, name) != 1:
        return None
    return binds[0].value


def _is_plain(function: FunctionFacts, loop: Region) -> bool:
    """Whether the comprehension has one loop and no condition that only Python can make."""
    inside = function.inside(loop)
    nested = any(r.parent == loop.index for r in function.regions)
    return not nested and not any(isinstance(e, Call) for e in inside)


def _by_key(project: Project, function: FunctionFacts, call: Call) -> str:
    """The column of `max(rows, key=lambda row: row.size)`; empty for anything else."""
    key = call.keyword("key")
    if not isinstance(key, Lambda) or len(key.parameters) != 1 or not isinstance(call.func, Name):
        return ""
    position = position_of(function, call)
    scope = project.program.scope_of(function)
    rows = project.inference.value(scope, position, call.args[0])
    if rows.kind not in MANY:
        return ""
    if not _serves_only_this(project, function, position, call.args[0]):
        return ""
    return _column(project, rows, key.parameters[0], key.body)


def _column(project: Project, rows: Value, row: str, expr: Expr) -> str:
    """`Class.column` when the expression is that column of the row; without the class when its
    source is not read, and then a property may pass for a column."""
    path = path_of(expr)
    if len(path) != 2 or path[0] != row:  # noqa: PLR2004 - the row and its column
        return ""
    name = path[1].strip("[]")
    if not is_column(project, rows, name):
        return ""
    return f"{rows.name.rpartition('.')[2]}.{name}".removeprefix(".")


def _serves_only_this(
    project: Project, function: FunctionFacts, position: int, expr: Expr | None
) -> bool:
    """Whether queries of this very function make the rows, and nothing else reads them."""
    scope = project.program.scope_of(function)
    sources = list(sources_of(project, scope, position, expr))
    for found, at, made in sources:
        if found.key != scope.key or not isinstance(made, Call):
            return False
        targets = project.targets(function, at, made)
        if not targets or any(target.row is None for target in targets):
            return False
    return bool(sources) and not (isinstance(expr, Name) and uses_of(function, expr.name) > 1)


_IMPORTS = """
            from sqlalchemy import func, select
            from sqlalchemy.orm import Session
            from app.models import Volume
"""
_RUN = """
            import sqlalchemy as sa
            from sqlalchemy import func, orm

            Base = orm.declarative_base()

            class Volume(Base):
                __tablename__ = "volumes"
                id = sa.Column(sa.Integer, primary_key=True)
                size = sa.Column(sa.Integer)
                up = sa.Column(sa.Boolean)

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Volume(size=number, up=number % 2 == 0) for number in range(30))
                    session.commit()
"""
RULE = Rule(
    code="DBA308",
    name="aggregate-in-python",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="rows are loaded only for the `{what}` of column `{column}`: the database can find it",
    why=(
        "Each row crosses the network and becomes an object for one number out of it; with an index"
        " on the column the database finds the largest without reading the table."
    ),
    instead="`session.scalar(select(func.max(Volume.size)).where(...))`; for the row itself"
    " `.order_by(Volume.size.desc()).limit(1)`.",
    checks=(OnFunction(check, calls=_AGGREGATES), OnTape(recorded)),
    bad=(
        Example(
            "the sum of a column",
            _IMPORTS
            + """
            def used(session: Session, project):
                volumes = session.query(Volume).filter_by(project=project).all()
                return sum(volume.size for volume in volumes)  # expect: DBA308
            """,
        ),
        Example(
            "through a list that nothing else reads",
            _IMPORTS
            + """
            def next_number(session: Session):
                volumes = session.query(Volume).all()
                numbers = [volume["number"] for volume in volumes]
                if numbers:
                    return max(numbers) + 1  # expect: DBA308
                return 1
            """,
        ),
        Example(
            "the row with the largest value",
            _IMPORTS
            + """
            def newest(session: Session, project):
                rows = session.scalars(select(Volume).where(Volume.project == project)).all()
                return max(rows, key=lambda row: row.created_at)  # expect: DBA308
            """,
        ),
        LiveExample(
            "recorded: a sum that a loop keeps, over rows of another function",
            _RUN
            + """
            def volumes(session):
                return session.query(Volume)

            def run(engine):
                with orm.Session(engine) as session:
                    total = 0
                    for volume in volumes(session).filter(Volume.up).all():
                        total += volume.size  # expect: DBA308
                    return total
            """,
        ),
        LiveExample(
            "recorded: the distinct values of a column",
            _RUN
            + """
            async def run(engine):
                async with engine.connect() as connection:
                    rows = await connection.execute(sa.select(Volume.__table__))
                    return {row.up for row in rows}  # expect: DBA308
            """,
            (
                (
                    "run: 30 rows were fetched at example.py:20 only for a set of column `up`: let"
                    " the database find it, with `select(Volume.up).distinct()`"
                ),
            ),
        ),
    ),
    good=(
        Example(
            "the database adds up",
            _IMPORTS
            + """
            def used(session: Session, project):
                return session.scalar(select(func.sum(Volume.size)).filter_by(project=project))
            """,
        ),
        Example(
            "the rows are used too",
            _IMPORTS
            + """
            def usage(session: Session, project):
                volumes = session.query(Volume).filter_by(project=project).all()
                return [v.name for v in volumes], sum(v.size for v in volumes)
            """,
        ),
        Example(
            "what only Python can compute",
            _IMPORTS
            + """
            def used(session: Session, project):
                volumes = session.query(Volume).filter_by(project=project).all()
                return sum(rounded(volume.size) for volume in volumes)
            """,
        ),
        Example(
            "no column, but code",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Volume(Base):
                __tablename__ = "volumes"
                id = sa.Column(sa.Integer, primary_key=True)

                @property
                def size(self):
                    return probe(self.id)

            def used(session: orm.Session):
                return sum(volume.size for volume in session.query(Volume))
            """,
        ),
        Example(
            "a list of something else",
            """
            def used(volumes):
                return sum(volume.size for volume in volumes.all())
            """,
        ),
        LiveExample(
            "recorded: the database adds up",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    sizes = sa.select(Volume.up, func.sum(Volume.size)).group_by(Volume.up)
                    return dict(session.execute(sizes).all())
            """,
        ),
    ),
    known_gaps=(
        "rows that a function of the project loads are not reported",
        "`sorted()` and `set()` of a column, and sums kept in a loop, are not reported",
    ),
)
