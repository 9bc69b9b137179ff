"""DBA316: columns that were not there any more, or not yet, are loaded row by row."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.model.tape import CauseKind, Entry, Tape
from auditor.rule import Hit, Hits, LiveExample, OnTape, Rule
from auditor.rules.fixes import loading_query, model_named, option_on_query
from auditor.rules.recorded import Standing
from auditor.rules.repetitions import Repetition, repetitions
from auditor.source.facts import Call, Region
from auditor.source.program import last_step
from auditor.source.project import Project

_ENDING = frozenset(("commit", "rollback", "expire_all", "expire"))
_WORDS = {
    CauseKind.REFRESH: "rows of `{relation}` that had expired are loaded again, one by one",
    CauseKind.DEFERRED: "the column `{relation}`, which its query left out, is loaded row by row",
    CauseKind.POLYMORPHIC: "the columns of `{relation}` in its own table are loaded row by row",
}


def check(tape: Tape, project: Project) -> Hits:
    """Loads of columns of single rows, below a loop."""
    for found in repetitions(tape, project, _is_reload):
        cause = found.first.cause
        relation = " and ".join(_relations(found)) or "a mapped class"
        fields = {
            "what": _WORDS[cause.kind].format(relation=relation.replace(" and ", "` and `")),
            "count": found.count,
            "turns": found.turns,
            "fix": _FIXES[cause.kind](tape, project, found),
        }
        yield Hit(
            found.span, found.emits.function, fields, found.evidence, confidence=found.confidence
        )


def _is_reload(entry: Entry) -> bool:
    """Whether a statement loads columns of one object; subclass rows loaded in batches are not."""
    return entry.cause.kind in _WORDS and " IN (" not in entry.shape


def _relations(found: Repetition) -> list[str]:
    """What is loaded: the classes, or `Class.column`."""
    return sorted({entry.cause.relation for entry in found.entries if entry.cause.relation})


def _of_expired(tape: Tape, project: Project, found: Repetition) -> str:
    owner = found.first.cause.relation or "the class"
    emitting = found.path[0].event
    again = f"one query before the loop loads all again: `select({owner})...` with"
    again += " `execution_options(populate_existing=True)`"
    if isinstance(emitting, Call) and last_step(emitting.func) == "refresh":
        return f"in place of `refresh()` for each, {again}"
    line = _ending_in_loop(found)
    if line:
        return (
            f"what stands on line {line}, inside the loop, expires every row: do it once, after the"
            " loop, or make the session with `expire_on_commit=False`"
        )
    return (
        "make the session with `expire_on_commit=False`, or read what is needed before the commit;"
        f" if the rows must be fresh, {again}"
    )


def _ending_in_loop(found: Repetition) -> int:
    """The line of a commit or the like inside the loop; 0 if there is none."""
    turn = found.turn
    standing = found.path[turn.depth] if turn is not None else None
    if turn is None or standing is None or standing.function is None or turn.region < 0:
        return 0
    return _first_ending(standing, standing.function.regions[turn.region])


def _first_ending(standing: Standing, loop: Region) -> int:
    events = standing.function.inside(loop) if standing.function is not None else ()
    calls = (event for event in events if isinstance(event, Call))
    return next((call.at.line for call in calls if last_step(call.func) in _ENDING), 0)


def _of_deferred(tape: Tape, project: Project, found: Repetition) -> str:
    column = next((name for name in _relations(found) if "." in name), "")
    if not column:
        owner = found.first.cause.relation or "Class"
        return f"{option_on_query(tape, project, found, f'undefer({owner}....)')} for each column"
    where = option_on_query(tape, project, found, f"undefer({column})")
    return (
        f"{where}, or name it in its `load_only(...)`; if most readers want it, the mapping should"
        " not defer it"
    )


def _of_subclass(tape: Tape, project: Project, found: Repetition) -> str:
    classes = sorted({name.partition(".")[0] for name in _relations(found)}) or ["..."]
    above = _mapped_above(project, classes[0])
    named = above or "Base"
    listed = ", ".join(classes)
    load = loading_query(tape, project, found, named)
    where = f" at {load.site.frame.path}:{load.site.frame.line}" if load is not None else ""
    return (
        f"add `.options(selectin_polymorphic({named}, [{listed}]))` to the query{where}, or ask for"
        f" `with_polymorphic({named}, [{listed}])`"
    )


def _mapped_above(project: Project, name: str) -> str:
    """The name of the topmost mapped class that a mapped class inherits from; empty if not read."""
    model = model_named(project, name)
    if model is None:
        return ""
    above = project.program.mro(model.dotted)[1:]
    mapped = [a for a in above if (found := project.models.by_name.get(a)) and found.table]
    return mapped[-1].rpartition(".")[2] if mapped else ""


_FIXES = {
    CauseKind.REFRESH: _of_expired,
    CauseKind.DEFERRED: _of_deferred,
    CauseKind.POLYMORPHIC: _of_subclass,
}

_MODELS = """
            import sqlalchemy as sa
            from sqlalchemy import orm

            Base = orm.declarative_base()

            class Volume(Base):
                __tablename__ = "volumes"
                id = sa.Column(sa.Integer, primary_key=True)
                kind = sa.Column(sa.String(20), default="volume")
                note = orm.deferred(sa.Column(sa.Text))
                __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "volume"}

            class Snapshot(Volume):
                __tablename__ = "snapshots"
                id = sa.Column(sa.ForeignKey("volumes.id"), primary_key=True)
                size = sa.Column(sa.Integer)
                __mapper_args__ = {"polymorphic_identity": "snapshot"}

            def prepare(engine):
                Base.metadata.create_all(engine)
                with orm.Session(engine) as session:
                    session.add_all(Snapshot(size=size, note="n") for size in range(4))
                    session.commit()
"""
RULE = Rule(
    code="DBA316",
    name="refresh-storm",
    since="0.2.0",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    message="{what}: {count}, {turns}; {fix}",
    why=(
        "A commit expires every row of its session, a deferred column and the columns of a"
        " subclass's table are left out of the first query. Reading one attribute then issues a"
        " SELECT for that row alone: a thousand rows cost a thousand round trips that no line of"
        " the source shows."
    ),
    instead="`expire_on_commit=False` or the values read before the commit for expired rows;"
    " `undefer()` for a deferred column; `selectin_polymorphic()` for subclasses.",
    checks=(OnTape(check),),
    bad=(
        LiveExample(
            "rows read after the commit that expired them",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    volumes = session.scalars(sa.select(Volume)).all()
                    session.commit()
                    return [volume.kind for volume in volumes]  # expect: DBA316
            """,
        ),
        LiveExample(
            "a deferred column of each row",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    for volume in session.scalars(sa.select(Volume)).all():
                        print(end=volume.note and "")  # expect: DBA316
            """,
        ),
        LiveExample(
            "a column of the subclass, of rows that a query for the base class gave",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    volumes = session.scalars(sa.select(Volume)).all()
                    return sum(volume.size for volume in volumes)  # expect: DBA316
            """,
            (
                (
                    "run.<genexpr>: the columns of `Snapshot.size` in its own table are loaded row"
                    " by row: executed 4 times in one transaction, once for each iteration of the"
                    " comprehension at example.py:28 over `volumes`; add"
                    " `.options(selectin_polymorphic(Volume, [Snapshot]))` to the query at"
                    " example.py:27, or ask for `with_polymorphic(Volume, [Snapshot])`"
                ),
            ),
        ),
    ),
    good=(
        LiveExample(
            "one row read after the commit",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    volumes = session.scalars(sa.select(Volume)).all()
                    session.commit()
                    return volumes[0].kind
            """,
        ),
        LiveExample(
            "a session that does not expire its rows",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine, expire_on_commit=False) as session:
                    volumes = session.scalars(sa.select(Volume)).all()
                    session.commit()
                    return [volume.kind for volume in volumes]
            """,
        ),
        LiveExample(
            "the column is asked for",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Volume).options(orm.undefer(Volume.note))
                    return [volume.note for volume in session.scalars(query)]
            """,
        ),
        LiveExample(
            "the subclass's columns come in one batch",
            _MODELS
            + """
            def run(engine):
                with orm.Session(engine) as session:
                    query = sa.select(Volume).options(orm.selectin_polymorphic(Volume, [Snapshot]))
                    return [volume.size for volume in session.scalars(query)]
            """,
        ),
    ),
    known_gaps=(
        "fewer than three loads in one transaction",
        "what expired the rows is told only when it stands in the loop itself",
    ),
    sources=(
        "https://docs.sqlalchemy.org/en/20/orm/session_state_management.html#refreshing-expiring",
        "https://docs.sqlalchemy.org/en/20/orm/queryguide/inheritance.html",
    ),
)
