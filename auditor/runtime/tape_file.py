"""The layout of a tape file: one SQLite database, readable by any SQLite browser.

    auditor_tape    one row: the version of this layout, how many processes took part
    frame           a line of the user's program
    call_path       the frames of a site, depth 0 innermost
    entry           executions of one statement shape from one site for one cause
    entry_error     errors of an entry by class
    ending ...      transactions: see tape_transactions.py
    opened          the call path that opened the recording, depth 0 innermost; often empty
    loss            what could not be seen
    statements      a view: entries with the innermost line of their site, for people

A file is written beside its place and moved there, so a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from auditor.model.errors import TapeError
from auditor.model.finding import Problem
from auditor.model.span import Frame
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from auditor.runtime import tape_transactions
from auditor.runtime.tape_transactions import write_transactions

VERSION = 3

SCHEMA = """
CREATE TABLE auditor_tape (version INTEGER NOT NULL, processes INTEGER NOT NULL);
CREATE TABLE frame (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL,          -- relative, with forward slashes
    line INTEGER NOT NULL,
    function TEXT NOT NULL,      -- qualified name inside the module
    UNIQUE (path, line, function)
);
CREATE TABLE call_path (
    site INTEGER NOT NULL,       -- site 0 has no frames: nothing of the user's was on the stack
    depth INTEGER NOT NULL,      -- 0 is the innermost
    frame INTEGER NOT NULL REFERENCES frame,
    PRIMARY KEY (site, depth)
) WITHOUT ROWID;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,      -- in order of first execution
    shape TEXT NOT NULL,         -- values replaced by ?
    verb TEXT NOT NULL,
    tables TEXT NOT NULL,        -- names separated by spaces
    site INTEGER NOT NULL,
    cause TEXT NOT NULL,
    relation TEXT NOT NULL,      -- Parent.attribute or a mapped class, if known
    transaction_kind TEXT NOT NULL,
    database TEXT NOT NULL,
    test TEXT NOT NULL,          -- empty outside tests
    executions INTEGER NOT NULL,
    sent INTEGER NOT NULL,       -- parameter sets
    rows INTEGER NOT NULL,       -- rows fetched
    seconds REAL NOT NULL,       -- as the client saw it
    units INTEGER NOT NULL,      -- transactions with an execution of this entry
    most_in_unit INTEGER NOT NULL,
    repeats INTEGER NOT NULL,    -- made before in the transaction, the same values, no write since
    texts INTEGER NOT NULL,      -- different texts, where literals stand in them; 16 at most
    joined TEXT NOT NULL,        -- relations loaded by join: `Router.ports[], Router.gateway`
    used TEXT NOT NULL           -- relations read on the objects that this statement loaded
);
CREATE TABLE entry_error (entry INTEGER NOT NULL REFERENCES entry, error TEXT NOT NULL,
    count INTEGER NOT NULL);
CREATE TABLE opened (depth INTEGER PRIMARY KEY, frame INTEGER NOT NULL REFERENCES frame);
CREATE TABLE loss (subject TEXT NOT NULL, message TEXT NOT NULL, hides_results INTEGER NOT NULL);
CREATE VIEW statements AS
    SELECT executions, rows, round(seconds, 6) AS seconds, cause || ' ' || relation AS cause,
           path || ':' || line AS place, function, transaction_kind, test, shape
    FROM entry
    LEFT JOIN call_path ON call_path.site = entry.site AND depth = 0
    LEFT JOIN frame ON frame.id = call_path.frame
    ORDER BY executions DESC, entry.id;
"""
_SCHEMA = f"{SCHEMA}{tape_transactions.SCHEMA}"


def write_file(tape: Tape, path: Path) -> None:
    """Write a tape file, in place of what was there. Raises TapeError if it cannot be written."""
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        waiting.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(waiting)) as database:
            database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA}")
            with database:
                _Writer(database).write(tape)
        waiting.replace(path)
    except (OSError, sqlite3.Error) as error:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)
        raise TapeError(f"the tape `{path}` cannot be written: {error}") from error


def read_file(path: Path) -> Tape:
    """Read a tape file. Raises TapeError if it is missing, no tape, or of an unknown version."""
    if not path.is_file():
        raise TapeError(
            f"there is no tape `{path}`; `auditor record -o {path} -- COMMAND` makes one"
        )
    try:
        location = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(location, uri=True)) as database:
            return _read(database, path)
    except (sqlite3.Error, ValueError, KeyError) as error:
        raise TapeError(
            f"`{path}` is not a tape, or is damaged ({error}); `auditor record -o FILE -- COMMAND`"
            " makes one"
        ) from error


def is_tape(path: Path) -> bool:
    """Says whether a file is a tape of any version."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as d:
            return bool(d.execute("SELECT version FROM auditor_tape").fetchone())
    except sqlite3.Error:
        return False


class _Writer:
    """Writes one tape; frames and sites are written once each."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._frames: dict[Frame, int] = {}
        self._sites: dict[Site, int] = {Site(()): 0}

    def write(self, tape: Tape) -> None:
        run = self._database.execute
        run("INSERT INTO auditor_tape VALUES (?, ?)", (VERSION, tape.processes))
        for number, entry in enumerate(tape.entries, 1):
            self._entry(number, entry)
        write_transactions(self._database, tape, site=self._site, frame=self._frame)
        for depth, frame in enumerate(tape.opened):
            run("INSERT INTO opened VALUES (?, ?)", (depth, self._frame(frame)))
        for loss in tape.losses:
            run(
                "INSERT INTO loss VALUES (?, ?, ?)",
                (loss.subject, loss.message, loss.hides_results),
            )

    def _entry(self, number: int, entry: Entry) -> None:
        self._database.execute(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                number,
                entry.shape,
                entry.verb,
                " ".join(entry.tables),
                self._site(entry.site),
                entry.cause.kind.value,
                entry.cause.relation,
                entry.transaction,
                entry.database,
                entry.test,
                entry.executions,
                entry.sent,
                entry.rows,
                entry.seconds,
                entry.units,
                entry.most_in_unit,
                entry.repeats,
                entry.texts,
                ", ".join(entry.joined),
                ", ".join(entry.used),
            ),
        )
        self._database.executemany(
            "INSERT INTO entry_error VALUES (?, ?, ?)", [(number, *each) for each in entry.errors]
        )

    def _site(self, site: Site) -> int:
        if site not in self._sites:
            number = self._sites[site] = len(self._sites)
            self._database.executemany(
                "INSERT INTO call_path VALUES (?, ?, ?)",
                [(number, depth, self._frame(frame)) for depth, frame in enumerate(site.stack)],
            )
        return self._sites[site]

    def _frame(self, frame: Frame) -> int:
        if frame not in self._frames:
            number = self._frames[frame] = len(self._frames) + 1
            self._database.execute(
                "INSERT INTO frame VALUES (?, ?, ?, ?)",
                (number, frame.path, frame.line, frame.function),
            )
        return self._frames[frame]


def _read(database: sqlite3.Connection, path: Path) -> Tape:
    version, processes = database.execute("SELECT * FROM auditor_tape").fetchone() or (0, 0)
    if version != VERSION:
        age = "an older" if version < VERSION else "a newer"
        raise TapeError(
            f"the tape `{path}` was recorded by {age} version of auditor (layout {version}; this"
            f" one reads layout {VERSION}): record again, or read it with the version that wrote it"
        )
    frames = _frames(database)
    sites = _sites(database, frames)
    return Tape(
        entries=tuple(_entries(database, sites)),
        transactions=tuple(tape_transactions.endings(database, sites, frames)),
        courses=tuple(tape_transactions.courses(database, sites, frames)),
        incidents=tuple(tape_transactions.incidents(database, sites, frames)),
        attempts=tuple(tape_transactions.attempts(database, sites, frames)),
        losses=tuple(
            Problem(subject, message, bool(hides))
            for subject, message, hides in database.execute("SELECT * FROM loss ORDER BY rowid")
        ),
        processes=processes,
        opened=tuple(
            frames[number]
            for (number,) in database.execute("SELECT frame FROM opened ORDER BY depth")
        ),
    )


def _frames(database: sqlite3.Connection) -> dict[int, Frame]:
    return {
        number: Frame(*rest)
        for number, *rest in database.execute("SELECT * FROM frame ORDER BY id")
    }


def _sites(database: sqlite3.Connection, frames: Mapping[int, Frame]) -> dict[int, Site]:
    stacks: dict[int, list[Frame]] = {0: []}
    for site, frame in database.execute("SELECT site, frame FROM call_path ORDER BY site, depth"):
        stacks.setdefault(site, []).append(frames[frame])
    return {number: Site(tuple(stack)) for number, stack in stacks.items()}


def _entries(database: sqlite3.Connection, sites: dict[int, Site]) -> Iterator[Entry]:
    errors: dict[int, list[tuple[str, int]]] = {}
    for number, error, count in database.execute("SELECT * FROM entry_error ORDER BY rowid"):
        errors.setdefault(number, []).append((error, count))
    for row in database.execute("SELECT * FROM entry ORDER BY id"):
        number, shape, verb, tables, site, cause, relation, *rest = row
        transaction, name, test, executions, sent, rows, seconds, units, most, *loads = rest
        repeats, texts, joined, used = loads
        yield Entry(
            shape=shape,
            verb=verb,
            tables=tuple(tables.split()),
            site=sites[site],
            cause=Cause(CauseKind(cause), relation),
            transaction=transaction,
            database=name,
            test=test,
            executions=executions,
            sent=sent,
            rows=rows,
            seconds=seconds,
            errors=tuple(errors.get(number, ())),
            units=units,
            most_in_unit=most,
            repeats=repeats,
            texts=texts,
            joined=tuple(joined.split(", ") if joined else ()),
            used=tuple(used.split(", ") if used else ()),
        )
