"""DBA313: a transaction makes a read again, with the same values, and nothing was written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from auditor.model.evidence import Evidence
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame, Span
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit, Hits, LiveExample, OnTape, Rule
from auditor.rules.excuses import LEAST
from auditor.rules.outside import is_of_catalogue, is_of_test, is_test_code
from auditor.rules.queries.loops import sleeps
from auditor.rules.queries.recorded_loads import evidence_of
from auditor.rules.recorded import Standing, is_set_up, path_of_entry
from auditor.rules.repetitions import repetition_of
from auditor.rules.turns import repeated_by
from auditor.source.facts import Call
from auditor.source.program import last_step
from auditor.source.project import Project

_READS_ANEW = re.compile(r" FOR (?:UPDATE|SHARE|NO KEY UPDATE|KEY SHARE)\b| LOCK IN SHARE MODE")
_WAITING = frozenset(("sleep", "wait", "wait_for"))
_ANEW = frozenset(("refresh", "expire", "expire_all", "populate_existing", "with_for_update"))


def check(tape: Tape, project: Project) -> Hits:
    """Reads that their transactions had made before; those of a loop that asks for other values as
    well are told by DBA301."""
    found: dict[tuple[str, str], list[Entry]] = {}
    for entry in tape.entries:
        if is_told(project, entry):
            found.setdefault((entry.shape, entry.database), []).append(entry)
    for all_of_shape in found.values():
        same = [e for e in all_of_shape if not _is_of_test(tape, project, e)]
        if any(is_same_each_time(e) or not _is_in_loop(tape, project, e) for e in same):
            yield _hit(tape, project, same)


def is_same_each_time(entry: Entry) -> bool:
    """Whether all executions in a transaction had the same values, with no write in between."""
    return bool(entry.repeats) and entry.repeats == entry.executions - entry.units


def is_told(project: Project, entry: Entry) -> bool:
    """Whether an entry has reads that were made before, for nothing."""
    if not _is_read(entry):
        return False
    path = path_of_entry(project, entry)
    return not is_set_up(path) and not _is_meant(project, path)


def _is_in_loop(tape: Tape, project: Project, entry: Entry) -> bool:
    found = repetition_of(tape, project, entry) if entry.executions >= LEAST else None
    return found is not None


def _is_read(entry: Entry) -> bool:
    return (
        bool(entry.repeats)
        and entry.verb == "SELECT"
        and entry.cause.kind is CauseKind.EXPLICIT
        and bool(entry.tables and entry.site.stack)
        and not _READS_ANEW.search(entry.shape)
        and not is_of_catalogue(entry)
    )


def _is_meant(project: Project, path: Sequence[Standing]) -> bool:
    """Whether the program waits for a change, asks for the newest state, or is a test that does."""
    if all(is_test_code(standing.frame) for standing in path):
        return True
    return any(_asks_anew(project, standing) for standing in path)


def _asks_anew(project: Project, standing: Standing) -> bool:
    function, module = standing.function, standing.module
    if function is None or module is None:
        return False
    calls = {last_step(event.func) for event in function.events if isinstance(event, Call)}
    if not calls.isdisjoint(_ANEW):
        return True
    event = standing.event
    around = function.ancestors(event.region) if event is not None else ()
    loops = [region for region in around if region.kind in {"for", "while"}]
    return any(
        sleeps(project, function, loop) or not _waits(function.inside(loop)).isdisjoint(_WAITING)
        for loop in loops
    )


def _waits(events: Sequence[object]) -> set[str]:
    return {last_step(event.func) for event in events if isinstance(event, Call)}


def _hit(tape: Tape, project: Project, same: Sequence[Entry]) -> Hit:
    most = max(same, key=lambda e: (e.repeats, e.site.frame))
    emits = most.site.frame
    repeats = sum(entry.repeats for entry in same)
    times = sum(entry.executions for entry in _of_shape(tape, most))
    fields = {
        "repeats": f"{repeats} of {times}",
        "others": _others(tape, most),
        "keep": _keep(tape, project, most),
    }
    path = path_of_entry(project, most)
    function = path[0].function.qualname if path[0].function is not None else emits.function
    evidence: tuple[Evidence, ...] = tuple(evidence_of(same))
    looped = repetition_of(tape, project, most) if most.executions >= LEAST else None
    if looped is not None and looped.turn is not None:
        evidence = looped.evidence
    return Hit(Span(emits.path, emits.line), function, fields, evidence)


def _of_shape(tape: Tape, entry: Entry) -> list[Entry]:
    return [e for e in tape.entries if e.shape == entry.shape and e.database == entry.database]


def _others(tape: Tape, entry: Entry) -> str:
    """The other lines that make the read."""
    lines = {e.site.frame for e in _of_shape(tape, entry)} - {entry.site.frame}
    places = sorted(f"{frame.path}:{frame.line}" for frame in lines)[:3]
    return f"; it is made at {', '.join(places)} too" if places else ""


def _keep(tape: Tape, project: Project, entry: Entry) -> str:
    """Where one read would do: in the function whose lines lead to it apart, or before the loop."""
    shared = _fork(tape, entry)
    if shared is not None and not is_of_test(shared, entry.site.frame):
        return f"read it once in `{shared.function}` and pass the result on"
    turn = repeated_by(project, entry, path_of_entry(project, entry))
    if turn is not None and entry.most_in_unit > 2:  # noqa: PLR2004 - a loop turns more than twice
        return f"read it once before {turn}"
    return "keep the result and pass it on"


def _fork(tape: Tape, entry: Entry) -> Frame | None:
    """The function whose lines lead to the read apart, None if all lead to it by one way."""
    stacks = {e.site.stack for e in _of_shape(tape, entry) if e.test == entry.test}
    shared = None
    for frames in zip(*(reversed(stack) for stack in stacks), strict=False):
        if len({(frame.path, frame.function) for frame in frames}) > 1:
            break
        shared = frames[0]
        if len(set(frames)) > 1:
            break
    return shared if len(stacks) > 1 else None


def _is_of_test(tape: Tape, project: Project, entry: Entry) -> bool:
    """Whether it is a test that calls the program again and again in one transaction of its own."""
    turn = repeated_by(project, entry, path_of_entry(project, entry))
    line = turn.frame if turn is not None else _fork(tape, entry)
    return line is not None and is_of_test(line, entry.site.frame)


_MODEL = """
            import time
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Quota(Base):
                __tablename__ = "quotas"
                id = sa.Column(sa.Integer, primary_key=True)
                project = sa.Column(sa.String(10))
                size = sa.Column(sa.Integer)

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Quota(project=key, size=3) for key in "abc")
                    session.commit()
"""
RULE = Rule(
    code="DBA313",
    name="repeated-read",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{repeats} executions are a read that their transaction had made before, with the same"
    " values and no write in between{others}: {keep}",
    why=(
        "The answer is known: nothing was written since, and under REPEATABLE READ it cannot even"
        " differ. Each repetition is a round trip. It is often a helper that every layer calls."
    ),
    instead="one read whose result is handed on, or `session.get()`, which asks the identity map"
    " first.",
    checks=(OnTape(check),),
    bad=(
        LiveExample(
            "a helper that every check calls",
            _MODEL
            + """
            def quota(session, project):
                query = sa.select(Quota.size).where(Quota.project == project)
                return session.scalar(query)  # expect: DBA313

            def allowed(session, project, wanted):
                return wanted <= quota(session, project)

            def run(engine):
                with orm.Session(engine) as session:
                    return [allowed(session, "a", number) for number in range(4)]
            """,
        ),
        LiveExample(
            "two functions read the same in one transaction",
            _MODEL
            + """
            def quota(session, project):
                return session.query(Quota).filter_by(project=project).one()  # expect: DBA313

            def check(session, project):
                return quota(session, project).size > 1

            def show(session, project):
                return quota(session, project).size

            def run(engine):
                with orm.Session(engine) as session:
                    return check(session, "b") and show(session, "b")
            """,
        ),
    ),
    good=(
        LiveExample(
            "something was written in between",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for number in range(4):
                        session.execute(sa.update(Quota).values(size=number))
                        session.scalar(sa.select(Quota.size).where(Quota.project == "a"))
            """,
        ),
        LiveExample(
            "other values",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for project in "abc":
                        session.scalar(sa.select(Quota.size).where(Quota.project == project))
            """,
        ),
        LiveExample(
            "it waits for a change",
            _MODEL
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for _ in range(4):
                        session.scalar(sa.select(Quota.size).where(Quota.project == "a"))
                        time.sleep(0)
            """,
        ),
        LiveExample(
            "each in a transaction of its own",
            _MODEL
            + """
            def run(engine):
                for _ in range(4):
                    with orm.Session(engine) as session:
                        session.scalar(sa.select(Quota.size).where(Quota.project == "a"))
            """,
        ),
    ),
    known_gaps=(
        "writes of other transactions, which READ COMMITTED would show, are not looked at",
    ),
)
