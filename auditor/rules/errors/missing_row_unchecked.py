"""DBA220: a look-up that may find no row is used as if it always found one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import ROW_OR_NONE
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, Rule
from auditor.rules.errors.rivals_seen import row_gone
from auditor.rules.errors.rows_at_hand import (
    is_aggregate,
    is_doubted_elsewhere,
    is_in_own_session,
    is_of_no_table,
    is_of_reference,
    is_of_set_up,
    is_there,
    may_follow,
    was_inserted,
    were_callers_asked,
)
from auditor.rules.places import span_of
from auditor.source.facts import (
    At,
    Attribute,
    Bind,
    Call,
    Event,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Read,
    Return,
    Subscript,
    Test,
    children_of,
    dotted,
    outside_calls,
    path_of,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project, position_of

_HANDED_ON = 3
"""Functions between a look-up and its use."""


@dataclass(frozen=True, slots=True)
class Use:
    """The first place where a look-up's result is taken for a row."""

    at: At
    name: str
    lookup: Call


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Look-ups whose result is dereferenced with no test in between."""
    for use in (*_through_names(project, module, function), *_direct(project, module, function)):
        if not is_there(function, use.at, use.lookup):
            fields = {
                "name": use.name,
                "lookup": last_step(use.lookup.func),
                "line": use.lookup.at.line,
            }
            confidence = None if _is_doubtful(project, function, use) else Confidence.LOW
            yield Hit(span_of(module, use.at), function.qualname, fields, confidence=confidence)


def _is_doubtful(project: Project, function: FunctionFacts, use: Use) -> bool:
    """Whether the row may be missing: tested later, tested by others, or named by a caller."""
    if is_of_set_up(use.lookup) or was_inserted(project, function, use.lookup):
        return False
    if any(_tests_later(event, use) for event in function.events):
        return True
    if is_of_reference(function, use.lookup):
        return False
    targets = project.targets(function, position_of(function, use.lookup), use.lookup)
    is_own = any(target.function is not None for target in targets)
    if not is_own:
        is_new = is_in_own_session(function, use.lookup)
        return is_new or not were_callers_asked(project, function)
    return is_doubted_elsewhere(project, function, use.lookup)


def _tests_later(event: Event, use: Use) -> bool:
    return (
        isinstance(event, Test) and event.at.line > use.at.line and _mentions(event.expr, use.name)
    )


def _through_names(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Use]:
    for position, bind in enumerate(function.events):
        if (
            isinstance(bind, Bind)
            and bind.kind == "assign"
            and isinstance(bind.value, Call)
            and _may_find_nothing(project, module, function, bind.value)
        ):
            read = _first_use(function, position, bind)
            if read is not None:
                yield Use(read.at, bind.target, bind.value)


def _may_find_nothing(
    project: Project, module: ModuleFacts, function: FunctionFacts, call: Call, depth: int = 0
) -> bool:
    """Whether the call gives None when there is no row: a look-up of the tables, or a function of
    the project that hands such a look-up on without a test."""
    position = position_of(function, call)
    if project.value(module, function, position, call).kind != ROW_OR_NONE:
        return False
    targets = project.targets(function, position, call)
    if (
        is_aggregate(project, function, call)
        or is_of_no_table(call)
        or not targets
        or depth > _HANDED_ON
    ):
        return False
    return all(
        target.row is not None
        or (
            target.function is not None
            and _hands_on(project, target.function.module, target.function.function, depth)
        )
        for target in targets
    )


def _hands_on(project: Project, module: ModuleFacts, function: FunctionFacts, depth: int) -> bool:
    """Whether a function may return what a look-up gave, None included."""
    for event in function.events:
        if not isinstance(event, Return):
            continue
        values = [event.value]
        if isinstance(event.value, Name):
            name = event.value.name
            if any(isinstance(e, Test) and _mentions(e.expr, name) for e in function.events):
                continue
            values = [b.value for b in function.events if isinstance(b, Bind) and b.target == name]
        calls = [v for v in values if isinstance(v, Call) and any(v is e for e in function.events)]
        if any(_may_find_nothing(project, module, function, v, depth + 1) for v in calls):
            return True
    return False


def _first_use(function: FunctionFacts, position: int, bind: Bind) -> Read | None:
    """The first read of an attribute or item of the name; None if it is tested, handed to a
    function that may test it, or bound again before."""
    name = tuple(bind.target.split("."))
    for event in function.events[position + 1 :]:
        if _settles(event, bind):
            return None
        if (
            isinstance(event, Read)
            and event.path[: len(name)] == name
            and event.path != name
            and may_follow(function, bind, event)
        ):
            return event
    return None


def _settles(event: Event, bind: Bind) -> bool:
    name = bind.target
    match event:
        case Bind(target=target):
            return target == name
        case Test(expr=expr):
            return _mentions(expr, name) or any(part is bind.value for part in walk(expr))
        case Call(args=args, keywords=keywords):
            values = (*args, *(keyword.value for keyword in keywords))
            return any(dotted(value) == name for value in values)
        case Return(value=value):
            return value is not None and dotted(value) == name
        case _:
            return False


def _mentions(expr: Expr, name: str) -> bool:
    """Whether the expression asks about the name itself, not about something of it."""
    stack: list[Expr] = [expr]
    while stack:
        found = stack.pop()
        if isinstance(found, (Name, Attribute)) and dotted(found) == name:
            return True
        if isinstance(found, (Attribute, Subscript)) and path_of(found):
            continue
        stack.extend(children_of(found))
    return False


def _direct(project: Project, module: ModuleFacts, function: FunctionFacts) -> Iterator[Use]:
    """`query.first().id`: an attribute of the look-up itself."""
    left = {id(event) for event in function.events if type(event) is Call}
    for event in function.events if left else ():
        for found in _expressions(event):
            if (
                isinstance(found, (Attribute, Subscript))
                and isinstance(found.base, Call)
                and id(found.base) in left
            ):
                left.remove(id(found.base))  # a chain of calls holds the first in all others
                use = Use(found.base.at, f"{last_step(found.base.func)}()", found.base)
                may_miss = _may_find_nothing(project, module, function, found.base)
                yield from (use,) if may_miss else ()


def _expressions(event: Event) -> Iterator[Expr]:
    """What stands in an event; what stands in a call inside it is part of that call's event."""
    if isinstance(event, Call):
        return outside_calls(*children_of(event))
    if isinstance(event, (Bind, Return)):
        return outside_calls(event.value)
    return outside_calls(event.expr if isinstance(event, Test) else None)


RULE = Rule(
    code="DBA220",
    name="missing-row-unchecked",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{name}` may be None here: `{lookup}()` at line {line} gives None when there is no"
    " such row (taking it that the row may be gone by then), and nothing tests it",
    why=(
        "Between the request that named a row and this read of it another request may delete it."
        " The look-up then gives None, and the next attribute raises AttributeError: a 500 that"
        " names neither the row nor the look-up."
    ),
    instead="Test it and raise the domain's not-found error, or use `.one()` and handle"
    " NoResultFound.",
    checks=(OnFunction(check), OnOutcomes(row_gone)),
    bad=(
        Example(
            "an attribute of what get() gave",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.get(Label, label_id)
                return label.name  # expect: DBA220
            """,
        ),
        Example(
            "the test asks about the row's own column",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.query(Label).filter_by(id=label_id).first()
                if label.shared:  # expect: DBA220
                    return "shared"
                return label.name
            """,
        ),
        Example(
            "directly",
            """
            from sqlalchemy import select
            from sqlalchemy.orm import Session

            def name_of(session: Session, label_id):
                query = session.query(Label).filter_by(id=label_id)
                return query.one_or_none().name  # expect: DBA220
            """,
        ),
        Example(
            "the key stands in a dict that the caller hands in",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, rule):
                label = session.get(Label, rule["label_id"])
                return label.name  # expect: DBA220
            """,
        ),
    ),
    good=(
        Example(
            "a dict that is called session",
            """
            def links(found):
                for session in found:
                    if session.get("links"):
                        yield session.get("links")[0]
            """,
        ),
        Example(
            "bound and tested in one",
            """
            from app.models import Router

            def name_of(session, router_id):
                if router := session.query(Router).filter_by(id=router_id).first():
                    return router.name
                return ""
            """,
        ),
        Example(
            "tested",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.get(Label, label_id)
                if not label:
                    raise LabelNotFound(label_id)
                return label.name
            """,
        ),
        Example(
            "tested in the same expression",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.query(Label).filter_by(id=label_id).first()
                return label.name if label is not None else ""
            """,
        ),
        Example(
            "one() raises instead",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.query(Label).filter_by(id=label_id).one()
                return label.name
            """,
        ),
        Example(
            "handed to a function that may test it",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.get(Label, label_id)
                ensure_found(label, label_id)
                return label.name
            """,
        ),
        Example(
            "an aggregate always has a row",
            """
            from sqlalchemy import func
            from sqlalchemy.orm import Session

            def count(session: Session):
                row = session.query(func.count(Label.id)).first()
                return row[0]
            """,
        ),
        Example(
            "a dict's get",
            """
            def describe(labels: dict, label_id):
                label = labels.get(label_id)
                return label.name
            """,
        ),
        Example(
            "an aggregate of a function that makes the query",
            """
            from sqlalchemy import func
            from sqlalchemy.orm import Session

            def counting(session: Session, model):
                return session.query(func.count(model.id))

            def count(session: Session, **filters):
                query = counting(session, Label)
                return query.filter_by(**filters).first()[0]
            """,
        ),
        Example(
            "None is waited for",
            """
            from sqlalchemy.orm import Session

            def describe(session: Session, label_id):
                label = session.get(Label, label_id)
                try:
                    return label.name
                except AttributeError:
                    return ""
            """,
        ),
    ),
    known_gaps=(
        "a row that was created or found earlier in the same transaction is not known to exist",
        "any test of the name counts, whatever it does with the answer",
        "low for a function whose result nobody tests, and for a key of another row",
    ),
)
