"""DBA201: a database error is caught and lost."""

from __future__ import annotations

from auditor.model.finding import Confidence, Severity
from auditor.rule import Example, Hit, Hits, OnFunction, Rule
from auditor.rules.errors.caught import (
    Handler,
    database_errors,
    handlers_of,
    own_events,
    short,
    span_of,
)
from auditor.source.facts import (
    Bind,
    Call,
    Const,
    Expr,
    FunctionFacts,
    Items,
    Jump,
    ModuleFacts,
    Pairs,
    Read,
    Return,
    Yield,
    dotted,
)
from auditor.source.project import Project

_LOGGERS = frozenset({"log", "logger", "logging", "_log", "_logger", "warnings", "self.log",
                      "self.logger", "self._logger", "current_app.logger",
                      "app.logger"})  # fmt: skip
_PRINTS = frozenset({"print", "traceback.print_exc", "warn"})
_DUPLICATE = "oslo_db.exception.DBDuplicateEntry"
_WRITES = frozenset({"add", "add_all", "commit", "flush", "delete", "create", "update", "save",
                     "merge", "insert", "execute", "bulk_save_objects"})  # fmt: skip


def check(project: Project, module: ModuleFacts, function: FunctionFacts) -> Hits:
    """Handlers for database errors that end as if nothing had happened."""
    for handler in handlers_of(project, module, function):
        errors = database_errors(project, handler)
        if (
            errors
            and _is_lost(function, handler)
            and not _is_an_answer(function, handler)
            and not _ensures(project, function, handler, errors)
            and not _tries_again(function, handler)
        ):
            fields = {
                "errors": " or ".join(f"`{short(name)}`" for name in errors),
                "what": _what(function, handler),
            }
            inside = _in_transaction(project, module, function, handler)
            shown = _writes(function, handler) and (inside or not _gives_none(function, handler))
            confidence = Confidence.MEDIUM if shown else Confidence.LOW
            yield Hit(
                span_of(module, handler.line), function.qualname, fields, confidence=confidence
            )


def _is_lost(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler only logs, passes, sets or returns a constant."""
    return all(_does_nothing_about_it(event) for event in own_events(function, handler))


def _does_nothing_about_it(event: object) -> bool:
    match event:
        case Jump() | Read():
            return True
        case Call():
            return _is_log(event)
        case Return(value=value):
            return value is None or _is_default(value)
        case Bind(kind="except"):
            return True
        case _:
            return False


def _is_log(call: Call) -> bool:
    name = dotted(call.func)
    return name in _PRINTS or name.rpartition(".")[0].lower() in _LOGGERS or name in ("str", "repr")


def _is_default(value: Expr) -> bool:
    match value:
        case Const():
            return True
        case Items(items=items):
            return all(_is_default(item) for item in items)
        case Pairs(values=values):
            return not values
        case _:
            return False


def _is_an_answer(function: FunctionFacts, handler: Handler) -> bool:
    """Whether failing is what the function tells: one flag here, the other elsewhere."""
    told = _flags(_returns(function, handler.region.index))
    told_elsewhere = _flags(_returns(function, 0)) - told
    return bool(told) and bool(told_elsewhere)


def _flags(values: list[Expr]) -> set[bool]:
    return {v.value for v in values if isinstance(v, Const) and isinstance(v.value, bool)}


def _returns(function: FunctionFacts, region: int) -> list[Expr]:
    return [
        event.value
        for event in function.inside(function.regions[region])
        if isinstance(event, Return) and event.value is not None
    ]


def _what(function: FunctionFacts, handler: Handler) -> str:
    events = own_events(function, handler)
    if _returns(function, handler.region.index):
        return "a default is returned"
    if any(isinstance(event, Call) for event in events):
        return "it is only logged"
    return "it is passed over"


def _ensures(
    project: Project, function: FunctionFacts, handler: Handler, errors: tuple[str, ...]
) -> bool:
    """Whether a duplicate is passed over by a function that promises nothing: "make sure it is
    there". One that then returns a value, as if it had stored it, is another matter."""
    if not all(project.knowledge.is_error(name, _DUPLICATE) for name in errors):
        return False
    returned = _returns(function, handler.region.index)
    return bool(returned) or not _returns_after(function, handler)


def _tries_again(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the handler goes on to the next attempt of a loop that success leaves."""
    in_loop = any(
        region.kind in ("for", "while") for region in function.ancestors(handler.region.parent)
    )
    return in_loop and any(
        isinstance(event, Return) or (isinstance(event, Jump) and event.kind == "break")
        for event in function.inside(handler.tried)
    )


def _gives_none(function: FunctionFacts, handler: Handler) -> bool:
    """Whether the caller can tell: a value from the body, None after the handler."""
    gives = any(
        isinstance(event, Return) and event.value is not None
        for event in function.inside(handler.tried)
    )
    answers = [v for v in _returns(function, handler.region.index) if v != Const(None)]
    return gives and not answers and not _returns_after(function, handler)


def _in_transaction(
    project: Project, module: ModuleFacts, function: FunctionFacts, handler: Handler
) -> bool:
    """Whether the `try` stands inside a transaction that goes on after the handler."""
    if any(True for _ in project.decorating_contexts(module, function)):
        return True
    return any(
        region.kind == "with" and project.block_contexts(module, function, region)
        for region in function.ancestors(handler.region.parent)
    )


def _writes(function: FunctionFacts, handler: Handler) -> bool:
    return any(
        isinstance(event, Call) and dotted(event.func).rpartition(".")[2] in _WRITES
        for event in function.inside(handler.tried)
    )


def _returns_after(function: FunctionFacts, handler: Handler) -> bool:
    return any(
        isinstance(event, (Return, Yield))
        and event.value is not None
        and not (isinstance(event.value, Const) and event.value.value is None)
        for event in function.events[handler.region.last :]
    )


RULE = Rule(
    code="DBA201",
    name="swallowed-db-error",
    since="0.1.0",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    message="{errors} is caught and lost ({what}): taking it that the caller relies on the write in"
    " the `try`, it goes on as if that had been stored",
    why=(
        "A deadlock, a lost connection or a violated constraint means that nothing was stored. A"
        " handler that logs or passes turns that into success for every caller: no retry runs, the"
        " API answers 200, and the data is not there."
    ),
    instead="Let it go up (a retry decorator above the transaction handles what is transient), or"
    " raise an error of the domain `from` it.",
    checks=(OnFunction(check),),
    bad=(
        Example(
            "logged, and the value returned as if stored",
            """
            from oslo_db import exception as db_exc

            def create_label(session, name):
                try:
                    session.add(Label(name=name))
                    session.flush()
                except db_exc.DBDuplicateEntry:  # expect: DBA201
                    LOG.debug("there is a label %s", name)
                return {"name": name}
            """,
        ),
        Example(
            "any database error passed over",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def record(session, event):
                try:
                    session.add(event)
                    session.commit()
                except SQLAlchemyError:  # expect: DBA201
                    pass
            """,
        ),
        Example(
            "a default instead of a failed write",
            """
            from oslo_db import exception as db_exc

            def bump(session, row):
                try:
                    session.execute(row.update_statement())
                except db_exc.DBError as error:  # expect: DBA201
                    LOG.exception("not counted: %s", error)
                    return {}
                return row.as_dict()
            """,
        ),
    ),
    good=(
        Example(
            "told to the caller",
            """
            from oslo_db import exception as db_exc

            def create_label(session, name):
                try:
                    session.add(Label(name=name))
                    session.flush()
                except db_exc.DBDuplicateEntry as error:
                    raise LabelExists(name) from error
                return {"name": name}
            """,
        ),
        Example(
            "whether it worked is what the function answers",
            """
            from sqlalchemy.exc import SQLAlchemyError

            def store(session, row):
                try:
                    session.add(row)
                    session.commit()
                except SQLAlchemyError:
                    LOG.warning("not stored")
                    return False
                return True
            """,
        ),
        Example(
            "logged and raised again",
            """
            from oslo_utils import excutils
            from oslo_db import exception as db_exc

            def store(session, row):
                try:
                    session.add(row)
                    session.flush()
                except db_exc.DBError:
                    with excutils.save_and_reraise_exception():
                        LOG.error("not stored")
            """,
        ),
        Example(
            "an absent row is an answer, not a failure",
            """
            from sqlalchemy.orm import exc

            def find(session, query):
                try:
                    row = query.one()
                    session.add(Seen(row.id))
                except exc.NoResultFound:
                    return None
                return row
            """,
        ),
        Example(
            "make sure that it is there",
            """
            from oslo_db import exception as db_exc

            def ensure(session, name):
                try:
                    with session.begin_nested():
                        session.add(Label(name=name))
                except db_exc.DBDuplicateEntry:
                    pass
            """,
        ),
        Example(
            "the next attempt of a loop",
            """
            from oslo_db import exception as db_exc

            def allocate(session):
                for attempt in range(5):
                    try:
                        session.add(Allocation(random_id()))
                        session.flush()
                        return True
                    except db_exc.DBDuplicateEntry:
                        LOG.info("attempt %d", attempt)
                raise NothingLeft()
            """,
        ),
        Example(
            "the handler does something about it",
            """
            from sqlalchemy.exc import IntegrityError

            def get_or_create(session, name):
                try:
                    with session.begin_nested():
                        session.add(Label(name=name))
                except IntegrityError:
                    return session.query(Label).filter_by(name=name).one()
            """,
        ),
    ),
    known_gaps=(
        "`except Exception` around database work is not reported",
        "errors lost around reads are reported with low confidence only",
        "a write through a helper of another name than `create`, `save`, `add` ... is not seen",
    ),
    sources=("Yuan et al., Simple Testing Can Prevent Most Critical Failures, OSDI 2014",),
)
