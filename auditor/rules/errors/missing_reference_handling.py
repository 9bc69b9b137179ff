"""DBA214: a foreign key can refuse a write, and nobody on the way up answers that."""

from __future__ import annotations

from auditor.model.evidence import SchemaFact
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, Rule
from auditor.rules.errors.caught import catches, handlers_inside, handlers_of, short
from auditor.rules.errors.deadlocks import opens_writer
from auditor.rules.errors.oslo_db_used import uses_oslo_db
from auditor.rules.errors.rivals_seen import reference_unanswered
from auditor.rules.errors.violations import (
    Violation,
    given_for,
    is_asked_about,
    violations_of,
)
from auditor.rules.places import span_of
from auditor.source.facts import Call, Expr, FunctionFacts, ModuleFacts
from auditor.source.program import CallSite, Scope, last_step
from auditor.source.project import Project
from auditor.source.traits import SITE

_REFERENCE = "oslo_db.exception.DBReferenceError"
_STEPS = 4
"""Callers above each other that are looked at."""
_CALLERS = 40
"""Callers of one name that are looked at; a name that more things have tells nothing."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Adds and deletes that a key can refuse, with no handler here nor in any caller."""
    if function is module.body or not uses_oslo_db(project):
        return
    scope = project.program.scope_of(function)
    told: set[tuple[str, bool]] = set()
    for found in violations_of(project, function):
        key = (found.model.dotted, found.is_delete)
        given = "" if found.is_delete else given_for(project, module, function, found)
        if key in told or given == "inside" or _is_asked_about(project, scope, found):
            continue
        if _is_answered(project, scope, found.site.position, _STEPS, set()):
            continue
        told.add(key)
        yield _hit(project, module, function, found, given=given)


def _hit(
    project: Project, module: ModuleFacts, function: FunctionFacts, found: Violation, *, given: str
) -> Hit:
    answered = _answered_elsewhere(project)
    model, other = (short(one.dotted) for one in (found.model, found.other))
    if found.is_delete:
        what = f"a row of `{model}` is deleted, and `{other}.{found.column}` may still point at it"
        fact = f"`{other}.{found.column}` leads to it and has no `ondelete` that lets go"
    else:
        what = f"a row of `{model}` is added, and what `{found.column}` names may be gone"
        fact = f"`{found.column}` leads to a row of `{other}`"
    is_named = bool(found.model.table)  # else its base names it, and what else that does is unseen
    is_own = not (function.name.startswith("_") and not opens_writer(project, module, function))
    is_passed = given == "outside" and is_named and is_own
    is_sure = bool(answered) and (found.is_delete or is_passed)
    fields = {"what": what, "elsewhere": f" ({answered} does)" if answered else ""}
    return Hit(
        span_of(module, found.site.at),
        function.qualname,
        fields,
        (SchemaFact(found.model.table, fact),),
        confidence=Confidence.MEDIUM if is_sure else Confidence.LOW,
    )


def _answered_elsewhere(project: Project) -> str:
    """The first place of the project with a handler for this very error, empty if it has none."""
    if "reference errors answered" not in project.shared:
        places = (
            f"{module.path}:{region.at.line}"
            for module, function in project.functions()
            for region in function.regions
            if region.kind == "handler"
            and any(last_step(one) == short(_REFERENCE) for one in region.types)
        )
        project.shared["reference errors answered"] = next(places, "")
    return str(project.shared["reference errors answered"])


def _is_asked_about(project: Project, scope: Scope, found: Violation) -> bool:
    """Whether the function, one that it calls, or a caller or its callers look after
    the other rows first."""
    added = None if found.is_delete else found.model
    if is_asked_about(scope.function, found.other, added):
        return True
    called = {site.callee for site in project.sites(scope.function) if site.callee >= 0}
    callers = {one.scope.key: one.scope for one in _callers(project, scope)}
    for caller in tuple(callers.values()):
        callers.update({one.scope.key: one.scope for one in _callers(project, caller)})
    return any(
        is_asked_about(project.program.scopes[key].function, found.other, added)
        for key in (*called, *callers)
    )


def _callers(project: Project, scope: Scope) -> tuple[CallSite, ...]:
    return project.program.calls.get(scope.function.name, ())


def _is_answered(project: Project, scope: Scope, position: int, steps: int, seen: set[int]) -> bool:
    """Whether something on a way up takes the error: a handler around the event, a decorator that
    catches, or the same in a caller. Too many callers of that name count as one that does."""
    seen.add(scope.key)
    module, function = scope.module, scope.function
    for handler in handlers_of(project, module, function):
        tried = handler.tried
        if tried.first <= position < tried.last and catches(project, handler, _REFERENCE):
            return True
    if any(_catches_around(project, module, one) for one in function.decorators):
        return True
    callers = _callers(project, scope)
    if len(callers) > _CALLERS:
        return True
    return steps > 0 and any(
        one.scope.key not in seen
        and _is_answered(project, one.scope, one.position, steps - 1, seen)
        for one in callers
    )


def _catches_around(project: Project, module: ModuleFacts, decorator: Expr) -> bool:
    """Whether a decorator of the project has a handler for the error in it."""
    func = decorator.func if isinstance(decorator, Call) else decorator
    inside = handlers_inside(project, module, func)
    return any(catches(project, handler, _REFERENCE) for _, handler in inside)


_MODELS = """
            # --- app/models.py
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                id = Column(String(36), primary_key=True)

            class Rule(Base):
                __tablename__ = "rules"
                id = Column(String(36), primary_key=True)
                label_id = Column(String(36), ForeignKey("labels.id"))

            class Tag(Base):
                __tablename__ = "tags"
                label_id = Column(ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True)
                name = Column(String(36), primary_key=True)
            # --- app/tags.py
            from oslo_db import exception as db_exc
            from app.models import Tag

            def create_tag(session, label_id, name):
                try:
                    with session.begin():
                        session.add(Tag(label_id=label_id, name=name))
                except db_exc.DBReferenceError as error:
                    raise LabelNotFound(label_id) from error
            # --- app/api.py
            from oslo_db.sqlalchemy import enginefacade
            from app.models import Label, Rule, Tag
"""
RULE = Rule(
    code="DBA214",
    name="missing-reference-handling",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{what}: nothing here or above handles DBReferenceError{elsewhere}, so the caller gets"
    " the database's error",
    why=(
        "Between a check and the write, or with no check at all, another request can delete the row"
        " that a foreign key needs, or add one that keeps a row from being deleted. The database"
        " refuses, which is right; what is missing is the answer that tells the caller what is gone"
        " or in use, and not an internal error."
    ),
    instead="Handle DBReferenceError outside of the transaction and raise the error of the domain"
    " (`NotFound` after a create, `InUse` after a delete), from it.",
    checks=(OnFunction(check, needs=(SITE,)), OnOutcomes(reference_unanswered)),
    bad=(
        Example(
            "a row for a parent that the caller names",
            _MODELS
            + """
            @enginefacade.writer
            def create_rule(context, label_id, values):
                context.session.add(Rule(id=values["id"], label_id=label_id))  # expect: DBA214
            """,
        ),
        Example(
            "a parent that may be in use",
            _MODELS
            + """
            @enginefacade.writer
            def delete_label(context, label_id):
                context.session.query(Label).filter_by(id=label_id).delete()  # expect: DBA214
            """,
        ),
        Example(
            "below a caller that handles other errors",
            _MODELS
            + """
            from oslo_db import exception as db_exc

            def _store(session, values):
                session.add(Rule(label_id=values["label_id"]))  # expect: DBA214
                session.flush()

            def create_rule(context, values):
                try:
                    with enginefacade.writer.using(context) as session:
                        _store(session, values)
                except db_exc.DBDuplicateEntry as error:
                    raise RuleExists(values["id"]) from error
            """,
        ),
        Example(
            "the other rules of the parent are read, not the parent",
            _MODELS.replace("Rule", "LabelRule")
            + """
            def create_rule(context, body):
                rule = body["rule"]
                with enginefacade.writer.using(context) as session:
                    label_id = rule["label_id"]
                    get_label_rules(context, filters={"label_id": [label_id]})
                    session.add(LabelRule(label_id=label_id))  # expect: DBA214
            """,
        ),
    ),
    good=(
        Example(
            "a caller handles it",
            _MODELS
            + """
            from oslo_db import exception as db_exc

            def _store(session, values):
                session.add(Rule(label_id=values["label_id"]))
                session.flush()

            def create_rule(context, values):
                try:
                    with enginefacade.writer.using(context) as session:
                        _store(session, values)
                except db_exc.DBError as error:
                    raise RuleRefused(values["id"]) from error
            """,
        ),
        Example(
            "the parent is read in the same transaction",
            _MODELS
            + """
            @enginefacade.writer
            def create_rule(context, label_id):
                label = context.session.get(Label, label_id)
                if label is None:
                    raise LabelNotFound(label_id)
                context.session.add(Rule(label_id=label_id))
            """,
        ),
        Example(
            "the parent is made here",
            _MODELS
            + """
            @enginefacade.writer
            def create_pair(context, new):
                label = new()
                context.session.add(label)
                context.session.flush()
                context.session.add(Rule(label_id=label.id))
            """,
        ),
        Example(
            "rows that point at it go with it",
            _MODELS.replace(
                'ForeignKey("labels.id"))', 'ForeignKey("labels.id", ondelete="CASCADE"))'
            )
            + """
            @enginefacade.writer
            def delete_label(context, label_id):
                context.session.query(Label).filter_by(id=label_id).delete()
            """,
        ),
        Example(
            "the rules are deleted first",
            _MODELS
            + """
            @enginefacade.writer
            def delete_label(context, label_id):
                context.session.query(Rule).filter_by(label_id=label_id).delete()
                context.session.query(Label).filter_by(id=label_id).delete()
            """,
        ),
        Example(
            "a decorator handles it",
            _MODELS
            + """
            import functools
            from oslo_db import exception as db_exc

            def told(function):
                @functools.wraps(function)
                def inner(*args, **kwargs):
                    try:
                        return function(*args, **kwargs)
                    except db_exc.DBReferenceError as error:
                        raise InUse() from error
                return inner

            @told
            @enginefacade.writer
            def delete_label(context, label_id):
                context.session.query(Label).filter_by(id=label_id).delete()
            """,
        ),
    ),
    known_gaps=(
        "low confidence where the project handles DBReferenceError nowhere, or values do not show",
        "callers and what looks after the other rows are found by the words of their names",
        "INSERT and DELETE statements of Core are not looked at",
    ),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html",),
)
