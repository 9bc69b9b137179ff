"""What one recording keeps of transactions: how they ended, what they ran, what else happened.

endings     (kind, site, opened, attempt, database, test) -> counts and the largest of one
courses     Course without its counts                     -> committed, rolled back
incidents   (kind, what, site, opened, ...)               -> times, seconds
attempts    (function, site, opened, within, test)        -> repeated, most, gave up, errors

Keys are values of the program's text, so a program that repeats itself costs no memory; what would
be more than `MOST` of a kind is a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from auditor.model.tape import (
    Attempts,
    Course,
    CourseStep,
    Incident,
    IncidentKind,
    Tape,
    TransactionEntry,
)
from auditor.runtime.retries import Failure
from auditor.runtime.sites import Place, frame_at, places_from, site_of
from auditor.runtime.transactions import Unit

MOST = 4096
_BEGUN, _COMMITTED, _ROLLED_BACK, _SECONDS, _STATEMENTS, _MOST, _LONGEST, _GAP = range(8)
_REPEATED, _REACHED, _GAVE_UP, _ERRORS = range(4)


@dataclass(frozen=True, slots=True)
class Seen:
    """An incident as it is noticed, before its places are made lines."""

    kind: IncidentKind
    what: str
    places: Sequence[Place]
    opened: Place | None
    transaction: str
    work: str = ""
    is_block: bool = False
    seconds: float = 0.0


def of_unit(kind: IncidentKind, what: str, places: Sequence[Place], unit: Unit) -> Seen:
    """An incident while a transaction is open."""
    return Seen(kind, what, places, unit.opened, unit.kind, unit.work, unit.is_block)


class Books:
    """The transactions of one recording. `noted` changes whenever the tape does."""

    def __init__(self, root: str, lose: Callable[[str, str], None]) -> None:
        self._root = root
        self._lose = lose
        self.noted = 0
        self._endings: dict[tuple[Any, ...], list[Any]] = {}
        self._courses: dict[Course, list[int]] = {}
        self._rows_of_courses: dict[tuple[Any, ...], list[int] | None] = {}
        self._incidents: dict[Incident, list[Any]] = {}
        self._attempts: dict[Attempts, list[Any]] = {}

    def note_end(self, unit: Unit, *, committed: bool, database: str, test: str) -> None:
        """Counts a transaction or savepoint that was committed or rolled back."""
        site = unit.site or site_of(unit.places, self._root)
        key = (unit.kind, site, database, test, unit.opened, unit.attempt)
        ending = self._row(self._endings, key, [0, 0, 0, 0.0, 0, 0, 0.0, 0.0], "transactions")
        if ending is None:
            return
        seconds = perf_counter() - unit.begun
        ending[_BEGUN] += 1
        ending[_COMMITTED if committed else _ROLLED_BACK] += 1
        ending[_SECONDS] += seconds
        ending[_STATEMENTS] += unit.statements
        ending[_MOST] = max(ending[_MOST], unit.statements)
        ending[_LONGEST] = max(ending[_LONGEST], seconds)
        if unit.statements:
            gap = max(unit.longest_gap, perf_counter() - unit.last)
            ending[_GAP] = max(ending[_GAP], gap)
        if unit.work == "writes":
            self._note_course(unit, committed=committed, database=database)

    def _note_course(self, unit: Unit, *, committed: bool, database: str) -> None:
        key = (unit.kind, unit.opened, database, tuple(unit.steps))
        if key not in self._rows_of_courses:
            if len(self._rows_of_courses) >= MOST:
                self._rows_of_courses.clear()
            opened = frame_at(unit.opened, self._root)
            steps = tuple(
                CourseStep(facts.shape, facts.verb, facts.tables, site, *is_so)
                for facts, site, *is_so in unit.steps.values()
            )
            course = Course(unit.kind, opened, database, steps, 0, 0)
            self._rows_of_courses[key] = self._row(self._courses, course, [0, 0], "courses")
        ends = self._rows_of_courses[key]
        if ends is not None:
            ends[0 if committed else 1] += 1

    def note(self, seen: Seen, *, database: str, test: str) -> None:
        """Counts an incident."""
        opened = frame_at(seen.opened, self._root)
        key = Incident(
            kind=seen.kind,
            what=seen.what,
            site=site_of(seen.places, self._root),
            opened=opened,
            transaction=seen.transaction,
            work=seen.work,
            is_block=seen.is_block,
            database=database,
            test=test,
            times=0,
            seconds=0.0,
        )
        row = self._row(self._incidents, key, [0, 0.0], "incidents")
        if row is not None:
            row[0] += 1
            row[1] += seen.seconds

    def note_failure(self, failure: Failure, opened: Place | None, test: str) -> None:
        """Counts an attempt that failed. `opened` is the transaction around the retry, if the
        error came from it."""
        key = Attempts(
            function=frame_at(failure.function, self._root),
            site=site_of(places_from(failure.frame), self._root),
            opened=frame_at(opened, self._root),
            within=frame_at(failure.within, self._root),
            test=test,
            repeated=0,
            most=0,
            gave_up=0,
        )
        row = self._row(self._attempts, key, [0, 1, 0, {}], "repeated calls")
        if row is None:
            return
        if not failure.goes_on:
            row[_GAVE_UP] += 1
            return
        row[_REPEATED] += 1
        row[_REACHED] = max(row[_REACHED], failure.number + 1)
        row[_ERRORS][failure.error] = row[_ERRORS].get(failure.error, 0) + 1

    def _row(self, book: dict[Any, Any], key: Any, empty: list[Any], what: str) -> list[Any] | None:
        """The counts for a key; None if the book is full."""
        self.noted += 1
        row: list[Any] | None = book.get(key)
        if row is None:
            if len(book) >= MOST:
                self._lose("recorder", f"more than {MOST:,} different {what}: the rest is lost")
                return None
            row = book.setdefault(key, empty)
        return row

    def added_to(self, tape: Tape) -> Tape:
        """The tape with everything seen so far."""
        return replace(
            tape,
            transactions=tuple(self._ending(*each) for each in self._endings.copy().items()),
            courses=tuple(
                replace(course, committed=committed, rolled_back=rolled_back)
                for course, (committed, rolled_back) in self._courses.copy().items()
            ),
            incidents=tuple(
                replace(incident, times=times, seconds=seconds)
                for incident, (times, seconds) in self._incidents.copy().items()
            ),
            attempts=tuple(
                replace(
                    one, repeated=repeated, most=most, gave_up=gave_up, errors=_in_order(errors)
                )
                for one, (repeated, most, gave_up, errors) in self._attempts.copy().items()
            ),
        )

    def _ending(self, key: tuple[Any, ...], ending: list[Any]) -> TransactionEntry:
        *who, opened, attempt = key
        counts, more = ending[: _SECONDS + 1], ending[_STATEMENTS:]
        frame = frame_at(opened, self._root)
        return TransactionEntry(*(*who, *counts, frame, attempt, *more))


def _in_order(errors: dict[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(errors.copy().items()))
