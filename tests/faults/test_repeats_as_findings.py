from __future__ import annotations

from dataclasses import replace

from auditor.engine.judging import judge
from auditor.model.evidence import FaultSeen
from auditor.model.finding import Confidence, Severity
from auditor.model.outcome import FaultOutcome, Retried, Verdict
from auditor.model.span import Frame, Span

FUNCTION = Frame("shop.py", 3, "Orders.create")
REPEATED = FaultOutcome(
    scenario="create",
    database="sqlite",
    fault="deadlock",
    mode="once",
    statement=2,
    shape="INSERT INTO orders (id) VALUES (?)",
    site=Frame("shop.py", 9, "Orders.create"),
    verdict=Verdict.REPEATED_EFFECT,
    attempts=2,
    retried=(Retried(FUNCTION, 2),),
    effects=("sent 2 messages instead of 1: `notify` at shop.py:8 in Orders.create",),
    replay="auditor faults shop.py::create --at 2",
)


def test_statements_under_one_retry_make_one_error_at_the_retried_function() -> None:
    locked = replace(REPEATED, fault="lock-wait", replay="auditor faults shop.py::create --at 3")
    said = f"repeated what no rollback takes back: {REPEATED.effects[0]}"
    (finding,) = judge(faults=(REPEATED, locked)).findings
    assert (finding.code, finding.severity, finding.confidence, finding.span, finding.message) == (
        "DBA217",
        Severity.ERROR,
        Confidence.HIGH,
        Span("shop.py", 3, 1, 3, 1),
        f"`create` was tried again after `deadlock` or `lock-wait`, and {said}",
    )
    assert finding.evidence == tuple(
        FaultSeen("create", one.fault, one.shape, "repeated-effect", one.replay)
        for one in (REPEATED, locked)
    )


def test_what_recovers_or_fails_otherwise_is_no_such_error() -> None:
    others = tuple(
        replace(REPEATED, verdict=one) for one in (Verdict.RECOVERED, Verdict.RETRIED_IN_VAIN)
    )
    assert [one for one in judge(faults=others).findings if one.code == "DBA217"] == []
