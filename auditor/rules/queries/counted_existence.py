"""Counts that are only asked whether they are none: the database counts on after the first row.

if query.count():                        number = query.count()
    raise InUse(network)                 return number > 0
"""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence
from auditor.model.knowledge import QUERY
from auditor.rule import Example, Hit, Hits
from auditor.rules.places import span_of
from auditor.rules.queries.loading import only_asked
from auditor.rules.queries.run_once import lowered
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Compare,
    Const,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Read,
    Return,
    Test,
    dotted,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project

CALLS = frozenset(("count",))
_NONE = {0: ("==", "!=", ">", "<="), 1: (">=", "<")}
"""Comparisons that ask for none or some, by the number that is compared with."""
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_BOUNDED = frozenset(("limit", "slice", "fetch", "group_by", "having"))
_RESULT = frozenset(("scalar", "scalar_one", "scalar_one_or_none"))
_BUILDERS = frozenset(("select", "query"))


def hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Counts of a query whose number is not wanted; one hit for each line."""
    yield from lowered(project, module, _hits(project, module, function))


def _hits(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    seen: set[int] = set()
    for position, expr in _asked(function):
        call = _counting(project, function, position, expr)
        if call is None or call.at.line in seen:
            continue
        seen.add(call.at.line)
        is_one = _is_of_key(project, function, position, call)
        fields = {"count": f"{last_step(call.func)}()"}
        yield Hit(
            span_of(module, call.at), function.qualname, fields,
            confidence=Confidence.LOW if is_one else Confidence.MEDIUM, message=_MESSAGE,
        )  # fmt: skip


_MESSAGE = (
    "`{count}` counts all rows only to see whether there is one: the database stops at the first"
    " when it is asked for `exists()`"
)


def _asked(function: FunctionFacts) -> Iterator[tuple[int, Expr]]:
    """What is only asked whether it is none, and the position in the events."""
    for position, expr, _ in only_asked(function):
        yield position, expr
    for position, event in enumerate(function.events):
        for compared in _comparisons(event):
            yield position, compared


def _comparisons(event: Event) -> Iterator[Expr]:
    """What an event compares with none."""
    if isinstance(event, Test):
        roots: tuple[Expr | None, ...] = (event.expr,)
    elif isinstance(event, (Return, Bind)):
        roots = (event.value,)
    else:
        return
    for root in roots:
        for part in walk(root):
            if isinstance(part, Compare):
                yield from _compared(part)


def _compared(compare: Compare) -> Iterator[Expr]:
    match compare:
        case Compare(left=left, operators=(operator,), rights=(Const(value=int() as limit),)):
            if operator in _NONE.get(limit, ()):
                yield left
        case Compare(left=Const(value=int() as limit), operators=(operator,), rights=(right,)):
            if _TURNED.get(operator, operator) in _NONE.get(limit, ()):
                yield right


def _counting(project: Project, function: FunctionFacts, position: int, expr: Expr) -> Call | None:
    """The call that counts, where it stands or behind a name that nothing else reads."""
    if isinstance(expr, Name):
        bound = _bound_once(project, function, expr.name)
        if bound is None or _reads(function, expr.name) != 1:
            return None
        expr, position = bound
    if not isinstance(expr, Call):
        return None
    return expr if _is_count(project, function, position, expr) else None


def _bound_once(project: Project, function: FunctionFacts, name: str) -> tuple[Expr, int] | None:
    scope = project.program.scope_of(function)
    indices = project.program.binds[scope.key].get(name, ())
    bind = function.events[indices[0]] if len(indices) == 1 else None
    if not isinstance(bind, Bind) or bind.kind != "assign" or bind.value is None:
        return None
    return bind.value, indices[0]


def _reads(function: FunctionFacts, name: str) -> int:
    return sum(isinstance(e, Read) and e.path[0] == name for e in function.events)


def _is_count(project: Project, function: FunctionFacts, position: int, call: Call) -> bool:
    """`query.count()` without an argument, or `session.scalar(select(func.count())...)`."""
    scope = project.program.scope_of(function)
    if isinstance(call.func, Attribute) and call.func.name == "count" and not call.args:
        return (
            not _is_bounded(call)
            and project.inference.value(scope, position, call.func.base).kind == QUERY
        )
    if last_step(call.func) not in _RESULT or _is_bounded(call):
        return False
    parts = [part for part in walk(call) if isinstance(part, Call)]
    return any(
        last_step(part.func) in _BUILDERS and part.args and _is_func_count(part.args[0])
        for part in parts
    )


def _is_func_count(expr: Expr) -> bool:
    return isinstance(expr, Call) and dotted(expr.func).endswith("func.count")


def _is_bounded(call: Call) -> bool:
    return any(isinstance(p, Call) and last_step(p.func) in _BOUNDED for p in walk(call))


def _is_of_key(project: Project, function: FunctionFacts, position: int, call: Call) -> bool:
    """Whether the conditions fix a unique key, so that there is one row at most to count."""
    scope = project.program.scope_of(function)
    value = project.inference.value(scope, position, getattr(call.func, "base", None))
    model = project.models.model_of(value.name)
    uniques = model.uniques if model is not None else (("id",),)
    fixed = {name for part in _parts(function, call) for name in _fixed(part)}
    return any(fixed.issuperset(unique) for unique in uniques if unique)


def _parts(function: FunctionFacts, call: Call) -> Iterator[Expr]:
    """The parts of a query, with those of what its first name was bound to before."""
    yield from walk(call)
    names = {part.name for part in walk(call) if isinstance(part, Name)}
    for event in function.events:
        if isinstance(event, Bind) and event.target in names and event.place < call.place:
            yield from walk(event.value)


def _fixed(part: Expr) -> Iterator[str]:
    """The columns that a condition gives one value: also `func.lower(Label.name) == name`."""
    match part:
        case Call(func=Attribute(name="filter_by"), keywords=keywords):
            yield from (keyword.name for keyword in keywords)
        case Compare(left=left, operators=("==",)):
            yield from (found.name for found in walk(left) if isinstance(found, Attribute))


_IMPORTS = """
            from sqlalchemy import exists, func, select
            from sqlalchemy.orm import Session
            from app.models import Label
"""
BAD = (
    Example(
        "count() as a condition",
        _IMPORTS
        + """
            def delete(session: Session, key):
                query = session.query(Label).filter_by(parent=key)
                if query.count():  # expect: DBA307
                    raise InUse(key)
            """,
    ),
    Example(
        "a number that is compared with none",
        _IMPORTS
        + """
            def is_used(session: Session, key):
                number = session.query(Label).filter_by(parent=key).count()  # expect: DBA307
                return number > 0
            """,
    ),
    Example(
        "2.0 style",
        _IMPORTS
        + """
            def is_used(session: Session, key):
                counting = select(func.count()).select_from(Label)
                return bool(
                    session.scalar(  # expect: DBA307
                        select(func.count()).select_from(Label).where(Label.parent == key)
                    )
                )
            """,
    ),
)
GOOD = (
    Example(
        "the number is used",
        _IMPORTS
        + """
            def check(session: Session, key):
                number = session.query(Label).filter_by(parent=key).count()
                if number > 0:
                    raise InUse(key, number)
            """,
    ),
    Example(
        "more than one",
        _IMPORTS
        + """
            def is_shared(session: Session, key):
                return session.query(Label).filter_by(parent=key).count() > 1
            """,
    ),
    Example(
        "one row at most is counted",
        _IMPORTS
        + """
            def is_used(session: Session, key):
                return session.query(Label).filter_by(parent=key).limit(1).count() > 0
            """,
    ),
    Example(
        "the test keeps the number",
        _IMPORTS
        + """
            def told(session: Session, key):
                if number := session.query(Label).filter_by(parent=key).count():
                    return f"{number} labels"
            """,
    ),
    Example(
        "a list counts",
        """
            def has(names, name):
                return names.count(name) > 0
            """,
    ),
)
