"""A recorded suite, in each process that runs tests: the tape, and what each test did by phase.

    pytest_runtest_setup, _call, _teardown   one recording each; the body of a test is judged alone
    pytest_runtest_makereport                a test that passed fails here for its findings or its
                                             budget; what it did travels with its report
    pytest_sessionfinish                     tape and bodies are left for the main process, which
                                             makes one of all and says what it holds (`Verdicts`)

A failure of ours is a warning in the summary. No outcome changes but by the two checks above.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from auditor.model.errors import AuditorError
from auditor.model.tape import Tape
from auditor.runtime.attached import begin_part
from auditor.runtime.expectations import counted_entries
from auditor.runtime.pausable import Pausable
from auditor.runtime.store import make_ready
from pytest_auditor import bodies
from pytest_auditor.body import around_body
from pytest_auditor.markers import is_excused, reason_of
from pytest_auditor.pausable import RUNNING
from pytest_auditor.settings import chosen
from pytest_auditor.verdicts import Verdicts
from pytest_auditor.warned import warn

_PHASES = pytest.StashKey[dict[str, Tape]]()
"""What was recorded of the test in each phase: `setup`, `call` (the body alone), `teardown`."""


class Suite:
    """Hooks of a process that runs recorded tests; of the main process also its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.chosen = chosen(config)
        self._root = str(config.invocation_params.dir)
        self._judge = bodies.Judge(config, self.chosen)
        self.is_worker = hasattr(config, "workerinput")
        try:
            if not self.is_worker:
                make_ready(self.chosen.tape)
                config.pluginmanager.register(Verdicts(config, self.chosen), "auditor-verdicts")
            self._writer = begin_part(self.chosen.tape, self._root)
        except AuditorError as error:
            raise pytest.UsageError(f"--auditor: {error}") from error

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Begins anew for each attempt of a test, and records its fixtures."""
        item.stash[_PHASES] = {}
        with self._recorded(item, "setup"):
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        with around_body(item, self._recorded(item, "call")):
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        with self._recorded(item, "teardown"):
            return (yield)

    @contextmanager
    def _recorded(self, item: pytest.Item, phase: str) -> Iterator[None]:
        pausable = Pausable(self._root)
        item.stash[RUNNING] = pausable
        try:
            with pausable:
                yield
        finally:
            self._kept(item, lambda: item.stash[_PHASES].update({phase: pausable.tape}))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost, so that what is expected to fail is already told from what passed."""
        report = yield
        self._kept(item, lambda: self._add(report, item, call))
        return report

    def _add(self, report: Any, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        tape = item.stash.get(_PHASES, {}).get(call.when)
        if tape is None:
            return
        done: dict[str, Any] = {"statements": sum(e.executions for e in counted_entries(tape))}
        report.auditor = done
        if call.when == "call":
            excuse = reason_of(item) if is_excused(item) else ""
            done.update(self._judge.seen(item.nodeid, tape, excuse=excuse))
            if report.passed and not hasattr(report, "wasxfail") and not excuse:
                text = self._judge.complaint(item.nodeid, tape, done["places"])
                if text:
                    _fail(report, item, text)

    def _kept(self, item: pytest.Item, step: Callable[[], object]) -> None:
        """Does something of our own; what goes wrong in it is a warning."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - our errors must not become the test's
            warn(item, f"a test was not judged: {type(error).__name__}: {error}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Leaves what this process saw where the main process finds it."""
        self._writer.end()
        try:
            self._judge.leave_bodies()
        except (AuditorError, OSError) as error:
            self._config.issue_config_time_warning(
                pytest.PytestWarning(f"auditor: the bodies of tests are lost: {error}"), 2
            )

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Stops recording, also when the run was ended early."""
        self._writer.end()


def _fail(report: Any, item: pytest.Item, text: str) -> None:
    """Makes a report one of a failure, as if the test had ended with it."""
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception:
        failure = pytest.ExceptionInfo.from_current()
    report.outcome = "failed"
    report.longrepr = item.repr_failure(failure)
