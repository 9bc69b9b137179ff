"""DBA405: a change written in a reader, which is rolled back at its end."""

from __future__ import annotations

from auditor.model.evidence import Executions, SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect, Mode
from auditor.model.span import Frame
from auditor.model.tape import Course, CourseStep, Tape
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import (
    began_as,
    stays_in,
)
from auditor.rules.transactions.happened import (
    READING,
    call_at,
    is_prepared,
    opened_words,
    span_at,
    span_of_frame,
    times,
)
from auditor.rules.transactions.nesting import innermost
from auditor.source.facts import Call, FunctionFacts, ModuleFacts
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, SITE
from auditor.sql.verbs import WRITES

_READERS = frozenset((Mode.READER, Mode.INDEPENDENT_READER))
_LOST = (Effect.PENDING, Effect.WRITE)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Changes on the session of a reader, by the function or by what it calls."""
    for site in project.sites(function):
        effects = project.effects.of_site(site)
        effect = next((e for e in _LOST if e in effects), None)
        if effect is None:
            continue
        opened = innermost(project, module, function, site.region)
        if opened is None or began_as(project, module, function, opened) not in _READERS:
            continue
        way = project.effects.way(site, effect)
        if not stays_in(project, opened, way) or _opens(project, way[-1]) or _commits(project, way):
            continue
        fields = {"what": site.what, "behind": _told(project, way), "opened": opened.words}
        steps = (Step(span_of(_home(project, s), s.at), s.what) for s in way)
        path = SourcePath((Step(span_of(module, opened.region.at), opened.words), *steps))
        certain = all(step.certain and step.sure for step in way)
        confidence = Confidence.MEDIUM if certain else Confidence.LOW
        yield Hit(
            span_of(module, site.at), function.qualname, fields, (path,), confidence=confidence
        )


def recorded(tape: Tape, project: Project) -> Hits:
    """Statements that changed rows in a reader, whose end rolled them back."""
    reported: set[tuple[Frame, Frame]] = set()
    for course in tape.courses:
        if course.kind not in READING or not course.rolled_back:
            continue
        for step in course.steps:
            key = (step.site.frame, course.opened)
            prepares = is_prepared(project, step.site, course.opened)
            if step.verb in WRITES and key not in reported and not prepares:
                reported.add(key)
                yield _lost(tape, project, course, step)


def _lost(tape: Tape, project: Project, course: Course, step: CourseStep) -> Hit:
    same = [e for e in tape.entries if e.site.frame == step.site.frame and e.shape == step.shape]
    number = sum(entry.executions for entry in same)
    seconds = sum(entry.seconds for entry in same)
    seen = Executions(step.shape, "in a reader", number, 0, seconds, step.site.stack)
    begins = Step(span_of_frame(course.opened), "begins here")
    tables = ", ".join(f"`{table}`" for table in step.tables[:1])
    return Hit(
        span_at(project, step.site),
        step.site.frame.function,
        {
            "what": call_at(project, step.site, step.verb).strip("`"),
            "behind": f" ({step.verb} of {tables}, {times(number)})",
            "opened": opened_words(course, step.site),
        },
        (SourcePath((begins, Step(span_of_frame(step.site.frame), step.verb))), seen),
    )


def _home(project: Project, site: Site) -> ModuleFacts:
    return project.program.scopes[site.scope].module


def _opens(project: Project, last: Site) -> bool:
    """Whether what is called at the end of a way opens a context itself."""
    function = project.program.scopes[last.scope].function
    call = function.events[last.position]
    if not isinstance(call, Call):
        return False
    targets = project.targets(function, last.position, call)
    return any(t.row is not None and t.row.opens is not None for t in targets)


def _commits(project: Project, way: tuple[Site, ...]) -> bool:
    """Whether somebody on the way commits by hand: then the change is kept."""
    functions = (project.program.scopes[step.scope].function for step in way)
    return any(
        Effect.COMMIT in site.effects for function in functions for site in project.sites(function)
    )


def _told(project: Project, way: tuple[Site, ...]) -> str:
    if len(way) == 1:
        return ""
    names = " -> ".join(f"`{step.what}`" for step in way[1:])
    return f" gets to {names} ({_home(project, way[-1]).path}:{way[-1].at.line}), which"


RULE = Rule(
    code="DBA405",
    name="write-in-reader",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="`{what}`{behind} changes rows inside {opened}: with no writer open around it, the"
    " change is rolled back at the end of the block and no error is raised",
    why=(
        "A reader ends with a rollback, always. A change in it seems to work: the flush succeeds,"
        " later queries of the block see it, and then it is gone. When the function happens to be"
        " called inside a writer it joins that one, and the change is kept; so whether rows are"
        " stored depends on the caller."
    ),
    instead="`writer` in place of `reader`, or the change after the block in a writer of its own.",
    checks=(OnFunction(check, needs=(SITE, BLOCK | DECORATED)), OnTape(recorded)),
    bad=(
        Example(
            "an added row",
            """
            from oslo_db.sqlalchemy import enginefacade

            def ensure(context, name):
                with enginefacade.reader.using(context) as session:
                    label = session.query(Label).filter_by(name=name).first()
                    if label is None:
                        label = Label(name=name)
                        session.add(label)  # expect: DBA405
                return label
            """,
        ),
        Example(
            "an UPDATE below a decorator",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def touch(context, name):
                query = context.session.query(Label).filter_by(name=name)
                query.update({"seen": True})  # expect: DBA405
            """,
        ),
        Example(
            "through a function that is handed the session",
            """
            from oslo_db.sqlalchemy import enginefacade

            def forget(session, label):
                session.delete(label)

            @enginefacade.reader.independent
            def labels(context):
                found = context.session.query(Label).all()
                for label in found:
                    if label.is_old:
                        forget(context.session, label)  # expect: DBA405
                return found
            """,
        ),
    ),
    good=(
        Example(
            "a writer",
            """
            from oslo_db.sqlalchemy import enginefacade

            def ensure(context, name):
                with enginefacade.writer.using(context) as session:
                    if session.query(Label).filter_by(name=name).first() is None:
                        session.add(Label(name=name))
            """,
        ),
        Example(
            "the reader is part of a writer",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def ensure(context, name):
                with enginefacade.reader.using(context) as session:
                    if session.query(Label).filter_by(name=name).first() is None:
                        session.add(Label(name=name))
            """,
        ),
        Example(
            "another session",
            """
            from oslo_db.sqlalchemy import enginefacade
            from sqlalchemy.orm import Session

            @enginefacade.reader
            def copy(context, archive):
                with Session(archive) as other:
                    other.add_all(context.session.query(Label).all())
                    other.flush()
            """,
        ),
        Example(
            "a writer of its own is another matter (DBA406)",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.writer
            def create(context, name):
                context.session.add(Label(name=name))

            @enginefacade.reader
            def labels(context):
                create(context, "default")
                return context.session.query(Label).all()
            """,
        ),
        Example(
            "a set, no session",
            """
            from oslo_db.sqlalchemy import enginefacade

            @enginefacade.reader
            def names(context):
                found = set()
                for label in context.session.query(Label):
                    found.add(label.name)
                return found
            """,
        ),
    ),
    known_gaps=(
        "a function whose callers all hold a writer open keeps its changes, and is reported",
        "an attribute of a row that is assigned to",
        "statements whose text or construct is not written in the function",
    ),
    sources=("oslo.db 18.1.1, enginefacade: _TransactionContext._end_session",),
)
