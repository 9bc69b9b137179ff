"""DBA111: a column to sort by is named by a string in `asc()` or `desc()`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Call,
    Const,
    Expr,
    FunctionFacts,
    ModuleFacts,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
_ORDERS = frozenset(
    f"{home}.{name}"
    for home in ("sqlalchemy", "sqlalchemy.sql", "sqlalchemy.sql.expression")
    for name in ("asc", "desc")
)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`asc("id")` and `desc("id")` where no label of that name is made in the module."""
    found = [
        (event, str(event.args[0].value))
        for event in function.events
        if isinstance(event, Call)
        and len(event.args) == 1
        and isinstance(event.args[0], Const)
        and isinstance(event.args[0].value, str)
        and project.resolve(module, event.func) in _ORDERS
    ]
    labels = frozenset(_labels(module)) if found else frozenset()
    for call, name in found:
        if _IDENTIFIER.fullmatch(name) and name not in labels:
            order = project.resolve(module, call.func).rpartition(".")[2]
            then = _trouble(_steps(project, module, function, call))
            fields = {"order": order, "name": name, "then": _THEN[then].format(name=name)}
            confidence = Confidence.MEDIUM if then else None
            yield Hit(span_of(module, call.at), function.qualname, fields, confidence=confidence)


_THEN = {
    "": " (taking it that no label is called `{name}`)",
    "eager": "; inside of the sub-query that eager loading with a LIMIT makes there is no such"
    " label: CompileError (taking it that no column is labelled `{name}`)",
    "join": "; after a join it may be the other table's `{name}` (taking it that both have one)",
}
_JOINS = frozenset(("join", "outerjoin"))
_LIMITS = frozenset(("first", "limit", "offset", "slice"))
_EAGER = "joinedload"


def _trouble(steps: frozenset[str]) -> str:
    """What in a query makes another column of the string, or none; empty if nothing does."""
    if steps & _LIMITS and any(_EAGER in step for step in steps):
        return "eager"
    return "join" if steps & _JOINS else ""


def _steps(
    project: Project, module: ModuleFacts, function: FunctionFacts, order: Call
) -> frozenset[str]:
    """The names of the calls that the query to be ordered is made with: those of its chain, and
    those of the function that begins it."""
    calls = [event for event in function.events if isinstance(event, Call)]
    ordering = next((c for c in calls if any(a is order for a in c.args)), None)
    if ordering is None:
        return frozenset()
    whole = [c for c in calls if any(link is ordering for link in _links(c))]
    steps: set[str] = set()
    for link in _links(whole[-1]):
        if isinstance(link, Call):
            found = (link, *(e for arg in link.args for e in walk(arg) if isinstance(e, Call)))
            steps.update(last_step(call.func) for call in found)
            begun = project.callee(module, function, link)
            events = begun[1].events if begun is not None else ()
            steps.update(last_step(event.func) for event in events if isinstance(event, Call))
    return frozenset(steps)


def _links(expr: Expr) -> Iterator[Expr]:
    """A chain of calls from its end: `q.filter(x).first()`, `q.filter(x)`, `q`."""
    while True:
        yield expr
        if isinstance(expr, Call) and isinstance(expr.func, Attribute):
            expr = expr.func.base
        else:
            return


def _labels(module: ModuleFacts) -> Iterator[str]:
    calls = (e for function in module.functions for e in function.events if isinstance(e, Call))
    for call in calls:
        is_label = isinstance(call.func, Attribute) and call.func.name == "label"
        if is_label and call.args and isinstance(call.args[0], Const):
            yield str(call.args[0].value)


RULE = Rule(
    code="DBA111",
    name="string-for-column",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message='`{order}("{name}")` names a column by a string, which is looked up as a label when the'
    " statement is compiled{then}",
    why=(
        "The string is matched with the labels of the selected columns; with a join, an alias, or a"
        " sub-query that eager loading with a LIMIT makes, it is another column of the same name or"
        " none: CompileError in 2.x, a column written as text with a warning before. No tool"
        " that renames the attribute finds it."
    ),
    instead="Order by the attribute: `Flavor.id.asc()`, or `asc(Flavor.id)`.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "asc of a string",
            """
            from sqlalchemy import asc
            from app.models import Flavor

            def first(session):
                query = session.query(Flavor)
                return query.order_by(asc("id")).first()  # expect: DBA111
            """,
        ),
        Example(
            "desc through the package",
            """
            import sqlalchemy as sa
            from app.models import Flavor

            def newest(session):
                found = sa.select(Flavor).order_by(sa.desc("created_at"))  # expect: DBA111
                return session.scalars(found).all()
            """,
        ),
        Example(
            "with a LIMIT around what is loaded eagerly",
            """
            from sqlalchemy import asc
            from sqlalchemy.orm import joinedload
            from app.models import Flavor

            def flavors(session):
                return session.query(Flavor).options(joinedload(Flavor.specs))

            def first(session):
                return flavors(session).order_by(asc("id")).first()  # expect: DBA111
            """,
        ),
        Example(
            "two of them",
            """
            from sqlalchemy.sql.expression import asc
            from app.models import Flavor

            def listed(session):
                by_name = asc("name")  # expect: DBA111
                return session.query(Flavor).order_by(by_name, asc("id"))  # expect: DBA111
            """,
        ),
    ),
    good=(
        Example(
            "attributes",
            """
            from sqlalchemy import asc
            from app.models import Flavor

            def first(session):
                return session.query(Flavor).order_by(asc(Flavor.id), Flavor.name.desc()).first()
            """,
        ),
        Example(
            "a label",
            """
            from sqlalchemy import desc, func, select
            from app.models import Flavor

            def counted(session):
                count = func.count(Flavor.id).label("count")
                return session.execute(select(count).group_by(Flavor.name).order_by(desc("count")))
            """,
        ),
        Example(
            "another asc",
            """
            from app.sorting import asc

            def first(query):
                return query.order_by(asc("id"))
            """,
        ),
    ),
    known_gaps=(
        '`order_by("name")` is not reported: it is the documented way to order by a label',
        "labels made in other modules are not seen",
        (
            "low confidence where neither a join nor a LIMIT beside `joinedload` is in the chain"
            " or in the function that begins it: without them the string finds its column"
        ),
    ),
    sources=("SQLAlchemy: Ordering or Grouping by a Label",),
    in_tests=True,
)
