"""Several results to one report, in which what the four witnesses saw of one place stands together.

A finding gains evidence when a live witness was on its lines: `Executions` from a tape, `Growth`
from a law, `FaultSeen` from a fault. A finding of a live rule at a place where scan says the same
(same code) becomes part of scan's finding, whose confidence is then high.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from auditor import registry
from auditor.engine.grounds import grounded
from auditor.engine.judging import judge
from auditor.engine.places import is_in_function, place_of, where_of
from auditor.engine.witnesses import (
    executions_at,
    faults_at,
    growth_at,
    is_met,
    stacks_failed,
    with_measured,
)
from auditor.model.evidence import Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Confidence, Finding, Severity
from auditor.model.law import LawResult
from auditor.model.outcome import FaultOutcome
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.span import Frame
from auditor.model.tape import Tape
from auditor.model.tape_sum import added_up

Result = Report | Tape | LawResult | FaultOutcome
_LIVE = (Executions, Growth, FaultSeen)
_SEVERITIES = tuple(Severity)


def join(
    *results: Result | Iterable[Result],
    settings: Settings = Settings(),  # noqa: B008 - frozen
    rules: registry.Catalogue | None = None,
) -> Report:
    """One report of all results. Reports are taken as they are; tapes, laws and outcomes that no
    rule has seen yet are judged first.

    Raises SettingsError for a selected code that no rule has, TypeError for anything else given.
    """
    flat = tuple(_flat(results))
    raw = tuple(one for one in flat if not isinstance(one, Report))
    reports = [one for one in flat if isinstance(one, Report)]
    if raw:
        reports.append(_judged(raw, settings, rules))
    tapes = [report.tape for report in reports if report.tape is not None]
    laws = tuple(dict.fromkeys(law for report in reports for law in report.laws))
    faults = tuple(dict.fromkeys(fault for report in reports for fault in report.faults))
    whole = Report(
        problems=tuple(dict.fromkeys(p for report in reports for p in report.problems)),
        counted=_summed(reports),
        tape=added_up(tapes) if tapes else None,
        laws=laws,
        faults=faults,
        coverage=tuple(dict.fromkeys(one for report in reports for one in report.coverage)),
        handlers=tuple(dict.fromkeys(row for report in reports for row in report.handlers)),
        missing_handlers=tuple(
            dict.fromkeys(row for report in reports for row in report.missing_handlers)
        ),
    )
    findings = _twins_joined([f for report in reports for f in report.findings], faults)
    strengthened = tuple(_strengthened(finding, whole) for finding in findings)
    return replace(whole, findings=strengthened, laws=grounded(laws, findings))


def _flat(results: Iterable[object]) -> Iterator[Result]:
    for one in results:
        if isinstance(one, (Report, Tape, LawResult, FaultOutcome)):
            yield one
        elif isinstance(one, (tuple, list)):
            yield from _flat(one)
        else:
            raise TypeError(
                f"cannot join `{one!r:.60}`: give reports, tapes, law results and fault outcomes"
            )


def _judged(raw: Iterable[Result], settings: Settings, rules: registry.Catalogue | None) -> Report:
    witnesses = tuple(raw)
    tapes = [one for one in witnesses if isinstance(one, Tape)]
    return judge(
        added_up(tapes) if tapes else None,
        settings,
        laws=tuple(one for one in witnesses if isinstance(one, LawResult)),
        faults=tuple(one for one in witnesses if isinstance(one, FaultOutcome)),
        rules=rules,
    )


def _summed(reports: Iterable[Report]) -> dict[str, int]:
    """All counts, added up; `rules` are the same rules each time."""
    sums: dict[str, int] = {}
    for report in reports:
        for key, count in report.counted.items():
            known = sums.get(key, 0)
            sums[key] = max(known, count) if key == "rules" else known + count
    return sums


def _is_live(finding: Finding) -> bool:
    return any(isinstance(one, _LIVE) for one in finding.evidence)


def _twins_joined(findings: list[Finding], faults: tuple[FaultOutcome, ...]) -> list[Finding]:
    """The findings in order; equal ones once, and live ones inside the finding of scan that says
    the same of the same place."""
    joined: dict[tuple[str, str], Finding] = {}
    live: list[Finding] = []
    for finding in findings:
        key = (finding.code, finding.fingerprint or str(finding.order_key))
        if key in joined:
            joined[key] = _with_evidence(joined[key], finding.evidence)
        elif _is_live(finding):
            live.append(finding)
        else:
            joined[key] = finding
    for finding in live:
        twin = next((k for k, one in joined.items() if _are_twins(one, finding, faults)), None)
        if twin is None:
            joined[finding.code, finding.fingerprint or str(finding.order_key)] = finding
        else:
            joined[twin] = _confirmed(joined[twin], finding)
    return sorted(joined.values(), key=lambda finding: finding.order_key)


def _are_twins(scanned: Finding, live: Finding, faults: tuple[FaultOutcome, ...]) -> bool:
    """Whether scan says the same of the same lines; of what a sweep saw, of the same function: a
    row is added at one line and sent at another."""
    if scanned.code != live.code or _is_live(scanned):
        return False
    where = where_of(scanned)
    stacks = (one.stack for one in live.evidence if isinstance(one, Executions))
    own = Frame(live.span.path, live.span.line, live.function)
    if is_met(where, (own, *(frame for stack in stacks for frame in stack))):
        return True
    failed = stacks_failed(live.evidence, faults)
    return any(is_in_function(place_of(frame), where) for frame in failed)


def _confirmed(scanned: Finding, live: Finding) -> Finding:
    severity = min(scanned.severity, live.severity, key=_SEVERITIES.index)
    confirmed = replace(scanned, confidence=Confidence.HIGH, severity=severity)
    return _with_evidence(confirmed, live.evidence)


def _strengthened(finding: Finding, whole: Report) -> Finding:
    """The finding with what the live witnesses saw on its lines. One of a live rule has its own."""
    where = where_of(finding)
    finding = with_measured(finding, whole.laws)
    evidence: list[Evidence] = []
    if not any(isinstance(one, Executions) for one in finding.evidence) and whole.tape:
        evidence.extend(executions_at(where, whole.tape.entries))
    if not any(isinstance(one, Growth) for one in finding.evidence):
        evidence.extend(growth_at(where, whole.laws))
    if not any(isinstance(one, FaultSeen) for one in finding.evidence):
        evidence.extend(faults_at(where, whole.faults))
    return _with_evidence(finding, evidence)


def _with_evidence(finding: Finding, more: Iterable[Evidence]) -> Finding:
    return replace(finding, evidence=tuple(dict.fromkeys((*finding.evidence, *more))))
