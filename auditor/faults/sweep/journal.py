"""A file in which a sweep keeps every outcome at once, so that it can be gone on with.

    {"journal": "auditor/faults/1", "auditor": "0.9", "python": "3.11", "sweeps": [...]}   first
    {"sweep": 0, "runs": 18, "code": {"pkg/sync.py": "5d41..."}}                             planned
    {"sweep": 0, "number": 3, "outcome": {...}}                                              ended

One JSON object a line, flushed. A last line without its end was being written when the process was
killed: that run is made again. A journal of anything else than what is asked for is refused.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from auditor.faults.sweep.code import changed_files
from auditor.model.errors import AuditorError
from auditor.model.outcome import FaultOutcome
from auditor.report.evidence import counted
from auditor.report.faults import fault_as_json
from auditor.report.readback import fault_from_json

SCHEMA = "auditor/faults/1"
_BEGINNING = '{"journal": "'
_MOST_NAMED = 3
Identity = Mapping[str, Any]
"""What makes a sweep this one: workload, database, faults, mode, sizes, ..., as plain values."""


class JournalError(AuditorError):
    """A journal cannot be gone on with."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a journal holds of one sweep."""

    runs: int
    code: Mapping[str, str]
    outcomes: dict[int, FaultOutcome]


class Journal:
    """An open journal. `is_torn`: its last line had no end, and is gone."""

    def __init__(self, path: Path, file: TextIO, kept: dict[int, _Kept], *, is_torn: bool) -> None:
        self.is_torn = is_torn
        self._path = path
        self._file = file
        self._kept = kept

    def known(self, sweep: int, runs: int, code: Mapping[str, str]) -> Mapping[int, FaultOutcome]:
        """The outcomes of a sweep that are in the journal, by number of the run. Raises
        JournalError if it was begun with other code."""
        kept = self._kept.get(sweep)
        if kept is None:
            self.write({"sweep": sweep, "runs": runs, "code": dict(code)})
            return {}
        changed = changed_files(kept.code, code)
        if changed:
            named = ", ".join(f"`{name}`" for name in changed[:_MOST_NAMED])
            more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
            raise _refusal(self._path, f"{named}{more} changed since it was begun")
        if kept.runs != runs:
            raise _refusal(self._path, f"the sweep had {kept.runs} runs, and now has {runs}")
        return kept.outcomes

    def ended(self, sweep: int, number: int, outcome: FaultOutcome) -> None:
        """Keep an outcome."""
        self.write({"sweep": sweep, "number": number, "outcome": fault_as_json(outcome)})

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a line, at once."""
        try:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
        except OSError as error:
            raise JournalError(f"cannot write `{self._path}`: {error.strerror}") from error


@contextmanager
def journal_at(path: Path, sweeps: tuple[Identity, ...]) -> Iterator[Journal]:
    """The journal of these sweeps, begun if there is none. Raises JournalError if the file is of
    other sweeps, of another version, not a journal, in use, or cannot be written."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise JournalError(f"cannot write `{path}`: {error.strerror}") from error
    with open(descriptor, "r+", encoding="utf-8", newline="\n") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(f"`{path}` is in use by another run of auditor") from error
        head, content = _head(sweeps), _content(path, file)
        whole = content[: content.rfind("\n") + 1]
        kept = _kept(path, whole.splitlines(), head)
        is_torn = len(whole) < len(content)
        if is_torn and not content.startswith(_BEGINNING):
            raise _refusal(path, "it is not a journal")
        file.seek(len(whole.encode()))
        file.truncate()
        journal = Journal(path, file, kept, is_torn=is_torn)
        if not whole:
            journal.write(head)
        yield journal


def _head(sweeps: tuple[Identity, ...]) -> dict[str, Any]:
    return {
        "journal": SCHEMA,
        "auditor": importlib.metadata.version("sqlalchemy-auditor"),
        "python": platform.python_version(),
        "sweeps": json.loads(json.dumps(sweeps)),
    }


def _content(path: Path, file: TextIO) -> str:
    try:
        return file.read()
    except UnicodeDecodeError as error:
        raise _refusal(path, "it is not a journal") from error


def _kept(path: Path, lines: list[str], head: Identity) -> dict[int, _Kept]:
    kept: dict[int, _Kept] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if number == 1:
                _hold(path, record, head)
            elif "runs" in record:
                kept[record["sweep"]] = _Kept(int(record["runs"]), dict(record["code"]), {})
            else:
                outcome = fault_from_json(record["outcome"])
                kept[record["sweep"]].outcomes[int(record["number"])] = outcome
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _refusal(path, f"line {number} is not one of a journal") from error
    return kept


def _hold(path: Path, found: Identity, wanted: Identity) -> None:
    """Raises JournalError if a journal was begun for something else."""
    if found["journal"] != SCHEMA:
        raise _refusal(path, f"it is a journal `{found['journal']}`, not `{SCHEMA}`")
    for tool in ("auditor", "python"):
        if found[tool] != wanted[tool]:
            raise _refusal(path, f"it was begun with {tool} {found[tool]}, not {wanted[tool]}")
    before, now = found["sweeps"], wanted["sweeps"]
    if len(before) != len(now):
        raise _refusal(path, f"it was begun for {counted(len(before), 'sweep')}, not {len(now)}")
    for old, new in zip(before, now, strict=True):
        for name, value in new.items():
            if old[name] != value:
                raise _refusal(
                    path, f"it was begun with {name} `{_shown(old[name])}`, not `{_shown(value)}`"
                )


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return str(value)


def _refusal(path: Path, reason: str) -> JournalError:
    return JournalError(
        f"`{path}` cannot be gone on with: {reason}; name a new file to begin anew, or remove it"
    )
