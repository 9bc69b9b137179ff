"""DBA304: a commit for each turn of a loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from auditor.model.evidence import Executions, SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.knowledge import Effect
from auditor.model.span import Frame, Span
from auditor.model.tape import Entry, Tape
from auditor.rule import Example, Hit, Hits, LiveExample, OnFunction, OnTape, Rule
from auditor.rules.excuses import LEAST
from auditor.rules.outside import is_of_test
from auditor.rules.queries.loops import LOOPS
from auditor.rules.queries.repeated import Repeated, hit_of, is_in_pieces, repeated_sites
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.rules.turns import Turn, repeated_by
from auditor.source.facts import (
    Bind,
    Call,
    Event,
    FunctionFacts,
    ModuleFacts,
    Region,
    path_of,
)
from auditor.source.program import last_step
from auditor.source.project import Project, position_of
from auditor.source.sites import Site
from auditor.source.traits import SITE


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Sites that certainly commit, inside a loop that data makes long."""

    def commit(site: Site) -> Effect | None:
        return Effect.COMMIT if project.effects.of_site(site).get(Effect.COMMIT) else None

    for repeated in repeated_sites(project, module, function, commit):
        if is_in_pieces(function, repeated) or _is_apart(project, function, repeated):
            continue
        hit = hit_of(project, module, function, repeated)
        yield replace(hit, confidence=Confidence.LOW)


def _is_apart(project: Project, function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether each item is meant to stand or fall alone: an error of one turn is handled in the
    loop, or each turn has a session or a transaction of its own."""
    loop = repeated.loop
    for around in function.ancestors(repeated.site.region):
        if around.index == loop.index:
            break
        if around.kind == "try" and _is_handled(function, around):
            return True
    if _rolls_back(project, function, loop):
        return True
    event = function.events[repeated.site.position]
    if not isinstance(event, Call) or _is_in_inner_loop(function, repeated):
        return True
    return _is_entered(function, loop, event) or _is_made_inside(
        function, loop, path_of(event.func)[:1]
    )


def _is_in_inner_loop(function: FunctionFacts, repeated: Repeated) -> bool:
    """Whether a shorter loop inside, over pieces perhaps, is nearer."""
    inner = next(r for r in function.ancestors(repeated.site.region) if r.kind in LOOPS)
    return inner.index != repeated.loop.index and not repeated.site.per_element


def _is_entered(function: FunctionFacts, loop: Region, call: Call) -> bool:
    """`with session_scope() as session:`, whose end commits."""
    return any(
        item.expr is call
        for region in function.regions
        if loop.first <= region.first <= loop.last
        for item in region.items
    )


def _is_handled(function: FunctionFacts, tried: Region) -> bool:
    return any(r.kind == "handler" and r.partner == tried.index for r in function.regions)


def _rolls_back(project: Project, function: FunctionFacts, loop: Region) -> bool:
    return any(
        Effect.ROLLBACK in site.effects and loop.first <= site.position < loop.last
        for site in project.sites(function)
    )


def _is_made_inside(function: FunctionFacts, loop: Region, name: tuple[str, ...]) -> bool:
    """Whether the session is bound in the loop: by the loop, a with statement or a call."""
    inside = function.inside(loop)
    return bool(name) and any(isinstance(e, Bind) and e.target == name[0] for e in inside)


def check_tape(tape: Tape, project: Project) -> Hits:
    """Transactions that were committed in each turn of a loop, by a commit that is written."""
    seen: set[Frame] = set()
    for one in tape.transactions:
        if one.committed < LEAST or not one.site.stack:
            continue
        entry = next((e for e in tape.entries if e.site == one.site and e.test == one.test), None)
        path = path_of_entry(project, entry) if entry is not None else ()
        if entry is None or is_set_up(path):
            continue
        turn = _turn(project, entry, path, one.committed)
        line = _commit_line(project, path, turn) if turn is not None else None
        if turn is None or line is None or line in seen or is_of_test(turn.frame, line):
            continue
        seen.add(line)
        fields = {"count": one.committed, "turn": str(turn)}
        ran = Executions(
            "COMMIT", "explicit", one.committed, 0, one.seconds, (line, *one.site.stack)
        )
        steps = (
            Step(
                Span(turn.frame.path, turn.frame.line),
                f"what repeats it, in `{turn.frame.function}`",
            ),
            Step(Span(line.path, line.line), f"commits, in `{line.function}`"),
        )
        yield Hit(
            Span(line.path, line.line),
            line.function,
            fields,
            (ran, SourcePath(steps)),
            confidence=Confidence.MEDIUM,
            message=_RECORDED,
        )


def _turn(project: Project, entry: Entry, path: Sequence[Standing], committed: int) -> Turn | None:
    """What repeats the transaction; a `while` that runs as long as the program is no offence."""
    turn = repeated_by(project, replace(entry, most_in_unit=committed), path)
    if turn is not None and turn.kind == "while":
        return repeated_by(project, entry, path)
    return turn


def _commit_line(project: Project, path: Sequence[Standing], turn: Turn) -> Frame | None:
    """The line inside the loop, or in a function it calls, that commits; None if there is none, or
    if each turn is meant to stand alone."""
    for standing in path[: turn.depth]:
        if standing.function is not None:
            call = next(_commits(standing.function.events), None)
            if call is not None:
                return Frame(standing.frame.path, call.at.line, standing.frame.function)
    outer = path[turn.depth]
    if outer.function is None or turn.region < 0:
        return None
    loop = outer.function.regions[turn.region]
    for call in _commits(outer.function.inside(loop)):
        position = position_of(outer.function, call)
        site = Site(-1, position, call.region, call.place, "commit", ())
        repeated = Repeated(site, Effect.COMMIT, loop, sometimes=False)
        if not is_in_pieces(outer.function, repeated) and not _is_apart(
            project, outer.function, repeated
        ):
            return Frame(outer.frame.path, call.at.line, outer.frame.function)
    return None


def _commits(events: Iterable[Event]) -> Iterator[Call]:
    return (e for e in events if isinstance(e, Call) and last_step(e.func) == "commit")


_RECORDED = (
    "{count} transactions were committed here, one in each iteration of {turn}; commit once, after"
    " the loop, if the items belong together"
)
_MODELS = """
            from sqlalchemy import update
            from sqlalchemy.orm import Session, sessionmaker
            from app.models import Label
"""
_RUN = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Label(Base):
                __tablename__ = "labels"
                id = sa.Column(sa.Integer, primary_key=True)
                name = sa.Column(sa.String(40))

            def prepare(engine):
                Base.metadata.create_all(engine)
"""
RULE = Rule(
    code="DBA304",
    name="commit-in-loop",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.LOW,
    message="`{chain}` commits {turns} of the loop on line {loop}{assumes}; one commit could follow"
    " the loop, if the items belong together",
    why=(
        "A commit waits for the disk and expires every row of the session, so that what was loaded"
        " is loaded again. If a turn in the middle fails, the first half is stored and the rest is"
        " not."
    ),
    instead="one commit after the loop; a commit for each few hundred items when the whole is too"
    " long for one transaction; a savepoint for an item that may fail.",
    checks=(OnFunction(check, needs=(SITE,)), OnTape(check_tape)),
    bad=(
        Example(
            "a commit for each item",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    session.add(Label(name=name))
                    session.commit()  # expect: DBA304
            """,
        ),
        Example(
            "in a method that the loop calls",
            _MODELS
            + """
            class Labels:
                def __init__(self, session: Session):
                    self.session = session

                def save(self, label):
                    self.session.add(label)
                    self.session.commit()

            def copy(session: Session, labels):
                store = Labels(session)
                for label in labels:
                    store.save(label)  # expect: DBA304
            """,
        ),
        LiveExample(
            "recorded: a commit for each item",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for name in list("abcdef"):
                        session.add(Label(name=name))
                        session.commit()  # expect: DBA304
            """,
            (
                (
                    "run: 6 transactions were committed here, one in each iteration of the loop at"
                    " example.py:16 over `list('abcdef')`; commit once, after the loop, if the"
                    " items belong together"
                ),
            ),
        ),
        Example(
            "a commit for what was changed",
            _MODELS
            + """
            def share(session: Session, names):
                for label in session.query(Label):
                    if label.name in names:
                        label.shared = True
                        session.commit()  # expect: DBA304
            """,
        ),
    ),
    good=(
        Example(
            "one commit after the loop",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    session.add(Label(name=name))
                session.commit()
            """,
        ),
        LiveExample(
            "recorded: a commit for each three items",
            _RUN
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for number, name in enumerate("abcdefghijkl"):
                        session.add(Label(name=name))
                        if number % 3 == 0:
                            session.commit()
            """,
        ),
        Example(
            "a commit for each five hundred",
            _MODELS
            + """
            def create(session: Session, names):
                for number, name in enumerate(names):
                    session.add(Label(name=name))
                    if number % 500 == 0:
                        session.commit()
            """,
        ),
        Example(
            "each item stands alone",
            _MODELS
            + """
            def create(session: Session, names):
                for name in names:
                    try:
                        session.add(Label(name=name))
                        session.commit()
                    except ValueError:
                        session.rollback()
            """,
        ),
        Example(
            "a session for each item",
            _MODELS
            + """
            Maker = sessionmaker()

            def create(names):
                for name in names:
                    with Maker() as session:
                        session.add(Label(name=name))
                        session.commit()
            """,
        ),
        Example(
            "pieces of a long list",
            _MODELS
            + """
            def share(session: Session, keys):
                for start in range(0, len(keys), 500):
                    piece = keys[start : start + 500]
                    session.execute(update(Label).where(Label.id.in_(piece)).values(shared=True))
                    session.commit()
            """,
        ),
        Example(
            "the last turn commits",
            _MODELS
            + """
            def first_free(session: Session, names):
                for name in names:
                    if name not in RESERVED:
                        session.add(Label(name=name))
                        session.commit()
                        return name
            """,
        ),
        Example(
            "a version control, not a database",
            """
            def publish(repository, files):
                for file in files:
                    repository.commit(file)
            """,
        ),
    ),
    known_gaps=(
        "a transaction block for each turn (`with session.begin():`) is not reported",
        "whether the items belong together is not known: low confidence",
        "a commit on some paths of a function that the loop calls is not reported",
    ),
    sources=("https://docs.sqlalchemy.org/en/20/orm/session_transaction.html",),
)
