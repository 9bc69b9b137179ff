"""Several tapes as one: what differs only in numbers is added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from auditor.model.tape import Entry, Tape, TransactionEntry


def added_up(tapes: Iterable[Tape]) -> Tape:
    """One tape of several: entries of the same statement, site, cause and test become one, in the
    order in which they are first met."""
    tapes = tuple(tapes)
    entries: dict[Entry, Entry] = {}
    endings: dict[TransactionEntry, TransactionEntry] = {}
    for tape in tapes:
        for entry in tape.entries:
            key = replace(
                entry, executions=0, sent=0, rows=0, seconds=0.0, errors=(), units=0, most_in_unit=0
            )
            entries[key] = _sum(entries[key], entry) if key in entries else entry
        for ending in tape.transactions:
            same = replace(ending, begun=0, committed=0, rolled_back=0, seconds=0.0)
            endings[same] = _sum_endings(endings[same], ending) if same in endings else ending
    return Tape(
        entries=tuple(entries.values()),
        transactions=tuple(endings.values()),
        losses=tuple(dict.fromkeys(loss for tape in tapes for loss in tape.losses)),
        processes=sum(tape.processes for tape in tapes),
    )


def _sum(one: Entry, other: Entry) -> Entry:
    errors = Counter(dict(one.errors)) + Counter(dict(other.errors))
    return replace(
        one,
        executions=one.executions + other.executions,
        sent=one.sent + other.sent,
        rows=one.rows + other.rows,
        seconds=one.seconds + other.seconds,
        errors=tuple(sorted(errors.items())),
        units=one.units + other.units,
        most_in_unit=max(one.most_in_unit, other.most_in_unit),
    )


def _sum_endings(one: TransactionEntry, other: TransactionEntry) -> TransactionEntry:
    return replace(
        one,
        begun=one.begun + other.begun,
        committed=one.committed + other.committed,
        rolled_back=one.rolled_back + other.rolled_back,
        seconds=one.seconds + other.seconds,
    )
