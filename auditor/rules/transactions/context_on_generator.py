"""DBA403: a transaction decorator on a generator: the block is over before the body begins."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import At, FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.traits import DECORATED


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Generator functions below a decorator that opens a reader or writer."""
    if not function.is_generator:
        return
    for context in project.decorating_contexts(module, function):
        at = function.at
        line = At(at.line, at.column, at.line, at.column)
        fields = {"function": function.name, "mode": context.mode.value}
        yield Hit(span_of(module, line), function.qualname, fields)


RULE = Rule(
    code="DBA403",
    name="context-on-generator",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="`{function}` is a generator below a {mode} decorator: calling it opens and closes the"
    " {mode} and runs none of the body; the body runs later, outside of it",
    why=(
        "Calling a generator function only makes the generator. The decorator's block is entered"
        " and left around that, and the statements of the body run when somebody iterates: on a"
        " context that has no session any more (NoEngineContextEstablished), or on whatever"
        " session happens to be open there, in another transaction than the one that was asked for."
    ),
    instead="`with reader.using(context):` inside the generator, around the loop that yields; or"
    " collect the rows and return a list.",
    checks=(OnFunction(check, needs=(DECORATED,)),),
    bad=(
        Example(
            "a reader of enginefacade",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def labels(context):  # expect: DBA403
                for label in context.session.query(Label):
                    yield label.name
            """,
        ),
        Example(
            "below classmethod, with an own context manager",
            """
            from oslo_db.sqlalchemy import enginefacade

            MANAGER = enginefacade.transaction_context()

            class Labels:
                @classmethod
                @MANAGER.writer
                def purge(cls, context):  # expect: DBA403
                    for label in context.session.query(Label):
                        context.session.delete(label)
                        yield label.id
            """,
        ),
        Example(
            "yield from",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader.independent
            def labels(context):  # expect: DBA403
                yield from context.session.query(Label)
            """,
        ),
    ),
    good=(
        Example(
            "a list is returned",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def labels(context):
                return [label.name for label in context.session.query(Label)]
            """,
        ),
        Example(
            "the block is inside the generator",
            """
            from oslo_db.sqlalchemy import enginefacade

            def labels(context):
                with enginefacade.reader.using(context) as session:
                    for label in session.query(Label):
                        yield label.name
            """,
        ),
        Example(
            "a generator inside the decorated function",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def labels(context):
                def names():
                    for label in context.session.query(Label):
                        yield label.name
                return list(names())
            """,
        ),
        Example(
            "another decorator",
            """
            import contextlib

            @contextlib.contextmanager
            def opened(context):
                yield context.session
            """,
        ),
    ),
    known_gaps=("a decorated function that returns a generator made elsewhere is not seen",),
    sources=("oslo.db enginefacade: _TransactionContextManager.__call__",),
    in_tests=True,
)
