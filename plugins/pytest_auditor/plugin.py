"""The pytest plug-in: options, markers and fixtures. docs/pytest.md shows them in use.

    pytest --auditor [--auditor-fail] [--auditor-report FILE]    record and judge the suite

    def test_listing(queries, client):
        with queries.at_most(3):
            client.get("/labels")

Here stands only what every run of pytest pays for: nothing of `auditor` or SQLAlchemy is imported
before it is asked for. What a recorded suite does is in `pytest_auditor.suite`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from auditor.growth.promises import Scaling
    from pytest_auditor.queries import Queries
    from pytest_auditor.snapshots import Kept

MARKERS = (
    "query_budget(n, select=n, ...): fail if the body of the test executes more statements",
    "allow_queries(reason=...): no query budget and no --auditor-fail for this test",
)
ENABLING = ("fail", "report", "budgets", "write_budgets")
"""Options `--auditor-...` that mean nothing without `--auditor`, and so ask for it."""

SNAPSHOTS = pytest.StashKey[list[Any]]()
"""On a test: the snapshots it came to. Goes to the main process as `report.auditor_snapshots`."""
_SUITE = "auditor-suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("auditor", "database statements (auditor)")
    add = group.addoption
    add("--auditor", action="store_true", help="record all statements of the suite and judge them")
    add(
        "--auditor-tape",
        metavar="FILE",
        default="auditor.tape",
        help="with --auditor: the tape to write (default: auditor.tape)",
    )
    add(
        "--auditor-fail",
        action="store_true",
        help="fail each test whose body has a finding (implies --auditor)",
    )
    add(
        "--auditor-report",
        metavar="FILE",
        action="append",
        default=[],
        help="write a report; the format is that of the suffix, or FORMAT:FILE (repeatable)",
    )
    add(
        "--auditor-baseline",
        metavar="FILE",
        help="findings that are known: not shown, and no reason to fail",
    )
    add(
        "--auditor-budgets",
        metavar="FILE",
        help="fail each test that executes more statements than this file says",
    )
    add(
        "--auditor-write-budgets",
        metavar="FILE",
        help="write how many statements each test executes; tests that do not run keep theirs",
    )
    add(
        "--auditor-update",
        action="store_true",
        help="write the snapshots of `queries.snapshot()` instead of comparing them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers, and what records the suite if it is asked for."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SnapshotWriter(), "auditor-snapshots")
    if is_asked_for(config) and not config.getoption("collectonly"):
        from pytest_auditor.suite import Suite  # lazy: costs nothing when not enabled

        config.pluginmanager.register(Suite(config), _SUITE)


class SnapshotWriter:
    """Writes the snapshots of the whole run, from the main process; idle until a test has one."""

    def __init__(self) -> None:
        self._kept: Kept | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes in the snapshots of a test; with pytest-xdist, from any worker."""
        if hasattr(report, "auditor_snapshots"):
            from pytest_auditor.snapshots import Kept  # lazy: only where snapshots are in use

            self._kept = self._kept or Kept()
            self._kept.take(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._kept is not None:
            self._kept.write(session.config)

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        if self._kept is not None:
            self._kept.tell(terminalreporter, config)


def is_asked_for(config: pytest.Config) -> bool:
    """Whether the suite is recorded."""
    options = ("auditor", *(f"auditor_{name}" for name in ENABLING))
    return any(config.getoption(name) for name in options)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuses markers that cannot be used, before the test runs."""
    if item.get_closest_marker("query_budget") or item.get_closest_marker("allow_queries"):
        from pytest_auditor.markers import refuse_unusable  # lazy: pulls SQLAlchemy in

        refuse_unusable(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Holds the body of a test to its `query_budget`."""
    if item.get_closest_marker("query_budget") is None:
        return (yield)
    from pytest_auditor.markers import budget_block  # lazy: pulls SQLAlchemy in

    with budget_block(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Sends the snapshots of a test along with its report, to the process that writes them."""
    report = yield
    seen = item.stash.get(SNAPSHOTS, None)
    if seen and call.when == "call":
        report.auditor_snapshots = list(seen)  # type: ignore[attr-defined]  # xdist sends it along
    return report


@pytest.fixture
def queries(request: pytest.FixtureRequest) -> Queries:
    """Counts database statements: `with queries.at_most(3): ...`; `count`, `none`, `snapshot`."""
    from pytest_auditor.queries import Queries  # lazy: pulls SQLAlchemy in

    return Queries(request.node)


@pytest.fixture
def scaling(request: pytest.FixtureRequest) -> Scaling:
    """Measures how the statements of a call grow: `scaling.constant(lambda n: ...)`, `linear`."""
    from pytest_auditor.scaling import scaling_of  # lazy: pulls SQLAlchemy in

    return scaling_of(request.node)
