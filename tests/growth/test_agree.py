"""What is said of one scenario on several databases."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from auditor.growth.agree import with_agreement
from auditor.growth.load import load_scenarios
from auditor.growth.run import profile
from auditor.model.law import Law, LawResult, Power, TableScan, Term

ONE = Law((Term(Fraction(1)),))
LINEAR = Law((Term(Fraction(1), (Power("n"),)),))
USABLE_BY_ONE = """
import sqlalchemy as sa

import auditor

PORTS = sa.Table(
    "ports", sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True), sa.Column("router", sa.Integer),
)
sa.Index("by_router", PORTS.c.router, sqlite_where=PORTS.c.router > 1000)


def tables(database):
    engine = sa.create_engine(database.url, poolclass=sa.pool.NullPool, future=True)
    PORTS.metadata.create_all(engine)
    return engine


@auditor.scenario(sizes={"routers": (1, 2, 4)}, prepare=tables)
def ports_of_a_router(engine, routers):
    with engine.begin() as connection:
        connection.execute(PORTS.insert(), [{"router": one} for one in range(routers)])

    def call():
        with engine.connect() as connection:
            return connection.execute(sa.select(PORTS).where(PORTS.c.router == 0)).all()

    return call
"""


def scan(table: str, column: str = "router_id") -> TableScan:
    few = Fraction(1)
    return TableScan(table, (column,), "SELECT ...", (), (1, 4), (few, few), 1, f"SCAN {table}")


def result(database: str, law: Law | None, *scans: TableScan) -> LawResult:
    return LawResult("sync", "", database, ("n",), law, (), scans=scans, notes=("kept",))


def notes(*results: LawResult) -> list[tuple[str, ...]]:
    return [one.notes for one in with_agreement(results)]


def test_one_database_is_compared_with_nothing() -> None:
    assert notes(result("sqlite", ONE, scan("ports"))) == [("kept",)]


def test_other_scenarios_are_not_compared() -> None:
    other = LawResult("list", "", "mysql", ("n",), LINEAR, ())

    assert notes(result("sqlite", ONE), other) == [("kept",), ()]


def test_laws_that_differ_are_told_on_both_sides() -> None:
    found = notes(result("sqlite", ONE), result("mysql", LINEAR), result("postgresql", ONE))

    assert found == [
        ("kept", "the same law on postgresql", "DIFFERS on mysql: n"),
        ("kept", "DIFFERS on sqlite: 1", "DIFFERS on postgresql: 1"),
        ("kept", "the same law on sqlite", "DIFFERS on mysql: n"),
    ]


def test_a_table_that_is_read_whole_on_one_database_only_is_told_there() -> None:
    ports, agents = scan("ports"), scan("agents", "host")
    found = notes(
        result("sqlite", ONE, ports, agents), result("mysql", ONE, ports), result("pg", ONE)
    )

    assert found == [
        (
            "kept",
            "the same law on mysql and pg",
            "PLANS DIFFER: reads all of `ports` here to compare `router_id`, not on pg",
            "PLANS DIFFER: reads all of `agents` here to compare `host`, not on mysql and pg",
        ),
        (
            "kept",
            "the same law on sqlite and pg",
            "PLANS DIFFER: reads all of `ports` here to compare `router_id`, not on pg",
        ),
        ("kept", "the same law on sqlite and mysql"),
    ]


def test_nothing_is_said_of_plans_where_there_is_no_law_and_so_no_plan() -> None:
    found = notes(result("sqlite", ONE, scan("ports")), result("mysql", None))

    assert found == [
        ("kept", "DIFFERS on mysql: no law"),
        ("kept", "DIFFERS on sqlite: 1"),
    ]


def test_real_databases_of_which_one_only_can_use_an_index(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    file = tmp_path / "work.py"
    file.write_text(USABLE_BY_ONE)
    (scenario,) = load_scenarios([str(file)]).scenarios
    results = [
        one for url in ("sqlite://", "postgresql") for one in profile(scenario, database=url)
    ]

    assert notes(*results) == [
        (
            "the same law on postgresql",
            "PLANS DIFFER: reads all of `ports` here to compare `router`, not on postgresql",
        ),
        ("the same law on sqlite",),
    ]
