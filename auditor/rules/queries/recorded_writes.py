"""The recorded half of DBA303: writes that a loop made row by row."""

from __future__ import annotations

from auditor.model.finding import Confidence
from auditor.model.knowledge import Effect
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit, Hits, LiveExample
from auditor.rules.excuses import LEAST
from auditor.rules.fixes import class_or_table, compared_column
from auditor.rules.queries.needed_writes import is_one_by_one, reads_new_key
from auditor.rules.queries.repeated import Repeated, is_in_pieces
from auditor.rules.recorded import Standing
from auditor.rules.repetitions import Repetition, repetitions
from auditor.source.facts import Call, FunctionFacts
from auditor.source.program import last_step
from auditor.source.project import Project
from auditor.source.sites import Site
from auditor.sql.shape import brief
from auditor.sql.verbs import READS, WRITES

_MESSAGE = "`{shape}` was {count}, {turns}; {fix}"


def check_tape(tape: Tape, project: Project) -> Hits:
    """Writes of single rows, below a loop. A commit in the loop is told by DBA304."""
    reads = {r.turn.frame for r in repetitions(tape, project, _is_read) if r.turn is not None}
    for found in repetitions(tape, project, _is_write):
        if _is_of_commit(found) or _is_needed(found):
            continue
        fields = {
            "shape": brief(found.first.shape, 70),
            "count": found.count,
            "turns": found.turns,
            "fix": _fix(project, found),
        }
        reads_too = found.turn is not None and found.turn.frame in reads
        simple = found.most >= LEAST and not reads_too
        yield Hit(
            found.span,
            found.emits.function,
            fields,
            found.evidence,
            confidence=found.confidence if simple else Confidence.LOW,
            message=_MESSAGE,
        )


def _is_read(entry: Entry) -> bool:
    return entry.cause.kind is CauseKind.EXPLICIT and entry.verb in READS


def _is_write(entry: Entry) -> bool:
    """Whether a statement writes one row at a time and the program asked for it here."""
    is_asked = entry.cause.kind in {CauseKind.EXPLICIT, CauseKind.FLUSH}
    return is_asked and entry.verb in WRITES and entry.sent <= entry.executions


def _is_of_commit(found: Repetition) -> bool:
    """Whether the flush is that of a commit, or of the end of a block."""
    if found.first.cause.kind is not CauseKind.FLUSH:
        return False
    event = found.path[0].event
    return not isinstance(event, Call) or last_step(event.func) not in _FLUSHES


_FLUSHES = frozenset(("flush", "merge", "refresh", "bulk_save_objects"))


def _is_needed(found: Repetition) -> bool:
    """Whether no single statement can do it: each turn uses the key its flush made, or looks at
    the result or the error of its own row; or a count of rows decides when to flush."""
    turn = found.turn
    if turn is None or turn.region < 0:
        return found.first.cause.kind is CauseKind.FLUSH and found.turn is None
    standing = found.path[turn.depth]
    function = standing.function
    if function is None:
        return False
    effect = Effect.FLUSH if found.first.cause.kind is CauseKind.FLUSH else Effect.WRITE
    repeated = Repeated(_site(standing, function), effect, function.regions[turn.region], False)  # noqa: FBT003 - a field
    if is_one_by_one(function, repeated):
        return True
    is_flush = effect is Effect.FLUSH
    return is_flush and (is_in_pieces(function, repeated) or reads_new_key(function, repeated))


def _site(standing: Standing, function: FunctionFacts) -> Site:
    event = function.events[standing.position]
    return Site(-1, standing.position, event.region, event.place, "", ())


def _fix(project: Project, found: Repetition) -> str:
    entry = found.first
    owner = class_or_table(project, entry) or "..."
    if entry.cause.kind is CauseKind.FLUSH:
        return "add the objects in the loop (`session.add_all([...])`) and flush once after it"
    if entry.verb == "INSERT":
        return f"one `execute(insert({owner}), [...])` with the rows of all turns, after the loop"
    asked = compared_column(entry.shape)
    key = f"{owner}.{asked[1]}" if asked else f"{owner}..."
    if entry.verb == "DELETE":
        return f"one `delete({owner}).where({key}.in_(...))` for all turns"
    return (
        f"one `update({owner}).where({key}.in_(...))` for all turns, or one `execute(statement,"
        " [...])` with a list of values where they differ"
    )


_MODELS = """
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
BAD = (
    LiveExample(
        "recorded: a flush for each new row",
        _MODELS
        + """
            def save(session, name):
                session.add(Label(name=name))
                session.flush()  # expect: DBA303

            def run(engine):
                with orm.Session(engine) as session:
                    for name in list("abcdef"):
                        save(session, name)
                    session.commit()
            """,
        (
            (
                "save: `INSERT INTO labels (name) VALUES (?)` was executed 6 times in one"
                " transaction, once for each iteration of the loop at example.py:20 over"
                " `list('abcdef')`; add the objects in the loop (`session.add_all([...])`) and"
                " flush once after it"
            ),
        ),
    ),
    LiveExample(
        "recorded: an INSERT for each row",
        _MODELS
        + """
            def run(engine):
                with engine.begin() as connection:
                    for name in list("abcdef"):
                        connection.execute(sa.insert(Label).values(name=name))  # expect: DBA303
            """,
    ),
)
GOOD = (
    LiveExample(
        "recorded: one statement with all rows",
        _MODELS
        + """
            def run(engine):
                with engine.begin() as connection:
                    connection.execute(sa.insert(Label), [{"name": name} for name in "abcdef"])
            """,
    ),
    LiveExample(
        "recorded: one flush writes all rows",
        _MODELS
        + """
            def run(engine):
                with orm.Session(engine) as session:
                    for name in list("abcdef"):
                        session.add(Label(name=name))
                    session.commit()
            """,
    ),
)
