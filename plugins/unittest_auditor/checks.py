"""What the body of a test is held to when it has passed: its budget, what was measured before, and
the rules. Set-up, tear-down and what `scaling` measures are no part of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from auditor import baseline, registry
from auditor.engine import judge
from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.report import text
from auditor.runtime import budgets
from auditor.runtime.expectations import held_to
from auditor.runtime.pausable import Pausable
from auditor.runtime.tape_text import counted
from unittest_auditor.attached import attach
from unittest_auditor.kept import add_budgets
from unittest_auditor.marks import Marks
from unittest_auditor.settings import Chosen

__unittest = True  # unittest leaves frames of this module out of tracebacks


class Body:
    """A block for the body of one test. At its end, unless it raised, it fails the test that does
    what it may not. Records only if there is something to check."""

    def __init__(self, case: Any, chosen: Chosen, marks: Marks, *, is_failing: bool) -> None:
        self._case = case
        self._chosen = chosen
        self._marks = marks
        self._is_failing = is_failing
        wanted = (marks.budget, is_failing, chosen.budgets is not None, chosen.written)
        self.recording = Pausable(chosen.root) if any(wanted) else None

    def __enter__(self) -> None:
        if self.recording is not None:
            self.recording.__enter__()

    def __exit__(self, *raised: object) -> None:
        if self.recording is None:
            return
        self.recording.__exit__()
        if raised[0] is None:
            self._check(self.recording.tape)

    def _check(self, tape: Tape) -> None:
        test = str(self._case.id())
        places = budgets.measured(tape)
        complaints = [] if self._marks.excuse else self._complaints(test, tape, places)
        if any(complaints):
            attach(self._case, tape)
            raise self._case.failureException("\n\n".join(filter(None, complaints)))
        written = self._chosen.written
        if written is not None:
            _guarded(test, lambda: add_budgets(written, {test: places}))

    def _complaints(self, test: str, tape: Tape, places: budgets.Measured) -> list[str]:
        return [
            self._over_budget(test, tape),
            self._over_measured(test, places),
            _guarded(test, lambda: findings_in(tape, self._chosen)) if self._is_failing else "",
        ]

    def _over_budget(self, test: str, tape: Tape) -> str:
        if self._marks.budget is None:
            return ""
        try:
            held_to(self._marks.budget, _Missed, lambda said: warn(test, said))(tape)
        except _Missed as missed:
            return f"over `query_budget`: {missed}"
        return ""

    def _over_measured(self, test: str, places: budgets.Measured) -> str:
        known = (self._chosen.budgets or {}).get(test)
        return budgets.changed(test, known, places).grown if known is not None else ""


class _Missed(Exception):  # noqa: N818 - goes no further than this module
    """An expectation was not met."""


def findings_in(tape: Tape, chosen: Chosen) -> str:
    """What the rules find in a body, each with what to do instead; empty if nothing."""
    if not tape.entries:
        return ""
    rules = _rules()
    report = judge(tape, chosen.settings, rules=rules)
    if chosen.baseline is not None:
        report = baseline.hide(report, chosen.known, chosen.baseline.name)
    if not report.findings:
        return ""
    lines = [f"{counted(len(report.findings), 'finding')} in the body of this test"]
    for finding in report.findings:
        lines.append(text.render(Report(findings=(finding,)), summary=False).rstrip("\n"))
        rule = rules.rule(finding.code)
        lines += [f"    instead: {rule.instead}"] if rule is not None else []
    return "\n".join(lines)


@lru_cache(maxsize=1)
def _rules() -> registry.Catalogue:
    return registry.catalogue()


def _guarded(test: str, step: Callable[[], str | None]) -> str:
    """Does something of our own; what goes wrong in it is a warning and no outcome."""
    try:
        return step() or ""
    except Exception as error:  # noqa: BLE001 - our errors must not become the test's
        warn(test, f"not done: {type(error).__name__}: {error}")
        return ""


def warn(test: str, said: str) -> None:
    """Tells the user something that fails no test."""
    warnings.warn(f"auditor: {test}: {said}", stacklevel=2)
