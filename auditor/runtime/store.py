"""Where tapes are kept, and the parts of several processes until they are one tape.

    write(tape, path)       read(path) -> Tape       merged(tapes) -> Tape

While a command is recorded, each of its processes keeps one file in the folder `<tape>.d`:

    4711-1.part    a whole tape of what process 4711 has seen so far, replaced about once a second
    4711.python    empty: a Python process started with the recorder at hand
    4711-1.lost    why process 4711 could not write its part; gone when it could after all

A process that is killed loses what came after its last part. `collect` makes one tape of a folder;
`read` takes in parts that nobody has collected, so a recording that was itself killed can be read.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from auditor.model.errors import TapeError
from auditor.model.finding import Problem
from auditor.model.tape import Attempts, Course, Entry, Incident, Tape, TransactionEntry
from auditor.model.tape_sum import added_up
from auditor.runtime.tape_file import is_tape, read_file, write_file

PART, PYTHON, LOST = ".part", ".python", ".lost"


def folder_of(tape: Path) -> Path:
    """Where the parts of a tape are kept while its command runs."""
    return tape.with_name(f"{tape.name}.d")


def make_ready(tape: Path) -> None:
    """Empties the folder for the parts of a tape. Raises TapeError if its place cannot be used."""
    if tape.exists() and not is_tape(tape):
        raise TapeError(f"`{tape.name}` exists and is not a tape; name another file")
    try:
        shutil.rmtree(folder_of(tape), ignore_errors=True)
        folder_of(tape).mkdir(parents=True)
    except OSError as error:
        raise TapeError(
            f"the tape `{tape.name}` cannot be written: {error.strerror}; name another file"
        ) from error


def write(tape: Tape, path: Path) -> None:
    """Write a tape file, in place of what was there. Raises TapeError if it cannot be written."""
    write_file(tape, path)


def read(path: Path) -> Tape:
    """The tape at `path`, with the parts of a recording that was itself killed.

    Raises TapeError if there is nothing, or if it is no tape, damaged or of an unknown version.
    """
    left = [*_read_all(_parts(path)), *_lost(path)]
    if not left:
        return read_file(path)
    return merged([*([read_file(path)] if path.is_file() else []), *left])


def collect(path: Path) -> Tape:
    """Make the tape at `path` of its parts, remove them, and give the tape."""
    tape = merged([*_read_all(_parts(path)), *_lost(path)])
    write_file(tape, path)
    shutil.rmtree(folder_of(path), ignore_errors=True)
    return tape


def merged(tapes: Sequence[Tape]) -> Tape:
    """One tape of several. What was recorded in one process keeps its order; entries of several
    are sorted, because there is no order between processes that would be the same next time."""
    tape = added_up(tapes)
    if sum(bool(one.entries) for one in tapes) <= 1:
        return tape
    return replace(
        tape,
        entries=tuple(sorted(tape.entries, key=_entry_order)),
        transactions=tuple(sorted(tape.transactions, key=_ending_order)),
        courses=tuple(sorted(tape.courses, key=_course_order)),
        incidents=tuple(sorted(tape.incidents, key=_incident_order)),
        attempts=tuple(sorted(tape.attempts, key=_attempts_order)),
    )


def _parts(path: Path) -> list[Path]:
    return sorted(folder_of(path).glob(f"*{PART}"), key=_age)


def note_lost(part: Path, message: str) -> None:
    """Leaves word of a part that could not be written, as far as there is room. Never raises."""
    with contextlib.suppress(OSError):
        part.with_suffix(LOST).touch()
        part.with_suffix(LOST).write_text(message, encoding="utf-8")


def forget_lost(part: Path) -> None:
    """Takes that back: the part is written now, and nothing is lost. Never raises."""
    with contextlib.suppress(OSError):
        part.with_suffix(LOST).unlink(missing_ok=True)


def _lost(path: Path) -> Iterator[Tape]:
    """Losses that processes had no other way to tell."""
    for word in sorted(folder_of(path).glob(f"*{LOST}")):
        with contextlib.suppress(OSError):
            said = word.read_text("utf-8", "replace") or "no room to say why"
            message = f"a process could not write what it recorded: {said}"
            yield Tape(losses=(Problem(word.stem, message, hides_results=True),), processes=0)


def _age(path: Path) -> tuple[int, str]:
    return (path.stat().st_mtime_ns, path.name)


def _read_all(parts: Iterable[Path]) -> list[Tape]:
    """The readable parts. One that cannot be read is a loss, not an end."""
    found = []
    for part in parts:
        try:
            found.append(read_file(part))
        except TapeError as error:
            loss = Problem(part.name, f"a process left a part nobody can read: {error}", True)  # noqa: FBT003
            found.append(Tape(losses=(loss,), processes=1))
    return found


def _entry_order(entry: Entry) -> tuple[object, ...]:
    return (
        entry.test,
        entry.site.stack[::-1],
        entry.shape,
        str(entry.cause),
        entry.transaction,
        entry.database,
    )


def _ending_order(ending: TransactionEntry) -> tuple[object, ...]:
    key = (ending.test, ending.site.stack[::-1], ending.kind, ending.database)
    return (*key, ending.opened, ending.attempt)


def _course_order(course: Course) -> tuple[object, ...]:
    steps = tuple((step.site.stack[::-1], step.shape) for step in course.steps)
    return (course.opened, course.kind, course.database, steps)


def _incident_order(one: Incident) -> tuple[object, ...]:
    key = (one.test, one.kind.value, one.site.stack[::-1], one.what, one.opened)
    return (*key, one.transaction, one.work, one.database, one.is_block)


def _attempts_order(one: Attempts) -> tuple[object, ...]:
    return (one.test, one.site.stack[::-1], one.function, one.opened, one.within)
