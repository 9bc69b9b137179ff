"""The pytest plug-in: `--auditor` records the suite, `queries` counts in one test.

    pytest --auditor [--auditor-tape FILE]      record, and say at the end what ran most

    def test_listing(queries, client):
        with queries.at_most(3):
            client.get("/labels")

Outcomes change only through `queries`. Nothing of `auditor` is imported before it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auditor.model.tape import Tape

SHOWN = 10
_STATE = pytest.StashKey[Any]()
_TAPE = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--auditor` and `--auditor-tape`."""
    group = parser.getgroup("auditor", "database statements (auditor)")
    group.addoption("--auditor", action="store_true", help="record all statements of the suite")
    group.addoption(
        "--auditor-tape",
        metavar="FILE",
        default="auditor.tape",
        help="with --auditor: the tape to write (default: auditor.tape)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begins to record, in each worker too. A place for the tape that cannot be used is a usage
    error before the first test."""
    if not config.getoption("auditor"):
        return
    from auditor.model.errors import AuditorError  # lazy: costs nothing when not enabled
    from auditor.runtime.attached import begin_part  # lazy: likewise
    from auditor.runtime.store import make_ready  # lazy: likewise

    path = _tape_path(config)
    try:
        if not _is_worker(config):
            make_ready(path)
        config.stash[_STATE] = begin_part(path, str(config.invocation_params.dir))
    except AuditorError as error:
        raise pytest.UsageError(f"--auditor: {error}") from error


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops recording, also when the run was ended early."""
    writer = config.stash.get(_STATE, None)
    if writer is not None:
        writer.end()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Writes what this process saw; the main process makes one tape of all workers' parts."""
    writer = session.config.stash.get(_STATE, None)
    if writer is None:
        return
    writer.end()
    if _is_worker(session.config):
        return
    from auditor.model.errors import AuditorError  # lazy: costs nothing when not enabled
    from auditor.runtime.store import collect  # lazy: likewise

    try:
        session.config.stash[_TAPE] = collect(_tape_path(session.config))
    except AuditorError as error:
        session.config.stash[_TAPE] = str(error)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Shows the lines that executed most, or loudly that nothing was seen."""
    tape = config.stash.get(_TAPE, None)
    if tape is None:
        return
    from auditor.runtime.tape_text import heaviest, totals  # lazy: costs nothing when not enabled

    path = config.getoption("auditor_tape")
    terminalreporter.section("auditor")
    if isinstance(tape, str):
        terminalreporter.line(f"nothing was recorded: {tape}")
        return
    if not tape.statements:
        terminalreporter.line("0 STATEMENTS SEEN: no SQLAlchemy engine executed anything")
    terminalreporter.line(totals(tape))
    for line in (*heaviest(tape, SHOWN), f"next: auditor report {path}"):
        terminalreporter.line(line)
    for loss in tape.losses:
        terminalreporter.line(f"{loss.subject}: {loss.message}")


class Queries:
    """Counts the statements of a block and fails the test if they are not as many as said."""

    def count(self, number: int) -> AbstractContextManager[Any]:
        """Wants exactly `number` statements."""
        return self._block(lambda seen: seen == number, f"exactly {number}")

    def at_most(self, number: int) -> AbstractContextManager[Any]:
        """Wants no more than `number` statements."""
        return self._block(lambda seen: seen <= number, f"at most {number}")

    def none(self) -> AbstractContextManager[Any]:
        """Wants no statement at all."""
        return self._block(lambda seen: seen == 0, "none")

    @contextmanager
    def _block(self, is_right: Callable[[int], bool], wanted: str) -> Iterator[Any]:
        from auditor.runtime.recorder import record  # lazy: pulls SQLAlchemy in

        with record() as recording:
            yield recording
        tape = recording.tape
        if not is_right(tape.statements):
            pytest.fail(_told(tape, wanted), pytrace=False)


@pytest.fixture
def queries() -> Queries:
    """Counts database statements: `with queries.at_most(3): ...`."""
    return Queries()


def _told(tape: Tape, wanted: str) -> str:
    from auditor.runtime.tape_text import heaviest  # lazy: only for a failure

    lines = "\n".join(heaviest(tape, SHOWN))
    return f"{tape.statements} statements were executed, wanted {wanted}\n{lines}"


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _tape_path(config: pytest.Config) -> Path:
    return Path(os.path.abspath(config.invocation_params.dir / config.getoption("auditor_tape")))
