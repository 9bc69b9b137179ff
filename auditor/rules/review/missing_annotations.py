"""DBA602: a public database function whose parameters or result have no type."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.database_functions import database_functions, is_public
from auditor.source.facts import FunctionFacts, ModuleFacts, dotted
from auditor.source.project import Project

_FIRST = frozenset(("self", "cls", "mcs"))
_SHOWN = 4


def check(project: Project, module: ModuleFacts) -> Hits:
    """One hit for each public function that works on the database and lacks an annotation."""
    for function in database_functions(project, module):
        missing = _missing(function) if is_public(function) else ""
        if missing:
            at = function.at
            fields = {"function": function.name, "missing": missing}
            yield Hit(Span(module.path, at.line, at.column), function.qualname, fields)


def _missing(function: FunctionFacts) -> str:
    """What has no annotation, in words; empty if nothing."""
    names = [
        f"`{p.name}`"
        for number, p in enumerate(function.parameters)
        if p.annotation is None
        and p.kind in {"positional", "keyword"}
        and not (number == 0 and p.name in _FIRST)
    ]
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    if function.returns is not None or _is_property_setter(function):
        return shown
    return f"{shown} and the result" if shown else "the result"


def _is_property_setter(function: FunctionFacts) -> bool:
    return any(dotted(d).endswith((".setter", ".deleter")) for d in function.decorators)


RULE = Rule(
    code="DBA602",
    name="missing-annotations",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`{function}` works on the database and does not say the type of {missing}",
    why=(
        "Whether a database function gives a row, a dict, a list or None is what its callers get"
        " wrong, and no type checker can help while it is not written down."
    ),
    instead="types on parameters and result:"
    " `def find(session: Session, name: str) -> User | None`.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "nothing is annotated",
            """
            def find(session, name):  # expect: DBA602
                return session.query(User).filter_by(name=name).first()
            """,
        ),
        Example(
            "the result only",
            """
            from sqlalchemy.orm import Session

            class Users:
                def find(self, session: Session, name: str):  # expect: DBA602
                    return session.query(User).filter_by(name=name).first()
            """,
        ),
        Example(
            "through a private function of the module",
            """
            def find(session, name):  # expect: DBA602
                return _find(session, name)

            def _find(session, name):
                return session.query(User).filter_by(name=name).first()
            """,
        ),
    ),
    good=(
        Example(
            "all of it",
            """
            from sqlalchemy.orm import Session

            class Users:
                def find(self, session: Session, name: str, *args, **kwargs) -> User | None:
                    return session.query(User).filter_by(name=name).first()
            """,
        ),
        Example(
            "a private function, and a nested one",
            """
            def _find(session, name):
                return session.query(User).filter_by(name=name).first()

            def caller() -> int:
                def find(session):
                    return session.query(User).first()
                return len(find.__name__)
            """,
        ),
        Example(
            "no database work",
            """
            def full_name(user):
                return user.first + user.last
            """,
        ),
    ),
    known_gaps=(
        "`*args` and `**kwargs` need no annotation",
        "whether an annotation is right, or is `Any`, is not looked at",
        "a function that reaches the database only through other modules is not looked at",
    ),
)
