"""Tests as pytest collects them: with the project's `conftest.py`, settings and plug-ins."""

from __future__ import annotations

import io
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from inspect import iscoroutinefunction, unwrap
from typing import Any

from auditor.faults.suites.by_unittest import files_of
from auditor.faults.suites.steps import TestSide
from auditor.faults.suites.suites import Around, RunTest, UseTest
from auditor.model.errors import ScenarioError
from auditor.runtime.case_body import around_body, inside

try:
    import pytest
except ModuleNotFoundError as missing:
    raise ScenarioError(
        "`pytest:` names tests of pytest, which is not installed here: install it, or name the test"
        " as `unittest:package.module.Class.test_method`"
    ) from missing


def ids_of(address: str) -> tuple[str, ...]:
    """The node ids of the tests that a path or node id selects. Raises ScenarioError."""
    found: list[str] = []
    _in_session(address, lambda items: found.extend(item.nodeid for item in items))
    return tuple(found)


def use_test(address: str, use: UseTest) -> None:
    """Collect one test, and let `use` run it. Raises ScenarioError."""

    def use_item(items: list[pytest.Item]) -> None:
        for item in items:
            if item.nodeid == address:
                use(_running(item))
                return
        raise ScenarioError(f"`pytest:{address}` is no longer there")

    _in_session(address, use_item)


def _in_session(address: str, use: Any) -> None:
    """Has pytest collect, and `use` in place of running what it collected."""
    session = _Session(use)
    before, sys.stderr = sys.stderr, io.StringIO()
    try:
        pytest.main([address, "-p", "no:cacheprovider"], plugins=[session])
        said = sys.stderr.getvalue() if isinstance(sys.stderr, io.StringIO) else ""
    finally:
        sys.stderr = before
    if session.failure is not None:
        raise session.failure
    if not session.has_begun:
        raise ScenarioError(f"`pytest:{address}` cannot be collected: {_reason(session, said)}")


def _reason(session: _Session, said: str) -> str:
    for text in session.errors:
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1].removeprefix("E").strip()[:400] if lines else "pytest does not say why"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0].removeprefix("ERROR: ")[:400] if lines else "it holds no test"


class _Session:
    """The plug-in by which a session of pytest is ours. Hooks are those of pytest."""

    def __init__(self, use: Any) -> None:
        self._use = use
        self.errors: list[str] = []
        self.failure: BaseException | None = None
        self.has_begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep pytest-xdist from sending the tests to processes of its own."""
        for name, value in (("dist", "no"), ("numprocesses", None), ("tx", [])):
            if hasattr(config.option, name):
                setattr(config.option, name, value)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """In place of running the tests."""
        if session.testsfailed or not session.items:
            return True
        self.has_begun = True
        try:
            self._use(session.items)
        except BaseException as error:  # noqa: BLE001 - pytest would make a page of it
            self.failure = error
        return True


def _running(item: pytest.Item) -> RunTest:
    def run(around: Around) -> str:
        one = _OneRun(item, around)
        item.config.pluginmanager.register(one, "auditor-one-run")
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return one.failure

    return run


class _OneRun:
    """The plug-in for one run of one test."""

    def __init__(self, item: pytest.Item, around: Around) -> None:
        self._item = item
        self._around = around
        self.failure = ""

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Put the block around the body: of a `unittest.TestCase` around its method, because
        pytest runs its set-up in the same phase."""
        block = self._around(_side_of(item))
        with _around(item, block):
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.failure:
            return
        if hasattr(report, "wasxfail"):
            self.failure = f"it is expected to fail: {report.wasxfail or 'xfail'}"
        elif report.skipped:
            where: Any = report.longrepr
            reason = where[2] if isinstance(where, tuple) else report.longreprtext
            self.failure = f"it is skipped: {str(reason).removeprefix('Skipped: ')}"
        elif report.failed:
            phase = "" if report.when == "call" else f"in its {report.when}: "
            self.failure = f"{phase}{_crash_of(report)}"[:400]


def _crash_of(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", "") or report.longreprtext
    return " ".join(str(message).split())


def _around(item: pytest.Item, block: AbstractContextManager[None]) -> AbstractContextManager[None]:
    if type(item).__name__ != "TestCaseFunction":
        return block
    case: Any = item
    if iscoroutinefunction(case.obj):
        return around_body(case.instance, block)
    case.obj = inside(block, case.obj)
    return nullcontext()


def _side_of(item: Any) -> TestSide:
    function: Any = getattr(item, "obj", None)
    instance = getattr(item, "instance", None)
    files = files_of(type(instance)) if instance is not None else frozenset()
    return TestSide(getattr(unwrap(function), "__code__", None), instance, files | {str(item.path)})
