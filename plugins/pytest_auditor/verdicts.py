"""The end of a recorded suite, in the main process: one tape, one judgement, one summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from auditor import registry
from auditor.cli.output import write_atomically
from auditor.model.errors import AuditorError
from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.report import render
from auditor.runtime import budgets
from auditor.runtime.checkouts import KEPT
from auditor.runtime.store import collect, folder_of, merged
from auditor.runtime.tape_file import read_file
from pytest_auditor import summary
from pytest_auditor.bodies import BODIES, judged
from pytest_auditor.settings import Chosen, measured_of


class Verdicts:
    """Takes in the reports of all tests, from all workers; at the end judges and writes."""

    def __init__(self, config: pytest.Config, chosen: Chosen) -> None:
        self._config = config
        self._chosen = chosen
        self._phases: Counter[str] = Counter()
        self._measured: dict[str, budgets.Measured] = {}
        self._missing: dict[str, str] = {}
        self._shrunk: dict[str, str] = {}
        self._excused: dict[str, str] = {}
        self._troubles: list[str] = []
        self._report: Report | None = None
        self._wrote: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes in what one phase of a test did."""
        done = getattr(report, "auditor", None)
        if done is None or report.when is None:
            return
        self._phases[report.when] += done["statements"]
        if report.when != "call":
            return
        test = report.nodeid
        for known, said in (
            (self._missing, done["missing"]),
            (self._shrunk, done["shrunk"]),
            (self._excused, done["excused"]),
        ):
            known.pop(test, None)  # of an earlier attempt
            if said:
                known[test] = said
        if report.passed:
            self._measured[test] = measured_of(done["places"])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Makes one tape of all parts, judges the bodies, writes reports and budgets."""
        try:
            bodies = self._bodies()
            tape = collect(self._chosen.tape)
            self._report = self._judged(tape, bodies)
        except AuditorError as error:
            self._troubles.append(f"nothing was recorded: {error}")
        except Exception as error:  # noqa: BLE001 - our errors must not end the run
            self._troubles.append(f"the tape was not judged: {type(error).__name__}: {error}")
        self._write_budgets()
        self._write_reports()

    def _bodies(self) -> Tape:
        files = sorted(folder_of(self._chosen.tape).glob(f"*{BODIES}"))
        return merged([read_file(file) for file in files])

    def _judged(self, tape: Tape, bodies: Tape) -> Report:
        kept = tuple(one for one in tape.incidents if one.what == KEPT)  # for the whole run
        bodies = replace(bodies, incidents=(*bodies.incidents, *kept))
        report = judged(bodies, self._chosen, registry.catalogue())
        problems = dict.fromkeys((*report.problems, *tape.losses))
        counted = {**report.counted, "statements": tape.statements}
        return replace(report, tape=tape, problems=tuple(problems), counted=counted)

    def _write_budgets(self) -> None:
        path = self._chosen.written
        if path is None:
            return
        entries = {**self._chosen.before, **self._measured}
        command = f"pytest --auditor-write-budgets {path.name}"
        self._write(path, lambda: budgets.text_of(entries, command))

    def _write_reports(self) -> None:
        report = self._report
        if report is None:
            return
        for file in self._chosen.reports:
            self._write(file.path, lambda: render(report, file.format))  # noqa: B023 - called at once

    def _write(self, path: Path, text: Callable[[], str]) -> None:
        try:
            write_atomically(path, text())
            self._wrote.append(path.name)
        except Exception as error:  # noqa: BLE001 - a report that fails ends no run
            self._troubles.append(f"`{path.name}` was not written: {error}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says what was found, and loudly if nothing was seen."""
        terminalreporter.section("auditor")
        for line in self._lines():
            terminalreporter.line(line)

    def _lines(self) -> Iterator[str]:
        report = self._report
        if report is not None and report.tape is not None:
            yield from summary.of_tape(report.tape, self._phases)
            yield from summary.of_findings(report)
        yield from summary.of_tests("fewer statements than their budget", self._shrunk)
        yield from summary.of_tests(
            "no budget yet: --auditor-write-budgets FILE adds them", self._missing
        )
        yield from summary.of_tests("excused by `allow_queries`", self._excused)
        yield from (f"wrote {name}" for name in self._wrote)
        yield from self._troubles
        if report is not None:
            yield f"next: auditor report {self._config.getoption('auditor_tape')}"
