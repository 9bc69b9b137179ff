"""DBA603: a public database function without a docstring."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.span import Span
from auditor.rule import Example, Hit, Hits, OnModule, Rule
from auditor.source.database_functions import database_functions, is_public
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project

_LINES = 4
"""A function of fewer lines says what it does by its name."""


def check(project: Project, module: ModuleFacts) -> Hits:
    """One hit for each public function that works on the database and is documented nowhere."""
    for function in database_functions(project, module):
        if function.has_docstring or not is_public(function) or _is_short(function):
            continue
        if not _is_documented_above(project, module, function):
            at = function.at
            fields = {"function": function.name}
            yield Hit(Span(module.path, at.line, at.column), function.qualname, fields)


def _is_short(function: FunctionFacts) -> bool:
    return function.at.end_line - function.at.line + 1 < _LINES


def _is_documented_above(project: Project, module: ModuleFacts, function: FunctionFacts) -> bool:
    """Whether a class above has the method with a docstring."""
    if not function.class_name:
        return False
    program = project.program
    for base in program.mro(f"{module.name}.{function.class_name}")[1:]:
        found = program.classes.get(base)
        method = found.methods.get(function.name) if found is not None else None
        if method is not None and method.function.has_docstring:
            return True
    return False


RULE = Rule(
    code="DBA603",
    name="missing-docstrings",
    since="0.1.0",
    severity=Severity.NOTE,
    confidence=Confidence.LOW,
    message="`{function}` works on the database and has no docstring",
    why=(
        "What a database function expects of the transaction around it, what it raises, and whether"
        " it gives rows or dicts is in no signature."
    ),
    instead="one sentence on what it gives and for which rows; then what it raises.",
    checks=(OnModule(check),),
    bad=(
        Example(
            "a function",
            """
            def active_users(session, since):  # expect: DBA603
                query = session.query(User)
                query = query.filter(User.last_seen > since)
                return query.all()
            """,
        ),
        Example(
            "a method that the class above has without one",
            """
            class Plugin:
                def users(self, session, since):
                    raise NotImplementedError

            class DbPlugin(Plugin):
                def users(self, session, since):  # expect: DBA603
                    query = session.query(User)
                    query = query.filter(User.last_seen > since)
                    return query.all()
            """,
        ),
        Example(
            "a comment is none",
            """
            def active_users(session, since):  # expect: DBA603
                # those that were here lately
                query = session.query(User)
                return query.filter(User.last_seen > since).all()
            """,
        ),
    ),
    good=(
        Example(
            "with one",
            '''
            def active_users(session, since):
                """The users that were here after `since`."""
                query = session.query(User)
                return query.filter(User.last_seen > since).all()
            ''',
        ),
        Example(
            "documented in the class above",
            '''
            class Plugin:
                def users(self, session, since):
                    """The users that were here after `since`."""

            class DbPlugin(Plugin):
                def users(self, session, since):
                    query = session.query(User)
                    query = query.filter(User.last_seen > since)
                    return query.all()
            ''',
        ),
        Example(
            "private, and so short that the name says it",
            """
            def _active_users(session, since):
                query = session.query(User)
                query = query.filter(User.last_seen > since)
                return query.all()

            def all_users(session):
                return session.query(User).all()
            """,
        ),
    ),
    known_gaps=(
        "functions of three lines and less are left alone",
        "a docstring on a base class outside of what was scanned is not seen",
        "a function that reaches the database only through other modules is not looked at",
    ),
)
