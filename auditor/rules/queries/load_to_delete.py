"""DBA310: a row is loaded, and locked, for nothing but its DELETE."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import ROW, ROW_OR_NONE, SESSION
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import (
    Attribute,
    Bind,
    Call,
    Expr,
    FunctionFacts,
    ModuleFacts,
    Name,
    Read,
    walk,
)
from auditor.source.program import last_step
from auditor.source.project import Project, position_of

_LOCKS = frozenset(("with_for_update", "with_lockmode"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`session.delete(row)` of a row that one look-up gave and nothing else reads."""
    for position, event in enumerate(function.events):
        if not isinstance(event, Call) or not _deletes(project, module, function, position, event):
            continue
        row = event.args[0]
        lookup = _lookup(function, row) if isinstance(row, Name) else None
        if lookup is None:
            continue
        value = project.value(module, function, position_of(function, lookup), lookup)
        if value.kind not in (ROW, ROW_OR_NONE) or _cascades(project, value.name):
            continue
        is_locked = _is_locked(function, lookup)
        yield Hit(
            span_of(module, lookup.at),
            function.qualname,
            {"row": getattr(row, "name", ""), "how": " and locked" if is_locked else ""},
            confidence=Confidence.MEDIUM if is_locked else Confidence.LOW,
        )


def _deletes(
    project: Project, module: ModuleFacts, function: FunctionFacts, position: int, call: Call
) -> bool:
    if not isinstance(call.func, Attribute) or call.func.name != "delete" or len(call.args) != 1:
        return False
    return project.value(module, function, position, call.func.base).kind == SESSION


def _lookup(function: FunctionFacts, row: Name) -> Call | None:
    """The only value of the name, where its only read is the delete."""
    binds = [e for e in function.events if isinstance(e, Bind) and e.target == row.name]
    reads = [e for e in function.events if isinstance(e, Read) and e.path[0] == row.name]
    if len(binds) != 1 or len(reads) != 1 or binds[0].kind != "assign":
        return None
    return binds[0].value if isinstance(binds[0].value, Call) else None


def _cascades(project: Project, name: str) -> bool:
    """Whether the ORM may have more to delete than the row: a relationship, or an unknown class."""
    model = project.models.model_of(name)
    return model is None or any(
        relation.bound is None or "cascade" in _keywords(relation.bound.bind.value)
        for relation in model.relationships.values()
    )


def _keywords(expr: Expr | None) -> set[str]:
    return {keyword.name for keyword in expr.keywords} if isinstance(expr, Call) else set()


def _is_locked(function: FunctionFacts, lookup: Call) -> bool:
    """Whether the look-up takes a lock: in its own chain, or in that of the query it ends."""
    names = {found.name for found in walk(lookup) if isinstance(found, Name)}
    chains = [
        lookup,
        *(e.value for e in function.events if isinstance(e, Bind) and e.target in names),
    ]
    return any(
        isinstance(found, Call) and last_step(found.func) in _LOCKS
        for chain in chains
        for found in walk(chain)
    )


_MODEL = """
            from sqlalchemy import Column, String
            from sqlalchemy.orm import Session, declarative_base, relationship

            Base = declarative_base()

            class Firewall(Base):
                __tablename__ = "firewalls"
                id = Column(String(36), primary_key=True)
"""
RULE = Rule(
    code="DBA310",
    name="load-to-delete",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.MEDIUM,
    message="`{row}` is loaded{how} only to be deleted: one DELETE does it (assuming that no"
    " listener waits for the object)",
    why=(
        "A SELECT, for which the row is locked and every eager relation is loaded, only repeats"
        " what the DELETE does by itself: it locks the row, and its row count tells whether there"
        " was one. Between the two statements the transaction holds the lock for a round trip"
        " longer."
    ),
    instead="`count = session.query(Firewall).filter_by(id=id).delete()` and a test of `count`.",
    checks=(OnFunction(check, calls=frozenset(("delete",))),),
    bad=(
        Example(
            "locked by the query",
            _MODEL
            + """
            def remove(session: Session, key):
                query = session.query(Firewall).with_for_update()
                firewall = query.filter_by(id=key).one()  # expect: DBA310
                session.delete(firewall)
            """,
        ),
        Example(
            "locked in the chain",
            _MODEL
            + """
            def remove(session: Session, key):
                row = (
                    session.query(Firewall).with_for_update()  # expect: DBA310
                    .filter_by(id=key).one()
                )
                session.delete(row)
            """,
        ),
        Example(
            "the old name of the lock",
            _MODEL
            + """
            def remove(context, key):
                with context.session.begin():
                    query = context.session.query(Firewall).with_lockmode("update")
                    row = query.filter_by(id=key).one()  # expect: DBA310
                    context.session.delete(row)
            """,
        ),
    ),
    good=(
        Example(
            "deleted by the query",
            _MODEL
            + """
            def remove(session: Session, key):
                session.query(Firewall).filter_by(id=key).delete()
            """,
        ),
        Example(
            "the row is read too",
            _MODEL
            + """
            def remove(session: Session, key):
                row = session.query(Firewall).with_for_update().filter_by(id=key).one()
                session.delete(row)
                return row.id
            """,
        ),
        Example(
            "the ORM cascades",
            """
            from sqlalchemy import Column, ForeignKey, String
            from sqlalchemy.orm import Session, declarative_base, relationship

            Base = declarative_base()

            class Firewall(Base):
                __tablename__ = "firewalls"
                id = Column(String(36), primary_key=True)
                rules = relationship("Rule", cascade="all, delete-orphan")

            class Rule(Base):
                __tablename__ = "rules"
                id = Column(String(36), primary_key=True)
                firewall_id = Column(String(36), ForeignKey("firewalls.id"))

            def remove(session: Session, key):
                row = session.query(Firewall).with_for_update().filter_by(id=key).one()
                session.delete(row)
            """,
        ),
    ),
    known_gaps=(
        "a load without a lock is reported with low confidence only",
        "a class whose model is not among the scanned files is left alone",
        "events that listen for the deletion of objects are not looked for",
    ),
)
