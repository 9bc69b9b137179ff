"""DBA319: an eager-load option for every relationship there is."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import Call, Const, FunctionFacts, ModuleFacts
from auditor.source.program import last_step
from auditor.source.project import Project

_EAGER = frozenset(("joinedload", "selectinload", "subqueryload", "immediateload"))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """`joinedload("*")` and its like."""
    for event in function.events:
        if isinstance(event, Call) and last_step(event.func) in _EAGER and _is_wildcard(event):
            fields = {"option": last_step(event.func)}
            yield Hit(span_of(module, event.at), function.qualname, fields)


def _is_wildcard(call: Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], Const) and call.args[0].value == "*"


_IMPORTS = """
            from sqlalchemy import orm, select
            from sqlalchemy.orm import Session, joinedload, lazyload, raiseload, selectinload
            from app.models import Balancer
"""
RULE = Rule(
    code="DBA319",
    name="wildcard-eager-load",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message='`{option}("*")` loads every relationship of every row that is loaded, and those of'
    " what they load in turn: the statement grows with the mapping, not with what is read",
    why=(
        "The wildcard holds for all entities of the statement and for all that they lead to. Two"
        " joined collections multiply each other's rows; a relationship that somebody adds to a"
        " model makes every such query dearer, and nobody sees why."
    ),
    instead="Name the relationships that are read: `joinedload(Balancer.listeners)`;"
    ' `raiseload("*")` beside them shows in tests what was forgotten.',
    checks=(OnFunction(check, calls=_EAGER),),
    bad=(
        Example(
            "joined",
            _IMPORTS
            + """
            def find(session: Session, key):
                query = session.query(Balancer).filter_by(id=key)
                return query.options(joinedload("*")).first()  # expect: DBA319
            """,
        ),
        Example(
            "in a batch for each",
            _IMPORTS
            + """
            def everything(session: Session):
                statement = select(Balancer).options(selectinload("*"))  # expect: DBA319
                return session.scalars(statement)
            """,
        ),
        Example(
            "below one relationship",
            _IMPORTS
            + """
            def find(session: Session, key):
                option = orm.joinedload(Balancer.listeners).subqueryload("*")  # expect: DBA319
                return session.query(Balancer).options(option).get(key)
            """,
        ),
    ),
    good=(
        Example(
            "named",
            _IMPORTS
            + """
            def find(session: Session, key):
                query = session.query(Balancer).options(joinedload(Balancer.listeners))
                return query.filter_by(id=key).first()
            """,
        ),
        Example(
            "nothing is loaded",
            _IMPORTS
            + """
            def find(session: Session, key):
                return session.query(Balancer).options(lazyload("*")).get(key)
            """,
        ),
        Example(
            "what is not named raises",
            _IMPORTS
            + """
            def find(session: Session, key):
                options = (joinedload(Balancer.listeners), raiseload("*"))
                return session.query(Balancer).options(*options).get(key)
            """,
        ),
    ),
    known_gaps=("a wildcard kept in a constant is not seen",),
    sources=("SQLAlchemy: Relationship Loading Techniques, wildcard loading strategies",),
)
