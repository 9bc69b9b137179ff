"""The text of `auditor demo`: what the four witnesses saw of a sample, in five short chapters.

Pure: a `Story` of values in, lines out. Nothing here knows the sample's numbers; each chapter says
what was seen, whatever that is.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from auditor.faults.catalogue.fault import fault_named
from auditor.faults.catalogue.rows import FAULTS
from auditor.model.evidence import Executions, FaultSeen, Growth, SchemaFact, SourcePath
from auditor.model.finding import Finding
from auditor.model.law import LawResult
from auditor.model.law_text import law_of, total_of
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.report import Report
from auditor.model.span import Frame
from auditor.model.tape import Entry, Tape
from auditor.report.evidence import counted, evidence_lines, shortened
from auditor.report.text import Colours

WIDTH = 98
LINES_SHOWN = 3
TOLD = ("DBA301", "DBA606", "DBA201", "DBA101")
"""Codes whose first finding is shown: slow, wrong, silent, unsafe."""

QUERIES = "DBA3"
"""How the codes of rules about queries and loads begin."""

WITNESSES = (
    ("source", (SourcePath, SchemaFact)),
    ("session", (Executions,)),
    ("growth", (Growth,)),
    ("faults", (FaultSeen,)),
)
"""Who gives which evidence."""

MEANINGS = {
    Verdict.SWALLOWED: "the caller was told that all is well, and it is not",
    Verdict.HALF_COMMITTED: "only a part of the work was stored",
    Verdict.MASKED: "another error hid the true one",
    Verdict.BROKEN_SESSION: "the session cannot be used any more",
    Verdict.CRASHED: "the process ended",
    Verdict.HUNG: "the call did not end",
    Verdict.RETRIED_IN_VAIN: "it was tried again and again for nothing",
    Verdict.LEAKED: "the raw database error reached the caller",
    Verdict.NOT_REACHED: "the statement was not executed again",
    Verdict.REPORTED: "the caller got an error of the contract, and the data are as before",
    Verdict.RECOVERED: "the work was done all the same",
}
"""What a verdict means, the worst first."""


@dataclass(frozen=True, slots=True)
class Session:
    """One recorded call of a scenario, at some sizes."""

    target: str
    sizes: tuple[tuple[str, int], ...]
    tape: Tape


@dataclass(frozen=True, slots=True)
class Story:
    """What was seen. `sample` is the folder as the user can type it; `before` and `after` are of a
    function and of its repaired twin; `joined` holds all of it. `code` has the lines of source by
    shown path; `larger` are sizes to apply the laws to."""

    sample: str
    scanned: Report
    session: Session
    law_before: LawResult
    law_after: LawResult
    faults_before: tuple[FaultOutcome, ...]
    faults_after: tuple[FaultOutcome, ...]
    joined: Report
    code: Mapping[str, Sequence[str]]
    larger: tuple[tuple[str, int], ...]


def told(story: Story, colours: Colours) -> str:
    """The whole story, one newline at the end of each line."""
    chapters = (
        _opening(story),
        _titled("1. What the source says", f"auditor scan {story.sample}", colours),
        _source(story, colours),
        _titled("2. What a live session did", "auditor record -- COMMAND", colours),
        _session(story),
        _titled("3. How it grows", _command("profile", story, story.law_before.scenario), colours),
        _growth(story),
        _titled(
            "4. When the database says no",
            _command("faults", story, story.faults_before[0].scenario),
            colours,
        ),
        _faults(story),
        _titled("5. One finding, every witness", "auditor report RESULT...", colours),
        _joined(story.joined, colours),
        _titled("On your own code", "", colours),
        _next_steps(),
    )
    return "".join(f"{line}\n" for chapter in chapters for line in chapter)


def _titled(title: str, command: str, colours: Colours) -> Iterator[str]:
    """A title and the command that shows more, on two lines if one cannot hold both."""
    yield ""
    shown = f"{colours.faint}$ {command}{colours.end}" if command else ""
    heading = f"{colours.place}{title}{colours.end}"
    if len(title) + len(command) + 4 <= WIDTH:
        yield f"{heading}  {shown}".rstrip()
    else:
        yield from (heading, f"  {shown}")


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


def _session(story: Story) -> Iterator[str]:
    tape, sizes = story.session.tape, _sizes(story.session.sizes)
    lines = _by_line(tape)
    yield from _prose(
        f"One call of {story.session.target} with {sizes}: {counted(tape.statements, 'statement')},"
        f" {counted(tape.rows, 'row')}. They come from {counted(len(lines), 'line')}, the busiest"
        " first:"
    )
    for frame, entries in lines[:LINES_SHOWN]:
        executions = sum(entry.executions for entry in entries)
        place = f"  {executions:>5} x  {frame.path}:{frame.line}"
        yield f"{place}  {shortened(_code(story, frame), max(20, WIDTH - len(place) - 2))}"
        causes = sorted((-entry.executions, str(entry.cause)) for entry in entries)
        yield from _prose(", ".join(f"{-times:,} {cause}" for times, cause in causes), indent=11)


def _by_line(tape: Tape) -> list[tuple[Frame, list[Entry]]]:
    """Entries by the line they come from, the line with most executions first."""
    found: dict[Frame, list[Entry]] = {}
    for entry in tape.entries:
        found.setdefault(entry.site.frame, []).append(entry)
    return sorted(found.items(), key=lambda item: (-sum(e.executions for e in item[1]), item[0]))


def _code(story: Story, frame: Frame) -> str:
    lines = story.code.get(frame.path, ())
    return lines[frame.line - 1].partition("#")[0].strip() if frame.line <= len(lines) else ""


def _growth(story: Story) -> Iterator[str]:
    before, after = story.law_before, story.law_after
    yield from _prose(
        "Counted at several sizes on a scratch database, the number of statements is an exact law."
        " A point farther out, that took no part in finding the law, checks it:"
    )
    yield from _law("before the repair", before)
    yield from _growing_lines(before)
    yield from _law("after the repair", after)
    if before.law is not None and after.law is not None:
        was, now = (int(law.at(dict(story.larger))) for law in (before.law, after.law))
        yield from _prose(
            f"So for {_sizes(story.larger)} it takes {counted(was, 'statement')} before the repair,"
            f" and {now:,} after."
        )


def _law(when: str, result: LawResult) -> Iterator[str]:
    yield f"  {when:<17}  {result.law if result.law is not None else 'no law'}"
    if result.law is None:
        yield from _prose(result.refusal, indent=21)
    for holdout in result.holdouts[:1]:
        check = f"predicted {holdout.predicted}, measured {holdout.measured}"
        yield f"{'':21}{_sizes(holdout.sizes)}: {check}"


def _growing_lines(result: LawResult) -> Iterator[str]:
    """For each growing term, the lines that cause it with their share."""
    for term in result.terms:
        shares: dict[Frame, list[str]] = {}
        for site in term.sites:
            shares.setdefault(site.frame, []).append(site.share)
        for frame, parts in sorted(shares.items()):
            share = str(total_of(law_of(part) for part in parts))
            yield f"{'':21}{share} from {frame.path}:{frame.line}"


def _faults(story: Story) -> Iterator[str]:
    before, after = story.faults_before, story.faults_after
    yield from _prose(
        f"Each statement and COMMIT fails once, in each of {len(before)} ways, with the error"
        " that the database would give. What the code makes of it:"
    )
    yield f"  before the repair  {_verdicts(before)}"
    yield f"  after the repair   {_verdicts(after)}"
    bad, twin = _worst_pair(before, after)
    yield from _prose(
        f"The worst of them is `{bad.fault}`, {fault_named(bad.fault, FAULTS).summary}, at"
        f" {bad.site.path}:{bad.site.line} {shortened(bad.shape, 60)}"
    )
    for when, outcome in (("before the repair", bad), ("after the repair", twin)):
        escaped = f" ({outcome.escaped.rpartition('.')[2]})" if outcome.escaped else ""
        yield from _prose(
            f"{when:<17}  {outcome.verdict.value}: {MEANINGS[outcome.verdict]}{escaped}", hanging=21
        )


def _verdicts(outcomes: Sequence[FaultOutcome]) -> str:
    found = Counter(outcome.verdict for outcome in outcomes)
    return ", ".join(f"{found[one]} {one.value}" for one in Verdict if found[one])


def _worst_pair(
    before: Sequence[FaultOutcome], after: Sequence[FaultOutcome]
) -> tuple[FaultOutcome, FaultOutcome]:
    """A silent loss rather than an error, and what the twin does at the same fault."""
    bad = min(before, key=lambda one: list(MEANINGS).index(one.verdict))
    return bad, next((one for one in after if one.fault == bad.fault), after[0])


def _joined(report: Report, colours: Colours) -> Iterator[str]:
    finding = max(report.findings, key=_weight)
    yield from _finding(finding, colours)
    for witness, kinds in WITNESSES:
        lines = evidence_lines(one for one in finding.evidence if isinstance(one, kinds))
        for number, line in enumerate(lines):
            margin = " " * 6 + (witness if number == 0 else "").ljust(9)
            yield from _prose(line, indent=margin, hanging=17)


def _weight(finding: Finding) -> tuple[int, bool, int]:
    """How many witnesses a finding has, whether it is about queries (others share the evidence of
    their line), and how often its statements were executed."""
    witnesses = sum(
        any(isinstance(one, kinds) for one in finding.evidence) for _, kinds in WITNESSES
    )
    executions = sum(e.executions for e in finding.evidence if isinstance(e, Executions))
    return (witnesses, finding.code.startswith(QUERIES), executions)


def _next_steps() -> Iterator[str]:
    yield "  auditor scan PATH...                      the source; nothing is run"
    yield "  auditor record -- python -m pytest TESTS  what your tests do to the database"
    yield "  auditor profile FILE.py::SCENARIO         a law, from a scenario of about ten lines"
    yield "  auditor faults FILE.py::SCENARIO          every statement of it fails once"
    yield "  auditor rules explain DBA301              why, and what to write instead"


def _sizes(sizes: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name}={size}" for name, size in sizes)


def _prose(text: str, *, indent: int | str = 2, hanging: int = 0) -> list[str]:
    """The text wrapped; `indent` is a width or what stands there, `hanging` the width of the lines
    after the first, if another."""
    first = " " * indent if isinstance(indent, int) else indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * (hanging or len(first)),
        break_on_hyphens=False,
        break_long_words=False,
    )
