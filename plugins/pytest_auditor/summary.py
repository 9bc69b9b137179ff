"""The summary at the end of a recorded suite: what ran most, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.report.text import problem_line, render
from auditor.runtime.tape_text import heaviest, totals

SHOWN = 10
_PHASES = (("setup", "set-up"), ("call", "tests"), ("teardown", "tear-down"))


def of_tape(tape: Tape, phases: Mapping[str, int]) -> Iterator[str]:
    """Totals, where they come from, and the heaviest lines; loudly if nothing was seen."""
    if not tape.statements:
        yield "0 STATEMENTS SEEN: no SQLAlchemy engine executed anything"
    yield totals(tape)
    if sum(phases.values()):
        shares = [f"{phases.get(key, 0):,} in {name}" for key, name in _PHASES]
        rest = tape.statements - sum(phases.values())
        shares += [f"{rest:,} elsewhere"] if rest > 0 else []
        yield f"by phase: {', '.join(shares)}"
    yield from heaviest(tape, SHOWN)


def of_findings(report: Report) -> Iterator[str]:
    """The findings of the bodies of tests, one line each, then problems."""
    if report.findings:
        yield ""
        yield f"{_counted(len(report.findings), 'finding')} in the bodies of tests"
    for finding in report.findings[:SHOWN]:
        yield render(Report(findings=(finding,)), summary=False).partition("\n")[0]
    if len(report.findings) > SHOWN:
        yield f"and {len(report.findings) - SHOWN} more"
    if report.findings:
        yield ""
    yield from (problem_line(problem) for problem in report.problems)


def of_tests(title: str, tests: Mapping[str, str]) -> Iterator[str]:
    """`2 tests: TITLE`, then each test with what is said of it."""
    if not tests:
        return
    yield f"{_counted(len(tests), 'test')}: {title}"
    for test in sorted(tests)[:SHOWN]:
        yield f"    {test}: {tests[test]}"
    if len(tests) > SHOWN:
        yield f"    and {len(tests) - SHOWN} more"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
