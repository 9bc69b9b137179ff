"""Runs one workload again and again from the same start, and tells how each call ended.

Every run begins with an empty database that the scenario fills. While it fills it, `uuid4` and
`random` give the same values each time, so that equal runs can be compared.
"""

from __future__ import annotations

import os
import random
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import time
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm

from auditor.faults.aim.keys import TableKeys, read_keys
from auditor.faults.aim.shots import Shot
from auditor.faults.catalogue.fault import FaultError
from auditor.faults.conduct.conduct import Conduct, conduct_watched
from auditor.faults.rivals.session import OtherSession, is_alone, taking_part
from auditor.faults.state.canonical import Mask, canonical
from auditor.faults.state.left_open import Begun, forget_frames
from auditor.faults.state.oracle import Delta, delta, fresh_keys, known_ids, snapshot
from auditor.faults.strike.inject import Watch
from auditor.faults.sweep.repeatable import Learned
from auditor.faults.verdicts.judge import class_name
from auditor.growth.workload import Workload


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One call. `result` is what it returned, masked, or the class it raised; `result_by_role` the
    same with generated whole-number keys masked too. It left `dead_sessions`, and `unclean` of
    them and of connections in a transaction. `strays`: the
    result names a row that is not stored, of what another session was to hinder. `mask`: what is
    of this run only, if that is known."""

    watch: Watch
    error: BaseException | None
    delta: Delta
    result: Any
    result_by_role: Any
    dead_sessions: int
    unclean: int = 0
    conduct: Conduct = field(default_factory=Conduct)
    strays: bool = False
    mask: Mask | None = None

    def equals(self, other: Learned) -> bool:
        """Whether two calls gave the same result."""
        return bool(self.result == other.result or self.result_by_role == other.result_by_role)

    def learned(self, keys: Mapping[str, TableKeys]) -> Learned:
        """What later runs are compared with; `keys` are those of the database."""
        return Learned(
            statements=tuple(self.watch.statements),
            commits=tuple(self.watch.commits),
            checkouts=tuple(self.watch.checkouts),
            keys=keys,
            delta=self.delta,
            result=self.result,
            result_by_role=self.result_by_role,
            unclean=self.unclean,
            conduct=self.conduct,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A workload at fixed sizes, with an engine of our own for looking at its database."""

    workload: Workload
    sizes: Mapping[str, int]
    engine: sa.Engine
    root: str

    def run(self, shot: Shot | None = None, other: OtherSession | None = None) -> Run:
        """Fill the database, make the call, look at what it did; `other` takes part. Raises
        ScenarioError if the database cannot be filled, DatabaseError if it cannot be emptied."""
        began, own_process = time(), os.getpid()
        with repeatable_values():
            call = self.workload.populated(self.sizes)
        before = snapshot(self.engine)
        watch = Watch(shot, make_call.__code__, self.root)
        begun = Begun()
        with begun.watching():
            watched = conduct_watched(watch, make_call.__code__, self.root)
            with taking_part(other, before), watch.watching(), watched as conduct:
                value, error = (None, None) if is_alone(other) else make_call(call)
            if os.getpid() != own_process:
                os._exit(0)  # the call forked, and this is its child: the sweep is not its own
            if watch.defect is not None:
                raise FaultError(
                    f"the fault `{shot.fault.name if shot else ''}` could not be made:"
                    f" {type(watch.defect).__name__}: {watch.defect}"
                ) from watch.defect
            volatile = frozenset(self.workload.scenario.volatile)
            began = min(began, other.since if other is not None else began)
            mask = Mask(known_ids(before), began, time(), volatile=volatile)
            result = (class_name(error),) if error else canonical(value, mask)
            after = snapshot(self.engine)
            if watch.fired:
                forget_frames([*watch.shown, *([error] if error else [])])
            left = begun.left_behind()
            keys = self.keys()
            masked = delta(before, after, mask, keys, volatile=volatile)
            by_role = replace(mask, fresh=fresh_keys(before, after, keys))
            result_by_role = result if error else canonical(value, by_role)
            strays = other is not None and not error and other.names_unstored(value, mask)
            del call, value
            begun.let_go()
        return Run(
            watch=watch,
            error=error,
            delta=masked,
            result=result,
            result_by_role=result_by_role,
            dead_sessions=left.dead_sessions,
            unclean=left.unclean,
            conduct=conduct(),
            strays=strays,
            mask=mask,
        )

    def keys(self) -> Mapping[str, TableKeys]:
        """What can be violated in the database; the schema stays, so it is read once."""
        known = _KEYS.get(self.engine)
        if known is None:
            with self.engine.connect() as connection:
                known = _KEYS[self.engine] = read_keys(connection)
        return known


_KEYS: weakref.WeakKeyDictionary[sa.Engine, Mapping[str, TableKeys]] = weakref.WeakKeyDictionary()


def make_call(call: Any) -> tuple[Any, BaseException | None]:
    """What the call returned, and what it raised. Its frame is where the user's stack ends."""
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - whatever escapes is what is judged
        return None, error


@contextmanager
def repeatable_values() -> Iterator[None]:
    """`uuid.uuid4` and the functions of `random` begin anew with the same values."""
    generator = random.Random(0)  # noqa: S311 - equal values are wanted
    own = os.urandom
    random.seed(0)
    os.urandom = generator.randbytes
    try:
        yield
    finally:
        os.urandom = own


@contextmanager
def sessions_begun() -> Iterator[Any]:
    """Gives the ORM sessions that began a transaction in the block and are still alive."""
    seen: weakref.WeakSet[orm.Session] = weakref.WeakSet()

    def begun(session: orm.Session, transaction: Any, connection: Any) -> None:
        seen.add(session)

    event.listen(orm.Session, "after_begin", begun)
    try:
        yield lambda: list(seen)
    finally:
        event.remove(orm.Session, "after_begin", begun)
