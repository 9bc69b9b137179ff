"""DBA221: a look-up that raises when there is no row, and nobody who answers that."""

from __future__ import annotations

from collections.abc import Iterator

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import catches, handlers_of
from auditor.rules.places import span_of
from auditor.source.facts import (
    Bind,
    Call,
    Compare,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    dotted,
    walk,
)
from auditor.source.program import Scope, last_step
from auditor.source.project import Project

_NO_ROW = "sqlalchemy.exc.NoResultFound"
_CALLERS = 3
"""Calls above the look-up in which a handler is looked for."""
_FILTERS = frozenset({"filter", "filter_by", "where", "having", "get_one"})
_SURE = frozenset({"insert", "returning", "exists", "count"})
"""Calls in a query that always has a row."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`.one()` and its like on a query that a parameter decides, with no handler on the way."""
    for position, call in enumerate(function.events):
        if not isinstance(call, Call) or not _raises(project, function, position, call):
            continue
        named = _decided_by(function, position, call)
        if not named or _is_handled(project, module, function, position, call.region):
            continue
        scope = project.program.scope_of(function)
        if _is_handled_above(project, scope, _CALLERS, frozenset()):
            continue
        callers = list(_callers(project, scope))
        fields = {
            "call": f"{last_step(call.func)}()",
            "named": named,
            "who": "none of its callers" if callers else "nothing",
        }
        at = call.at._replace(line=call.at.end_line, column=max(call.at.end_column - 1, 1))
        at = at if call.at.line != call.at.end_line else call.at
        yield Hit(span_of(module, at), function.qualname, fields)


def _raises(project: Project, function: FunctionFacts, position: int, call: Call) -> bool:
    """Whether the call raises NoResultFound by itself; aggregates and what was written just now
    always have a row."""
    if last_step(call.func) not in _raising(project) or not any(
        target.row is not None and _NO_ROW in target.row.raises
        for target in project.targets(function, position, call)
    ):
        return False
    return not any(
        isinstance(part, Call)
        and (".func." in f".{dotted(part.func)}" or last_step(part.func) in _SURE)
        for made in _built_by(function, position, call)
        for part in walk(made)
    )


def _raising(project: Project) -> frozenset[str]:
    """The names that calls which may raise NoResultFound are written with."""
    found: frozenset[str] | None = project.shared.get("names that raise NoResultFound")
    if found is None:
        rows = (*project.knowledge.callables.values(), *project.knowledge.methods.values())
        named = (row.name.rpartition(".")[2] for row in rows if _NO_ROW in row.raises)
        found = project.shared["names that raise NoResultFound"] = frozenset(named)
    return found


def _decided_by(function: FunctionFacts, position: int, call: Call) -> str:
    """The parameter that a filter of the look-up compares with, empty if there is none."""
    names = {p.name for p in function.parameters if p.name not in {"self", "cls"}}
    filters = (
        part
        for made in _built_by(function, position, call)
        for part in walk(made)
        if isinstance(part, Call) and last_step(part.func) in _FILTERS
    )
    compared = (name for part in filters for name in _names_in(part))
    return next((n for n in compared if n in names and not _is_bound(function, position, n)), "")


def _built_by(function: FunctionFacts, position: int, expr: Expr) -> Iterator[Expr]:
    """The expression, and what the variables it is called on were bound to before."""
    yield expr
    names = {part.name for part in walk(expr) if isinstance(part, Name)}
    for event in function.events[:position]:
        if isinstance(event, Bind) and event.target in names and isinstance(event.value, Call):
            yield event.value


def _names_in(call: Call) -> Iterator[str]:
    """The bare names that a filter compares with: `filter_by(id=label_id)`, `M.id == label_id`."""
    yield from (k.value.name for k in call.keywords if isinstance(k.value, Name))
    for part in (p for argument in call.args for p in walk(argument)):
        if isinstance(part, Compare):
            yield from (side.name for side in part.rights if isinstance(side, Name))


def _is_bound(function: FunctionFacts, position: int, name: str) -> bool:
    return any(isinstance(e, Bind) and e.target == name for e in function.events[:position])


def _is_handled(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, region: int
) -> bool:
    around = {r.index for r in function.ancestors(region)}
    return any(
        handler.tried.index in around and catches(project, handler, _NO_ROW)
        for handler in handlers_of(project, module, function)
    ) or any(
        r.kind == "with"
        and any("suppress" in dotted(getattr(i.expr, "func", None)) for i in r.items)
        for r in function.ancestors(region)
    )


def _callers(project: Project, scope: Scope) -> Iterator[tuple[Scope, int, int]]:
    """The calls of a function, by any of the names it may be called with."""
    for found in project.program.calls.get(scope.function.name, ()):
        yield found.scope, found.position, found.call.region


def _is_handled_above(project: Project, scope: Scope, depth: int, seen: frozenset[int]) -> bool:
    """Whether a caller, or one of its callers, answers NoResultFound."""
    if depth == 0 or scope.key in seen:
        return False
    return any(
        _is_handled(project, caller.module, caller.function, position, region)
        or _is_handled_above(project, caller, depth - 1, seen | {scope.key})
        for caller, position, region in _callers(project, scope)
    )


RULE = Rule(
    code="DBA221",
    name="one-without-handling",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="`{call}` raises NoResultFound when there is no row for `{named}`, and {who} answers"
    " it: taking it that `{named}` may be something that does not exist, the caller gets an error"
    " of SQLAlchemy",
    why=(
        "NoResultFound is neither a DBError of oslo.db nor an error of the domain, so the layers"
        " above tell it as an internal error (500), where `not found` (404) is meant. A name or id"
        " that comes in as a parameter may have been deleted a moment ago."
    ),
    instead="Catch NoResultFound and raise the domain's own error `from` it, or use"
    " `one_or_none()` and test for None.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "by name, within a transaction",
            """
            from app import db

            def profile_by_name(name):
                session = db.get_session()
                with session.begin(subtransactions=True):
                    return session.query(Profile).filter_by(name=name).one()  # expect: DBA221
            """,
        ),
        Example(
            "a statement built before",
            """
            from sqlalchemy import select

            def label(session, label_id):
                statement = select(Label).where(Label.id == label_id)
                return session.execute(statement).scalar_one()  # expect: DBA221
            """,
        ),
        Example(
            "the caller has no handler either",
            """
            from sqlalchemy.orm import Session

            def router_by_id(session: Session, router_id):
                return session.query(Router).filter(Router.id == router_id).one()  # expect: DBA221

            def show(session: Session, router_id):
                return {"name": router_by_id(session, router_id).name}
            """,
        ),
    ),
    good=(
        Example(
            "handled where it is asked",
            """
            from sqlalchemy.orm import exc

            def label(session, label_id):
                try:
                    return session.query(Label).filter_by(id=label_id).one()
                except exc.NoResultFound as error:
                    raise LabelNotFound(label_id) from error
            """,
        ),
        Example(
            "handled by the caller",
            """
            from sqlalchemy.exc import NoResultFound

            def _label(session, label_id):
                return session.query(Label).filter_by(id=label_id).one()

            def show(session, label_id):
                try:
                    return _label(session, label_id).name
                except NoResultFound as error:
                    raise LabelNotFound(label_id) from error
            """,
        ),
        Example(
            "an aggregate always has a row",
            """
            from sqlalchemy import func

            def used(session, project_id):
                query = session.query(func.sum(Label.size)).filter_by(project_id=project_id)
                return query.one()
            """,
        ),
        Example(
            "the row is known to be there",
            """
            def reload(session, label):
                return session.query(Settings).filter_by(name="default").one()
            """,
        ),
        Example(
            "asked in a way that allows for nothing",
            """
            def label(session, label_id):
                return session.query(Label).filter_by(id=label_id).one_or_none()
            """,
        ),
    ),
    known_gaps=(
        "a handler in a framework above (an error handler of Flask, a decorator) is not seen",
        "callers are found by the name of the function",
        (
            "a private function with callers in the project is reported with low confidence:"
            " they may have made sure that there is a row"
        ),
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/queryguide/query.html#sqlalchemy.orm.Query.one",
    ),
)
