"""Several tapes as one: what differs only in numbers is added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from auditor.model.tape import Attempts, Course, Entry, Incident, Tape, TransactionEntry


def added_up(tapes: Iterable[Tape]) -> Tape:
    """One tape of several: entries of the same statement, site, cause and test become one, in the
    order in which they are first met; transactions, courses and the others alike."""
    tapes = tuple(tapes)
    opened = {tape.opened for tape in tapes}
    return Tape(
        entries=_summed((e for tape in tapes for e in tape.entries), _ENTRY, _sum),
        transactions=_summed(
            (t for tape in tapes for t in tape.transactions), _ENDING, _sum_ending
        ),
        losses=tuple(dict.fromkeys(loss for tape in tapes for loss in tape.losses)),
        processes=sum(tape.processes for tape in tapes),
        courses=_summed((c for tape in tapes for c in tape.courses), _COURSE, _sum_course),
        incidents=_summed((i for tape in tapes for i in tape.incidents), _INCIDENT, _sum_incident),
        attempts=_summed((a for tape in tapes for a in tape.attempts), _ATTEMPTS, _sum_attempts),
        opened=opened.pop() if len(opened) == 1 else (),
    )


_ENTRY: Mapping[str, Any] = {
    "executions": 0,
    "sent": 0,
    "rows": 0,
    "seconds": 0.0,
    "errors": (),
    "units": 0,
    "most_in_unit": 0,
    "repeats": 0,
    "texts": 0,
    "used": (),
}
_ENDING: Mapping[str, Any] = {
    "begun": 0,
    "committed": 0,
    "rolled_back": 0,
    "seconds": 0.0,
    "statements": 0,
    "most_statements": 0,
    "longest_seconds": 0.0,
    "longest_gap": 0.0,
}
_COURSE: Mapping[str, Any] = {"committed": 0, "rolled_back": 0}
_INCIDENT: Mapping[str, Any] = {"times": 0, "seconds": 0.0}
_ATTEMPTS: Mapping[str, Any] = {"repeated": 0, "most": 0, "gave_up": 0, "errors": ()}
"""Fields in which values that become one may differ, and what they are without them."""

Value = TypeVar("Value", Entry, TransactionEntry, Course, Incident, Attempts)


def _summed(
    values: Iterable[Value], numbers: Mapping[str, Any], add: Callable[[Value, Value], Value]
) -> tuple[Value, ...]:
    found: dict[Value, Value] = {}
    for value in values:
        key = replace(value, **numbers)
        found[key] = add(found[key], value) if key in found else value
    return tuple(found.values())


def _sum(one: Entry, other: Entry) -> Entry:
    return replace(
        one,
        executions=one.executions + other.executions,
        sent=one.sent + other.sent,
        rows=one.rows + other.rows,
        seconds=one.seconds + other.seconds,
        errors=_sum_errors(one.errors, other.errors),
        units=one.units + other.units,
        most_in_unit=max(one.most_in_unit, other.most_in_unit),
        repeats=one.repeats + other.repeats,
        texts=max(one.texts, other.texts),
        used=tuple(sorted({*one.used, *other.used})),
    )


def _sum_errors(
    one: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]
) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((Counter(dict(one)) + Counter(dict(other))).items()))


def _sum_ending(one: TransactionEntry, other: TransactionEntry) -> TransactionEntry:
    return replace(
        one,
        begun=one.begun + other.begun,
        committed=one.committed + other.committed,
        rolled_back=one.rolled_back + other.rolled_back,
        seconds=one.seconds + other.seconds,
        statements=one.statements + other.statements,
        most_statements=max(one.most_statements, other.most_statements),
        longest_seconds=max(one.longest_seconds, other.longest_seconds),
        longest_gap=max(one.longest_gap, other.longest_gap),
    )


def _sum_course(one: Course, other: Course) -> Course:
    return replace(
        one,
        committed=one.committed + other.committed,
        rolled_back=one.rolled_back + other.rolled_back,
    )


def _sum_incident(one: Incident, other: Incident) -> Incident:
    return replace(one, times=one.times + other.times, seconds=one.seconds + other.seconds)


def _sum_attempts(one: Attempts, other: Attempts) -> Attempts:
    return replace(
        one,
        repeated=one.repeated + other.repeated,
        most=max(one.most, other.most),
        gave_up=one.gave_up + other.gave_up,
        errors=_sum_errors(one.errors, other.errors),
    )
