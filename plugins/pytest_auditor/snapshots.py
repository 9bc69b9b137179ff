"""Snapshots over the run: which were used, which are written at its end, which are stale.

Tests send what they saw along with their reports. One process, the main one, writes: whole files,
each put in place at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from auditor.cli.output import write_atomically
from auditor.model.errors import AuditorError, SettingsError
from auditor.runtime import snapshots as files
from auditor.runtime.reviewed_file import Lines

COMMAND = "pytest --auditor-update"
SHOWN = 10
_READ = pytest.StashKey[dict[Path, dict[str, Lines]]]()
_NARROWING = ("keyword", "markexpr", "deselect", "lf", "stepwise")
"""Options of pytest after which tests that did not run prove nothing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot that a test came to; `lines` are what is to be written."""

    path: str
    section: str
    lines: Lines

    def as_data(self, *, is_new: bool) -> list[Any]:
        """Plain values, as pytest-xdist can send them."""
        return [self.path, self.section, [list(line) for line in self.lines] if is_new else None]


def is_written_when_missing() -> bool:
    """Whether a missing snapshot is written without being asked for: not on CI, where nobody would
    review and commit it. CI is where `CI` or `BUILD_NUMBER` is set, as pytest itself has it."""
    values = (os.environ.get(name, "").lower() for name in ("CI", "BUILD_NUMBER"))
    return not any(value not in {"", "0", "false"} for value in values)


def reviewed(path: Path, config: pytest.Config) -> dict[str, Lines]:
    """The snapshots of a file, read once a run. Raises SettingsError."""
    known = config.stash.setdefault(_READ, {})
    if path not in known:
        known[path] = files.read(path, COMMAND)
    return known[path]


class Kept:
    """What the tests of this run came to."""

    def __init__(self) -> None:
        self.new: dict[Path, dict[str, Lines]] = {}
        self.used: dict[Path, set[str]] = {}
        self.written: list[str] = []
        self.stale: list[str] = []
        self.troubles: list[str] = []

    def take(self, report: Any) -> None:
        """Takes in the snapshots of one test; new ones only if the test passed."""
        for path, section, lines in report.auditor_snapshots:
            self.used.setdefault(Path(path), set()).add(section)
            if lines is not None and report.passed:
                found = tuple((int(count), str(what)) for count, what in lines)
                self.new.setdefault(Path(path), {})[section] = found

    def write(self, config: pytest.Config) -> None:
        """Writes what is new, and finds what is stale."""
        for path, sections in sorted(self.new.items()):
            try:
                self._write(path, sections, config)
            except (AuditorError, OSError) as error:
                self.troubles.append(str(error))
        if not any(config.getoption(name, None) for name in _NARROWING):
            self._find_stale(config)

    def _write(self, path: Path, sections: dict[str, Lines], config: pytest.Config) -> None:
        known = _readable(path)
        if {**known, **sections} == known:
            return
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, files.text_of({**known, **sections}, COMMAND))
        changed = [name for name, lines in sections.items() if known.get(name) != lines]
        self.written += [f"{_shown(path, config)}: {name}" for name in sorted(changed)]

    def _find_stale(self, config: pytest.Config) -> None:
        if any("::" in str(argument) for argument in config.args):
            return
        for path, used in sorted(self.used.items()):
            unused = sorted(set(_readable(path)) - used)
            self.stale += [f"{_shown(path, config)}: {name}" for name in unused]

    def tell(self, reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Says what was written, what is stale and what went wrong; nothing if there is nothing."""
        told = (
            ("snapshots written, to be reviewed and committed", self.written),
            ("snapshots not used in this run: remove those whose test is gone", self.stale),
            ("snapshots that could not be written", self.troubles),
        )
        if not any(lines for _, lines in told):
            return
        reporter.section("auditor snapshots")
        for title, lines in told:
            if lines:
                reporter.line(f"{len(lines)} {title}")
                for line in lines[:SHOWN]:
                    reporter.line(f"    {line}")
                if len(lines) > SHOWN:
                    reporter.line(f"    and {len(lines) - SHOWN} more")


def _readable(path: Path) -> dict[str, Lines]:
    """The snapshots of a file, none of one that is damaged: it is written anew."""
    try:
        return files.read(path, COMMAND)
    except SettingsError:
        return {}


def _shown(path: Path, config: pytest.Config) -> str:
    root = config.rootpath
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
