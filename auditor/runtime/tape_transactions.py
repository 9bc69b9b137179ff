"""The tables of a tape file that tell of transactions, and of what else happened in them.

ending        transactions begun from one site, and how they ended
course        what transactions begun at one line ran; course_step has the statements in order
incident      side effects, commits by hand, independent blocks, threads, leaked connections
attempts      calls that a retry repeated; attempts_error has what they were repeated for
step_shape    statement shapes of course steps, once each
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from auditor.model.span import Frame
from auditor.model.tape import (
    Attempts,
    Course,
    CourseStep,
    Incident,
    IncidentKind,
    Site,
    Tape,
    TransactionEntry,
)

SCHEMA = """
CREATE TABLE ending (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, site INTEGER NOT NULL, database TEXT NOT NULL, test TEXT NOT NULL,
    begun INTEGER NOT NULL, committed INTEGER NOT NULL, rolled_back INTEGER NOT NULL,
    seconds REAL NOT NULL,
    opened INTEGER NOT NULL REFERENCES frame,
    attempt INTEGER NOT NULL,            -- 2 in a second attempt by a retry decorator
    statements INTEGER NOT NULL,
    most_statements INTEGER NOT NULL,    -- these three: the largest of one transaction
    longest_seconds REAL NOT NULL,
    longest_gap REAL NOT NULL            -- seconds without a statement
);
CREATE TABLE step_shape (
    id INTEGER PRIMARY KEY, shape TEXT NOT NULL, verb TEXT NOT NULL, tables TEXT NOT NULL
);
CREATE TABLE course (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, opened INTEGER NOT NULL REFERENCES frame, database TEXT NOT NULL,
    committed INTEGER NOT NULL, rolled_back INTEGER NOT NULL
);
CREATE TABLE course_step (
    course INTEGER NOT NULL REFERENCES course,
    position INTEGER NOT NULL,           -- in order of first execution
    step_shape INTEGER NOT NULL REFERENCES step_shape,
    site INTEGER NOT NULL,
    is_in_savepoint INTEGER NOT NULL,
    is_locking INTEGER NOT NULL,         -- a SELECT that asked for locks on its rows
    PRIMARY KEY (course, position)
) WITHOUT ROWID;
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, what TEXT NOT NULL, site INTEGER NOT NULL,
    opened INTEGER NOT NULL REFERENCES frame, transaction_kind TEXT NOT NULL,
    work TEXT NOT NULL,                  -- what the transaction had done: writes, reads or nothing
    is_block INTEGER NOT NULL,           -- the program asked for the transaction
    database TEXT NOT NULL, test TEXT NOT NULL,
    times INTEGER NOT NULL, seconds REAL NOT NULL
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    function INTEGER NOT NULL REFERENCES frame, site INTEGER NOT NULL,
    opened INTEGER NOT NULL REFERENCES frame,  -- the transaction around the retry
    within INTEGER NOT NULL REFERENCES frame,  -- the function whose retry is around this one
    test TEXT NOT NULL,
    repeated INTEGER NOT NULL, most INTEGER NOT NULL, gave_up INTEGER NOT NULL
);
CREATE TABLE attempts_error (attempts INTEGER NOT NULL REFERENCES attempts, error TEXT NOT NULL,
    count INTEGER NOT NULL);
"""


class _Writer:
    """Writes rows of one tape; `site` and `frame` give the numbers of theirs."""

    def __init__(
        self,
        run: Callable[..., Any],
        site: Callable[[Site], int],
        frame: Callable[[Frame], int],
    ) -> None:
        self.run = run
        self.site = site
        self.frame = frame
        self.shapes: dict[tuple[str, str, str], int] = {}

    def ending(self, number: int, one: TransactionEntry) -> None:
        self._insert(
            "ending",
            (number, one.kind, self.site(one.site), one.database, one.test),
            (one.begun, one.committed, one.rolled_back, one.seconds),
            (self.frame(one.opened), one.attempt, one.statements),
            (one.most_statements, one.longest_seconds, one.longest_gap),
        )

    def course(self, number: int, one: Course) -> None:
        self._insert(
            "course",
            (number, one.kind, self.frame(one.opened), one.database),
            (one.committed, one.rolled_back),
        )
        for position, step in enumerate(one.steps):
            shape = self._shape(step)
            self._insert(
                "course_step",
                (number, position, shape, self.site(step.site)),
                (step.is_in_savepoint, step.is_locking),
            )

    def incident(self, number: int, one: Incident) -> None:
        self._insert(
            "incident",
            (number, one.kind.value, one.what, self.site(one.site), self.frame(one.opened)),
            (one.transaction, one.work, one.is_block, one.database, one.test),
            (one.times, one.seconds),
        )

    def attempts(self, number: int, one: Attempts) -> None:
        self._insert(
            "attempts",
            (number, self.frame(one.function), self.site(one.site)),
            (self.frame(one.opened), self.frame(one.within), one.test),
            (one.repeated, one.most, one.gave_up),
        )
        for each in one.errors:
            self._insert("attempts_error", (number, *each))

    def _shape(self, step: CourseStep) -> int:
        key = (step.shape, step.verb, " ".join(step.tables))
        if key not in self.shapes:
            self.shapes[key] = len(self.shapes) + 1
            self._insert("step_shape", (self.shapes[key], *key))
        return self.shapes[key]

    def _insert(self, table: str, *parts: tuple[object, ...]) -> None:
        values = [value for part in parts for value in part]
        marks = ", ".join("?" * len(values))
        self.run(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 - our own names


def write_transactions(
    database: sqlite3.Connection,
    tape: Tape,
    *,
    site: Callable[[Site], int],
    frame: Callable[[Frame], int],
) -> None:
    """Writes what a tape has for these tables."""
    writer = _Writer(database.execute, site, frame)
    for number, ending in enumerate(tape.transactions, 1):
        writer.ending(number, ending)
    for number, course in enumerate(tape.courses, 1):
        writer.course(number, course)
    for number, incident in enumerate(tape.incidents, 1):
        writer.incident(number, incident)
    for number, attempts in enumerate(tape.attempts, 1):
        writer.attempts(number, attempts)


def endings(
    database: sqlite3.Connection, sites: Mapping[int, Site], frames: Mapping[int, Frame]
) -> Iterator[TransactionEntry]:
    """The transactions of a tape file."""
    for _, kind, site, *rest in database.execute("SELECT * FROM ending ORDER BY id"):
        counts, (opened, *more) = rest[:6], rest[6:]
        yield TransactionEntry(*(kind, sites[site], *counts, frames[opened], *more))


def courses(
    database: sqlite3.Connection, sites: Mapping[int, Site], frames: Mapping[int, Frame]
) -> Iterator[Course]:
    """The courses of a tape file."""
    steps: dict[int, list[CourseStep]] = {}
    rows = database.execute(
        "SELECT course, shape, verb, tables, site, is_in_savepoint, is_locking FROM course_step"
        " JOIN step_shape ON step_shape.id = step_shape ORDER BY course, position"
    )
    for course, shape, verb, tables, site, *is_so in rows:
        step = CourseStep(shape, verb, tuple(tables.split()), sites[site], *map(bool, is_so))
        steps.setdefault(course, []).append(step)
    for number, kind, opened, name, *ends in database.execute("SELECT * FROM course ORDER BY id"):
        yield Course(kind, frames[opened], name, tuple(steps.get(number, ())), *ends)


def incidents(
    database: sqlite3.Connection, sites: Mapping[int, Site], frames: Mapping[int, Frame]
) -> Iterator[Incident]:
    """The incidents of a tape file."""
    for _, kind, what, site, opened, *rest in database.execute(
        "SELECT * FROM incident ORDER BY id"
    ):
        transaction, work, is_block, *others = rest
        place, begun = sites[site], frames[opened]
        yield Incident(
            IncidentKind(kind), what, place, begun, transaction, work, bool(is_block), *others
        )


def attempts(
    database: sqlite3.Connection, sites: Mapping[int, Site], frames: Mapping[int, Frame]
) -> Iterator[Attempts]:
    """The repeated calls of a tape file."""
    errors: dict[int, list[tuple[str, int]]] = {}
    for number, error, count in database.execute("SELECT * FROM attempts_error ORDER BY rowid"):
        errors.setdefault(number, []).append((error, count))
    for number, function, site, opened, within, *rest in database.execute(
        "SELECT * FROM attempts ORDER BY id"
    ):
        places = (frames[function], sites[site], frames[opened], frames[within])
        yield Attempts(*(*places, *rest, tuple(errors.get(number, ()))))
