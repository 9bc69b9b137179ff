"""Watches the body of one test, as the test's runner runs it, and makes one statement of it fail.

set-up      engines are seen as they are connected to; ids repeat themselves
body        state before, statements by step, the fault, the state of its step, state after
tear-down   nobody watches
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import ExitStack, suppress
from time import time
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from auditor.faults.aim.shots import Shot
from auditor.faults.catalogue.fault import WRITES
from auditor.faults.conduct.conduct import Conduct, conduct_watched
from auditor.faults.state.held_state import EnginesUsed, HeldState, State
from auditor.faults.strike.inject import Watch
from auditor.faults.suites.steps import HeldBack, Steps, TestSide
from auditor.faults.sweep.bench import make_call, sessions_begun
from auditor.growth.load_order import settle_load_order
from auditor.runtime.recorder import record
from auditor.runtime.statements import facts_of_execution


class Seen:
    """What a body did. Lists are by ordinal, mappings by number of step.

    `error` ended the body. `own` and `own_commits` are ordinals of what the test itself sends.
    `at_step` is the state when a step began, `open_at_step` the steps that began while the body had
    written in a transaction that was open. `is_shared`: the states are what a connection of the
    test sees, stored or not.
    """

    def __init__(self, watch: Watch, before: State) -> None:
        self.watch = watch
        self.before = before
        self.after = State({})
        self.began = self.ended = time()
        self.error: BaseException | None = None
        self.step_of: list[int] = []
        self.step_of_commit: list[int] = []
        self.own: set[int] = set()
        self.own_commits: set[int] = set()
        self.at_step: dict[int, State] = {}
        self.open_at_step: set[int] = set()
        self.dead_sessions = 0
        self.conduct = Conduct()
        self.is_shared = False

    def states_of(self, step: int) -> tuple[State, State]:
        """The state before a step and after it."""
        later = [number for number in self.at_step if number > step]
        end = self.at_step[min(later)] if later else self.after
        return self.at_step.get(step, self.before), end


class Body:
    """A block for the body. `ended` is told what was seen, before the test is torn down.

    Only the first body counts: a plug-in may run a test that fails again.
    """

    def __init__(
        self,
        side: TestSide,
        used: EnginesUsed,
        shot: Shot | None,
        root: str,
        ended: Callable[[Seen, HeldState, TestSide], None],
    ) -> None:
        self._side = side
        self._used = used
        self._held = HeldState(used)
        self._watch = Watch(shot, make_call.__code__, root)
        self._root = root
        self._ended = ended
        self._steps = Steps(side, make_call.__code__)
        self._stack = ExitStack()
        self._working: weakref.WeakSet[Any] = weakref.WeakSet()
        self._outer: weakref.WeakSet[Any] = weakref.WeakSet()
        self._process = os.getpid()

    def __enter__(self) -> None:
        settle_load_order()
        for engine in self._used.engines():
            outer = self._used.in_transaction(engine)
            if outer is not None:
                self._outer.add(outer)
        self._seen = Seen(self._watch, self._held.begin())
        enter = self._stack.enter_context
        self._sessions = enter(sessions_begun())
        enter(record(on_statement=self._on_statement, root=self._root))
        enter(self._watch.watching())
        watched = conduct_watched(self._watch, make_call.__code__, self._root)
        self._conduct = enter(watched)  # marks frames too, and has to come before our listeners
        for name, listener in (("commit", self._on_commit), ("rollback", self._on_rollback)):
            event.listen(sa.engine.Engine, name, listener)
            self._stack.callback(event.remove, sa.engine.Engine, name, listener)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        if os.getpid() != self._process:
            os._exit(0)  # the body forked, and this is its child
        seen = self._seen
        seen.error = error or self._soft_failure()
        seen.ended = time()
        seen.conduct = self._conduct()
        sessions = self._sessions()
        seen.dead_sessions = sum(not session.is_active for session in sessions)
        self._end_what_is_open(sessions)
        seen.after = self._held.read()
        seen.is_shared = self._held.is_shared
        self._ended(seen, self._held, self._side)
        self._held.close()

    def _soft_failure(self) -> BaseException | None:
        """A check that failed without ending the body: of a subtest, or one that testtools holds
        back."""
        outcome = getattr(self._side.instance, "_outcome", None)
        failed = getattr(outcome, "success", True) is False
        if failed or getattr(self._side.instance, "force_failure", None):
            return HeldBack("a check failed, and the test went on")
        return None

    def _end_what_is_open(self, sessions: list[Any]) -> None:
        """Roll back what the body began and did not end: it is not stored."""
        for session in sessions:
            with suppress(Exception):  # a session that cannot be rolled back is lost anyway
                if not self._outer or _is_in_savepoint(session):
                    session.rollback()
        for connection in list(self._working):
            with suppress(Exception):
                if connection.in_transaction():
                    connection.get_transaction().rollback()

    def _on_statement(self, context: Any, statement: str, cursor: Any, ordinal: int) -> None:
        with suppress(Exception):  # nothing of ours may raise into the program
            self._look()
            self._seen.step_of.append(self._steps.number)
            if self._steps.is_tests_own:
                self._seen.own.add(ordinal)
            writes = facts_of_execution(statement, context).verb in WRITES
            if writes and context.root_connection not in self._outer:
                self._working.add(context.root_connection)

    def _on_commit(self, connection: Any) -> None:
        with suppress(Exception):
            self._look()
            self._seen.step_of_commit.append(self._steps.number)
            if self._steps.is_tests_own:
                self._seen.own_commits.add(len(self._seen.step_of_commit))
            self._working.discard(connection)

    def _on_rollback(self, connection: Any) -> None:
        self._working.discard(connection)

    def _look(self) -> None:
        begins = self._steps.look()
        if self._held.is_new():
            self._take_in_new()
        if begins:
            self._seen.at_step[self._steps.number] = self._held.read()
            if self._working:
                self._seen.open_at_step.add(self._steps.number)

    def _take_in_new(self) -> None:
        """A database that is used for the first time is now as it was when the body began."""
        now = self._held.read()
        for state in (self._seen.before, *self._seen.at_step.values()):
            state.tables.update({**now.tables, **state.tables})


def _is_in_savepoint(session: Any) -> bool:
    """Whether a rollback of the session leaves the transaction that the test was begun in."""
    return getattr(session, "join_transaction_mode", "") == "create_savepoint"
