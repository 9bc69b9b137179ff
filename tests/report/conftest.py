"""One report with a finding for each kind of evidence, problems, a law and a tape."""

from __future__ import annotations

from fractions import Fraction

import pytest

from auditor.model.evidence import Executions, FaultSeen, Growth, Plan, SchemaFact, SourcePath, Step
from auditor.model.finding import Confidence, Finding, Problem, Severity
from auditor.model.law import (
    ExplainedTerm,
    Holdout,
    Law,
    LawResult,
    Point,
    Power,
    Term,
    TermSite,
)
from auditor.model.outcome import FaultOutcome, StateChange, SweepCoverage, Verdict
from auditor.model.report import Report
from auditor.model.span import Frame, Span
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape, TransactionEntry

SELECT = "SELECT router.id FROM router WHERE router.label_id = ?"
FRAME = Frame("pkg/sync.py", 12, "sync")
EIGHT = Term(Fraction(8), (Power("labels"),))


@pytest.fixture
def loop() -> Finding:
    return Finding(
        code="DBA301",
        name="query-in-loop",
        message="a query for each `label` | 8 in all",
        span=Span("pkg/sync.py", 12, 9, 12, 40),
        function="sync",
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        evidence=(
            SourcePath(
                (
                    Step(Span("pkg/sync.py", 10, 5, 13, 1), "loop over `labels`"),
                    Step(Span("pkg/sync.py", 12, 9, 12, 40), "lazy load of `Label.routers`"),
                )
            ),
            Executions(SELECT, "lazy load Label.routers", 1200, 2400, 0.25, (FRAME,)),
            Executions("SELECT 1", "explicit", 1, 1, 0.0, ()),
            Growth("sync", "sqlite", "4 + 8*labels", "8*labels"),
        ),
        fingerprint="0123456789abcdef",
    )


@pytest.fixture
def swallowed() -> Finding:
    return Finding(
        code="DBA201",
        name="swallowed-db-error",
        message="`DBError` is lost",
        span=Span("pkg/api.py", 3),
        function="<module>",
        severity=Severity.ERROR,
        confidence=Confidence.MEDIUM,
        evidence=(
            SchemaFact("router", "label_id has a foreign key"),
            FaultSeen("sync", "DBDeadlock", SELECT, "swallowed", "auditor faults sync --only 3"),
            Plan("sqlite", SELECT, "SCAN router\nUSE TEMP B-TREE"),
        ),
        fingerprint="fedcba9876543210",
    )


@pytest.fixture
def law() -> LawResult:
    return LawResult(
        scenario="sync",
        target="pkg.sync:sync",
        database="sqlite",
        variables=("labels", "rules"),
        law=Law((Term(Fraction(10)), EIGHT)),
        points=(Point((("labels", 1), ("rules", 1)), 18, 9),),
        holdouts=(Holdout((("labels", 9), ("rules", 7)), Fraction(82), 82),),
        terms=(
            ExplainedTerm(
                EIGHT,
                (TermSite(FRAME, "lazy load Label.routers", SELECT, "8*labels", (FRAME,)),),
            ),
        ),
        notes=("one session",),
    )


@pytest.fixture
def tape() -> Tape:
    lazy = Entry(
        shape=SELECT,
        verb="SELECT",
        tables=("router",),
        site=Site((FRAME, Frame("pkg/api.py", 3, "call"))),
        cause=Cause(CauseKind.LAZY_LOAD, "Label.routers"),
        transaction="reader",
        database="sqlite",
        test="",
        executions=1200,
        sent=1200,
        rows=2400,
        seconds=0.25,
        errors=(("OperationalError", 1),),
        units=1,
        most_in_unit=1200,
    )
    begun = TransactionEntry("reader", Site((FRAME,)), "sqlite", "", 2, 1, 1, 0.5)
    return Tape((lazy,), (begun,), (Problem("recorder", "one statement was lost"),), 1)


@pytest.fixture
def fault() -> FaultOutcome:
    return FaultOutcome(
        scenario="sync",
        database="sqlite",
        fault="deadlock",
        mode="once",
        statement=3,
        shape=SELECT,
        site=FRAME,
        verdict=Verdict.HALF_COMMITTED,
        attempts=2,
        escaped="DBDeadlock",
        escaped_message="deadlock found",
        changes=(StateChange("router", 1, 0),),
        traceback=(FRAME,),
        handlers=(FRAME,),
        replay="auditor faults sync --at 3",
        folded=(4, 5),
    )


COVERED = SweepCoverage(
    scenario="sync",
    database="sqlite",
    fault="deadlock",
    mode="once",
    sizes=(("labels", 2),),
    statements=3,
    points=1,
    folded=2,
    not_applicable=0,
    not_reached=0,
    left_out=0,
)


@pytest.fixture
def report(
    loop: Finding, swallowed: Finding, law: LawResult, tape: Tape, fault: FaultOutcome
) -> Report:
    return Report(
        findings=(swallowed, loop),
        problems=(
            Problem("pkg/broken.py", "not parsed: line 1: invalid syntax", hides_results=True),
            Problem("settings", "`ignore` has `DBA9`, and no rule has such a code"),
        ),
        counted={
            "files": 1200,
            "files_skipped": 700,
            "files_unreadable": 1,
            "functions": 40,
            "suppressed": 2,
            "statements": 1200,
        },
        tape=tape,
        laws=(law,),
        faults=(fault,),
        coverage=(COVERED,),
    )
