from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from auditor.engine import join, judge, scan
from auditor.model.evidence import Evidence, Executions, FaultSeen, Growth
from auditor.model.finding import Confidence, Finding, Problem, Severity
from auditor.model.law import ExplainedTerm, Law, LawResult, Power, Term, TermSite
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.span import Frame, Span
from auditor.model.tape import Cause, CauseKind, Entry, Site, Tape
from auditor.registry import Catalogue
from auditor.rule import Hit, Hits, OnLaws, OnTape, Rule
from auditor.source.project import Project

MakeRule = Callable[..., Rule]

NO_RULES = Catalogue(())
LINE = Frame("pkg/db.py", 12, "Mixin.sync")
CALLER = Frame("pkg/api.py", 40, "call")
FINDING = Finding(
    code="DBA301",
    name="query-in-loop",
    message="a query for each label",
    span=Span("pkg/db.py", 12, 9, 13, 20),
    function="Mixin.sync",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    fingerprint="0" * 16,
)


def entry(shape: str = "SELECT a", executions: int = 133, *stack: Frame, test: str = "") -> Entry:
    return Entry(
        shape=shape,
        verb="SELECT",
        tables=("a",),
        site=Site(stack or (LINE, CALLER)),
        cause=Cause(CauseKind.LAZY_LOAD, "Label.routers"),
        transaction="reader",
        database="sqlite",
        test=test,
        executions=executions,
        sent=executions,
        rows=1,
        seconds=0.5,
    )


def law(*shares: str, frames: tuple[Frame, ...] = (LINE, LINE)) -> LawResult:
    term = Term(Fraction(8), (Power("labels"),))
    sites = tuple(
        TermSite(frame, "explicit", "SELECT a", share)
        for frame, share in zip(frames, shares, strict=True)
    )
    whole = Law((Term(Fraction(4)), term))
    return LawResult(
        "sync", "pkg:sync", "sqlite", ("labels",), whole, (), terms=(ExplainedTerm(term, sites),)
    )


def outcome(verdict: Verdict, site: Frame = CALLER, **changes: object) -> FaultOutcome:
    found = FaultOutcome(
        scenario="sync",
        database="sqlite",
        fault="DBDeadlock",
        mode="once",
        statement=3,
        shape="SELECT a",
        site=site,
        verdict=verdict,
        attempts=1,
        replay="auditor faults sync",
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def evidence(*results: Report | Tape | LawResult | FaultOutcome) -> tuple[Evidence, ...]:
    report = join(Report(findings=(FINDING,)), *results, rules=NO_RULES)
    (finding,) = report.findings
    return finding.evidence


def test_statements_from_the_lines_of_a_finding_become_its_evidence() -> None:
    tape = Tape((entry(test="a"), entry("SELECT b", 5), entry(test="b")))
    assert evidence(tape) == (
        Executions("SELECT a", "lazy load Label.routers", 266, 2, 1.0, (LINE, CALLER)),
        Executions("SELECT b", "lazy load Label.routers", 5, 1, 0.5, (LINE, CALLER)),
    )


@pytest.mark.parametrize(
    ("frame", "is_met"),
    [
        (Frame("pkg/db.py", 11, "Mixin.sync"), False),
        (Frame("pkg/db.py", 13, "<listcomp>"), True),
        (Frame("pkg/db.py", 14, "Mixin.sync"), False),
        (Frame("src/pkg/db.py", 12, "sync"), True),
        (Frame("src/pkg/db.py", 12, "other"), False),
        (Frame("db.py", 12, "sync"), False),
        (Frame("other_pkg/db.py", 12, "sync"), False),
    ],
)
def test_a_place_is_met_by_path_and_line_and_by_function_if_the_paths_begin_apart(
    frame: Frame, is_met: bool
) -> None:
    assert bool(evidence(Tape((entry("SELECT a", 1, CALLER, frame),)))) == is_met


def test_a_statement_that_the_line_calls_is_met_but_not_when_others_call_it() -> None:
    below = Frame("pkg/db.py", 80, "lower")
    assert evidence(Tape((entry("SELECT a", 7, below, LINE), entry("SELECT a", 9, below)))) == (
        Executions("SELECT a", "lazy load Label.routers", 7, 1, 0.5, (below, LINE)),
    )


@pytest.mark.parametrize(
    ("shares", "frames", "term"),
    [
        (("7*labels", "labels"), (LINE, LINE), "8*labels"),
        (("7*labels", "labels"), (LINE, CALLER), "7*labels"),
        (("6*labels", "labels", "labels"), (LINE, LINE, CALLER), "7*labels"),
        (("a lot", "labels", "labels"), (LINE, LINE, CALLER), "a lot + labels"),
    ],
)
def test_the_share_of_a_growing_term_becomes_evidence(
    shares: tuple[str, ...], frames: tuple[Frame, ...], term: str
) -> None:
    assert evidence(law(*shares, frames=frames)) == (
        Growth("sync", "sqlite", "4 + 8*labels", term),
    )


def test_a_refused_law_and_a_law_of_other_places_are_no_evidence() -> None:
    refused = replace(law("labels", "labels"), law=None, refusal="it does not repeat")
    assert evidence(refused, law("1*labels", "7*labels", frames=(CALLER, CALLER))) == ()


def test_only_bad_outcomes_at_the_site_or_its_handlers_become_evidence() -> None:
    found = evidence(
        outcome(Verdict.LEAKED),
        outcome(Verdict.RECOVERED, LINE),
        outcome(Verdict.NOT_REACHED, LINE),
        outcome(Verdict.SWALLOWED, handlers=(LINE,)),
        outcome(Verdict.SWALLOWED, LINE, statement=4),
        outcome(Verdict.HALF_COMMITTED, LINE),
    )
    assert found == (
        FaultSeen("sync", "DBDeadlock", "SELECT a", "swallowed", "auditor faults sync"),
        FaultSeen("sync", "DBDeadlock", "SELECT a", "half-committed", "auditor faults sync"),
    )


def on_tape(tape: Tape, _: Project) -> Hits:
    for found in tape.entries:
        frame = found.site.frame
        seen = Executions(found.shape, str(found.cause), found.executions, found.rows, 0.0)
        yield Hit(Span(frame.path, frame.line), frame.function, {"name": "sql"}, (seen,))


def test_a_live_finding_at_the_same_place_joins_that_of_the_scan(make_rule: MakeRule) -> None:
    live = make_rule(OnTape(on_tape), code="DBA301", severity=Severity.ERROR)
    tape = Tape((entry(), entry("SELECT c", 2, CALLER)))
    report = join(Report(findings=(FINDING,)), tape, rules=Catalogue((live,)))
    scanned, other = sorted(report.findings, key=lambda f: f.span.path, reverse=True)
    assert scanned == replace(
        FINDING,
        severity=Severity.ERROR,
        confidence=Confidence.HIGH,
        evidence=(Executions("SELECT a", "lazy load Label.routers", 133, 1, 0.0),),
    )
    assert (str(other.span), other.evidence) == (
        "pkg/api.py:40:1",
        (Executions("SELECT c", "lazy load Label.routers", 2, 1, 0.0),),
    )


def test_a_live_finding_where_the_statement_is_joins_that_of_the_loop_that_calls_it(
    make_rule: MakeRule,
) -> None:
    def on_emitter(tape: Tape, _: Project) -> Hits:
        stack = tape.entries[0].site.stack
        seen = Executions("SELECT a", "explicit", 7, 7, 0.0, stack)
        yield Hit(Span("pkg/low.py", 80), "lower", {"name": "sql"}, (seen,))

    live = make_rule(OnTape(on_emitter), code="DBA301")
    tape = Tape((entry("SELECT a", 7, Frame("pkg/low.py", 80, "lower"), LINE),))
    report = join(Report(findings=(FINDING,)), tape, rules=Catalogue((live,)))
    assert [str(f.span) for f in report.findings] == ["pkg/db.py:12:9"]


def test_live_findings_have_fingerprints_without_numbers(make_rule: MakeRule) -> None:
    rule = make_rule(OnTape(on_tape), message="{name} 12 times")
    again = make_rule(OnTape(on_tape), message="{name} 13 times")
    tape = Tape((entry(),))
    one = judge(tape, rules=Catalogue((rule,))).findings
    other = judge(tape, rules=Catalogue((again,))).findings
    assert [f.fingerprint for f in one] == [f.fingerprint for f in other]


def test_a_suppression_comment_hides_a_live_finding_where_the_source_is_found(
    folder: Path, make_rule: MakeRule
) -> None:
    (folder / "pkg" / "live.py").write_text(
        "x = 1\nload()  # auditor: ignore[DBA901] two rows\nload()\n"
    )
    tape = Tape(
        tuple(entry("SELECT a", 1, Frame("pkg/live.py", line, "<module>")) for line in (2, 3))
    )
    report = judge(tape, rules=Catalogue((make_rule(OnTape(on_tape)),)))
    assert [str(f.span) for f in report.findings] == ["pkg/live.py:3:1"]
    assert report.counted == {"statements": 2, "suppressed": 1}


def test_laws_and_outcomes_are_judged_by_their_rules(make_rule: MakeRule) -> None:
    def on_laws(laws: tuple[LawResult, ...]) -> Hits:
        for one in laws:
            yield Hit(Span("pkg/db.py", 1), "f", {"name": str(one.law)})

    rules = Catalogue((make_rule(OnLaws(on_laws)),))
    report = join([law("8*labels", frames=(LINE,))], rules=rules)
    assert [f.message for f in report.findings] == ["`4 + 8*labels` is called"]
    assert report.counted == {"laws": 1}


def test_the_losses_of_a_tape_are_problems() -> None:
    loss = Problem("recorder", "detached")
    assert join(Tape(losses=(loss,)), rules=NO_RULES).problems == (loss,)


def test_tapes_are_added_up() -> None:
    report = join(Tape((entry(),)), Tape((entry(), entry("SELECT b", 1))), rules=NO_RULES)
    assert report.tape == Tape(
        (replace(entry(executions=266), rows=2, seconds=1.0), entry("SELECT b", 1)), processes=2
    )


def test_a_report_joined_with_itself_has_each_finding_once(
    folder: Path, rules: Catalogue, settings: Settings
) -> None:
    report = scan(["pkg"], settings, rules=rules)
    joined = join(report, report)
    assert (joined.findings, joined.problems) == (report.findings, report.problems)


def test_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match=r"cannot join `'tape'`"):
        join("tape")  # type: ignore[arg-type]
