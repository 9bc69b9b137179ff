"""The report for people: one greppable line a finding, its evidence below, then a summary.

pkg/sync.py:12:9 DBA301 a query for each `label` [query-in-loop]
    pkg/sync.py:10:5 loop over `labels`
    executed 12 times, 12 rows, lazy load Label.routers: SELECT ...
    grows 3*labels (law of sync on sqlite: 4 + 3*labels)

1 finding (1 warning): DBA301 query-in-loop 1
looked at 12 files, 80 functions; not looked at: 3 files without database work
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from auditor.model.evidence import Evidence, Executions, FaultSeen, SourcePath
from auditor.model.finding import Finding, Problem, Severity
from auditor.model.outcome import Verdict
from auditor.model.report import Report
from auditor.report.evidence import counted, evidence_lines
from auditor.report.tapes import tape_as_text

SHOWN_OF_A_KIND = 5
"""How many steps, executions or faults stand below one finding, unless all are asked for."""

LOOKED_AT = (
    ("functions", "{}", "function"),
    ("statements", "{}", "recorded statement"),
    ("laws", "{}", "law"),
    ("faults", "{} of a fault at a statement", "outcome"),
)
"""Keys of `counted` that say what was looked at, with the thing they count."""

NOT_LOOKED_AT = (
    ("files_skipped", "{} without database work"),
    ("files_unreadable", "{} that cannot be read"),
    ("tests_left_out", "{} of tests (`--tests` takes them in)"),
    ("excluded", "{} that `exclude` names"),
)
HIDDEN = (
    ("suppressed", "suppressed by comments"),
    ("not_new", "in the earlier revision too"),
    ("baselined", "in the baseline"),
    ("ignored", "ignored for their path"),
    ("below_confidence", "below the least confidence"),
)


@dataclass(frozen=True, slots=True)
class Colours:
    """What is written before and after a word; empty strings for no colour."""

    place: str = ""
    error: str = ""
    warning: str = ""
    note: str = ""
    faint: str = ""
    end: str = ""


PLAIN = Colours()
ANSI = Colours(
    place="\x1b[1m",
    error="\x1b[1;31m",
    warning="\x1b[33m",
    note="\x1b[36m",
    faint="\x1b[2m",
    end="\x1b[0m",
)


def render(
    report: Report, *, colours: Colours = PLAIN, verbose: bool = False, summary: bool = True
) -> str:
    """The report as text. `verbose` shows all evidence; `summary` off leaves findings, problems
    and, if there are any, laws and faults."""
    parts = [
        "".join(
            f"{line}\n"
            for finding in report.findings
            for line in _finding(finding, colours, verbose=verbose)
        ),
        _laws(report),
        _faults(report, verbose=verbose),
        _handlers(report, verbose=verbose),
        tape_as_text(report.tape) if summary and report.tape is not None else "",
        "".join(f"{problem_line(problem, colours)}\n" for problem in report.problems),
        summary_of(report) if summary else "",
    ]
    return "\n".join(part for part in parts if part)


def problem_line(problem: Problem, colours: Colours = PLAIN) -> str:
    """A problem on one line; it says when results are missing because of it."""
    hides = " (results are missing)" if problem.hides_results else ""
    return f"{colours.error}problem{colours.end}: {problem.subject}: {problem.message}{hides}"


def summary_of(report: Report) -> str:
    """How many findings, what was looked at, what was not, and what was hidden."""
    lines = [
        *_handler_totals(report),
        "" if _is_of_handlers(report) and not report.findings else _totals(report.findings),
        *_bad_faults(report),
        *_looked_at(report),
    ]
    return "".join(f"{line}\n" for line in lines if line)


def _finding(finding: Finding, colours: Colours, *, verbose: bool) -> Iterator[str]:
    colour = getattr(colours, finding.severity.value)
    yield (
        f"{colours.place}{finding.span}{colours.end} {colour}{finding.code}{colours.end}"
        f" {_one_line(finding.message)} {colours.faint}[{finding.name}]{colours.end}"
    )
    if verbose:
        yield (
            f"    in {finding.function}, {finding.severity.value},"
            f" {finding.confidence.value} confidence, fingerprint {finding.fingerprint}"
        )
    evidence = finding.evidence if verbose else _cut(finding.evidence)
    for line in evidence_lines(evidence):
        yield f"    {line}"
    left_out = len(finding.evidence) - len(evidence)
    if left_out:
        yield f"    ... and {left_out} more (`-v` shows all)"


def _one_line(message: str) -> str:
    return " ".join(message.splitlines())


def _cut(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """At most a few executions and faults; paths through the source are never cut."""
    seen: Counter[str] = Counter()
    kept: list[Evidence] = []
    for one in evidence:
        seen[one.kind] += 1
        is_many = isinstance(one, (Executions, FaultSeen)) and seen[one.kind] > SHOWN_OF_A_KIND
        if not is_many or isinstance(one, SourcePath):
            kept.append(one)
    return tuple(kept)


def _laws(report: Report) -> str:
    if not report.laws:
        return ""
    from auditor.report.laws import law_as_text  # lazy: a scan has no laws

    return "\n".join(f"{law_as_text(law).rstrip()}\n" for law in report.laws)


def _faults(report: Report, *, verbose: bool) -> str:
    if not report.faults and not report.coverage:
        return ""
    from auditor.report.faults import faults_as_text  # lazy: a scan has no faults

    return f"{faults_as_text(report.faults, report.coverage, verbose=verbose).rstrip()}\n"


def _handlers(report: Report, *, verbose: bool) -> str:
    if not report.handlers and not report.missing_handlers:
        return ""
    from auditor.report.handlers import handlers_as_text  # lazy: a scan has no table of them

    return handlers_as_text(report.handlers, report.missing_handlers, verbose=verbose)


def _is_of_handlers(report: Report) -> bool:
    """Whether handlers were what was looked at; there may be none of them."""
    return "handlers" in report.counted


def _handler_totals(report: Report) -> Iterator[str]:
    if _is_of_handlers(report):
        from auditor.report.handlers import totals_of  # lazy: as above

        yield totals_of(report.handlers, report.missing_handlers)


def _totals(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "no findings"
    of_severity = Counter(finding.severity for finding in findings)
    severities = ", ".join(
        counted(of_severity[one], one.value) for one in Severity if of_severity[one]
    )
    of_code = Counter((finding.code, finding.name) for finding in findings)
    codes = ", ".join(f"{code} {name} {of_code[code, name]}" for code, name in sorted(of_code))
    return f"{counted(len(findings), 'finding')} ({severities}): {codes}"


def _bad_faults(report: Report) -> Iterator[str]:
    bad = Counter(one.verdict for one in report.bad_faults)
    if bad:
        verdicts = ", ".join(
            f"{verdict.value} {bad[verdict]}" for verdict in Verdict if bad[verdict]
        )
        yield f"{counted(sum(bad.values()), 'injected fault')} came to no good: {verdicts}"


def _looked_at(report: Report) -> Iterator[str]:
    known = {"files", "handlers"} | {row[0] for row in (*LOOKED_AT, *NOT_LOOKED_AT, *HIDDEN)}
    looked = [*_files(report.counted)]
    looked += [
        words.format(counted(report.counted[key], thing))
        for key, words, thing in LOOKED_AT
        if report.counted.get(key)
    ]
    looked += [
        counted(value, key.replace("_", " ").removesuffix("s"))
        if key.endswith("s")
        else f"{value:,} {key.replace('_', ' ')}"
        for key, value in sorted(report.counted.items())
        if key not in known and value
    ]
    yield f"looked at {', '.join(looked)}" if looked else "LOOKED AT NOTHING"
    unread = [
        text.format(counted(report.counted[key], "file"))
        for key, text in NOT_LOOKED_AT
        if report.counted.get(key)
    ]
    if unread:
        yield f"not looked at: {', '.join(unread)}"
    hidden = [f"{report.counted[k]:,} {text}" for k, text in HIDDEN if report.counted.get(k)]
    if hidden:
        yield f"not shown: {', '.join(hidden)}"
    yield from _missing(report.problems)


def _files(counts: Mapping[str, int]) -> Iterator[str]:
    """`501 of 1,196 files`: those read and understood, of those found."""
    found = counts.get("files", 0)
    unread = counts.get("files_skipped", 0) + counts.get("files_unreadable", 0)
    if found:
        yield (
            f"{found - unread:,} of {counted(found, 'file')}" if unread else counted(found, "file")
        )


def _missing(problems: Iterable[Problem]) -> Iterator[str]:
    hiding = sum(problem.hides_results for problem in problems)
    if hiding:
        yield f"results are missing because of {counted(hiding, 'problem')}: see above"
