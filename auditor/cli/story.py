"""The text of `auditor demo`: what the four witnesses saw of a sample, in five short chapters.

Pure: a `Story` of values in, lines out. Nothing here knows the sample's numbers; each chapter says
what was seen, whatever that is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from auditor.model.evidence import SourcePath
from auditor.model.finding import Finding
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.report import Report
from auditor.model.tape import Entry, Tape
from auditor.report.evidence import counted, evidence_lines, shortened
from auditor.report.laws import growth_in_words
from auditor.report.text import Colours

WIDTH = 98
ENTRIES_SHOWN = 6
TOLD = ("DBA301", "DBA606", "DBA201", "DBA101")
"""Codes whose first finding is shown: slow, wrong, silent, unsafe."""

MEANINGS = {
    Verdict.RECOVERED: "the work was done all the same",
    Verdict.REPORTED: "the caller got an error of the contract, and the data are as before",
    Verdict.LEAKED: "the raw database error reached the caller",
    Verdict.SWALLOWED: "the caller was told that all is well, and it is not",
    Verdict.HALF_COMMITTED: "only a part of the work was stored",
    Verdict.BROKEN_SESSION: "the session cannot be used any more",
    Verdict.MASKED: "another error hid the true one",
    Verdict.RETRIED_IN_VAIN: "it was tried again and again for nothing",
    Verdict.HUNG: "the call did not end",
    Verdict.CRASHED: "the process ended",
    Verdict.NOT_REACHED: "the statement was not executed again",
}


@dataclass(frozen=True, slots=True)
class Session:
    """One recorded call of a scenario, at some sizes."""

    target: str
    sizes: tuple[tuple[str, int], ...]
    tape: Tape


@dataclass(frozen=True, slots=True)
class Story:
    """What was seen. `sample` is the folder as the user can type it; `before` and `after` are laws
    and outcomes of a function and of its repaired twin; `joined` holds all of them."""

    sample: str
    scanned: Report
    session: Session
    law_before: LawResult
    law_after: LawResult
    faults_before: tuple[FaultOutcome, ...]
    faults_after: tuple[FaultOutcome, ...]
    joined: Report


def told(story: Story, colours: Colours) -> str:
    """The whole story, one newline at the end of each line."""
    chapters = (
        _opening(story),
        _titled("1. What the source says", f"auditor scan {story.sample}", colours),
        _source(story, colours),
        _titled("2. What a live session did", "auditor record -- COMMAND", colours),
        _session(story.session),
        _titled("3. How it grows", _command("profile", story, story.law_before.scenario), colours),
        _growth(story.law_before, story.law_after),
        _titled(
            "4. What happens when the database says no",
            _command("faults", story, story.faults_before[0].scenario),
            colours,
        ),
        _faults(story.faults_before, story.faults_after),
        _titled("5. One finding, every witness", "auditor report RESULT...", colours),
        _joined(story.joined, colours),
        _titled("On your own code", "", colours),
        _next_steps(),
    )
    return "".join(f"{line}\n" for chapter in chapters for line in chapter)


def _titled(title: str, command: str, colours: Colours) -> Iterator[str]:
    yield ""
    shown = f"{colours.faint}$ {command}{colours.end}" if command else ""
    yield f"{colours.place}{title}{colours.end}  {shown}".rstrip()


def _command(name: str, story: Story, scenario: str) -> str:
    return f"auditor {name} {story.sample}/scenarios.py::{scenario}"


def _opening(story: Story) -> Iterator[str]:
    yield from _prose(
        f"`{story.sample}` is a small network service on SQLAlchemy and oslo.db, with the defects"
        " that reviewers find in real ones, and a repaired twin. Four witnesses look at it now, on"
        " an embedded SQLite; beside each chapter stands the command that shows more."
    )


def _source(story: Story, colours: Colours) -> Iterator[str]:
    findings = story.scanned.findings
    codes = sorted({finding.code for finding in findings})
    yield from _prose(
        f"{counted(len(findings), 'finding')} of {counted(len(codes), 'kind')}; nothing of the"
        " sample was imported or run. Among them:"
    )
    for finding in _first_of_each(findings, TOLD):
        yield from _finding(finding, colours)


def _first_of_each(findings: Iterable[Finding], codes: Sequence[str]) -> Iterator[Finding]:
    found = tuple(findings)
    for code in codes:
        yield from [finding for finding in found if finding.code == code][:1]


def _finding(finding: Finding, colours: Colours) -> Iterator[str]:
    colour = getattr(colours, finding.severity.value)
    yield (
        f"  {colours.place}{finding.span.path}:{finding.span.line}{colours.end}"
        f" {colour}{finding.code}{colours.end} {finding.name}, in {finding.function}"
    )
    yield from _prose(finding.message, indent=6)


def _session(session: Session) -> Iterator[str]:
    tape = session.tape
    yield from _prose(
        f"One call of {session.target} with {_sizes(session.sizes)}:"
        f" {counted(tape.statements, 'statement')}, {counted(tape.rows, 'row')}. Where they come"
        " from:"
    )
    busiest = sorted(tape.entries, key=lambda e: (-e.executions, str(e.site.frame), e.shape))
    for entry in busiest[:ENTRIES_SHOWN]:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield f"  {entry.executions:>5} x {entry.site.frame.path}:{entry.site.frame.line} {entry.cause}"


def _growth(before: LawResult, after: LawResult) -> Iterator[str]:
    yield from _prose(
        "Counted at several sizes on a scratch database, the number of statements is an exact law."
        " A larger point that took no part in finding it checks it:"
    )
    for when, result in (("before the repair", before), ("after the repair", after)):
        yield f"  {when:<17}  {result.law if result.law is not None else 'no law'}"
        yield from _law_details(result)
    for term in before.terms:
        for site in term.sites[:3]:
            place = f"{site.frame.path}:{site.frame.line}"
            yield f"  {site.share:>15}  {place} {site.cause}"


def _law_details(result: LawResult) -> Iterator[str]:
    if result.law is None:
        yield from _prose(result.refusal, indent=6)
        return
    yield f"      {growth_in_words(result.law, result.variables)}"
    for holdout in result.holdouts[:1]:
        yield (
            f"      {_sizes(holdout.sizes)}: predicted {holdout.predicted},"
            f" measured {holdout.measured}"
        )


def _faults(before: tuple[FaultOutcome, ...], after: tuple[FaultOutcome, ...]) -> Iterator[str]:
    bad = next((outcome for outcome in before if not outcome.verdict.is_good), before[0])
    twin = next((outcome for outcome in after if outcome.fault == bad.fault), after[0])
    yield from _prose(
        f"Each statement fails once, with the error a real server would give. Here: {bad.fault}"
        f" in {shortened(bad.shape, 70)}"
    )
    for when, outcome in (("before the repair", bad), ("after the repair", twin)):
        escaped = f" ({outcome.escaped})" if outcome.escaped else ""
        yield (
            f"  {when:<17}  {outcome.verdict.value.upper()}: {MEANINGS[outcome.verdict]}{escaped}"
        )


def _joined(report: Report, colours: Colours) -> Iterator[str]:
    finding = max(report.findings, key=_witnesses)
    yield from _finding(replace(finding, evidence=()), colours)
    for line in evidence_lines(finding.evidence):
        yield f"      {shortened(line, WIDTH - 6)}"


def _witnesses(finding: Finding) -> tuple[int, int]:
    kinds = {one.kind for one in finding.evidence}
    return (len(kinds), -sum(isinstance(one, SourcePath) for one in finding.evidence))


def _next_steps() -> Iterator[str]:
    yield "  auditor scan PATH...                      the source; nothing is run"
    yield "  auditor record -- python -m pytest TESTS  what your tests do to the database"
    yield "  auditor profile FILE.py::SCENARIO         a law, from a scenario of about ten lines"
    yield "  auditor faults FILE.py::SCENARIO          every statement of it fails once"
    yield "  auditor rules explain DBA301              why, and what to write instead"


def _sizes(sizes: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes)


def _prose(text: str, indent: int = 2) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
        break_long_words=False,
    )
