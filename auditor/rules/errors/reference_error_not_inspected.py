"""DBA205: every violated foreign key is told as the same missing thing."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, Rule
from auditor.rules.errors.caught import Handler, handlers_of, own_events, short
from auditor.rules.errors.open_transactions import does, work_within
from auditor.rules.errors.rivals_seen import reference_mistaken
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Raise,
    Read,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import HANDLER

_REFERENCE = "oslo_db.exception.DBReferenceError"
_WRITES = frozenset((Effect.WRITE, Effect.PENDING))
_READS = frozenset((Effect.READ,))
_TELLS = frozenset({"key", "key_table", "constraint", "table", "inner_exception", "cause"})

_LOGS = frozenset({"debug", "info", "warning", "error", "exception"})


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for DBReferenceError that raise one error of the domain and look at nothing."""
    for handler in handlers_of(project, module, function):
        if handler.types != (_REFERENCE,) or _looks(function, handler):
            continue
        if work_within(project, function, handler.region, _READS):
            continue  # what is still there is looked up, and what is gone can be told
        raised = _raised(function, handler)
        if not raised:
            continue
        models, is_complete = _written(project, function, handler)
        several = [model for model in models if len({key.target for key in model.foreign_keys}) > 1]
        if is_complete and not several:
            continue
        fields = {"raised": raised, "why": _why(several)}
        confidence = Confidence.MEDIUM if several else Confidence.LOW
        yield Hit(span_of(module, handler.line), function.qualname, fields, confidence=confidence)


def _looks(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler reads what the error tells, or hands the error on to be looked at."""
    name = handler.region.name
    if not name:
        return False
    for event in function.inside(handler.region):
        if isinstance(event, Read) and event.path[:1] == (name,) and _TELLS & {*event.path[1:2]}:
            return True
        if isinstance(event, Call) and last_step(event.func) not in _LOGS:
            handed = (*event.args, *(k.value for k in event.keywords))
            if any(isinstance(value, Name) and value.name == name for value in handed):
                return True
    return False


def _raised(function: FunctionFacts, handler: Handler) -> str:
    """The one error that the handler raises, empty if it raises none, several or the same."""
    found = {
        _class_name(event.error)
        for event in own_events(function, handler)
        if isinstance(event, Raise)
    }
    return found.pop() if len(found) == 1 else ""


def _class_name(error: Expr | None) -> str:
    func = error.func if isinstance(error, Call) else error
    name = last_step(func) if func is not None else ""
    return name if name[:1].isupper() and name != "RetryRequest" else ""


def _written(
    project: Project, function: FunctionFacts, handler: Handler
) -> tuple[tuple[Model, ...], bool]:
    """The models of the rows that the `try` writes, and whether all are known and none is
    deleted."""
    found: list[Model] = []
    sites = work_within(project, function, handler.tried, _WRITES)
    is_complete = bool(sites)
    for site in sites:
        effect = does(project, site, _WRITES)
        way = project.effects.way(site, effect) if effect is not None else ()
        model = _model_at(project, way[-1]) if way else None
        if model is None:
            is_complete = False
        elif model not in found:
            found.append(model)
    return tuple(found), is_complete


def _model_at(project: Project, site: Site) -> Model | None:
    """The model of the row that a call writes: its receiver's (`label.create()`) or that of its
    first argument (`session.add(label)`)."""
    scope = project.program.scopes[site.scope]
    call = scope.function.events[site.position]
    if not isinstance(call, Call) or last_step(call.func) == "delete":
        return None  # what refuses a delete are the keys of other rows
    places = [call.func.base] if isinstance(call.func, Attribute) else []
    for expr in (*places, *call.args[:1]):
        value = project.inference.value(scope, site.position, expr)
        model = project.models.model_of(value.name)
        if model is not None:
            return _with_given_keys(model, expr)
    return None


def _with_given_keys(model: Model, expr: Expr) -> Model:
    """The model with those foreign keys only that a new row, made in place, is given: the others
    are NULL, and refer to nothing."""
    if not isinstance(expr, Call) or expr.args:
        return model
    given = {keyword.name for keyword in expr.keywords}
    if not given or not given <= model.columns.keys():
        return model  # set elsewhere, a relationship, or `**values`
    return model._replace(
        foreign_keys=tuple(
            key
            for key in model.foreign_keys
            if key.column in given or key.column not in model.columns
        )
    )


def _why(several: list[Model]) -> str:
    if not several:
        return "taking it that more than one foreign key can be violated there"
    model = several[0]
    keys = ", ".join(
        f"`{column}`" for column in dict.fromkeys(k.column for k in model.foreign_keys)
    )
    return f"`{short(model.dotted)}` has foreign keys to several tables ({keys})"


RULE = Rule(
    code="DBA205",
    name="reference-error-not-inspected",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="`{raised}` is raised for every DBReferenceError, whichever key it was: {why}",
    why=(
        "DBReferenceError says that some foreign key was violated, not which. When the row has"
        " more than one, or several rows are written, the caller is told that the wrong thing is"
        " missing, and looks for the fault in the wrong place. A delete that is refused because"
        " something still points at the row raises the same class."
    ),
    instead="Look at `key` or `constraint` of the error and raise what cannot be told on as it is."
    " All four attributes are None on SQLite, and on deletes `table` and `key_table` change places"
    " between PostgreSQL and MariaDB. Or read the parents first, in the same transaction.",
    checks=(OnFunction(check, needs=(HANDLER,)), OnOutcomes(reference_mistaken)),
    bad=(
        Example(
            "two foreign keys, one answer",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Binding(Base):
                __tablename__ = "bindings"
                port_id = Column(String, ForeignKey("ports.id"), primary_key=True)
                router_id = Column(String, ForeignKey("routers.id"))

            def bind(session, port_id, router_id):
                try:
                    with session.begin():
                        session.add(Binding(port_id=port_id, router_id=router_id))
                except db_exc.DBReferenceError as error:  # expect: DBA205
                    raise RouterNotFound(router_id) from error
            """,
        ),
        Example(
            "through a function of the project",
            """
            # --- app/models.py
            from sqlalchemy import ForeignKey
            from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

            class Base(DeclarativeBase):
                pass

            class Rule(Base):
                __tablename__ = "rules"
                id: Mapped[int] = mapped_column(primary_key=True)
                label_id: Mapped[int] = mapped_column(ForeignKey("labels.id"))
                project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
            # --- app/api.py
            from app.models import Rule
            from oslo_db.exception import DBReferenceError

            def _store(session, **values):
                session.add(Rule(**values))
                session.flush()

            def create_rule(session, label_id, project_id):
                try:
                    _store(session, label_id=label_id, project_id=project_id)
                except DBReferenceError:  # expect: DBA205
                    raise LabelNotFound(label_id)
            """,
        ),
        Example(
            "whatever is saved there",
            """
            from oslo_db import exception as db_exc

            def save(self, context):
                for field in self.fields:
                    try:
                        getattr(self, "_save_" + field)(context)
                    except db_exc.DBReferenceError:  # expect: DBA205
                        raise InstanceNotFound(self.uuid)
            """,
        ),
    ),
    good=(
        Example(
            "the key is looked at",
            """
            from oslo_db import exception as db_exc

            def save(self, context):
                for field in self.fields:
                    try:
                        getattr(self, "_save_" + field)(context)
                    except db_exc.DBReferenceError as error:
                        if error.key != "instance_uuid":
                            raise
                        raise InstanceNotFound(self.uuid) from error
            """,
        ),
        Example(
            "there is one key only",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Rule(Base):
                __tablename__ = "rules"
                id = Column(String, primary_key=True)
                label_id = Column(String, ForeignKey("labels.id"))

            def create(session, label_id):
                try:
                    with session.begin():
                        session.add(Rule(label_id=label_id))
                except db_exc.DBReferenceError as error:
                    raise LabelNotFound(label_id) from error
            """,
        ),
        Example(
            "the other key is NULL",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Binding(Base):
                __tablename__ = "bindings"
                port_id = Column(String, ForeignKey("ports.id"), primary_key=True)
                router_id = Column(String, ForeignKey("routers.id"))

            def bind(session, port_id):
                try:
                    with session.begin():
                        session.add(Binding(port_id=port_id))
                except db_exc.DBReferenceError as error:
                    raise PortNotFound(port_id) from error
            """,
        ),
        Example(
            "the parents are looked up again",
            """
            from oslo_db import exception as db_exc
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import DeclarativeBase, Session

            class Base(DeclarativeBase):
                pass

            class Port(Base):
                __tablename__ = "ports"
                id = Column(String, primary_key=True)

            class Binding(Base):
                __tablename__ = "bindings"
                port_id = Column(String, ForeignKey("ports.id"), primary_key=True)
                router_id = Column(String, ForeignKey("routers.id"))

            def require(session: Session, port_id):
                if session.get(Port, port_id) is None:
                    raise PortNotFound(port_id)

            def bind(session: Session, port_id, router_id):
                try:
                    with session.begin():
                        session.add(Binding(port_id=port_id, router_id=router_id))
                except db_exc.DBReferenceError as error:
                    require(session, port_id)
                    raise RouterNotFound(router_id) from error
            """,
        ),
        Example(
            "falls back when the backend does not tell",
            """
            from oslo_db import exception as db_exc

            def create(self, context):
                try:
                    self.store(context)
                except db_exc.DBReferenceError as error:
                    if error.key_table is None:
                        raise
                    raise PortNotFound(self.port_id) from error
            """,
        ),
        Example(
            "the new error carries the old one",
            """
            from oslo_db import exception as db_exc

            def bind(self, network_id):
                try:
                    self.store(network_id)
                except db_exc.DBReferenceError as error:
                    raise BindingNotFound(policy_id=self.id, net_id=network_id, db_error=error)
            """,
        ),
        Example(
            "another function looks at it",
            """
            from oslo_db import exception as db_exc

            def create(self, context):
                try:
                    self.store(context)
                except db_exc.DBReferenceError as error:
                    self.explain(error)
                    raise PortNotFound(self.port_id) from error
            """,
        ),
    ),
    known_gaps=(
        "foreign keys of tables made by `Table(...)` are not counted",
        "handlers that only log or return are not reported",
    ),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html",),
)
