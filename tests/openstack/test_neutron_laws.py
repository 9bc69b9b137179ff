"""Laws of the installed Neutron, held against a plain listener. No number of Neutron's is written
here: releases differ, and so they should."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy

from auditor.backends.scratch import open_scratch
from auditor.growth.load import load_scenarios
from auditor.growth.run import profile
from auditor.model.law import LawResult, Power
from auditor_openstack import scenarios
from auditor_openstack.neutron import Neutron, prepare

pytestmark = [
    pytest.mark.neutron,
    pytest.mark.filterwarnings("ignore"),  # Neutron's own, and those of what it imports
    pytest.mark.skipif(
        importlib.util.find_spec("neutron") is None,
        reason="needs Neutron from PyPI: pip install neutron",
    ),
]

Heard = dict[str, set[int]]
"""By sizes, how many statements were heard in the calls."""
SERVERS = ("sqlite://", "postgresql://")
GROWS_WITH: Mapping[str, frozenset[str]] = {
    "neutron.metering_sync": frozenset({"labels"}),
    "neutron.metering_sync_shared": frozenset(),
    "neutron.metering_sync_rule": frozenset(),
    "neutron.metering_labels": frozenset(),
    "neutron.l3_sync_interfaces": frozenset(),
    "neutron.l3_sync_floating_ips": frozenset(),
    "neutron.floating_ips": frozenset(),
    "neutron.routers": frozenset(),
}
ALL = {one.name: one for one in (getattr(scenarios, name) for name in scenarios.__all__)}
ON_BOTH_SERVERS = ("neutron.metering_sync", "neutron.metering_sync_rule", "neutron.l3_sync")


@cache
def measured(name: str, server: str) -> tuple[LawResult, Heard]:
    """The law, and what a listener of a few lines heard in the same calls."""
    scenario, heard = ALL[name], Heard()

    def populate(neutron: Neutron, **sizes: int) -> Callable[[], None]:
        call = scenario.populate(neutron, **sizes)

        def listened() -> None:
            with listening() as statements:
                call()
            heard.setdefault(str(tuple(sizes.items())), set()).add(len(statements))

        return listened

    (result,) = profile(replace(scenario, populate=populate), database=server)
    return result, heard


def law_of(name: str, server: str) -> LawResult:
    return measured(name, server)[0]


def counted(result: LawResult) -> Heard:
    """What the law has at each point and hold-out, as the listener would have heard it."""
    points = [(one.sizes, one.statements) for one in result.points]
    holdouts = [(one.sizes, one.measured) for one in result.holdouts]
    return {str(sizes): {statements} for sizes, statements in (*points, *holdouts)}


@contextmanager
def listening() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.split(maxsplit=1)[0] not in {"BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE"}:
            statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("name", ALL)
def test_every_scenario_has_an_exact_law_on_sqlite(name: str) -> None:
    result = law_of(name, "sqlite://")
    assert (result.refusal, result.scenario, result.variables) == (
        "", name, ALL[name].variables,
    )  # fmt: skip
    assert (
        [one.measured for one in result.holdouts]
        == [one.predicted for one in result.holdouts]
        != []
    )


@pytest.mark.parametrize("name", ALL)
def test_a_plain_listener_counts_the_same_at_every_point(name: str) -> None:
    result, heard = measured(name, "sqlite://")
    assert heard == counted(result)


@pytest.mark.parametrize("name", ON_BOTH_SERVERS)
def test_the_law_is_the_same_on_postgresql(name: str) -> None:
    here, there = (law_of(name, server) for server in SERVERS)
    assert str(there.law) == str(here.law)
    assert there.points == here.points


def test_a_plain_listener_on_postgresql_counts_the_same() -> None:
    result, heard = measured("neutron.metering_sync", "postgresql://")
    assert heard == counted(result)


@pytest.mark.parametrize(("name", "variables"), GROWS_WITH.items())
def test_it_grows_only_with(name: str, variables: frozenset[str]) -> None:
    law = law_of(name, "sqlite://").law
    assert law is not None
    assert {term.factors for term in law.growing} == {(Power(one),) for one in variables}


def test_the_growing_term_is_tied_to_the_line_that_causes_it() -> None:
    (term,) = law_of("neutron.metering_sync", "sqlite://").terms
    callers = {frame for site in term.sites for frame in site.stack}
    inside = {
        frame.function for frame in callers if frame.path == "neutron/db/metering/metering_db.py"
    }
    assert inside == {
        "MeteringDbMixin._process_sync_metering_data",
        "MeteringDbMixin.get_sync_data_metering",
    }


def test_a_process_can_work_on_two_databases_in_turn() -> None:
    sync = ALL["neutron.metering_sync_shared"]
    with open_scratch("sqlite://") as first, open_scratch("sqlite://") as second:
        one, two = prepare(first), prepare(second)
        call_on_one = sync.populate(one, shared_labels=1, routers=2, rules=1)
        assert len(call_on_one()) == 2
        call_on_two = sync.populate(two, shared_labels=1, routers=3, rules=1)
        assert len(call_on_two()) == 3
        one.use()
        assert len(call_on_one()) == 2


def test_preparing_twice_on_one_database_is_preparing_once() -> None:
    with open_scratch("sqlite://") as database:
        prepare(database)
        again = prepare(database)
        call = ALL["neutron.routers"].populate(again, routers=1, interfaces=1)
        assert [router["name"] for router in call()] == ["router-0"]


@pytest.mark.parametrize(
    ("name", "sizes", "table", "change"),
    [
        ("neutron.metering_label_create", {"labels": 1, "routers": 1}, "meteringlabels", 1),
        ("neutron.metering_rule_create", {"routers": 1, "rules": 1}, "meteringlabelrules", 1),
        (
            "neutron.metering_label_delete",
            {"labels": 2, "routers": 1, "rules": 3},
            "meteringlabels",
            -1,
        ),
    ],
)
def test_a_writing_workload_writes(
    name: str, sizes: dict[str, int], table: str, change: int
) -> None:
    with open_scratch("sqlite://") as database:
        neutron = prepare(database)
        call = ALL[name].populate(neutron, **sizes)
        before = rows_in(neutron.engine, table)
        call()
        assert rows_in(neutron.engine, table) - before == change


def test_the_workload_of_the_page_has_a_law(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/neutron.md").read_text()
    _, workload = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "workloads.py"
    file.write_text(workload)
    (result,) = profile(*load_scenarios([str(file)]).scenarios)
    assert (result.scenario, result.refusal) == ("interfaces_of_routers", "")


def rows_in(engine: sqlalchemy.Engine, table: str) -> int:
    with engine.connect() as connection:
        count = sqlalchemy.select(sqlalchemy.func.count()).select_from(sqlalchemy.table(table))
        return connection.scalar(count) or 0
