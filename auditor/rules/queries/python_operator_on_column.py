"""DBA314: `in`, `is`, `and`, `or` or `not` on a column, which Python answers, not the database."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.queries.chains import class_named
from auditor.source.facts import (
    At,
    Attribute,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    Logic,
    ModuleFacts,
    Not,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_CONDITIONS = frozenset(("filter", "where", "having"))
_JOINING = frozenset(("and_", "or_", "not_"))
_OPERATORS = {
    "in": ".in_(...)", "not in": ".not_in(...)", "is": ".is_(None)", "is not": ".is_not(None)",
}  # fmt: skip


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Python operators among the conditions of a query or statement."""
    for event in function.events:
        if not isinstance(event, Call) or not isinstance(event.func, Attribute):
            continue
        if event.func.name not in _CONDITIONS:
            continue
        for arg in event.args:
            for at, column, fields, sure in _wrong(project, module, function, arg):
                confidence = Confidence.HIGH if sure else Confidence.MEDIUM
                severity = Severity.ERROR if sure else Severity.WARNING
                yield Hit(
                    span_of(module, at),
                    function.qualname,
                    {"column": column, **fields},
                    confidence=confidence,
                    severity=severity,
                )


_Wrong = tuple[At, str, dict[str, str], bool]


def _wrong(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> Iterator[_Wrong]:
    """What is wrong in one condition: place, column, words and whether the model was read."""
    match expr:
        case Call(func=func, args=args) if last_step(func) in _JOINING:
            for arg in args:
                yield from _wrong(project, module, function, arg)
        case Compare(left=left, operators=(operator,), at=at) if operator in _OPERATORS:
            column, sure = _column(project, module, function, left)
            if column:
                fields = {"operator": operator, "instead": f"`{_OPERATORS[operator]}`"}
                yield at, column, fields, sure
        case Logic(operator=operator, items=items, at=at):
            column, sure = _compared(project, module, function, items[0])
            if column:
                yield at, column, {"operator": operator, "instead": f"`{operator}_(...)`"}, sure
        case Not(operand=operand, at=at):
            column, sure = _compared(project, module, function, operand)
            if column:
                yield at, column, {"operator": "not", "instead": "`~` or `not_(...)`"}, sure
        case _:
            pass


def _compared(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> tuple[str, bool]:
    """The column an expression is, or compares."""
    if isinstance(expr, Compare):
        return _column(project, module, function, expr.left)
    return _column(project, module, function, expr)


def _column(
    project: Project, module: ModuleFacts, function: FunctionFacts, expr: Expr
) -> tuple[str, bool]:
    """`Class.column` of a mapped class, and True; of a class that was not read, and False; empty
    for anything else."""
    if not isinstance(expr, Attribute) or expr.name.isupper():
        return "", False
    owner = class_named(project, module, function, expr.base)
    last = owner.rpartition(".")[2]
    model = project.models.by_name.get(owner)
    if model is not None:
        known = expr.name in model.columns
        return (f"{last}.{expr.name}", True) if known else ("", False)
    unread = owner and owner not in project.program.classes and "." in owner
    return (f"{last}.{expr.name}", False) if unread else ("", False)


_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Port(Base):
                __tablename__ = "ports"
                id = sa.Column(sa.Integer, primary_key=True)
                host = sa.Column(sa.String(64))
                status = sa.Column(sa.String(16))

"""
RULE = Rule(
    code="DBA314",
    name="python-operator-on-column",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    message="`{operator}` on `{column}` is answered by Python, before the database sees it:"
    " {instead} is meant",
    why=(
        "`in`, `is`, `and`, `or` and `not` cannot be overloaded for a column. Python decides at"
        " once whether the column object itself is in the list or is None (it is not), and the"
        " statement is sent with `false`, or with half of the condition; some raise TypeError."
    ),
    instead="`Port.id.in_(ids)`, `Port.host.is_(None)`, `and_(...)`, `or_(...)`, `~`.",
    checks=(OnFunction(check, calls=_CONDITIONS),),
    bad=(
        Example(
            "in a list",
            _MODELS
            + """
            def ports(session: orm.Session, ids):
                return session.query(Port).filter(Port.id in ids).all()  # expect: DBA314
            """,
        ),
        Example(
            "is None",
            _MODELS
            + """
            def unbound(session: orm.Session):
                return session.scalars(sa.select(Port).where(Port.host is None))  # expect: DBA314
            """,
        ),
        Example(
            "and, or and not",
            _MODELS
            + """
            def ports(session: orm.Session, host):
                one = sa.select(Port).where(Port.host == host and Port.status)  # expect: DBA314
                other = sa.select(Port).where(not Port.status)  # expect: DBA314
                return session.scalars(one.union(other))
            """,
        ),
    ),
    good=(
        Example(
            "the operators of columns",
            _MODELS
            + """
            def ports(session: orm.Session, ids):
                return session.query(Port).filter(
                    Port.id.in_(ids), Port.host.is_(None), ~Port.status.like("D%")
                )
            """,
        ),
        Example(
            "== None, which SQLAlchemy turns into IS NULL",
            _MODELS
            + """
            def unbound(session: orm.Session):
                return session.query(Port).filter(Port.host == None).all()  # noqa: E711
            """,
        ),
        Example(
            "values, not columns",
            _MODELS
            + """
            def ports(session: orm.Session, host, wanted):
                return session.query(Port).filter(sa.literal(host is None or host in wanted))
            """,
        ),
        Example(
            "a row, not the class",
            _MODELS
            + """
            def same(session: orm.Session, port: Port, hosts):
                query = session.query(Port)
                return query.filter(Port.status == "UP", sa.literal(port.host in hosts))
            """,
        ),
        Example(
            "a choice of conditions",
            _MODELS
            + """
            def ports(session: orm.Session, host):
                return session.query(Port).filter(Port.host == host if host else Port.id > 0)
            """,
        ),
    ),
    known_gaps=(
        "conditions made elsewhere and kept in a variable are not looked at",
        "where the model is not read, an attribute of a class is taken for a column",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/core/operators.html",),
    in_tests=True,
)
