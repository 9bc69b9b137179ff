"""From what is known of a handler to its verdict: what was seen before what was read.

Asked in order: what a fault that it saw came to; what the source proves; whether any of its errors
can come; whether anything came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auditor.handlers.clauses import Clause
from auditor.model.finding import Finding, Severity
from auditor.model.handler import (
    CaughtError,
    FaultAtHandler,
    HandlerSeen,
    HandlerVerdict,
    Reach,
)
from auditor.model.outcome import Verdict
from auditor.report.evidence import counted
from auditor.rules.errors.caught import always_raises, short
from auditor.rules.errors.lost_errors import is_lost

_BY_CODE = {
    "DBA212": HandlerVerdict.BREAKS_SESSION,
    "DBA222": HandlerVerdict.BREAKS_SESSION,
    "DBA201": HandlerVerdict.SWALLOWING,
    "DBA202": HandlerVerdict.SWALLOWING,
    "DBA413": HandlerVerdict.SWALLOWING,
    "DBA205": HandlerVerdict.WRONG_MAPPING,
    "DBA206": HandlerVerdict.WRONG_MAPPING,
    "DBA207": HandlerVerdict.WRONG_MAPPING,
    "DBA211": HandlerVerdict.WRONG_MAPPING,
    "DBA204": HandlerVerdict.DEAD,
    "DBA213": HandlerVerdict.DEAD,
}
"""What a finding on a handler says of it, worst first. DBA203 speaks of one class among several:
the reach of each class tells more. Others (DBA208, a missing cause) are told and judge nothing."""

_PASSED_ON = frozenset((Verdict.BROKEN_SESSION, Verdict.SWALLOWED, Verdict.HALF_COMMITTED))
"""Ends that are mostly no matter of a handler which always raises: one further out went on."""
_OF_THE_DATABASE = ("sqlalchemy.", "oslo_db.", "sqlite3.", "psycopg", "pymysql.", "MySQLdb.")
_BY_FAULT: Mapping[Verdict, HandlerVerdict] = {
    Verdict.BROKEN_SESSION: HandlerVerdict.BREAKS_SESSION,
    Verdict.MASKED: HandlerVerdict.BREAKS_SESSION,
    Verdict.SWALLOWED: HandlerVerdict.SWALLOWING,
    Verdict.HALF_COMMITTED: HandlerVerdict.SWALLOWING,
    Verdict.MISREPORTED: HandlerVerdict.WRONG_MAPPING,
}
"""What the end of a fault says of the handlers that saw it. One that got out of the program after
all, was retried or hung is no matter of theirs."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one handler."""

    errors: tuple[CaughtError, ...]
    findings: tuple[Finding, ...]
    seen: HandlerSeen
    sweeps: tuple[FaultAtHandler, ...]


def verdict_of(clause: Clause, known: Known) -> tuple[HandlerVerdict, str]:
    """The verdict and the reason, on one line."""
    for judged in (_by_faults(clause, known), _by_findings(known)):
        if judged is not None:
            return judged
    if not known.sweeps and not known.seen.ran:
        dead = _dead(clause, known)
        if dead:
            return HandlerVerdict.DEAD, dead
    return _good_or_untested(clause, known)


def _by_faults(clause: Clause, known: Known) -> tuple[HandlerVerdict, str] | None:
    passes_on = clause.kind == "except" and always_raises(clause.function, clause.handler)
    for ended, verdict in _BY_FAULT.items():
        found = [
            one
            for one in known.sweeps
            if one.verdict is ended and not (passes_on and _is_passed_on(one))
        ]
        if found:
            first = found[0]
            of = f"{len(found)} of {counted(len(known.sweeps), 'fault')}"
            return verdict, (
                f"{ended.value} at {of} that it saw, such as {first.fault} at statement"
                f" {first.statement} of `{first.scenario}` on {first.database}"
            )
    return None


def _is_passed_on(fault: FaultAtHandler) -> bool:
    """Whether the end is no matter of a handler that saw it and raised. It is if the caller got an
    error of the program, and a session that nobody had rolled back."""
    if fault.verdict is Verdict.BROKEN_SESSION:
        return not fault.escaped or fault.escaped.startswith(_OF_THE_DATABASE)
    return fault.verdict in _PASSED_ON


def _by_findings(known: Known) -> tuple[HandlerVerdict, str] | None:
    if known.sweeps and all(one.verdict.is_good for one in known.sweeps):
        return None  # what is seen refutes what is assumed
    for code, verdict in _BY_CODE.items():
        for finding in known.findings:
            is_meant = finding.severity is not Severity.NOTE
            is_alive = verdict is HandlerVerdict.DEAD and bool(known.sweeps or known.seen.ran)
            if finding.code == code and is_meant and not is_alive:
                return verdict, f"{code}: {finding.message}"
    return None


def _dead(clause: Clause, known: Known) -> str:
    """Why no error that it names can come; empty if one may, or if it takes something else too."""
    if clause.others or clause.is_broad or not known.errors:
        return ""
    if any(one.reach is not Reach.NEVER for one in known.errors):
        return ""
    reasons: dict[str, list[str]] = {}
    for one in known.errors:
        reasons.setdefault(one.reason, []).append(f"`{short(one.name)}`")
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


def _good_or_untested(clause: Clause, known: Known) -> tuple[HandlerVerdict, str]:
    good = [one for one in known.sweeps if one.verdict.is_good]
    if good:
        rest = len(known.sweeps) - len(good)
        more = f"; {_others(known.sweeps)}, which is not its doing" if rest else ""
        return HandlerVerdict.GOOD, (
            f"{counted(len(good), 'fault')} that it saw came to a good end{more}"
        )
    if known.sweeps:
        return HandlerVerdict.GOOD, f"it lets the error go on: {_others(known.sweeps)}"
    if known.seen.ran and not _is_lost(clause):
        return HandlerVerdict.GOOD, (
            f"{counted(known.seen.ran, 'error')} came to it in the recording, and the source shows"
            " no defect"
        )
    if known.seen.ran:
        return HandlerVerdict.UNTESTED, (
            f"{counted(known.seen.ran, 'error')} came to it in the recording; whether it may pass"
            " over them only a sweep can tell"
        )
    if known.seen.tried:
        return HandlerVerdict.UNTESTED, (
            f"its `try` executed {counted(known.seen.tried, 'statement')} in the recording, and"
            " none failed with what it takes"
        )
    return HandlerVerdict.UNTESTED, "nothing recorded came to it, and no sweep"


def _is_lost(clause: Clause) -> bool:
    return clause.kind == "suppress" or is_lost(clause.function, clause.handler)


def _others(sweeps: Sequence[FaultAtHandler]) -> str:
    ends: dict[str, int] = {}
    for one in sweeps:
        if not one.verdict.is_good:
            ends[one.verdict.value] = ends.get(one.verdict.value, 0) + 1
    return ", ".join(f"{end} {times}" for end, times in ends.items())
