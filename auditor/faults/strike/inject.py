"""Watches one call of a workload, and makes one statement or COMMIT of it fail.

Statements come from the recorder's own seam, so their ordinals are those of a recording, and what
is raised there goes through SQLAlchemy's and oslo.db's error handling like the driver's own
errors. A COMMIT fails in place of the dialect's `do_commit`, which has the same way out, and a
checkout in place of the pool's own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType
from typing import Any, NoReturn

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.aim.circumstances import (
    generated_columns,
    has_filters,
    isolation_of,
    locks_rows,
    nulls_sent,
    values_sent,
)
from auditor.faults.aim.shots import CHECKOUT, COMMIT, Executed, Progress, Rival, Shot
from auditor.faults.catalogue.fault import Moment
from auditor.faults.strike.connections import end_session, watched_checkouts
from auditor.faults.strike.errors import Occasion, error_of, pool_timeout
from auditor.faults.verdicts.handlers import Passed, way_out
from auditor.model.tape import Site
from auditor.runtime.recorder import record
from auditor.runtime.sites import frame_behind_greenlet, places_from, site_of
from auditor.runtime.statements import facts_of_execution

VARYING = re.compile(
    r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|datetime\.datetime\([^()]*\)"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?",
    re.IGNORECASE,
)


class Watch:
    """What one call did: `statements`, `commits` and `checkouts` in order, how often the shot
    `fired`, and the errors that the program was `shown` because of it, with the `ways` they were
    shown on. `defect` is an error of ours
    in striking."""

    def __init__(self, shot: Shot | None, boundary: CodeType, root: str) -> None:
        self.statements: list[Executed] = []
        self.commits: list[Executed] = []
        self.checkouts: list[Executed] = []
        self.fired = 0
        self.shown: list[BaseException] = []
        self.ways: list[tuple[Passed, ...]] = []
        self.defect: Exception | None = None
        self._shot = shot
        self._boundary = boundary
        self._root = root
        self._engines: list[Any] = []
        self._writing: set[int] = set()
        self._committed = False
        self._is_aside = False
        self._was_idle: dict[int, int] = {}
        self._ended_at: Site | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch, and strike, while the block runs."""
        listeners = (("commit", self._on_commit), ("rollback", self._on_rollback))
        for name, listener in listeners:
            event.listen(sa.engine.Engine, name, listener)
        try:
            with (
                record(on_statement=self._on_statement, root=self._root),
                watched_checkouts(self._on_checkout, self._on_checked_out),
            ):
                yield
        finally:
            for name, listener in listeners:
                event.remove(sa.engine.Engine, name, listener)
            for engine in self._engines:
                event.remove(engine, "handle_error", self._on_error)

    def _on_statement(
        self, context: Any, statement: str, cursor: Any, ordinal: int
    ) -> Callable[[], None] | None:
        if self._is_aside:
            return None
        connection = context.root_connection
        self._attend(connection.engine)
        executed = self._executed_statement(context, statement)
        self.statements.append(executed)
        if not facts_of_execution(statement, context).is_read:
            self._has_written(connection, executed)
        return self._meet(context, connection, executed)

    def _meet(self, context: Any, connection: Any, executed: Executed) -> Callable[[], None] | None:
        """Do to the statement what the shot says; what is returned is done when it has run."""
        shot = self._shot
        if shot is None or shot.fault.moment.unit != "statement":
            return None
        if not shot.hits(executed, self.fired):
            return None
        if shot.rival is not None:
            self._interfere(shot.rival, context, executed)
        elif shot.fault.moment is Moment.BEFORE_STATEMENT:
            if not (shot.point.checkout and self.fired):
                self._end(connection.engine.pool, connection.connection.dbapi_connection)
        elif shot.fault.moment is Moment.AFTER_STATEMENT:
            return lambda: self._strike(shot, connection, {})
        else:
            self._strike(shot, connection, values_sent(context))
        return None

    def _executed_statement(self, context: Any, statement: str) -> Executed:
        connection = context.root_connection
        facts = facts_of_execution(statement, context)
        kept = getattr(connection.connection, "_connection_record", None)
        return self._executed(
            connection.dialect,
            connection,
            filtered=has_filters(connection.engine),
            ordinal=len(self.statements) + 1,
            sql=statement,
            shape=facts.shape,
            verb=facts.verb,
            table=facts.tables[0] if facts.tables else "",
            values=repr(getattr(context, "compiled_parameters", None) or context.parameters),
            isolation=isolation_of(connection),
            nulls=nulls_sent(context),
            generated=generated_columns(context),
            locks=locks_rows(context, facts.shape),
            checkout=self._was_idle.pop(id(kept), 0),
        )

    def _has_written(self, connection: Any, executed: Executed) -> None:
        if executed.isolation == "AUTOCOMMIT":
            self._committed = True
        else:
            self._writing.add(id(connection))

    def _interfere(self, rival: Rival, context: Any, executed: Executed) -> None:
        """Let the second session act; what it executes is none of the program's."""
        self.fired += 1
        with self._aside():
            rival.act(context, executed)

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What is executed in the block is ours; what is raised there is a defect of ours."""
        self._is_aside = True
        try:
            yield
        except Exception as defect:
            self.defect = defect
            raise
        finally:
            self._is_aside = False

    def _on_checkout(self, pool: Any) -> None:
        if self._is_aside:
            return
        executed = self._executed(
            pool._dialect,  # noqa: SLF001 - a pool does not tell it otherwise
            None,
            filtered=False,
            ordinal=len(self.checkouts) + 1,
            sql=CHECKOUT,
            shape=CHECKOUT,
            verb=CHECKOUT,
            table="",
            values="",
            pool=type(pool).__name__,
        )
        self.checkouts.append(executed)
        shot = self._shot
        if shot is None or shot.fault.moment is not Moment.CHECKOUT:
            return
        if shot.hits(executed, self.fired):
            self.fired += 1
            error = pool_timeout(shot.row, pool)
            self._show(error)
            raise error

    def _on_checked_out(self, pool: Any, kept: Any, was_idle: bool) -> None:  # noqa: FBT001 - as watched_checkouts calls it
        if self._is_aside:
            return
        self._was_idle.pop(id(kept), None)
        if not was_idle:
            return
        checkout = self.checkouts[-1]
        self._was_idle[id(kept)] = checkout.ordinal
        shot = self._shot
        if shot is None or shot.fault.moment is not Moment.BEFORE_STATEMENT:
            return
        again = self.fired and shot.persistent and checkout.site == self._ended_at
        if again or (not self.fired and checkout.ordinal == shot.point.checkout):
            self._ended_at = checkout.site
            self._end(pool, kept.dbapi_connection)

    def _end(self, pool: Any, raw: Any) -> None:
        """End the session of a connection; who uses it next finds out."""
        self.fired += 1
        with self._aside():
            end_session(pool, raw, pool._dialect.name.replace("mariadb", "mysql"))  # noqa: SLF001

    def _on_commit(self, connection: Any) -> None:
        if self._is_aside:
            return
        self._attend(connection.engine)
        executed = self._executed(
            connection.dialect,
            connection,
            filtered=has_filters(connection.engine),
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
        """Sees what the program will get: after oslo.db's filter, which listens since before. The
        pool keeps the errors of its own pings to itself."""
        if self.fired and not getattr(context, "is_pre_ping", False):
            filtered = getattr(context, "chained_exception", None)  # unset if no filter spoke
            error = filtered or context.sqlalchemy_exception
            self._show(error or context.original_exception)

    def _show(self, error: BaseException) -> None:
        self.shown.append(error)
        self.ways.append(way_out(sys._getframe(1), self._boundary))  # noqa: SLF001 - the only cheap way

    def _attend(self, engine: Any) -> None:
        if all(engine is not known for known in self._engines):
            self._engines.append(engine)
            event.listen(engine, "handle_error", self._on_error)

    def _executed(self, dialect: Any, connection: Any, *, values: str, **known: Any) -> Executed:
        """`connection` is None at a checkout: then any open transaction counts."""
        site = site_of(self._places(), self._root)
        wrote = bool(self._writing) if connection is None else id(connection) in self._writing
        return Executed(
            **known,
            site=site,
            progress=Progress(self._committed, wrote),
            signature=hash((known["shape"], site, VARYING.sub("?", values))),
            dialect=dialect.name.replace("mariadb", "mysql"),
            driver=dialect.driver,
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
