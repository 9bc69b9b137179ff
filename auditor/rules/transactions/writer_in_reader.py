"""DBA406: a writer asked for while a reader is open: enginefacade refuses."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Mode
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import began_as
from auditor.rules.transactions.nesting import nested_contexts
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.traits import BLOCK, DECORATED

_READERS = frozenset((Mode.READER, Mode.INDEPENDENT_READER))
_WRITERS = frozenset((Mode.WRITER, Mode.SAVEPOINT))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Writers opened inside a reader for the same request context, one hit for each place."""
    seen: set[int] = set()
    for nested in nested_contexts(project, module, function):
        if nested.outer.mode not in _READERS or nested.mode not in _WRITERS:
            continue
        began = began_as(project, module, function, nested.outer)
        if began in _READERS and nested.position not in seen:
            seen.add(nested.position)
            fields = {"inner": nested.words, "outer": nested.outer.words}
            evidence = nested.evidence(project, module)
            yield Hit(span_of(module, nested.at), function.qualname, fields, evidence)


RULE = Rule(
    code="DBA406",
    name="writer-in-reader",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{inner} is inside {outer}: taking it that both are of one database, this raises"
    " TypeError (`Can't upgrade a READER transaction to a WRITER mid-transaction`)",
    why=(
        "A context has one transaction, and what begins as a reader stays one: it may be on"
        " another server, and is rolled back at its end. enginefacade answers a writer inside it"
        " with a TypeError, each time this path is taken, and only on this path."
    ),
    instead="Open the writer around both, or do the writing after the reader has ended.",
    checks=(OnFunction(check, needs=(BLOCK | DECORATED,)),),
    bad=(
        Example(
            "one block in the other",
            """
            from oslo_db.sqlalchemy import enginefacade

            def touch(context, name):
                with enginefacade.reader.using(context) as session:
                    label = session.query(Label).filter_by(name=name).one()
                    with enginefacade.writer.using(context):  # expect: DBA406
                        label.seen = True
            """,
        ),
        Example(
            "through two functions",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def create(context, name):
                context.session.add(Label(name=name))

            def ensure(ctx, name):
                create(ctx.elevated(), name)

            @enginefacade.reader
            def labels(context, name):
                ensure(context, name)  # expect: DBA406
                return context.session.query(Label).all()
            """,
        ),
        Example(
            "Neutron's objects open their own writer",
            """
            from neutron.objects import ports
            from neutron_lib.db import api as db_api

            def bind(context, port_id):
                with db_api.CONTEXT_READER.using(context):
                    port = ports.Port.get_object(context, id=port_id)
                    binding = ports.PortBinding(context, port_id=port.id)
                    binding.create()  # expect: DBA406
            """,
        ),
    ),
    good=(
        Example(
            "a reader in a writer joins it",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def find(context, name):
                return context.session.query(Label).filter_by(name=name).one()

            @enginefacade.writer
            def touch(context, name):
                find(context, name).seen = True
            """,
        ),
        Example(
            "the reader is part of a writer",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def touch(context, name):
                with enginefacade.reader.using(context) as session:
                    label = session.query(Label).filter_by(name=name).one()
                    with enginefacade.writer.using(context):
                        label.seen = True
            """,
        ),
        Example(
            "one after the other",
            """
            from oslo_db.sqlalchemy import enginefacade

            def touch(context, name):
                with enginefacade.reader.using(context) as session:
                    known = session.query(Label).filter_by(name=name).count()
                if not known:
                    with enginefacade.writer.using(context) as session:
                        session.add(Label(name=name))
            """,
        ),
        Example(
            "another request context has its own transaction",
            """
            from neutron_lib import context as n_context
            from neutron_lib.db import api as db_api

            @db_api.CONTEXT_WRITER
            def store(context, name):
                context.session.add(Label(name=name))

            def labels(context, name):
                with db_api.CONTEXT_READER.using(context):
                    store(n_context.get_admin_context(), name)
            """,
        ),
        Example(
            "an independent writer is a transaction of its own",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer.independent
            def count_up(context, name):
                context.session.add(Hit(name=name))

            @enginefacade.reader
            def labels(context, name):
                count_up(context, name)
                return context.session.query(Label).all()
            """,
        ),
    ),
    known_gaps=(
        "a reader whose callers all hold a writer works, and is reported",
        "more than four calls between the reader and the writer",
        "calls that hand on an object which carries the context, other than Neutron's rows",
        "context managers of two databases given one context are taken for one",
    ),
    sources=("oslo.db 18.1.1, enginefacade: _TransactionContext._writer",),
)
