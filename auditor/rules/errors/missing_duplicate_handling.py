"""DBA223: a unique key can refuse a row that a caller describes, and nobody answers that."""

from __future__ import annotations

from auditor.model.evidence import SchemaFact
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import handlers_of, is_called, short
from auditor.rules.errors.duplicates import is_let_through, is_narrow, is_registered
from auditor.rules.errors.new_rows import ADDING, NewRow, new_rows
from auditor.rules.errors.open_transactions import work_within
from auditor.rules.places import span_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.models import Model
from auditor.source.project import Project

_STEPS = 4
"""Callers above each other that are looked at."""
_WRITES = frozenset((Effect.WRITE, Effect.PENDING, Effect.FLUSH, Effect.COMMIT))
_SURROGATES = ("id", "uuid")
"""Ends of names of columns whose values programs make, or that lead to another row."""


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Rows whose unique columns the caller fills, with no answer to a duplicate on the way up."""
    if function is module.body or is_registered(project):
        return
    told: set[str] = set()
    for row in new_rows(project, function):
        unique = _unique(row)
        if not unique or row.model.dotted in told:
            continue
        scope = project.program.scope_of(function)
        if not is_let_through(project, scope, _STEPS, set()):
            return
        told.add(row.model.dotted)
        yield _hit(project, module, function, row, unique=unique)


def _hit(
    project: Project,
    module: ModuleFacts,
    function: FunctionFacts,
    row: NewRow,
    *,
    unique: tuple[str, ...],
) -> Hit:
    sibling = _sibling(project, module, function)
    columns = ", ".join(f"`{column}`" for column in unique)
    fields = {
        "model": short(row.model.dotted),
        "unique": columns,
        "elsewhere": f" (`{sibling}` does)" if sibling else "",
    }
    fact = SchemaFact(row.model.table, f"{columns} must be unique")
    return Hit(
        span_of(module, row.at),
        function.qualname,
        fields,
        (fact,),
    )


def _unique(row: NewRow) -> tuple[str, ...]:
    """The first unique key of the row that the caller fills, empty for none."""
    for unique in row.model.uniques:
        stored = [column for column in unique if column in row.model.columns]
        filled = [column for column in stored if row.is_given(column)]
        named = [column for column in filled if _is_a_name(row.model, column)]
        if named and len(filled) == len(stored):
            return unique
    return ()


def _is_a_name(model: Model, column: str) -> bool:
    """Whether people choose the values of a column: it is no key of a row."""
    is_key = column in _SURROGATES or column.endswith(tuple(f"_{end}" for end in _SURROGATES))
    return not is_key and all(key.column != column for key in model.foreign_keys)


def _sibling(project: Project, module: ModuleFacts, function: FunctionFacts) -> str:
    """The first function beside this one that handles a duplicate of what it writes."""
    known: dict[str, tuple[str, ...]] = project.shared.setdefault("duplicates handled", {})
    if module.name not in known:
        known[module.name] = tuple(
            one.qualname for one in module.functions if _handles(project, module, one)
        )
    of_class = [name for name in known[module.name] if name != function.qualname]
    return of_class[0] if of_class else ""


def _handles(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    return any(
        is_narrow(project, handler)
        and (
            bool(work_within(project, function, handler.tried, _WRITES))
            or is_called(function, handler.tried, "save")
        )
        for handler in handlers_of(project, module, function)
    )


_MODELS = """
            # --- app/models.py
            from sqlalchemy import Column, ForeignKey, Integer, String, UniqueConstraint
            from sqlalchemy.orm import DeclarativeBase

            class Base(DeclarativeBase):
                pass

            class Label(Base):
                __tablename__ = "labels"
                id = Column(Integer, primary_key=True)
                name = Column(String(36), unique=True)

            class Tag(Base):
                __tablename__ = "tags"
                __table_args__ = (UniqueConstraint("label_id", "name"),)
                id = Column(Integer, primary_key=True)
                label_id = Column(Integer, ForeignKey("labels.id"))
                name = Column(String(36))

            class Event(Base):
                __tablename__ = "events"
                id = Column(Integer, primary_key=True)
                uuid = Column(String(36), unique=True)
                kind = Column(String(36))
            # --- app/api.py
            from oslo_db import exception as db_exc
            from sqlalchemy.exc import IntegrityError
            from app.models import Event, Label, Tag
"""
_RENAMED = """
            def rename_label(session, label_id, name):
                try:
                    with session.begin():
                        session.query(Label).filter_by(id=label_id).update({"name": name})
                except IntegrityError as error:
                    raise LabelExists(name) from error
"""
RULE = Rule(
    code="DBA223",
    name="missing-duplicate-handling",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="a `{model}` is added as the caller describes it, {unique} must be unique, and nothing"
    " here or above handles a duplicate{elsewhere}: the caller gets the database's error",
    why=(
        "Whoever names a row names one that is there now and then, by mistake, by sending a request"
        " twice, or because another worker was faster. The database refuses the second one, which"
        " is right; what is missing is the answer that tells what exists, and not an internal"
        " error."
    ),
    instead="Handle `DBDuplicateEntry` (oslo.db) or `IntegrityError` outside of the transaction,"
    " and raise the error of the domain from it (`LabelExists`).",
    checks=(OnFunction(check, calls=ADDING),),
    bad=(
        Example(
            "beside a function that does",
            _MODELS
            + _RENAMED
            + """
            def create_label(session, name):
                session.add(Label(name=name))  # expect: DBA223
                session.commit()
            """,
        ),
        Example(
            "all values are the caller's",
            _MODELS
            + _RENAMED
            + """
            def create_label(session, values):
                label = Label()
                label.update(values)
                session.add(label)  # expect: DBA223
                session.flush()
                return label
            """,
        ),
        Example(
            "a key of two columns, in a method",
            _MODELS
            + """
            class Labels:
                def rename(self, label_id, name):
                    try:
                        with self.session.begin():
                            self.session.query(Label).filter_by(id=label_id).update({"name": name})
                    except db_exc.DBDuplicateEntry as error:
                        raise LabelExists(name) from error

                def tag(self, session, label_id, body):
                    tag = Tag(label_id=label_id, **body)
                    session.add(tag)  # expect: DBA223
            """.replace("self.session", "session").replace(
                "(self, label_id", "(self, session, label_id"
            ),
        ),
        Example(
            "a handler for everything that hands it on",
            _MODELS
            + _RENAMED
            + """
            def create_label(session, form):
                label = Label(name=form.name.data)
                try:
                    session.add(label)  # expect: DBA223
                    session.commit()
                except Exception:
                    session.rollback()
                    raise
            """,
        ),
    ),
    good=(
        Example(
            "it is handled",
            _MODELS
            + _RENAMED
            + """
            def create_label(session, name):
                try:
                    session.add(Label(name=name))
                    session.commit()
                except IntegrityError as error:
                    session.rollback()
                    raise LabelExists(name) from error
            """,
        ),
        Example(
            "a caller handles it",
            _MODELS
            + _RENAMED
            + """
            def _store(session, name):
                session.add(Label(name=name))
                session.flush()

            def create_label(session, name):
                try:
                    _store(session, name)
                except db_exc.DBDuplicateEntry as error:
                    raise LabelExists(name) from error
            """,
        ),
        Example(
            "a context manager of the program handles it",
            _MODELS
            + _RENAMED
            + """
            import contextlib

            @contextlib.contextmanager
            def told(name):
                try:
                    yield
                except IntegrityError as error:
                    raise LabelExists(name) from error

            def create_label(session, name):
                with told(name), session.begin():
                    session.add(Label(name=name))
            """,
        ),
        Example(
            "the application handles it",
            _MODELS
            + _RENAMED
            + """
            @app.errorhandler(IntegrityError)
            def conflict(error):
                return "exists", 409

            def create_label(session, name):
                session.add(Label(name=name))
                session.commit()
            """,
        ),
        Example(
            "nothing that people choose is unique",
            _MODELS
            + _RENAMED
            + """
            def note(session, kind, uuid):
                session.add(Event(kind=kind, uuid=uuid))
                session.commit()
            """,
        ),
        Example(
            "the function makes the name",
            _MODELS
            + _RENAMED
            + """
            def create_label(session, prefix):
                session.add(Label(name=unused_name(prefix)))
                session.commit()
            """,
        ),
        Example(
            "a name in a row that is made here",
            _MODELS
            + _RENAMED
            + """
            def create_tag(session, make, name):
                label = make()
                session.add(label)
                session.flush()
                session.add(Tag(label_id=label.id, name=name))
            """,
        ),
    ),
    known_gaps=(
        "low confidence: too few findings on real code were read so far to show it by default",
        "callers are found by name; unique keys that only a migration knows are not seen",
        "rows that a function it calls makes, and INSERT statements of Core",
    ),
    sources=("https://docs.openstack.org/oslo.db/latest/reference/api/oslo_db.exception.html",),
)
