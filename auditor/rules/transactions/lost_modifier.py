"""DBA408: a modifier of enginefacade that the next step of the chain forgets."""

from __future__ import annotations

from auditor.knowledge.oslo_db import FACADE, READER, WRITER
from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.source.facts import Attribute, Expr, FunctionFacts, ModuleFacts, Name, Read
from auditor.source.project import Project

_LOST = {
    "savepoint": "the block opens no SAVEPOINT: an error in it breaks the whole transaction",
    "allow_async": "the block is an ordinary one, and inside an asynchronous reader it raises",
}
"""Modifiers that oslo.db keeps only when they come last, and what comes of it."""
_STEPS = frozenset(("reader", "writer", "independent", "connection", "savepoint", "allow_async"))
_KINDS = (FACADE, READER, WRITER)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Chains of modifiers in which one that is forgotten stands before the last."""
    for position, event in enumerate(function.events):
        if not isinstance(event, Read):
            continue
        place = _place(event.path)
        if place < 0:
            continue
        head = _expression(event.path[:place])
        if not project.value(module, function, position, head).kind.startswith(_KINDS):
            continue
        chain = [step for step in event.path[place:] if step in _STEPS]
        head_text = ".".join(event.path[:place])
        fields = {
            "written": f"{head_text}.{'.'.join(chain)}",
            "lost": chain[0],
            "by": chain[1],
            "so": _LOST[chain[0]],
            "right": f"{head_text}.{'.'.join([*chain[1:], chain[0]])}",
        }
        yield Hit(span_of(module, event.at), function.qualname, fields)


def _place(path: tuple[str, ...]) -> int:
    """The place of the first modifier that another one follows; -1 if there is none."""
    for place in range(1, len(path) - 1):
        after = path[place + 1]
        if path[place] in _LOST and after in _STEPS and after != path[place]:
            return place
    return -1


def _expression(path: tuple[str, ...]) -> Expr:
    found: Expr = Name(path[0])
    for step in path[1:]:
        found = Attribute(found, step)
    return found


RULE = Rule(
    code="DBA408",
    name="lost-modifier",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    message="`{written}` has lost `{lost}`, because `.{by}` after it starts anew: {so}; write"
    " `{right}`",
    why=(
        "Each modifier of enginefacade makes a copy that takes over the mode, `independent` and"
        " `connection`, and nothing else. `savepoint` and `allow_async` are forgotten by whatever"
        " step follows them, with no error: the code reads as if it were protected by a savepoint,"
        " and is not."
    ),
    instead="Let `savepoint` or `allow_async` be the last step: `writer.savepoint.using(context)`,"
    " `reader.allow_async`.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "a savepoint that is none",
            """
            from oslo_db.sqlalchemy import enginefacade

            manager = enginefacade.transaction_context()

            def add(context, label):
                with manager.savepoint.writer.using(context) as session:  # expect: DBA408
                    session.add(label)
            """,
        ),
        Example(
            "as a decorator",
            """
            from oslo_db.sqlalchemy import enginefacade

            manager = enginefacade.transaction_context()

            @manager.allow_async.reader  # expect: DBA408
            def labels(context):
                return context.session.query(Label).all()
            """,
        ),
        Example(
            "forgotten by a later modifier",
            """
            from oslo_db.sqlalchemy import enginefacade

            def add(context, label):
                block = enginefacade.writer.savepoint.connection  # expect: DBA408
                with block.using(context) as connection:
                    connection.execute(label)
            """,
        ),
        Example(
            "neutron-lib's manager",
            """
            from neutron_lib.db import api as db_api

            def add(context, label):
                manager = db_api.get_context_manager()
                with manager.savepoint.writer.using(context):  # expect: DBA408
                    context.session.add(label)
            """,
        ),
    ),
    good=(
        Example(
            "the modifier comes last",
            """
            from oslo_db.sqlalchemy import enginefacade

            def add(context, label):
                with enginefacade.writer.savepoint.using(context) as session:
                    session.add(label)
            """,
        ),
        Example(
            "modifiers that are kept",
            """
            from oslo_db.sqlalchemy import enginefacade

            manager = enginefacade.transaction_context()

            @manager.independent.writer
            def add(context, label):
                context.session.add(label)

            @manager.connection.reader.allow_async
            def count(context):
                return context.connection.execute(COUNT).scalar()
            """,
        ),
        Example(
            "something else with these names",
            """
            def restore(game):
                return game.savepoint.reader.read()
            """,
        ),
    ),
    known_gaps=("a chain whose parts are kept in different variables, or that begins at a call",),
    sources=("oslo.db 18.1.1, enginefacade: _TransactionContextManager._clone",),
    in_tests=True,
)
