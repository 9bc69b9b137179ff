"""What may come of a call with which another session interfered: what a serial order would give.

    first    the other session, then the call on that database
    last     the call, then the other session
    alone    the other session only: the state in which a call that fails must leave everything

The call did well if its result and the state are those of one of the orders, or if it failed with
an error of its own and left nothing. It did not if it raised what the database said, or wrote over
the other session's change, or spoke of another row than the one that is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from auditor.faults.aim.shots import Executed
from auditor.faults.catalogue.fault import Target
from auditor.faults.catalogue.rivals import RIVAL_FAULTS, TOLD_APART
from auditor.faults.rivals.desk import Change
from auditor.faults.rivals.session import Aim, OtherSession, Part
from auditor.faults.rivals.targets import rival_targets
from auditor.faults.state.oracle import Delta
from auditor.faults.sweep.bench import Bench, Run
from auditor.faults.sweep.repeatable import Learned
from auditor.faults.verdicts.judge import (
    Ending,
    chain,
    class_name,
    is_database_error,
    is_domain_error,
    is_made_of,
    verdict_of,
)
from auditor.model.outcome import Verdict

_SHORTEST_NAME = 4
"""Characters of a key's value, at least, for its being in a message to mean anything."""


class Orders:
    """The serial orders of a call and the same changes, each made when it is first asked for."""

    def __init__(self, bench: Bench, changes: tuple[Change, ...], since: float) -> None:
        self._bench = bench
        self._changes = changes
        self._since = since

    @cached_property
    def first(self) -> Run:
        """The other session, then the call."""
        return self._run(Part.FIRST)

    @cached_property
    def last(self) -> Run:
        """The call, then the other session as far as it still can."""
        return self._run(Part.LAST)

    @cached_property
    def alone(self) -> Delta:
        """What the other session changes by itself."""
        return self._run(Part.ALONE).delta

    def _run(self, part: Part) -> Run:
        bench = self._bench
        other = OtherSession(
            bench.engine, bench.keys(), part, changes=self._changes, since=self._since
        )
        return bench.run(other=other)


@dataclass(frozen=True, slots=True, eq=False)
class Interfered:
    """A call with which another session interfered at `point`. `expected` is the call without it,
    `orders` makes the serial orders of given changes. `declared` and `attempts` as in `Ending`."""

    run: Run
    other: OtherSession
    point: Executed
    expected: Learned
    orders: Callable[[tuple[Change, ...]], Orders]
    declared: bool
    attempts: int

    @property
    def own(self) -> Orders:
        """The serial orders of what the other session did."""
        return self.orders(self.other.changes)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`baseline` is the state that the call should have left, `in_turn` what the call does when
    the other session has gone first: `returns`, or the class it raises."""

    verdict: Verdict
    note: str
    baseline: Delta
    in_turn: str


def aims_at(target: Target, executed: Executed, bench: Bench) -> tuple[Aim, ...]:
    """The rest of what another session could do before the statement that a program may mistake
    for this."""
    keys = bench.keys().get(executed.table.rpartition(".")[2])
    return tuple(
        Aim(fault, one)
        for fault in RIVAL_FAULTS
        if fault.name in TOLD_APART
        for one in rival_targets(fault, executed, keys)
        if one != target
    )


def judgement_of(case: Interfered) -> Judgement:
    """The verdict on the call, by the serial orders."""
    run, own = case.run, case.own
    in_turn = class_name(own.first.error) if own.first.error else "returns"
    if run.error is None or run.equals(case.expected):
        verdict, note = _of_returned(case)
        return Judgement(verdict, note, own.first.delta, in_turn)
    verdict, note = _of_raised(case, run.error)
    return Judgement(verdict, note, own.alone, in_turn)


def _of_returned(case: Interfered) -> tuple[Verdict, str]:
    run, own = case.run, case.own
    if _gave_way(case):
        return Verdict.SWALLOWED, "its row was not as it had been read, and nothing of it is stored"
    if not run.dead_sessions and any(_is_that_of(run, order) for order in _orders(own)):
        denial = _denied(case)
        return (Verdict.SWALLOWED, denial) if denial else (Verdict.RECOVERED, "")
    if run.delta == case.expected.delta and own.alone:
        return Verdict.SWALLOWED, "the change that the other session had stored is lost"
    ending = replace(_ending(case), same_result=False)
    verdict, note = verdict_of(replace(ending, error=None))
    if verdict is Verdict.SWALLOWED and ending.done:
        return verdict, "the result is that of no order in which the two could have come"
    return verdict, note


def _denied(case: Interfered) -> str:
    """Why a call that ended as in a serial order has not done its work all the same: what it had
    wanted to store was refused, in that order too, and it neither looked again nor says so. Empty
    if it did well."""
    run, expected = case.run, case.expected
    is_refused = all(change.verb == "INSERT" for change in case.other.changes)
    if run.strays and (run.watch.shown or is_refused):
        return "the call returned the key of a row that was refused, and is not stored"
    if not run.watch.shown:
        return ""
    if run.equals(expected) or run.delta == expected.delta:
        return ""
    point = case.point
    later = run.watch.statements[point.ordinal :]
    looked = any(one.verb == "SELECT" and one.table == point.table for one in later)
    if looked or len(case.own.first.watch.statements) < point.ordinal:
        return ""
    return "what the call had to store was refused, and it returned"


def _gave_way(case: Interfered) -> bool:
    """Whether a call that changes rows changed none, because one was stale. The state is that of
    the other session coming last, who writes over the call's work; but there was none."""
    run, own = case.run, case.own
    is_stale = all(change.verb == "UPDATE" for change in case.other.changes)
    if not is_stale or not case.expected.delta:
        return False
    return run.delta == own.alone and not _is_that_of(run, own.first)


def _orders(own: Orders) -> Iterator[Run]:
    yield own.first
    yield own.last


def _is_that_of(run: Run, order: Run) -> bool:
    return order.error is None and run.delta == order.delta and _same_result(run, order)


def _same_result(run: Run, order: Run) -> bool:
    return bool(run.result == order.result or run.result_by_role == order.result_by_role)


def _of_raised(case: Interfered, error: BaseException) -> tuple[Verdict, str]:
    verdict, note = verdict_of(replace(_ending(case), same_result=False))
    if verdict is Verdict.MASKED and not is_made_of(error, case.run.watch.shown):
        return verdict, "the program went on as if the other session had done nothing"
    if verdict is Verdict.REPORTED:
        mistaken = _mistaken_for(case, error)
        if mistaken is not None:
            named = mistaken.target.subject or mistaken.fault.summary
            said = f"the call says this of `{named}` ({mistaken.fault.name}): that did not happen"
            return Verdict.MISREPORTED, said
    return verdict, note


def _ending(case: Interfered) -> Ending:
    run, own = case.run, case.own
    error = run.error
    is_as_first = _same_result(run, own.first) and run.delta == own.first.delta
    return Ending(
        error=error,
        shown=run.watch.shown,
        unchanged=run.delta == own.alone or (error is not None and is_as_first),
        done=any(run.delta == order.delta for order in _orders(own)),
        same_result=False,
        declared=case.declared or (error is not None and is_domain_error(error)),
        attempts=case.attempts,
        dead_sessions=run.dead_sessions,
    )


def _mistaken_for(case: Interfered, error: BaseException) -> Aim | None:
    """What else the error tells of, proven by the call that meets just that; None if there is no
    proof. A declared error may stand for several events: of it more is asked."""
    own = case.own.first
    if _says_the_same(own, error) and _found_by_itself(own):
        return None
    is_specific = not case.declared or _has_another_word(own, error)
    for aim, changes in case.other.others:
        instead = case.orders(changes).first
        if not _says_the_same(instead, error):
            continue
        is_proven = is_specific and _found_by_itself(instead)
        if is_proven or _names_only(error, changes, case.other.changes):
            return aim
    return None


def _has_another_word(own: Run, error: BaseException) -> bool:
    """Whether the call has looked for what happened, and tells it with an error of its own that is
    not this one."""
    is_own = own.error is not None and is_domain_error(own.error) and _found_by_itself(own)
    return is_own and not _says_the_same(own, error)


def _says_the_same(run: Run, error: BaseException) -> bool:
    other = run.error
    if other is None or type(other) is not type(error):
        return False
    return str(other) == str(error)


def _found_by_itself(run: Run) -> bool:
    """Whether the call raised its error because it had looked, and not because the database had
    refused a statement."""
    return run.error is not None and not any(map(is_database_error, chain(run.error)))


def _names_only(error: BaseException, others: Sequence[Change], own: Sequence[Change]) -> bool:
    """Whether the message names a row of the other changes and none of those that were made."""
    text = str(error)
    told = [_named(changes, text) for changes in (others, own)]
    return told[0] and not told[1]


def _named(changes: Sequence[Change], text: str) -> bool:
    values: list[Any] = [value for one in changes for _, value in (one.key or one.values)]
    return any(
        len(str(value)) >= _SHORTEST_NAME and re.search(rf"\b{re.escape(str(value))}\b", text)
        for value in values
        if value is not None
    )
