"""Watches one call of a workload, and makes one statement or COMMIT of it fail.

Statements come from the recorder's own seam, so their ordinals are those of a recording, and what
is raised there goes through SQLAlchemy's and oslo.db's error handling like the driver's own
errors. A COMMIT fails in place of the dialect's `do_commit`, which has the same way out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType
from typing import Any, NoReturn, Protocol

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.catalogue import WRITES, Fault, FaultRow, Moment, Target
from auditor.faults.errors import Occasion, error_of
from auditor.model.tape import Site
from auditor.runtime.recorder import record
from auditor.runtime.sites import frame_behind_greenlet, places_from, site_of
from auditor.runtime.statements import facts_of_execution

COMMIT = "COMMIT"
_VARYING = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|datetime\.datetime\([^()]*\)"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the workload had come: whether it had committed rows, and whether its transaction
    had written some. A fault after a commit may leave half of the work, one before cannot."""

    committed: bool
    wrote: bool


@dataclass(frozen=True, slots=True)
class Executed:
    """One statement or COMMIT of a call. `ordinal` counts from 1, statements and COMMITs apart.
    `signature` is equal for a repetition of the same work: shape, site and values, generated
    ids and times left out. `filtered`: the engine has oslo.db's error filters."""

    ordinal: int
    sql: str
    shape: str
    verb: str
    table: str
    site: Site
    progress: Progress
    signature: int
    dialect: str
    driver: str
    filtered: bool


class Rival(Protocol):
    """A second session, as a value that can be pickled. What it raises is a defect of ours."""

    def act(self, context: Any, executed: Executed) -> None:
        """Interfere. `context` is SQLAlchemy's execution context of the statement to come."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A fault aimed at one statement or COMMIT. `persistent`: every later execution of the same
    shape from the same call path fails too. `rival` acts right before the statement, which then
    runs: no error is made."""

    fault: Fault
    row: FaultRow
    target: Target
    point: Executed
    persistent: bool = False
    rival: Rival | None = None

    def hits(self, executed: Executed, fired: int) -> bool:
        """Whether this execution fails, when `fired` have failed before."""
        if not fired:
            return executed.ordinal == self.point.ordinal
        same = (executed.shape, executed.site) == (self.point.shape, self.point.site)
        return self.persistent and same


class Watch:
    """What one call did: `statements` and `commits` in order, how often the shot `fired`, and the
    errors that the program was `shown` because of it. `defect` is an error of ours in striking."""

    def __init__(self, shot: Shot | None, boundary: CodeType, root: str) -> None:
        self.statements: list[Executed] = []
        self.commits: list[Executed] = []
        self.fired = 0
        self.shown: list[BaseException] = []
        self.defect: Exception | None = None
        self._shot = shot
        self._boundary = boundary
        self._root = root
        self._engines: list[Any] = []
        self._writing: set[int] = set()
        self._committed = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch, and strike, while the block runs."""
        listeners = (("commit", self._on_commit), ("rollback", self._on_rollback))
        for name, listener in listeners:
            event.listen(sa.engine.Engine, name, listener)
        try:
            with record(on_statement=self._on_statement, root=self._root):
                yield
        finally:
            for name, listener in listeners:
                event.remove(sa.engine.Engine, name, listener)
            for engine in self._engines:
                event.remove(engine, "handle_error", self._on_error)

    def _on_statement(self, context: Any, statement: str, cursor: Any, ordinal: int) -> None:
        connection = context.root_connection
        self._attend(connection.engine)
        facts = facts_of_execution(statement, context)
        executed = self._executed(
            connection,
            ordinal=ordinal,
            sql=statement,
            shape=facts.shape,
            verb=facts.verb,
            table=facts.tables[0] if facts.tables else "",
            values=repr(getattr(context, "compiled_parameters", None) or context.parameters),
        )
        self.statements.append(executed)
        if facts.verb in WRITES:
            self._writing.add(id(connection))
        shot = self._shot
        is_aimed = shot is not None and shot.fault.moment.unit == "statement"
        if shot is None or not is_aimed or not shot.hits(executed, self.fired):
            return
        if shot.rival is None:
            self._strike(shot, connection, _values(context))
        self._interfere(shot.rival, context, executed)

    def _interfere(self, rival: Rival, context: Any, executed: Executed) -> None:
        """Let the second session act; what it executes is none of the program's."""
        self.fired += 1
        try:
            rival.act(context, executed)
        except Exception as defect:
            self.defect = defect
            raise

    def _on_commit(self, connection: Any) -> None:
        self._attend(connection.engine)
        executed = self._executed(
            connection,
            ordinal=len(self.commits) + 1,
            sql=COMMIT,
            shape=COMMIT,
            verb=COMMIT,
            table="",
            values="",
        )
        self.commits.append(executed)
        self._committed = self._committed or id(connection) in self._writing
        self._writing.discard(id(connection))
        shot = self._shot
        if (
            shot is not None
            and shot.fault.moment.unit == COMMIT
            and shot.hits(executed, self.fired)
        ):
            self._replace_commit(shot, connection)

    def _on_rollback(self, connection: Any) -> None:
        self._writing.discard(id(connection))

    def _on_error(self, context: Any) -> None:
        """Sees what the program will get: after oslo.db's filter, which listens since before."""
        if self.fired:
            filtered = getattr(context, "chained_exception", None)  # unset if no filter spoke
            error = filtered or context.sqlalchemy_exception
            self.shown.append(error or context.original_exception)

    def _attend(self, engine: Any) -> None:
        if all(engine is not known for known in self._engines):
            self._engines.append(engine)
            event.listen(engine, "handle_error", self._on_error)

    def _executed(self, connection: Any, *, values: str, **known: Any) -> Executed:
        site = site_of(self._places(), self._root)
        signature = hash((known["shape"], site, _VARYING.sub("?", values)))
        return Executed(
            **known,
            site=site,
            progress=Progress(self._committed, id(connection) in self._writing),
            signature=signature,
            dialect=connection.dialect.name.replace("mariadb", "mysql"),
            driver=connection.dialect.driver,
            filtered=has_filters(connection.engine),
        )

    def _places(self) -> list[tuple[CodeType, int]]:
        """The stack out to the call of the workload."""
        places = places_from(sys._getframe(1))  # noqa: SLF001 - the only cheap way
        if all(code is not self._boundary for code, _ in places):
            places += places_from(frame_behind_greenlet())
        codes = [code for code, _ in places]
        return places[: codes.index(self._boundary)] if self._boundary in codes else places

    def _replace_commit(self, shot: Shot, connection: Any) -> None:
        """Let the COMMIT that follows fail; the dialect's own method is back before it does."""
        dialect = connection.engine.dialect
        own = vars(dialect).get("do_commit")

        def do_commit(raw: Any) -> None:
            if own is None:
                del dialect.do_commit
            else:
                dialect.do_commit = own
            if shot.fault.moment is Moment.AFTER_COMMIT:
                dialect.do_commit(raw)
            self._strike(shot, connection, {})

        dialect.do_commit = do_commit

    def _strike(self, shot: Shot, connection: Any, values: Mapping[str, Any]) -> NoReturn:
        self.fired += 1
        occasion = Occasion(
            dialect=shot.point.dialect,
            driver=shot.point.driver,
            filtered=shot.point.filtered,
            raw=connection.connection.dbapi_connection,
            statement=shot.point.sql,
            values=values,
            moment=shot.fault.moment,
        )
        try:
            error = error_of(shot.row, shot.target, occasion, rolls_back=shot.fault.rolls_back)
        except Exception as defect:
            self.defect = defect
            raise
        raise error


def has_filters(engine: Any) -> bool:
    """Whether oslo.db translates this engine's errors."""
    listeners: list[Callable[..., Any]] = [
        *getattr(engine.dialect.dispatch, "handle_error", ()),  # SQLAlchemy 2
        *getattr(engine.dispatch, "handle_error", ()),  # SQLAlchemy 1.4
    ]
    return any(getattr(one, "__module__", "").startswith("oslo_db.") for one in listeners)


def _values(context: Any) -> Mapping[str, Any]:
    """What the statement sends, by column, as far as SQLAlchemy knows it."""
    parameters = getattr(context, "compiled_parameters", None) or []
    return dict(parameters[0]) if parameters else {}
