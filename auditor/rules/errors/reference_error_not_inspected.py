"""DBA205: every violated foreign key is told as the same missing thing."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, OnOutcomes, Rule
from auditor.rules.errors.caught import Handler, handlers_of, own_events, short
from auditor.rules.errors.open_transactions import work_within
from auditor.rules.errors.rivals_seen import reference_mistaken
from auditor.rules.errors.written_models import written
from auditor.rules.places import span_of
from auditor.source.facts import (
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Raise,
    Read,
    Text,
)
from auditor.source.models import Model
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_REFERENCE = "oslo_db.exception.DBReferenceError"
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
        models, is_complete = written(project, function, handler)
        several = [model for model in models if len({key.target for key in model.foreign_keys}) > 1]
        if is_complete and not several:
            continue
        by_name = _calls_by_name(module, function, handler)
        fields = {"raised": raised, "why": _why(several, by_name=by_name)}
        confidence = Confidence.MEDIUM if several or by_name else Confidence.LOW
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


def _calls_by_name(module: ModuleFacts, function: FunctionFacts, handler: Handler) -> bool:
    """`getattr(self, "_save_" + field)(context)`, where the class has several methods that are
    named so: whatever they write."""
    for event in function.inside(handler.tried):
        func = event.func if isinstance(event, Call) else None
        if not isinstance(func, Call) or last_step(func.func) != "getattr":
            continue
        begin = _beginning(func.args[1]) if len(func.args) > 1 else ""
        alike = [
            other
            for other in module.functions
            if begin and other.class_name == function.class_name and other.name.startswith(begin)
        ]
        if len(alike) > 1:
            return True
    return False


def _beginning(name: Expr) -> str:
    """What a name that is put together begins with; empty for a constant or what is not known."""
    first = name.parts[0] if isinstance(name, Text) and name.parts else None
    return first if isinstance(first, str) else ""


def _why(several: list[Model], *, by_name: bool) -> str:
    if not several and by_name:
        return "taking it that what is called by its name there writes more than one table"
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
            "one answer for whatever is saved by its name",
            """
            from oslo_db import exception as db_exc

            class Instance:
                def save(self, context):
                    for field in self.fields:
                        try:
                            getattr(self, "_save_%s" % field)(context)
                        except db_exc.DBReferenceError as error:  # expect: DBA205
                            raise InstanceNotFound(self.uuid) from error

                def _save_tags(self, context):
                    self.tags.save(context)

                def _save_keys(self, context):
                    self.keys.save(context)
            """,
        ),
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
            "saved by its name, with a look at the key",
            """
            from oslo_db import exception as db_exc

            class Instance:
                def save(self, context):
                    for field in self.fields:
                        try:
                            getattr(self, "_save_%s" % field)(context)
                        except db_exc.DBReferenceError as error:
                            if error.key != "instance_uuid":
                                raise
                            raise InstanceNotFound(self.uuid) from error
            """,
        ),
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
