"""DBA410: a transaction that holds its locks for long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from auditor.model.evidence import Executions, SourcePath, Step
from auditor.model.finding import Confidence, Severity
from auditor.model.span import Frame
from auditor.model.tape import (
    UNKNOWN_FRAME,
    CauseKind,
    IncidentKind,
    Site,
    Tape,
    TransactionEntry,
)
from auditor.rule import Hit, Hits, LiveExample, OnTape, Rule
from auditor.rules.outside import is_of_test
from auditor.rules.recorded import path_of_entry
from auditor.rules.transactions.happened import incidents, is_prepared, line_of, span_at
from auditor.rules.turns import repeated_by
from auditor.source.project import Project


@dataclass(frozen=True, slots=True)
class Limits:
    """What one writing transaction may use: statements, seconds, seconds without a statement."""

    statements: int = 300
    seconds: float = 5.0
    gap: float = 1.0


LIMITS = Limits()


def recorded(tape: Tape, project: Project) -> Hits:
    """Transactions that wrote or locked rows and were longer than that, one hit for each line."""
    return over(tape, project, LIMITS)


def over(tape: Tape, project: Project, limits: Limits) -> Hits:
    """Transactions over other limits. How long a test takes is the machine's: that is advice."""
    writing = {(course.kind, course.opened) for course in tape.courses}
    told = _told_gaps(tape, project)
    reported: set[tuple[str, Frame]] = set()
    for one in sorted(tape.transactions, key=lambda t: (-t.longest_seconds, t.test)):
        key = (one.kind, one.opened)
        if key not in writing or key in reported or is_prepared(project, one.site, one.opened):
            continue
        gap = one.longest_gap if told.get(one.opened, 0.0) < one.longest_gap / 2 else 0.0
        if is_of_test(one.opened, one.site.frame):
            continue
        many = one.most_statements > limits.statements
        pieces = _pieces(tape, project, one) if many else one.most_statements
        how = _how(replace(one, most_statements=pieces), limits, gap)
        if how:
            reported.add(key)
            is_sure = pieces > limits.statements or not one.test
            sure = Confidence.MEDIUM if is_sure else Confidence.LOW
            yield replace(_hit(project, one, how), confidence=sure)


def _pieces(tape: Tape, project: Project, one: TransactionEntry) -> int:
    """The statements of the longest transaction, those of one flush as one: the program asked once,
    and databases that return no keys of several rows get a statement for each."""
    courses = (c for c in tape.courses if (c.kind, c.opened) == (one.kind, one.opened))
    ran = {(step.shape, step.site) for course in courses for step in course.steps}
    spare = 0
    for entry in tape.entries:
        is_flush = entry.cause.kind in {CauseKind.FLUSH, CauseKind.AUTOFLUSH}
        if not is_flush or entry.test != one.test or (entry.shape, entry.site) not in ran:
            continue
        if repeated_by(project, entry, path_of_entry(project, entry)) is None:
            spare += entry.most_in_unit - 1
    return max(one.most_statements - spare, 1)


def _told_gaps(tape: Tape, project: Project) -> dict[Frame, float]:
    """Seconds in which transactions waited or told others: DBA401 says so on its line."""
    found: dict[Frame, float] = {}
    for one in incidents(tape, project, IncidentKind.SIDE_EFFECT):
        found[one.opened] = found.get(one.opened, 0.0) + one.seconds
    return found


def _how(one: TransactionEntry, limits: Limits, gap: float) -> str:
    found = []
    if one.most_statements > limits.statements:
        found.append(f"{one.most_statements:,} statements (more than {limits.statements:,})")
    if gap > limits.gap:
        found.append(f"{gap:.3g} s without a statement (more than {limits.gap:g} s)")
    if one.longest_seconds > limits.seconds:
        found.append(f"{one.longest_seconds:.3g} s in all (more than {limits.seconds:g} s)")
    return ", ".join(found)


def _hit(project: Project, one: TransactionEntry, how: str) -> Hit:
    begun = one.opened if one.opened != UNKNOWN_FRAME else one.site.frame
    site = Site((begun,))
    span = span_at(project, site)
    seen = Executions(
        "the whole transaction",
        one.kind,
        one.most_statements,
        0,
        one.longest_seconds,
        one.site.stack,
    )
    first = Step(span_at(project, one.site), "its first statement")
    fields = {
        "kind": "transaction" if one.kind == "plain" else one.kind,
        "how": how,
        "first": line_of(one.site.frame, begun),
    }
    return Hit(span, begun.function, fields, (SourcePath((Step(span, "begins here"), first)), seen))


RULE = Rule(
    code="DBA410",
    name="long-transaction",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="the {kind} begun here wrote or locked rows and was long: {how}; its first statement"
    " is on {first}: prepare before it begins what needs no lock, and commit in pieces",
    why=(
        "Rows that a transaction has written stay locked, and old versions of all rows are kept,"
        " until it ends. Whoever wants those rows waits, a replica falls behind, and a deadlock or"
        " a lost connection throws away everything. What counts is the time, and first of all the"
        " time in which no statement runs."
    ),
    instead="Work that needs no lock before the transaction; large changes in one statement, or in"
    " pieces of a few hundred rows with a commit for each. Reads in pieces with `yield_per`.",
    checks=(OnTape(recorded),),
    bad=(
        LiveExample(
            "row by row",
            """
            import sqlalchemy as sa
            from sqlalchemy.orm import Session

            def prepare(engine):
                with engine.begin() as connection:
                    connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))

            def run(engine):
                with Session(engine) as session, session.begin():  # expect: DBA410
                    for number in range(301):
                        session.execute(sa.text("INSERT INTO t VALUES (:n)"), {"n": number})
            """,
        ),
    ),
    good=(
        LiveExample(
            "in pieces, and a long read",
            """
            import sqlalchemy as sa
            from sqlalchemy.orm import Session

            def prepare(engine):
                with engine.begin() as connection:
                    connection.execute(sa.text("CREATE TABLE t (n INTEGER)"))

            def run(engine):
                for start in range(0, 600, 200):
                    with Session(engine) as session, session.begin():
                        for number in range(start, start + 200):
                            session.execute(sa.text("INSERT INTO t VALUES (:n)"), {"n": number})
                with Session(engine) as session:
                    for number in range(400):
                        session.execute(sa.text("SELECT n FROM t WHERE n = :n"), {"n": number})
            """,
        ),
        LiveExample(
            "one flush of many rows",
            """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Row(Base):
                __tablename__ = "t"
                id = sa.Column(sa.Integer, primary_key=True)
                number = sa.Column(sa.Integer)

            def prepare(engine):
                Base.metadata.create_all(engine)

            def run(engine):
                with orm.Session(engine) as session, session.begin():
                    session.add_all(Row(id=n) for n in range(400))
                    for row in session.new:
                        row.number = sa.literal(row.id) + 1  # an expression: a statement for each
            """,
        ),
    ),
    known_gaps=(
        "limits are 300 statements, 5 s, and 1 s without a statement; `over()` judges by others",
        "time is that of the machine and the data of the test",
        "transactions that only read, however long",
    ),
    sources=("https://www.postgresql.org/docs/current/routine-vacuuming.html",),
)
