"""Whether an error can come to a handler: by the engine, the schema, and what the `try` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from auditor.handlers.clauses import Clause
from auditor.handlers.done import DELETE, FLUSH, INSERT, READ, UPDATE, WRITE, Done
from auditor.handlers.engines import never_let_out
from auditor.handlers.schema import Key, keys_of, references_of, refusing
from auditor.handlers.work import YIELDED, Work, work_of
from auditor.model.handler import CaughtError, Reach
from auditor.model.knowledge import CURSOR, DRIVER_CONNECTION
from auditor.rules.errors.caught import catches, handlers_of, short
from auditor.source.facts import Call, Raise
from auditor.source.models import Model
from auditor.source.project import Project

EVERYTHING = "Exception"
DUPLICATE = "oslo_db.exception.DBDuplicateEntry"
REFERENCE = "oslo_db.exception.DBReferenceError"
_OBJECT_DUPLICATE = "neutron_lib.objects.exceptions.NeutronDbObjectDuplicateEntry"

_DRIVERS = (f"{CURSOR}.", f"{DRIVER_CONNECTION}.")
Judged = tuple[Reach, str]
Judge = Callable[[Project, Work, str], Judged]


def reach_of(project: Project, clause: Clause, name: str) -> CaughtError:
    """Whether an error of the class `name` of the tables can come to the handler, and why."""
    row = project.knowledge.errors.get(name)
    above = _taken_above(project, clause, name)
    if above:
        return CaughtError(name, Reach.NEVER, f"`except {above}` above takes it")
    why_not = never_let_out(project, clause.module, row) if row is not None else ""
    if why_not:
        return CaughtError(name, Reach.NEVER, why_not)
    raised = _raised_inside(project, clause, name)
    if raised:
        return CaughtError(name, Reach.PROVEN, f"line {raised} raises it")
    scope = project.program.scope_of(clause.function)
    tried = clause.handler.tried
    work = work_of(project, scope, tried, (name,))
    if row is not None and row.library == "driver":
        return CaughtError(name, *_of_driver(project, clause, work, name))
    reach, reason = _judged(project, work, name, lambda: work_of(project, scope, tried))
    if reach is not Reach.NEVER:
        reason += _after_retries(work)
        if row is not None and row.note and reach is Reach.POSSIBLE and name in _BY_BACKEND:
            reason = f"{row.note}; {reason}"
    return CaughtError(name, reach, reason)


def _of_driver(project: Project, clause: Clause, work: Work, name: str) -> Judged:
    """SQLAlchemy wraps what the driver raises, unless the program calls the driver itself."""
    called = (
        project.resolve(clause.module, event.func)
        for event in clause.function.inside(clause.handler.tried)
        if isinstance(event, Call)
    )
    library = name.partition(".")[0]
    if any(one.partition(".")[0] == library for one in called):
        return Reach.POSSIBLE, f"its `try` calls `{library}` itself"
    if any(one.site.what.startswith(_DRIVERS) for one in work.done):
        return Reach.POSSIBLE, "its `try` works on a connection of the driver"
    if work.is_whole and work.done:
        return Reach.NEVER, "SQLAlchemy wraps the errors of drivers in its own"
    return Reach.POSSIBLE, _not_known(work) if work.unknown else "nothing in its `try` is known"


def _judged(project: Project, work: Work, name: str, everything: Callable[[], Work]) -> Judged:
    judge = _JUDGES.get(name, _other)
    if judge is _by_itself:
        return judge(project, work, name)
    if not work.done and not work.raises:
        if work.is_whole and everything().done:
            return Reach.NEVER, "a handler further in takes it"
        if work.is_whole:
            return Reach.NEVER, "nothing in its `try` comes to the database"
        return Reach.POSSIBLE, _not_known(work)
    if work.writes and not work.flushes and all(one.noted for one in work.done):
        if work.is_whole:
            first = work.done[0].site
            noted = f"`{first.what}` on line {first.at.line} only notes a change"
            return Reach.NEVER, f"{noted}, and nothing in the `try` sends it"
        return Reach.POSSIBLE, "if what its `try` calls sends the change that is noted in it"
    if not work.done and judge is not _one_row:
        return Reach.POSSIBLE, _not_known(work)
    return judge(project, work, name)


def _taken_above(project: Project, clause: Clause, name: str) -> str:
    """What an earlier handler of the same `try` names that takes the error, empty if none does."""
    for other in handlers_of(project, clause.module, clause.function):
        if other.tried.index != clause.handler.tried.index or clause.kind != "except":
            continue
        if other.region.index == clause.handler.region.index:
            return ""
        if catches(project, other, name):
            return ", ".join(short(one) for one in other.types) or EVERYTHING
    return ""


def _raised_inside(project: Project, clause: Clause, name: str) -> int:
    """The line in the `try` that raises an error of the class itself, 0 if there is none."""
    for event in clause.function.inside(clause.handler.tried):
        made = getattr(event.error, "func", event.error) if isinstance(event, Raise) else None
        if made is not None and project.knowledge.is_error(
            project.resolve(clause.module, made), name
        ):
            return event.at.line
    return 0


def _not_known(work: Work) -> str:
    if work.unknown == YIELDED:
        return "its `try` yields to a block that may be any"
    return f"its `try` calls `{work.unknown}()`, of which too little is known"


def _after_retries(work: Work) -> str:
    done = [one for one in work.done if one.verb != READ] or list(work.done)
    if done and all(one.way.retried for one in done):
        return f", once the retry of `{done[0].way.retried[0]}` has given up"
    return ""


def _anything(_: Project, work: Work, __: str) -> Judged:
    """Any statement may end in it: a lost connection, a deadlock."""
    sure = next((one for one in work.done if one.certain and not one.noted), None)
    if sure is not None:
        return Reach.PROVEN, f"any statement can end in it, such as {_at(sure)}"
    if work.flushes and any(one.certain for one in work.done):
        return Reach.PROVEN, "any statement can end in it, and its `try` sends some"
    return Reach.POSSIBLE, f"if its `try` comes to {_at(work.done[0])}"


def _duplicate(project: Project, work: Work, name: str) -> Judged:
    found: list[tuple[Done, Key]] = []
    instead = ""
    for one in _of_verbs(work, INSERT, UPDATE, WRITE):
        standing_in = stands_in(project, one, name)
        instead = instead or standing_in
        if not standing_in:
            found += [(one, key) for key in _natural(project, one.model)]
    if instead and not found and work.is_whole:
        return Reach.NEVER, f"`create()` raises `{short(instead)}` in its place"
    told = [(one, _key_words(one, key)) for one, key in found]
    return _refused(project, work, told, DUPLICATE if name != _OBJECT_DUPLICATE else name)


def stands_in(project: Project, one: Done, name: str) -> str:
    """The error that a call raises in place of one of the database, empty if it is let out."""
    for raised in one.raises:
        row = project.knowledge.errors.get(raised)
        if row is not None and name in row.stands_for:
            return raised
    return ""


def _reference(project: Project, work: Work, name: str) -> Judged:
    found: list[tuple[Done, str]] = []
    for one in work.writes:
        if one.model is not None and one.verb != DELETE:
            found += [
                (one, f"`{short(one.model.dotted)}.{key.column}` refers to `{key.target}`")
                for key in references_of(project, one.model)
            ]
        if one.model is not None and one.verb in (DELETE, WRITE):
            found += [
                (one, f"`{short(key.model.dotted)}.{key.column}` refers to it without CASCADE")
                for key in refusing(project, one.model)
            ]
    return _refused(project, work, found, REFERENCE)


def _integrity(project: Project, work: Work, name: str) -> Judged:
    reach, reason = _duplicate(project, work, name)
    if reach is Reach.PROVEN:
        return reach, reason
    other, other_reason = _reference(project, work, name)
    if other is Reach.PROVEN:
        return other, other_reason
    return (other, other_reason) if reach is Reach.NEVER else (reach, reason)


def _refused(project: Project, work: Work, found: Sequence[tuple[Done, str]], name: str) -> Judged:
    """From the constraints that what is written can violate."""
    what = "reference" if name == REFERENCE else "duplicate"
    if name == _OBJECT_DUPLICATE:
        found = [(one, words) for one, words in found if one.verb == INSERT]
    for verbs in ((INSERT, DELETE), (UPDATE, WRITE)):
        for one, words in found:
            if one.verb in verbs and one.certain and (not one.noted or work.flushes):
                is_sure = one.verb in (INSERT, DELETE)
                reach = Reach.PROVEN if is_sure else Reach.POSSIBLE
                return reach, f"{_at(one)}: {words}"
    if found:
        one, words = found[0]
        return Reach.POSSIBLE, f"if its `try` comes to {_at(one)}: {words}"
    return _nothing_refusable(project, work, what)


def _changed_too(project: Project, work: Work) -> str:
    """A change that no call of a write stands for, in words; empty if there is none. An object that
    is made and added is no such change."""
    written = {one.model.dotted for one in work.writes if one.model is not None}
    for change in work.unseen:
        model = project.models.model_of(change)
        if model is None:
            return "it calls `setattr()`" if change == "setattr()" else f"`{change}` is set"
        if model.dotted not in written:
            return f"a `{short(model.dotted)}` is made"
    return ""


def _nothing_refusable(project: Project, work: Work, what: str) -> Judged:
    unknown = next((one for one in work.writes if one.model is None), None)
    if not work.is_whole:
        return Reach.POSSIBLE, _not_known(work)
    if unknown is not None:
        return Reach.POSSIBLE, f"{_at(unknown)}: what it writes is not known"
    changed = _changed_too(project, work)
    if work.flushes and changed:
        return Reach.POSSIBLE, f"{changed}, which is written too"
    if work.writes:
        models = ", ".join(f"`{name}`" for name in _model_names(work.writes))
        if what == "duplicate":
            if all(one.verb == DELETE for one in work.writes):
                return Reach.NEVER, f"its `try` only deletes ({models})"
            return Reach.POSSIBLE, f"{models} has a primary key only, whose values are made up"
        return Reach.NEVER, f"no foreign key of or to {models} can refuse it"
    if any(one.verb == FLUSH for one in work.done):
        return Reach.POSSIBLE, "its `try` sends what others noted in the session"
    if work.opens:
        return Reach.NEVER, "its `try` only reads, in a transaction of its own"
    return Reach.POSSIBLE, "its `try` only reads: what was noted before may be flushed by it"


def _one_row(project: Project, work: Work, name: str) -> Judged:
    """`NoResultFound` and its like: raised by the calls of which the tables say so."""
    found = [direct for raised, direct in work.raises if project.knowledge.is_error(raised, name)]
    if any(found):
        return Reach.PROVEN, "its `try` asks for exactly one row"
    if found:
        return Reach.POSSIBLE, "a function that its `try` calls asks for exactly one row"
    if work.is_whole:
        return Reach.NEVER, "nothing in its `try` asks for exactly one row"
    return Reach.POSSIBLE, _not_known(work)


def _stale(_: Project, work: Work, __: str) -> Judged:
    """Rows that a flush updates or deletes may be gone; an added object may be an old row."""
    found = work.writes or tuple(_of_verbs(work, FLUSH))
    if found:
        return Reach.POSSIBLE, f"{_at(found[0])}: another session may have deleted the row"
    if work.is_whole and work.opens:
        return Reach.NEVER, "its `try` only reads, in a transaction of its own"
    return Reach.POSSIBLE, _not_known(work) if work.unknown else "what was noted before is flushed"


def _by_itself(_: Project, __: Work, ___: str) -> Judged:
    return Reach.POSSIBLE, "the ORM raises it by itself, also where an attribute is read"


def _other(_: Project, work: Work, __: str) -> Judged:
    return Reach.POSSIBLE, f"its `try` comes to {_at(work.done[0])}"


def _natural(project: Project, model: Model | None) -> tuple[Key, ...]:
    """The keys whose values mean something; a primary one last."""
    keys = keys_of(project, model) if model is not None else ()
    return tuple(sorted((k for k in keys if not k.is_made), key=lambda key: key.is_primary))


def _key_words(one: Done, key: Key) -> str:
    model = short(one.model.dotted) if one.model is not None else ""
    columns = ", ".join(key.columns)
    kind = "primary key" if key.is_primary else "unique key"
    changed = " if it changes them" if one.verb == UPDATE else ""
    return f"`{model}` has the {kind} ({columns}){changed}"


def _of_verbs(work: Work, *verbs: str) -> list[Done]:
    return [one for one in work.done if one.verb in verbs]


def _model_names(done: Iterable[Done]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(short(one.model.dotted) for one in done if one.model is not None))


def _at(one: Done) -> str:
    return f"`{one.site.what}`"


_BY_BACKEND = frozenset(
    f"oslo_db.exception.{name}" for name in ("DBConstraintError", "DBDataError")
)
_NAMED: Mapping[Judge, tuple[str, ...]] = {
    _duplicate: (DUPLICATE, _OBJECT_DUPLICATE),
    _reference: (REFERENCE,),
    _integrity: ("sqlalchemy.exc.IntegrityError",),
    _one_row: ("sqlalchemy.exc.NoResultFound", "sqlalchemy.exc.MultipleResultsFound"),
    _stale: ("sqlalchemy.orm.exc.StaleDataError",),
    _anything: (
        EVERYTHING, "oslo_db.exception.DBError", "oslo_db.exception.DBDeadlock",
        "oslo_db.exception.DBConnectionError", "sqlalchemy.exc.SQLAlchemyError",
        "sqlalchemy.exc.StatementError", "sqlalchemy.exc.DBAPIError",
        "sqlalchemy.exc.DatabaseError", "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.TimeoutError",
    ),
    _by_itself: (
        "sqlalchemy.exc.InvalidRequestError", "sqlalchemy.exc.PendingRollbackError",
        "sqlalchemy.exc.ArgumentError", "sqlalchemy.exc.CompileError",
        "sqlalchemy.exc.MissingGreenlet", "sqlalchemy.exc.NoSuchColumnError",
        "sqlalchemy.exc.NoSuchTableError", "sqlalchemy.exc.ResourceClosedError",
        "sqlalchemy.orm.exc.DetachedInstanceError", "sqlalchemy.orm.exc.FlushError",
        "sqlalchemy.orm.exc.ObjectDeletedError", "sqlalchemy.orm.exc.UnmappedInstanceError",
        "oslo_db.exception.NoEngineContextEstablished",
        "oslo_db.exception.ContextNotRequestedError", "oslo_db.exception.InvalidSortKey",
        "oslo_db.exception.ColumnError", "oslo_db.exception.CantStartEngineError",
        "oslo_db.exception.BackendNotAvailable", "oslo_db.exception.RetryRequest",
    ),
}  # fmt: skip
_JUDGES: Mapping[str, Judge] = {name: judge for judge, names in _NAMED.items() for name in names}
"""Classes that are not named here come, if at all, from any of the statements."""
