"""What a test can say of the statements of a block, and of how the statements of a call grow."""

from __future__ import annotations

import inspect
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from auditor.growth.promises import Runner, Scaling
from auditor.model.errors import SettingsError
from auditor.model.tape import Tape
from auditor.runtime import snapshots as files
from auditor.runtime.expectations import Block, Expectation, at_most, exactly, held_to, none
from auditor.runtime.pausable import Pausable
from auditor.runtime.reviewed_file import Lines
from unittest_auditor.attached import attach
from unittest_auditor.checks import warn
from unittest_auditor.kept import UPDATE, add_snapshots
from unittest_auditor.settings import Chosen, is_on_ci

__unittest = True  # unittest leaves frames of this module out of tracebacks


class Queries(Scaling):
    """Counts the statements of blocks of one test, for `with` and `async with`.

    Blocks may be nested. `engine` (or several as a tuple) leaves the statements of other engines
    out. The value of a block has `statements` and `tape`. A block that is not as it should be
    raises the test case's `failureException`.
    """

    def __init__(self, case: Any, chosen: Chosen, recording: Pausable | None = None) -> None:
        self._case = case
        self._chosen = chosen
        self._recording = recording
        self._sections: set[str] = set()
        super().__init__(
            Runner(
                failure=self._failure,
                refused=lambda said: self._failure(f"usage error: {said}"),
                unseen=self._unseen,
            )
        )

    def count(self, *total: int, engine: Any = None, **by_kind: int) -> Block:
        """Wants exactly so many statements: `count(3)`, `count(select=2, insert=1)`."""
        return self._block(exactly(*total, **by_kind), engine)

    def at_most(self, *total: int, engine: Any = None, **by_kind: int) -> Block:
        """Wants no more than so many statements."""
        return self._block(at_most(*total, **by_kind), engine)

    def none(self, *, engine: Any = None) -> Block:
        """Wants no statement at all."""
        return self._block(none(), engine)

    def snapshot(self, name: str = "", *, engine: Any = None) -> Block:
        """Wants the statements of the snapshot in `__queries__` beside the test. `name` tells
        several of one test apart; without one they are numbered."""
        section = self._section(name)

        def check(tape: Tape) -> None:
            self._compare(section, tape)

        return Block(check, engine=engine, root=self._chosen.root)

    def _unseen(self) -> AbstractContextManager[Any]:
        return self._recording.paused() if self._recording is not None else nullcontext()

    def _block(self, expectation: Expectation, engine: Any) -> Block:
        def check(tape: Tape) -> None:
            def failure(said: str) -> BaseException:
                attach(self._case, tape)
                return self._failure(said)

            held_to(expectation, failure, lambda said: warn(str(self._case.id()), said))(tape)

        return Block(check, engine=engine, root=self._chosen.root)

    def _failure(self, said: str) -> BaseException:
        failure: BaseException = self._case.failureException(said)
        return failure

    def _section(self, name: str) -> str:
        """The section of the next snapshot: a name used again, or none, gets a number."""
        test = _name_of(self._case)
        number, section = 1, files.section_for(test, name)
        while section in self._sections:
            number += 1
            section = files.section_for(test, f"{name} {number}".lstrip())
        self._sections.add(section)
        return section

    def _compare(self, section: str, tape: Tape) -> None:
        path = files.file_for(_file_of(self._case))
        is_update = self._chosen.is_update
        try:
            known = {} if is_update else files.read(path, UPDATE)
        except SettingsError as error:
            raise self._failure(str(error)) from None
        if tape.losses:
            warn(str(self._case.id()), f"`{section}` not checked: {tape.losses[0].message}")
            return
        now = files.snapshot_of(tape)
        if section not in known:
            if not is_update and is_on_ci():
                raise self._failure(_missing(section, path, now))
            add_snapshots(path, {section: now})
            return
        said = files.difference(known[section], tape)
        if said:
            attach(self._case, tape)
            raise self._failure(
                f"{said}\nsnapshot `{section}` in {_shown(path)}; if this is right: {UPDATE}"
            )


def _missing(section: str, path: Path, now: Lines) -> str:
    lines = "\n".join(f"{count:>6}  {what}" for count, what in now)
    return (
        f"there is no snapshot `{section}` in {_shown(path)}, and on CI none is written: run"
        f" `{UPDATE}` and commit the file. The statements were\n{lines or '  none'}"
    )


def _shown(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _name_of(case: Any) -> str:
    """`TestLabels::test_listing`, as the pytest plug-in names its section; a scenario of
    testscenarios stays behind it."""
    method = case._testMethodName  # noqa: SLF001 - a test case of ours
    owner = type(case).__qualname__.replace(".<locals>", "").replace(".", "::")
    return f"{owner}::{method}{str(case.id()).rpartition(method)[2]}"


def _file_of(case: Any) -> Path:
    found = getattr(sys.modules.get(type(case).__module__), "__file__", None)
    return Path(found or inspect.getfile(type(case)))
