"""DBA204: a handler below another that already catches everything it names."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import Handler, handlers_of, short
from auditor.rules.places import span_of
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.traits import HANDLER

_EVERYTHING = ("Exception", "BaseException")


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Compares each class of a handler with the classes before it, in the same `try`."""
    before: dict[int, list[str]] = {}
    for handler in handlers_of(project, module, function):
        earlier = before.setdefault(handler.tried.index, [])
        yield from _shadowed(project, module, function, handler, earlier)
        earlier.extend(handler.types)


def _shadowed(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler,
    earlier: list[str],
) -> Hits:  # fmt: skip
    for position, name in enumerate(handler.types):
        if name not in project.knowledge.errors:
            continue
        others = [other for at, other in enumerate(handler.types) if at != position]
        above = _covering(project, name, earlier)
        beside = _covering(project, name, [o for o in others if o != name])
        if above or beside:
            how = (
                f"a handler above catches `{short(above)}`"
                if above
                else f"`{short(beside)}` in the same handler covers it"
            )
            yield Hit(
                span_of(module, handler.line),
                function.qualname,
                {"error": short(name), "how": how},
                severity=Severity.WARNING if above else Severity.NOTE,
            )


def _covering(project: Project, name: str, others: list[str]) -> str:
    """The one of `others` that is `name` or a base of it, empty if none is."""
    for other in others:
        if other in _EVERYTHING or project.knowledge.is_error(name, other):
            return other
    return ""


RULE = Rule(
    code="DBA204",
    name="shadowed-handler",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="the handler for `{error}` never runs on its own: {how}",
    why=(
        "Python tries handlers from top to bottom and takes the first whose class fits. A handler"
        " for a subclass below one for its base is dead, and what it was written to do never"
        " happens; a subclass beside its base in one tuple says less than it seems to."
    ),
    instead="Put the handler for the subclass first, or remove the class that adds nothing.",
    checks=(OnFunction(check, needs=(HANDLER,)),),
    bad=(
        Example(
            "a subclass below its base",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBError:
                    raise
                except db_exc.DBDuplicateEntry:  # expect: DBA204
                    return None
            """,
        ),
        Example(
            "everything is caught above",
            """
            from sqlalchemy.exc import IntegrityError

            def save(session):
                try:
                    session.flush()
                except Exception:
                    raise
                except IntegrityError:  # expect: DBA204
                    session.rollback()
            """,
        ),
        Example(
            "base and subclass in one tuple",
            """
            from sqlalchemy import exc

            def save(session):
                try:
                    session.flush()
                except (exc.IntegrityError, exc.SQLAlchemyError):  # expect: DBA204
                    session.rollback()
                    raise
            """,
        ),
    ),
    good=(
        Example(
            "the subclass comes first",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBDuplicateEntry:
                    return None
                except db_exc.DBError:
                    raise
            """,
        ),
        Example(
            "siblings do not shadow each other",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBReferenceError:
                    raise
                except db_exc.DBDuplicateEntry:
                    return None
            """,
        ),
        Example(
            "the same class in two different tries",
            """
            from oslo_db import exception as db_exc

            def create(obj):
                try:
                    obj.create()
                except db_exc.DBError:
                    raise
                try:
                    obj.update()
                except db_exc.DBDuplicateEntry:
                    return None
            """,
        ),
        Example(
            "a tuple of errors that are not related",
            """
            from sqlalchemy import exc

            def save(session):
                try:
                    session.flush()
                except (exc.IntegrityError, exc.OperationalError):
                    session.rollback()
                    raise
            """,
        ),
    ),
    known_gaps=(
        "error classes that the project itself derives from database errors are not followed",
    ),
    sources=("Python language reference, the try statement",),
)
