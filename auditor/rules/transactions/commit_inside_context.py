"""DBA402: a commit or rollback by hand inside a block that does it itself."""

from __future__ import annotations

from auditor.model.evidence import SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import CONNECTION, SESSION, Effect, Mode
from auditor.model.tape import IncidentKind, Tape
from auditor.rule import Example, Hit, Hits, OnFunction, OnTape, Rule
from auditor.rules.places import span_of
from auditor.rules.transactions.contexts import Open, contexts_around, stays_in
from auditor.rules.transactions.happened import (
    call_at,
    evidence_of,
    incidents,
    opened_words,
    span_at,
    times,
)
from auditor.source.facts import (
    Attribute,
    Call,
    FunctionFacts,
    Jump,
    ModuleFacts,
    Raise,
    Return,
    dotted,
)
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.source.traits import BLOCK, DECORATED, SITE

_ENDS = (Effect.COMMIT, Effect.ROLLBACK)
_OWN = frozenset((SESSION, CONNECTION))
_WORK = frozenset((Effect.READ, Effect.WRITE, Effect.STATEMENT, Effect.FLUSH, Effect.PENDING))
_PARTED = (
    "what came before it is ended apart, what comes after is another transaction, and a block"
    " around this one is cut in two as well"
)
_REFUSED = (
    "the next use of the session in the block (`{after}` on line {line}) raises InvalidRequestError"
    " (`Can't operate on closed transaction inside context manager`)"
)


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Commits and rollbacks of the session of a block, by the function or by what it calls."""
    for site in project.sites(function):
        effects = project.effects.of_site(site)
        effect = next((e for e in _ENDS if e in effects), None)
        opened = _transaction(project, module, function, site) if effect is not None else None
        if effect is None or opened is None:
            continue
        way = project.effects.way(site, effect)
        if not stays_in(project, opened, way) or not _is_on(function, opened, site):
            continue
        after = _work_after(project, function, opened, site)
        if after is None and (opened.mode is Mode.PLAIN or effect is Effect.ROLLBACK):
            continue
        is_refused = opened.mode is Mode.PLAIN and after is not None
        so = _REFUSED.format(after=after.what, line=after.at.line) if is_refused and after else ""
        fields = {"what": _told(way), "opened": opened.words, "so": so or _PARTED}
        steps = (Step(span_of(project.program.scopes[s.scope].module, s.at), s.what) for s in way)
        path = SourcePath((Step(span_of(module, opened.region.at), opened.words), *steps))
        certain = effects[effect] and all(step.certain and step.sure for step in way)
        confidence = Confidence.MEDIUM if certain else Confidence.LOW
        yield Hit(
            span_of(module, site.at), function.qualname, fields, (path,), confidence=confidence
        )


def recorded(tape: Tape, project: Project) -> Hits:
    """Commits and rollbacks by hand while the block of the transaction was open. A rollback after
    which nothing more was executed in the block gives it up, as an error would."""
    for seen in incidents(tape, project, IncidentKind.ENDED_BY_HAND):
        begun = sum(one.begun for one in tape.transactions if one.opened == seen.opened)
        if seen.what == "rollback" and begun <= seen.times:
            continue
        ended = "committed" if seen.what == "commit" else "rolled back"
        yield Hit(
            span_at(project, seen.site),
            seen.site.frame.function,
            {
                "what": call_at(project, seen.site, f"a {seen.what}"),
                "opened": opened_words(seen, seen.site),
                "so": f"{ended} by hand {times(seen.times)}: {_PARTED}",
            },
            evidence_of(seen),
        )


def _transaction(
    project: Project, module: ModuleFacts, function: FunctionFacts, site: Site
) -> Open | None:
    found = contexts_around(project, module, function, site.region)
    opened = next((o for o in found if o.mode is not Mode.SESSION_ONLY), None)
    if opened is None or opened.mode is Mode.SCOPE:  # to commit early in it parts nothing
        return None
    is_nested = opened.mode is Mode.SAVEPOINT and opened.row.on in _OWN
    return None if is_nested else opened


def _is_on(function: FunctionFacts, opened: Open, site: Site) -> bool:
    """Whether a call ends the session of the block itself: `tx.rollback()` on what
    `session.begin() as tx` gives is the proper way to give up."""
    if opened.row.on not in _OWN or site.callee >= 0:
        return True
    call = function.events[site.position]
    base = call.func.base if isinstance(call, Call) and isinstance(call.func, Attribute) else None
    return dotted(base) == opened.whose


def _work_after(project: Project, function: FunctionFacts, opened: Open, site: Site) -> Site | None:
    """The first use of the session after a site in its block, in a loop that of the next turn;
    None if the site's branch leaves."""
    around = {region.index for region in function.ancestors(site.region)}
    left = any(
        isinstance(event, (Return, Raise, Jump)) and event.region == site.region
        for event in function.events[site.position : opened.region.last]
    )
    if left and site.region != opened.region.index:
        return None
    loops = (r for r in function.ancestors(site.region) if r.kind in {"for", "while"})
    first = min(
        (r.first for r in loops if r.first >= opened.region.first), default=site.position + 1
    )
    for later in project.sites(function):
        if not first <= later.position < opened.region.last:
            continue
        others = {region.index for region in function.ancestors(later.region)}
        partners = {function.regions[index].partner for index in others - around}
        if partners & (around - {-1}) or _WORK.isdisjoint(project.effects.of_site(later)):
            continue
        return later
    return None


def _told(way: tuple[Site, ...]) -> str:
    first, *rest = (f"`{site.what}`" for site in way)
    return f"{first} gets to {' -> '.join(rest)}" if rest else first


RULE = Rule(
    code="DBA402",
    name="commit-inside-context",
    since="0.1.0",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    message="{what} inside {opened}, which ends the transaction itself: {so}",
    why=(
        "A block stands for one transaction: all of it or nothing. A commit by hand inside it keeps"
        " the first part whatever happens to the second. enginefacade does not notice; the rest"
        " runs in a transaction of its own. In a block of SQLAlchemy (`with session.begin():`) the"
        " session refuses all further work."
    ),
    instead="Take the call out: leaving the block commits, an exception rolls back. Where a part"
    " has to be kept by itself, give it a block of its own; to give up a part, use"
    " `session.begin_nested()`. To see database errors early, `flush()` is enough.",
    checks=(OnFunction(check, needs=(SITE, BLOCK | DECORATED)), OnTape(recorded)),
    bad=(
        Example(
            "a commit in a writer",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, label, router):
                with enginefacade.writer.using(context) as session:
                    session.add(label)
                    session.commit()  # expect: DBA402
                    session.add(router)
            """,
        ),
        Example(
            "through a function that is handed the session, below a decorator",
            """
            from oslo_db.sqlalchemy import enginefacade

            def save(session, row):
                session.add(row)
                session.commit()

            @enginefacade.writer
            def create(context, label):
                save(context.session, label)  # expect: DBA402
            """,
        ),
        Example(
            "a rollback in a block of SQLAlchemy, and on it goes",
            """
            from sqlalchemy.orm import Session

            def create(engine, label, router):
                session = Session(engine)
                with session.begin():
                    session.add(label)
                    session.rollback()  # expect: DBA402
                    session.add(router)
                    session.flush()
            """,
        ),
        Example(
            "a commit for each row of a loop",
            """
            def save(session, row):
                session.add(row)
                session.commit()

            def store(session, rows):
                with session.begin():
                    for row in rows:
                        save(session, row)  # expect: DBA402
            """,
        ),
        Example(
            "a commit in a block of the engine",
            """
            from sqlalchemy import create_engine, text

            engine = create_engine("sqlite://")

            def store():
                with engine.begin() as connection:
                    connection.execute(text("DELETE FROM old"))
                    connection.commit()  # expect: DBA402
                    connection.execute(text("DELETE FROM older"))
            """,
        ),
    ),
    good=(
        Example(
            "the block commits",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, label):
                with enginefacade.writer.using(context) as session:
                    session.add(label)
                    session.flush()
            """,
        ),
        Example(
            "given up at the end of the block",
            """
            from sqlalchemy.orm import Session

            def try_out(engine, label):
                with Session(engine) as session:
                    with session.begin():
                        session.add(label)
                        session.flush()
                        session.rollback()
            """,
        ),
        Example(
            "a session without a transaction block",
            """
            from sqlalchemy.orm import Session

            def create(engine, label, router):
                with Session(engine) as session:
                    session.add(label)
                    session.commit()
                    session.add(router)
                    session.commit()
            """,
        ),
        Example(
            "another session",
            """
            from oslo_db.sqlalchemy import enginefacade
            from sqlalchemy.orm import Session

            @enginefacade.reader
            def copy(context, archive):
                other = Session(archive)
                other.add_all(context.session.query(Label).all())
                other.commit()
                return context.session.query(Label).count()
            """,
        ),
        Example(
            "after the block",
            """
            from oslo_db.sqlalchemy import enginefacade

            def create(context, session, label):
                with enginefacade.writer.using(context):
                    context.session.add(label)
                session.commit()
            """,
        ),
        Example(
            "the transaction of a savepoint is given up",
            """
            def create(session, label):
                with session.begin():
                    with session.begin_nested() as savepoint:
                        session.add(label)
                        savepoint.rollback()
                    session.flush()
            """,
        ),
    ),
    known_gaps=(
        "`with Session(engine) as session, session.begin():` in one statement",
        "`session.begin_nested()` blocks and context managers of the project's own",
        "a session that is kept on an object and committed by one of its methods",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/session_transaction.html",
        "oslo.db 18.1.1, enginefacade: _TransactionContext._session",
    ),
)
