"""The four witnesses on the metering sample say what its `expected.json` and its marks say."""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import auditor
from auditor.backends.scratch import open_scratch
from auditor.growth.load import load_scenarios
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
from auditor.model.law import LawResult
from auditor.model.outcome import Verdict
from auditor.model.report import Report
from auditor.model.settings import Settings
from auditor.model.tape import Tape

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "sample_schemas" / "metering"
EXPECTED: Mapping[str, Any] = json.loads((SAMPLE / "expected.json").read_text())
MARK = re.compile(r"# expect:((?: DBA\d{3})+)")


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in reports are relative to the checkout."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def scenarios() -> Iterator[Mapping[str, Scenario]]:
    """The sample's scenarios by name; the service's connections are closed at the end."""
    loaded = load_scenarios([f"{SAMPLE}/scenarios.py"])
    yield {scenario.name: scenario for scenario in loaded.scenarios}
    importlib.import_module("metering.facade").MANAGER.dispose_pool()


@pytest.fixture(scope="module")
def scanned() -> Report:
    """What scan says of the whole sample, without cache."""
    return auditor.scan([SAMPLE], Settings(cache_dir="-", jobs=1))


def marks() -> set[tuple[str, int, str]]:
    return {
        (file.name, number, code)
        for file in SAMPLE.glob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for found in MARK.findall(line)
        for code in found.split()
    }


def recorded(scenario: Scenario, sizes: Mapping[str, int]) -> Tape:
    with open_scratch() as scratch, prepared(scratch, scenario) as (workload,):
        call = workload.populated(sizes)
        with auditor.record() as recording:
            workload.called(call, sizes)
    return recording.tape


def law_as_expected(result: LawResult) -> dict[str, Any]:
    (holdout, *_) = result.holdouts
    terms = {
        str(explained.term): sorted(
            [site.frame.function, site.cause, site.share] for site in explained.sites
        )
        for explained in result.terms
    }
    return {
        "law": str(result.law),
        "terms": terms,
        "holdout": {
            **dict(holdout.sizes),
            "predicted": int(holdout.predicted),
            "measured": holdout.measured,
        },
    }


def test_scan_reports_exactly_the_marked_lines(scanned: Report) -> None:
    found = {(Path(f.span.path).name, f.span.line, f.code) for f in scanned.findings}
    assert found == marks()


def test_scan_names_the_functions_of_the_planted_defects(scanned: Report) -> None:
    found = defaultdict(list)
    for finding in scanned.findings:
        assert finding.span.path == "sample_schemas/metering/sync.py"
        found[finding.function].append(finding.code)
    assert {name: sorted(codes) for name, codes in found.items()} == EXPECTED["scan"]


def test_scan_has_no_problem_with_the_sample(scanned: Report) -> None:
    assert scanned.problems == ()


@pytest.mark.parametrize("name", EXPECTED["record"])
def test_a_recorded_call_shows_every_statement_with_its_cause(
    name: str, scenarios: Mapping[str, Scenario]
) -> None:
    want = EXPECTED["record"][name]
    tape = recorded(scenarios[name], want["sizes"])
    entries = sorted(
        [e.site.frame.function, str(e.cause), e.tables[0], e.executions, e.rows]
        for e in tape.entries
    )
    begun: Counter[str] = Counter()
    for transaction in tape.transactions:
        begun[transaction.kind] += transaction.begun
    assert {
        "sizes": want["sizes"],
        "statements": tape.statements,
        "rows": tape.rows,
        "transactions": dict(begun),
        "entries": entries,
    } == {**want, "entries": sorted(want["entries"])}


def test_the_laws_are_those_expected(scenarios: Mapping[str, Scenario]) -> None:
    wanted = EXPECTED["profile"]
    results = auditor.profile(*(scenarios[name] for name in wanted))
    assert {result.scenario: law_as_expected(result) for result in results} == wanted


def test_the_law_is_the_same_on_postgresql(scenarios: Mapping[str, Scenario]) -> None:
    (result,) = auditor.profile(scenarios["metering_sync"], database="postgresql")
    assert law_as_expected(result) == EXPECTED["profile"]["metering_sync"]


@pytest.mark.parametrize("name", EXPECTED["faults"])
def test_each_fault_gets_the_expected_verdicts(
    name: str, scenarios: Mapping[str, Scenario]
) -> None:
    wanted = EXPECTED["faults"][name]
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for outcome in auditor.sweep(scenarios[name], faults=tuple(wanted)):
        found[outcome.fault][outcome.verdict.value] += 1
    assert {fault: dict(verdicts) for fault, verdicts in found.items()} == wanted


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("metering_sync_repaired", "once"),
        ("create_label_repaired", "persistent"),
        ("create_rule_repaired", "once"),
    ],
)
def test_no_fault_at_all_is_bad_for_a_repaired_twin(
    name: str, mode: str, scenarios: Mapping[str, Scenario]
) -> None:
    outcomes = auditor.sweep(scenarios[name], faults=("all",), mode=mode)
    tried = [one for one in outcomes if one.verdict is not Verdict.NOT_REACHED]
    bad = [(one.fault, one.statement, one.verdict) for one in tried if not one.verdict.is_good]
    assert bad == []
    assert tried != []
