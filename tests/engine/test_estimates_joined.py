from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from auditor.engine import join, scan
from auditor.model.evidence import Estimated
from auditor.model.finding import Finding
from auditor.model.law import Law, LawResult, Power, Term
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.report.evidence import evidence_as_json, evidence_from_json, evidence_lines

SOURCE = """\
from sqlalchemy.orm import Session

class Sync:
    def all(self, session: Session, labels):
        session.query(Router).all()
        for label in labels:
            for rule in label.rules:
                session.query(Router).filter_by(rule=rule).all()
            session.query(Router).filter_by(label=label).all()

def again(session: Session, rows):
    for row in rows:
        session.query(Router).filter_by(row=row).all()
        again(session, row.children)
"""
LAW = Estimated(
    function="Sync.all",
    statements="1 + |labels| + |label.rules|*|labels|",
    sure=("label.rules", "labels"),
    possible=("label.rules", "labels"),
)
NOTES = ("`again` calls itself: the inner calls are not counted",)
AGREES = (
    "measured, s on sqlite: 1 + labels + labels*rules; the estimate agrees in what it grows with"
)
DISAGREES = (
    "measured, s on sqlite: 1 + labels + labels*ports; the estimate DISAGREES: it grows with"
    " `ports`, and the estimate has no such length; the estimate grows with `|label.rules|` for"
    " sure"
)


@pytest.fixture
def findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Finding, ...]:
    monkeypatch.chdir(tmp_path)
    Path("sync.py").write_text(SOURCE)
    return scan(["sync.py"], Settings(cache_dir="-", jobs=1, select=("DBA301",))).findings


def estimates(findings: tuple[Finding, ...]) -> list[Estimated]:
    return [e for finding in findings for e in finding.evidence if isinstance(e, Estimated)]


def measured(*products: tuple[str, ...], target: str = "sync:Sync.all") -> LawResult:
    terms = tuple(Term(Fraction(1), tuple(Power(one) for one in product)) for product in products)
    return LawResult("s", target, "sqlite", ("labels",), Law(terms), ())


def test_a_query_in_a_loop_shows_the_query_law_of_its_function(
    findings: tuple[Finding, ...],
) -> None:
    recursive = Estimated("again", "|rows|", ("rows",), ("rows",), NOTES)
    assert estimates(findings) == [LAW, LAW, recursive, recursive]


def test_what_a_profile_of_the_same_function_says_stands_with_the_estimate(
    findings: tuple[Finding, ...],
) -> None:
    laws = [
        measured((), ("labels",), ("labels", "rules")),
        measured((), ("labels",), ("labels", "ports")),
        measured((), ("labels",), target="sync:again_and_again"),
    ]
    joined = join(Report(findings=findings), laws)
    assert [one.measured for one in estimates(joined.findings)] == [(AGREES, DISAGREES)] * 2 + [
        (),
        (),
    ]


def test_a_joined_report_is_joined_again_without_saying_things_twice(
    findings: tuple[Finding, ...],
) -> None:
    law = measured((), ("labels",), ("labels", "rules"))
    once = join(Report(findings=findings), law)
    assert join(once, law).findings == once.findings


def test_an_estimate_is_read_back_from_json_and_told_in_text() -> None:
    one = Estimated("Sync.all", "1 + |labels|", ("labels",), ("labels",), ("a", "b"), (AGREES,))
    assert evidence_from_json(evidence_as_json(one)) == one
    assert evidence_lines((one,)) == (
        (
            "statements of a call of `Sync.all`, as far as the source tells: 1 + |labels|;"
            " 2 things not counted, see `auditor explain-query`"
        ),
        f"  {AGREES}",
    )
