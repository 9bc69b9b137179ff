"""The witnesses on the asynchronous sample say what its `expected.json` and its marks say."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext import asyncio as sqlalchemy_asyncio

import auditor
from auditor.backends.scratch import open_scratch
from auditor.growth.load import load_scenarios
from auditor.growth.scenario import Scenario
from auditor.growth.workload import prepared
from auditor.model.law import LawResult
from auditor.model.settings import Settings

pytestmark = pytest.mark.skipif(
    not hasattr(sqlalchemy_asyncio, "AsyncAttrs"), reason="the sample needs SQLAlchemy 2"
)
ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "sample_schemas" / "courses"
EXPECTED: Mapping[str, Any] = json.loads((SAMPLE / "expected.json").read_text())
DEFAULT = {"outline", "outline_repaired", "gradebook"}  # the others are slow tests
MARK = re.compile(r"# expect:((?: DBA\d{3})+)")


@pytest.fixture(autouse=True)
def from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in reports are relative to the checkout."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def scenarios() -> Mapping[str, Scenario]:
    loaded = load_scenarios([f"{SAMPLE}/scenarios.py"])
    return {scenario.name: scenario for scenario in loaded.scenarios}


def law_as_expected(result: LawResult) -> dict[str, Any]:
    terms = {
        str(explained.term): sorted(
            [site.frame.function, site.cause, site.share] for site in explained.sites
        )
        for explained in result.terms
    }
    return {"law": str(result.law), "terms": terms}


def recorded(scenario: Scenario, sizes: Mapping[str, int]) -> dict[str, Any]:
    with open_scratch() as scratch, prepared(scratch, scenario) as (workload,):
        call = workload.populated(sizes)
        with auditor.record() as recording:
            workload.called(call, sizes)
    tape = recording.tape
    begun: Counter[str] = Counter()
    for transaction in tape.transactions:
        begun[transaction.kind] += transaction.begun
    return {
        "sizes": dict(sizes),
        "statements": tape.statements,
        "rows": tape.rows,
        "transactions": dict(begun),
        "entries": sorted(
            [e.site.frame.function, str(e.cause), e.tables[0], e.executions, e.rows]
            for e in tape.entries
        ),
    }


def test_scan_reports_exactly_the_marked_lines_of_the_courses() -> None:
    report = auditor.scan([SAMPLE], Settings(cache_dir="-", jobs=1))
    marks = {
        (file.name, number, code)
        for file in SAMPLE.glob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for found in MARK.findall(line)
        for code in found.split()
    }
    by_function = defaultdict(list)
    for finding in report.findings:
        by_function[finding.function].append(finding.code)
    assert {(Path(f.span.path).name, f.span.line, f.code) for f in report.findings} == marks
    assert dict(by_function) == EXPECTED["scan"]
    assert report.problems == ()


@pytest.mark.parametrize("name", EXPECTED["record"])
def test_an_awaited_call_shows_every_statement_with_its_cause(
    name: str, scenarios: Mapping[str, Scenario]
) -> None:
    want = EXPECTED["record"][name]
    assert recorded(scenarios[name], want["sizes"]) == want


@pytest.mark.parametrize(
    "name",
    [
        name if name in DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in EXPECTED["profile"]
    ],
)
def test_the_laws_of_asynchronous_functions_are_those_expected(
    name: str, scenarios: Mapping[str, Scenario]
) -> None:
    (result,) = auditor.profile(scenarios[name])
    assert law_as_expected(result) == EXPECTED["profile"][name]


@pytest.mark.parametrize("name", ["outline", pytest.param("gradebook", marks=pytest.mark.slow)])
def test_the_laws_of_asynchronous_functions_are_the_same_on_postgresql(
    name: str, scenarios: Mapping[str, Scenario]
) -> None:
    (result,) = auditor.profile(scenarios[name], database="postgresql")
    assert law_as_expected(result) == EXPECTED["profile"][name]


def test_a_repaired_twin_gives_what_the_defect_gives(scenarios: Mapping[str, Scenario]) -> None:
    modules = {name: sys.modules[f"courses.{name}"] for name in ("reports", "repaired", "school")}

    async def both(url: str) -> list[tuple[Any, Any]]:
        sessions = await modules["school"].opened(url)
        sys.modules["courses.populate"].fill(url, 3, 2, 4)
        names = ("outline", "gradebook", "reports", "catalogue")
        return [
            (
                await getattr(modules["reports"], name)(sessions),
                await getattr(modules["repaired"], name)(sessions),
            )
            for name in names
        ]

    with open_scratch() as scratch:
        found = asyncio.run(both(scratch.url))
    assert [one for one, _ in found] == [other for _, other in found]
    assert found[2][0] == [(f"email-{number}", 3) for number in range(4)]
