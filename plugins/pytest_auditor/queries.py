"""The fixture `queries`: counts the statements of blocks, and holds them to reviewed snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auditor.model.errors import SettingsError
from auditor.model.tape import Tape
from auditor.runtime import snapshots as files
from auditor.runtime.expectations import (
    Block,
    Expectation,
    ExpectationError,
    at_most,
    counting,
    exactly,
    none,
)
from auditor.runtime.reviewed_file import Lines
from pytest_auditor.plugin import SNAPSHOTS
from pytest_auditor.snapshots import COMMAND, Seen, is_written_when_missing, reviewed
from pytest_auditor.warned import warn


class Queries:
    """Counts the statements of a block and fails the test if they are not as many as said.

    Each method gives a block for `with` or `async with`; blocks may be nested. `engine` (or several
    as a tuple) leaves the statements of other engines out. The block's value has `statements` and
    `tape`.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._root = str(item.config.invocation_params.dir)
        self._sections: set[str] = set()

    def count(self, *total: int, engine: Any = None, **by_kind: int) -> Block:
        """Wants exactly so many statements: `count(3)`, `count(select=2, insert=1)`."""
        return self._counted(exactly, total, by_kind, engine)

    def at_most(self, *total: int, engine: Any = None, **by_kind: int) -> Block:
        """Wants no more than so many statements."""
        return self._counted(at_most, total, by_kind, engine)

    def none(self, *, engine: Any = None) -> Block:
        """Wants no statement at all."""
        return self._block(none(), engine)

    def snapshot(self, name: str = "", *, engine: Any = None) -> Block:
        """Wants the statements of the snapshot in `__queries__` beside the test. `name` tells
        several of one test apart; without one they are numbered."""
        section = self._section(name)

        def check(tape: Tape) -> None:
            self._compare(section, tape)

        return Block(check, engine=engine, root=self._root)

    def _counted(self, make: Any, total: Any, by_kind: Any, engine: Any) -> Block:
        try:
            return self._block(make(*total, **by_kind), engine)
        except ExpectationError as error:
            said = f"usage error in `{self._item.nodeid}`: `queries`: {error}"
            raise _failure(said) from None

    def _block(self, expectation: Expectation, engine: Any) -> Block:
        return counting(
            expectation,
            _failure,
            engine=engine,
            root=self._root,
            unsure=lambda text: warn(self._item, f"`queries` {text}"),
        )

    def _section(self, name: str) -> str:
        """The section of the next snapshot: a name used again, or none, gets a number."""
        test = self._item.nodeid.partition("::")[2] or self._item.name
        number, section = 1, files.section_for(test, name)
        while section in self._sections:
            number += 1
            section = files.section_for(test, f"{name} {number}".lstrip())
        self._sections.add(section)
        return section

    def _compare(self, section: str, tape: Tape) -> None:
        path = files.file_for(self._item.path)
        config = self._item.config
        is_update = bool(config.getoption("auditor_update"))
        try:
            known = {} if is_update else reviewed(path, config)
        except SettingsError as error:
            raise _failure(str(error)) from None
        if tape.losses:
            warn(self._item, f"snapshot `{section}` not checked: {tape.losses[0].message}")
            return
        now = files.snapshot_of(tape)
        is_new = section not in known and (is_update or is_written_when_missing())
        seen = Seen(str(path), section, now if is_new else ())
        self._item.stash.setdefault(SNAPSHOTS, []).append(seen.as_data(is_new=is_new))
        if is_new:
            return
        if section not in known:
            raise _failure(_missing(section, self._shown(path), now))
        text = files.difference(known[section], tape)
        if text:
            raise _failure(
                f"{text}\nsnapshot `{section}` in {self._shown(path)}; if this is right: {COMMAND}"
            )

    def _shown(self, path: Path) -> str:
        root = self._item.config.rootpath
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _missing(section: str, path: str, now: Lines) -> str:
    lines = "\n".join(f"{count:>6}  {what}" for count, what in now)
    return (
        f"there is no snapshot `{section}` in {path}, and on CI none is written: run"
        f" `{COMMAND}` and commit the file. The statements were\n{lines or '  none'}"
    )


def _failure(text: str) -> BaseException:
    return pytest.fail.Exception(text, pytrace=False)
