from __future__ import annotations

from dataclasses import replace

from auditor.model.evidence import Executions
from auditor.model.finding import Finding
from auditor.model.outcome import FaultOutcome, Verdict
from auditor.model.report import Report
from auditor.model.tape import Tape
from auditor.report import text


def test_findings_problems_and_what_was_looked_at_are_told(report: Report) -> None:
    shown = text.render(replace(report, laws=(), faults=(), coverage=(), tape=None))
    assert shown == (
        "pkg/api.py:3:1 DBA201 `DBError` is lost [swallowed-db-error]\n"
        "    schema of `router`: label_id has a foreign key\n"
        "    swallowed when DBDeadlock hit SELECT router.id FROM router WHERE router.label_id = ?\n"
        "    replay: auditor faults sync --only 3\n"
        "    plan on sqlite for SELECT router.id FROM router WHERE router.label_id = ?:\n"
        "      SCAN router\n"
        "      USE TEMP B-TREE\n"
        "pkg/sync.py:12:9 DBA301 a query for each `label` | 8 in all [query-in-loop]\n"
        "    pkg/sync.py:10:5 loop over `labels`\n"
        "    pkg/sync.py:12:9 lazy load of `Label.routers`\n"
        "    executed 1,201 times in all, 2,401 rows, by 2 statements:\n"
        "    executed 1,200 times, 2,400 rows, lazy load Label.routers:"
        " SELECT router.id FROM router WHERE router.label_id = ?\n"
        "    executed 1 time, 1 row, explicit: SELECT 1\n"
        "    grows 8*labels (law of sync on sqlite: 4 + 8*labels)\n"
        "\n"
        "problem: pkg/broken.py: not parsed: line 1: invalid syntax (results are missing)\n"
        "problem: settings: `ignore` has `DBA9`, and no rule has such a code\n"
        "\n"
        "2 findings (1 error, 1 warning): DBA201 swallowed-db-error 1, DBA301 query-in-loop 1\n"
        "looked at 499 of 1,200 files, 40 functions, 1,200 recorded statements\n"
        "not looked at: 700 files without database work, 1 file that cannot be read\n"
        "not shown: 2 suppressed by comments\n"
        "results are missing because of 1 problem: see above\n"
    )


def test_a_tape_is_summed_up(tape: Tape) -> None:
    assert text.render(Report(tape=tape)) == (
        "recorded 1,200 statements, 2,400 rows, 2 transactions (1 rolled back), 1 process:\n"
        "      1,200 x pkg/sync.py:12 in sync, lazy load Label.routers, reader, 2,400 rows,"
        " 1 failed\n"
        "              SELECT router.id FROM router WHERE router.label_id = ?\n"
        "\n"
        "no findings\n"
        "LOOKED AT NOTHING\n"
    )


def test_faults_that_came_to_no_good_are_counted(fault: FaultOutcome) -> None:
    good = replace(fault, verdict=Verdict.RECOVERED)
    unreached = replace(fault, verdict=Verdict.NOT_REACHED)
    assert Report(faults=(good, unreached)).exit_status == 0
    report = Report(faults=(fault, good, unreached), counted={"faults": 2})
    assert report.exit_status == 1
    assert text.summary_of(report) == (
        "no findings\n"
        "1 injected fault came to no good: half-committed 1\n"
        "looked at 2 outcomes of a fault at a statement\n"
    )


def test_a_tape_without_statements_says_so_loudly() -> None:
    assert text.render(Report(tape=Tape())).startswith("RECORDED 0 STATEMENTS: nothing was seen.")


def test_quiet_leaves_the_summary_and_the_tape_out(loop: Finding, tape: Tape) -> None:
    report = Report(findings=(replace(loop, evidence=()),), counted={"files": 1}, tape=tape)
    assert text.render(report, summary=False) == (
        "pkg/sync.py:12:9 DBA301 a query for each `label` | 8 in all [query-in-loop]\n"
    )


def test_many_executions_are_cut_and_verbose_shows_all(loop: Finding) -> None:
    many = tuple(Executions(f"SELECT {i}", "explicit", 1, 0, 0.0) for i in range(7))
    report = Report(findings=(replace(loop, evidence=many),))
    short = text.render(report, summary=False).splitlines()
    assert short[-1] == "    ... and 2 more (`-v` shows all)"
    assert len(short) == 1 + 1 + 5 + 1
    long = text.render(report, summary=False, verbose=True).splitlines()
    assert long[1] == "    in sync, warning, high confidence, fingerprint 0123456789abcdef"
    assert len(long) == 1 + 1 + 1 + 7


def test_a_message_of_several_lines_stays_greppable(loop: Finding) -> None:
    report = Report(findings=(replace(loop, message="one\ntwo", evidence=()),))
    assert text.render(report, summary=False) == (
        "pkg/sync.py:12:9 DBA301 one two [query-in-loop]\n"
    )


def test_colour_changes_nothing_but_colour(report: Report) -> None:
    coloured = text.render(report, colours=text.ANSI)
    for code in vars(type(text.ANSI))["__slots__"]:
        coloured = coloured.replace(getattr(text.ANSI, code), "")
    assert coloured == text.render(report)


def test_what_was_looked_at_once_is_in_the_singular() -> None:
    told = text.render(Report(counted={"refusals": 1, "points": 1, "rules": 2}))
    assert "looked at 1 point, 1 refusal, 2 rules\n" in told
