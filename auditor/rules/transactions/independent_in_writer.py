"""DBA407: an independent transaction while a writer holds its locks and its connection."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Mode
from auditor.model.tape import IncidentKind, Tape
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import INDEPENDENT
from auditor.rules.transactions.happened import evidence_of, incidents, opened_words, span_at, times
from auditor.rules.transactions.nesting import nested_contexts
from auditor.source.facts import FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.traits import BLOCK, DECORATED

_WRITERS = frozenset((Mode.WRITER, Mode.INDEPENDENT_WRITER, Mode.SAVEPOINT))


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Independent contexts opened inside a writer, one hit for each place."""
    seen: set[int] = set()
    for nested in nested_contexts(project, module, function):
        if nested.outer.mode not in _WRITERS or nested.mode not in INDEPENDENT:
            continue
        if nested.position not in seen:
            seen.add(nested.position)
            fields = {"inner": nested.words, "outer": nested.outer.words}
            evidence = nested.evidence(project, module)
            yield Hit(span_of(module, nested.at), function.qualname, fields, evidence)


def recorded(tape: Tape, project: Project) -> Hits:
    """Independent blocks that were entered while a writer was open."""
    for seen in incidents(tape, project, IncidentKind.INDEPENDENT):
        if seen.transaction not in {"writer", "independent writer"}:
            continue
        fields = {
            "inner": f"the {seen.what} opened here ({times(seen.times)})",
            "outer": opened_words(seen, seen.site),
        }
        yield Hit(span_at(project, seen.site), seen.site.frame.function, fields, evidence_of(seen))


RULE = Rule(
    code="DBA407",
    name="independent-in-writer",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{inner} takes a second connection while {outer} holds one: it does not see what was"
    " written there, waits for its row locks until the timeout if it touches the same rows, and"
    " with every thread doing so the pool runs dry",
    why=(
        "An independent block is another transaction on another connection. The one around it"
        " cannot go on before it ends, so a row that the outer one has locked is waited for until"
        " the lock timeout, which oslo.db reports as a deadlock. When as many threads as the pool"
        " has connections stand at this place, each waits for a second one: sqlalchemy's"
        " TimeoutError, which is no DBError and is not retried."
    ),
    instead="Do the independent work before or after the writer. Where it has to be kept even if"
    " the writer fails, see that it touches other tables, and size the pool for two connections.",
    checks=(OnFunction(check, needs=(BLOCK | DECORATED,)), OnTape(recorded)),
    bad=(
        Example(
            "one block in the other",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, name):
                with enginefacade.writer.using(context) as session:
                    session.add(Label(name=name))
                    with enginefacade.writer.independent.using(context) as other:  # expect: DBA407
                        other.add(Audit(name=name))
            """,
        ),
        Example(
            "through a decorated function",
            """
            from oslo_db.sqlalchemy import enginefacade

            manager = enginefacade.transaction_context()

            @manager.independent.reader
            def limits(context):
                return context.session.query(Limit).all()

            @manager.writer
            def create(context, name):
                check_against(limits(context))  # expect: DBA407
                context.session.add(Label(name=name))
            """,
        ),
        Example(
            "a method, two calls away",
            """
            from oslo_db.sqlalchemy import enginefacade

            class Labels:
                def ensure(self, context):
                    with enginefacade.writer.independent.using(context) as session:
                        session.add(Label(name="default"))

                def prepare(self, ctx):
                    self.ensure(ctx)

                @enginefacade.writer
                def create(self, context, name):
                    self.prepare(context)  # expect: DBA407
                    context.session.add(Label(name=name))
            """,
        ),
    ),
    good=(
        Example(
            "before the writer",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, name):
                with enginefacade.reader.independent.using(context) as session:
                    limits = session.query(Limit).all()
                with enginefacade.writer.using(context) as session:
                    session.add(Label(name=name, size=limits[0].size))
            """,
        ),
        Example(
            "a plain writer joins",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def note(context, name):
                context.session.add(Audit(name=name))

            @enginefacade.writer
            def create(context, name):
                context.session.add(Label(name=name))
                note(context, name)
            """,
        ),
        Example(
            "a savepoint is on the same connection",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def create(context, name):
                with enginefacade.writer.savepoint.using(context) as session:
                    session.add(Label(name=name))
            """,
        ),
        Example(
            "handed to somebody who runs it later",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer.independent
            def note(context, name):
                context.session.add(Audit(name=name))

            @enginefacade.writer
            def create(context, later, name):
                context.session.add(Label(name=name))
                later.append(lambda: note(context, name))
            """,
        ),
    ),
    known_gaps=(
        "more than four calls between the two",
        "an independent block for another request context, and sessions made by hand",
        "which rows the two touch is not compared",
    ),
    sources=(
        "oslo.db 18.1.1, enginefacade: _TransactionContextManager._transaction_scope_impl",
        "https://docs.sqlalchemy.org/en/20/errors.html#queuepool-limit-of-size-x-overflow-y-reached-connection-timed-out-timeout-z",
    ),
)
